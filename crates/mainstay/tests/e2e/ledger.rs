//! Digital Asset's own server of the Ledger API behind Mainstay, and a client with gRPC's C core before it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mainstay::demo::stage::{Dir, Front, until};
use mainstay_testkit::{Database, LedgerClient, LedgerServer, Postgres, Process, free_port};
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::kit::{dir, exe, had, run};
use crate::running::Mainstay;
use crate::secure::certificates;
use crate::tls::count;
use crate::two::perform_long;

#[test]
fn transactions_are_done_once_when_one_of_two_servers_is_killed() {
    let Some(own) = Own::had("transactions_are_done_once_when_one_of_two_servers_is_killed") else { return };
    run(async {
        let _ca = certificates(&own.dir);
        let ports = [free_port().expect("a port"), free_port().expect("a port")];
        let mut servers = [own.start("a", ports[0], false).await, own.start("b", ports[1], false).await];
        for (server, port) in servers.iter_mut().zip(ports) {
            LedgerServer::listens(server, port).await.expect("it starts");
            own.client.run("prepare", port, None, &[]).await.expect("it takes a package");
        }
        let front = before(&own.dir, ports).await;
        let at = front.at().port();
        let ca = Some(own.dir.file("ca.crt"));
        let streams = own.client.start("watch", at, ca.as_deref(), &["8"]).expect("a client");
        says(&streams, "told ", 8).await;
        let on_a = count(&front, &format!("mainstay_node_in_flight{{pool=\"ledger\",node=\"127.0.0.1:{}\"", ports[0]));
        let mut written = Vec::new();
        let mut writer = Writer::start(&own, at, "all");
        says(&writer.process, "done ", WRITES).await;

        servers[0].kill().await.expect("it dies");
        says(&streams, "ended ", on_a).await;
        says(&writer.process, "done ", said(&writer.process, "done ") + WRITES).await;
        written.push(writer.end().await);
        own.client.run("change", ports[1], None, &[]).await.expect("it takes a change");
        says(&streams, "told ", 8 + (8 - on_a)).await;
        assert_eq!(said(&streams, "ended "), on_a, "{}", streams.said());
        assert_eq!(said(&streams, " UNAVAILABLE "), on_a, "{}", streams.said());
        assert!(0 < on_a && on_a < 8, "{on_a} of 8 streams were on the one that was killed");

        servers[0] = own.start("a", ports[0], false).await;
        LedgerServer::listens(&mut servers[0], ports[0]).await.expect("it starts");
        // The first calls after a start get no answer from this server, whoever makes them.
        own.client.run("warm", ports[0], None, &[]).await.expect("it answers");
        all_are_in(&front, 2).await;
        let to_a = format!("mainstay_node_requests_total{{pool=\"ledger\",node=\"127.0.0.1:{}\"", ports[0]);
        let before = count(&front, &to_a);
        let mut writer = Writer::start(&own, at, "commands");
        let gets = async || count(&front, &to_a) > before + WRITES;
        until("it gets no work", BOUND, gets).await.expect("it gets work again");
        written.push(writer.end().await);
        judge(&own, ports, &written.concat()).await;

        // Its health is what the server says of its database.
        own.postgres.crash().expect("it dies");
        all_are_in(&front, 0).await;
    });
}

/// A client that writes.
struct Writer {
    process: Process,
    stop: PathBuf,
}

impl Writer {
    fn start(own: &Own, at: u16, kinds: &str) -> Self {
        let stop = own.dir.file(&format!("stop-{kinds}"));
        let words = [&stop.display().to_string(), kinds];
        let process = own.client.start("write", at, Some(&own.dir.file("ca.crt")), &words).expect("a client");
        Self { process, stop }
    }

    /// Ends it; what it says of its writes.
    async fn end(&mut self) -> String {
        std::fs::write(&self.stop, "").expect("it can be written");
        self.process.ended(BOUND).await.expect("it ends");
        self.process.said()
    }
}

/// Each write that was acknowledged is on one of the ledgers, once; one that was not is on at most one, once.
async fn judge(own: &Own, ports: [u16; 2], written: &str) {
    let mut there: HashMap<String, u32> = HashMap::new();
    for port in ports {
        let listed = own.client.run("list", port, None, &[]).await.expect("it lists what it has");
        for name in listed.lines().filter_map(|line| line.strip_prefix("there ")) {
            *there.entry(name.to_owned()).or_default() += 1;
        }
    }
    let mut failed = 0;
    for line in written.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let times = |name: &str| there.get(name).copied().unwrap_or(0);
        match words[..] {
            ["done", name] => assert_eq!(times(name), 1, "{name}"),
            ["failed", name, code, why] => {
                assert_eq!(code, "UNAVAILABLE", "{name}: {why}");
                assert!(times(name) <= 1, "{name}: {why}");
                failed += 1;
            }
            _ => assert_eq!(line, "over"),
        }
    }
    assert!(failed <= WRITERS, "{failed} failed, where no more than {WRITERS} can have been under way:\n{written}");
}

#[test]
fn a_stream_without_end_lives_through_silence_and_is_drained() {
    let Some(own) = Own::had("a_stream_without_end_lives_through_silence_and_is_drained") else { return };
    run(async {
        let authority = certificates(&own.dir);
        let port = free_port().expect("a port");
        let mut server = own.start("a", port, true).await;
        LedgerServer::listens(&mut server, port).await.expect("it starts");
        let path = |name: &str| own.dir.file(name).display().to_string();
        // Every time-out that there is.
        let text = format!(
            "[run]\ndrain = \"1h\"\n[admin]\nat = \"unix:{{dir}}/admin.sock\"\n[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\n\
             [tls.node]\nca = \"{}\"\nname = \"localhost\"\ncert = \"{}\"\nkey = \"{}\"\n\
             [limit.default]\nhead_timeout = \"1s\"\nbody_timeout = \"1s\"\nsend_timeout = \"1s\"\nidle = \"1s\"\n\
             [pool.ledger]\nnodes = [\"127.0.0.1:{port}\"]\ntls = \"node\"\nidle = \"1s\"\n\
             check = {{ grpc = \"\", every = \"500ms\", timeout = \"5s\" }}\n\
             [listen.front]\nat = \"127.0.0.1:0\"\ntls = \"edge\"\nto = \"grpcs://ledger\"\n\
             read_timeout = \"1s\"\nsend_timeout = \"1s\"\n",
            path("edge.crt"),
            path("edge.key"),
            path("ca.crt"),
            path("client.crt"),
            path("client.key"),
        );
        let mut it = Mainstay::start(&text).await;
        let up = async || it.ask("/metrics").await.lines().any(|line| line.starts_with(UP) && line.ends_with(" 1"));
        until("the node is not in", BOUND, up).await.expect("it is well");
        let at = it.listener("front").port();
        let ca = Some(own.dir.file("ca.crt"));
        let mut streams = own.client.start("watch", at, ca.as_deref(), &["2"]).expect("a client");
        says(&streams, "told ", 2).await;

        // This is the silence, not a wait for something.
        tokio::time::sleep(Duration::from_secs(5)).await;
        own.client.run("change", at, ca.as_deref(), &[]).await.expect("it takes a change");
        says(&streams, "told ", 4).await;

        authority.issue("edge", 20, |_| {});
        it.write(&text.replace("[limit.default]\n", "[limit.default]\nstreams = 100\n"));
        let reload = it.command(&["reload"]).await;
        assert_eq!(reload.code, Some(0), "{}", reload.out);
        own.client.run("change", at, ca.as_deref(), &[]).await.expect("it takes a change");
        says(&streams, "told ", 6).await;

        it.signal(Signal::TERM);
        it.says("stopping").await;
        let refused = async || TcpStream::connect(("127.0.0.1", at)).await.is_err();
        until("it still listens", BOUND, refused).await.expect("nobody else gets in");
        own.client.run("change", port, ca.as_deref(), &[]).await.expect("it takes a change");
        says(&streams, "told ", 8).await;
        assert_eq!(said(&streams, "ended "), 0, "{}", streams.said());
        it.signal(Signal::TERM);
        assert_eq!(it.ended().await, Some(0), "{}", it.log());
        assert!(it.log().contains("what was still under way was cut"), "{}", it.log());
        says(&streams, " UNAVAILABLE ", 2).await;
        streams.ended(BOUND).await.expect("it ends");
    });
}

/// What both tests are made of.
struct Own {
    server: LedgerServer,
    client: LedgerClient,
    postgres: Postgres,
    dir: Dir,
}

impl Own {
    /// `None` when something cannot be had, which has been said.
    fn had(test: &str) -> Option<Self> {
        let dir = dir();
        let server = had(test, perform_long(LedgerServer::jars()))?;
        let client = had(test, perform_long(LedgerClient::scripts(dir.path())))?;
        let postgres = had(test, perform_long(Postgres::start()))?;
        Some(Self { server, client, postgres, dir })
    }

    /// Starts a server whose ledger is in a database of this name.
    async fn start(&self, name: &str, port: u16, is_secure: bool) -> Process {
        // It is there when this one was killed.
        let _made = self.postgres.create(name).await;
        let files = ["node.crt", "node.key", "ca.crt"].map(|name| self.dir.file(name));
        let files = is_secure.then_some([files[0].as_path(), files[1].as_path(), files[2].as_path()]);
        let database = Database { port: self.postgres.port(), name };
        let log = self.dir.file(&format!("server-{name}.log"));
        self.server.start(&log, port, &database, files).expect("it starts")
    }
}

/// A front over TLS before both.
async fn before(dir: &Dir, ports: [u16; 2]) -> Front {
    let path = |name: &str| dir.file(name).display().to_string();
    let text = |at: SocketAddr| {
        format!(
            "[admin]\nat = \"unix:{}\"\n[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\n[pool.ledger]\n\
             nodes = [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]\ncheck = {{ grpc = \"\", every = \"500ms\", timeout = \"5s\" }}\n\
             [listen.front]\nat = \"{at}\"\ntls = \"edge\"\nto = \"grpc://ledger\"\n",
            path(Front::ADMIN),
            path("edge.crt"),
            path("edge.key"),
            ports[0],
            ports[1],
        )
    };
    let front = Front::start(exe(), dir, text).await.expect("a front starts");
    all_are_in(&front, 2).await;
    front
}

async fn all_are_in(front: &Front, how_many: u64) {
    let are = async || count(front, UP) == how_many;
    until(&format!("not {how_many} nodes are in"), BOUND, are).await.expect("they are");
}

/// Lines in which a client has said this.
fn said(client: &Process, what: &str) -> u64 {
    client.said().lines().filter(|line| format!("{line} ").contains(what)).count() as u64
}

/// Waits until a client has said this so many times.
async fn says(client: &Process, what: &str, times: u64) {
    let waited = until(&format!("not {times} times {what:?}"), BOUND, async || said(client, what) >= times).await;
    waited.unwrap_or_else(|mishap| panic!("{mishap}: {}", client.said()));
}

const UP: &str = "mainstay_node_up{";
/// Writes that are waited for.
const WRITES: u64 = 40;
/// Writes at a time, as the client makes them.
const WRITERS: usize = 8;
/// Longest time for anything but a start.
const BOUND: Duration = Duration::from_secs(90);
