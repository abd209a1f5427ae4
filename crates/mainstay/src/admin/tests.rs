//! The admin listener as operators use it, over a real socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::lines::{LineWriter, Target};
use mainstay_proxy::control::Control;
use mainstay_proxy::counters::{Close, Failure, Registry};
use mainstay_proxy::params::{self, Plan};
use tokio::sync::mpsc;

use super::client::{Answer, ClientError, ask};
use super::document::{Said, Status};
use super::*;

#[test]
fn it_shows_what_is_going_on() {
    run(async |it| {
        let node: Arc<str> = "127.0.0.1:9".into();
        let counters = it.registry.node(0, &"kv".into(), &node);
        counters.requests.add(5);
        counters.failures.one(Failure::Connect);
        let answer = it.ask("GET", "/status").await;
        let status: Status = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, status.phase.as_str(), status.pid), (200, "serving", std::process::id()));
        let nodes = &status.pools[0].nodes;
        assert_eq!((nodes[0].name.as_str(), nodes[0].requests, nodes[0].failures), ("127.0.0.1:9", 5, 1));
        assert!(crate::status::render(&status, false).contains("\n  127.0.0.1:9 "));
        assert_eq!(it.ask("GET", "/health").await.status, 200);
        it.face.set_phase(Phase::Draining);
        let health = it.ask("GET", "/health").await;
        assert_eq!((health.status, health.body.contains("draining")), (503, true));
    });
}

#[test]
fn it_takes_orders() {
    run(async |it| {
        for (method, target, status, says) in [
            ("POST", "/drain?node=127.0.0.1%3a9", 200, "127.0.0.1:9 gets no new work"),
            ("POST", "/drain?node=kv/127.0.0.1:9", 200, "gets no new work"),
            ("POST", "/admit?node=127.0.0.1:9", 200, "127.0.0.1:9 is admitted"),
            ("POST", "/drain?node=nobody", 404, "nobody"),
            ("POST", "/drain", 400, "?node=NAME"),
            ("GET", "/drain?node=127.0.0.1:9", 405, "use POST"),
            ("DELETE", "/status", 405, "use GET"),
            ("GET", "/", 404, "/metrics"),
        ] {
            let answer = it.ask(method, target).await;
            let said: Said = serde_json::from_str(&answer.body).unwrap();
            assert_eq!((answer.status, said.ok), (status, status == 200), "{method} {target}: {answer:?}");
            assert!(said.message.contains(says), "{method} {target}: {said:?}");
        }
    });
}

#[test]
fn a_reload_is_answered_with_what_came_of_it() {
    run(async |mut it| {
        let mut orders = it.orders.take().unwrap();
        let face = it.face.clone();
        tokio::spawn(async move {
            for ok in [true, false] {
                face.set_reload(ok.then(|| Arc::new(Plan::default())), "what came of it");
                let _told = orders.recv().await.unwrap().send(Said::new(ok, "what came of it"));
            }
        });
        assert_eq!(it.ask("POST", "/reload").await.status, 200);
        let refused = it.ask("POST", "/reload").await;
        assert_eq!((refused.status, refused.body.contains("what came of it")), (422, true));
        let metrics = it.ask("GET", "/metrics").await.body;
        assert!(metrics.contains("\nmainstay_reloads_total{result=\"refused\"} 1\n"));
        assert!(metrics.contains("\nmainstay_last_reload_ok 0\n"));
        let gone = it.ask("POST", "/reload").await;
        assert_eq!(gone.status, 503, "nobody takes orders any more: {gone:?}");
    });
}

#[test]
fn metrics_are_those_of_the_manual() {
    run(async |it| {
        it.registry.listener(0, &"front".into()).closed.one(Close::Client);
        it.registry.listener(1, &"front".into()).faults.one("bare_cr");
        it.registry.pool(0, &"kv".into()).no_node.one();
        it.registry.node(0, &"kv".into(), &"127.0.0.1:9".into()).connect.record(Duration::from_millis(3));
        let body = it.ask("GET", "/metrics").await.body;
        let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
        for (name, kind, help) in families(&body) {
            let labels = labels_of(&body, name);
            table += &format!("| `{name}` | {kind} | {labels} | {help} |\n");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating.md");
        let manual = std::fs::read_to_string(path).unwrap();
        let (before, rest) = manual.split_once(BEGIN).expect("a place for the table");
        let (found, after) = rest.split_once(END).expect("its end");
        if std::env::var_os("MAINSTAY_BLESS").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        } else {
            assert!(found == table, "run the tests with MAINSTAY_BLESS=1; the table should be\n{table}");
        }
    });
}

#[test]
fn a_second_one_on_the_same_socket_is_told_so() {
    run(async |it| {
        let error = bind(&it.place).expect_err("somebody is there");
        assert!(error.to_string().contains("a running process listens there already"), "{error}");
        assert_eq!(it.ask("GET", "/health").await.status, 200, "the first goes on");
    });
}

#[test]
fn browsers_are_sent_away() {
    run(async |it| {
        let Place::Unix(path) = it.place.clone() else { panic!("a unix socket") };
        let answer = tokio::task::spawn_blocking(move || {
            use std::io::{Read as _, Write as _};
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            let request = b"POST /drain?node=127.0.0.1:9 HTTP/1.1\r\nHost: a\r\nOrigin: https://example.com\r\n\r\n";
            stream.write_all(request).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 403 "));
    });
}

#[test]
fn nobody_there_is_told_apart_from_trouble() {
    let dir = Dir::new();
    let place = Place::Unix(dir.0.join("admin.sock"));
    assert!(matches!(ask(Some(&place), "GET", "/status"), Err(ClientError::NothingRuns(_))));
    std::fs::write(dir.0.join("admin.sock"), "").unwrap();
    assert!(matches!(ask(Some(&place), "GET", "/status"), Err(ClientError::NothingRuns(_))));
}

/// A face with a pool of one node, served on a socket.
pub(super) struct Stage {
    face: Arc<Face>,
    registry: Arc<Registry>,
    orders: Option<mpsc::Receiver<ReloadOrder>>,
    place: Place,
    _dir: Dir,
}

impl Stage {
    pub(super) async fn ask(&self, method: &'static str, target: &str) -> Answer {
        let (place, target) = (self.place.clone(), target.to_owned());
        tokio::task::spawn_blocking(move || ask(Some(&place), method, &target)).await.unwrap().unwrap()
    }
}

pub(super) fn run(test: impl AsyncFnOnce(Stage)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = Dir::new();
        let place = Place::Unix(dir.0.join("admin.sock"));
        let plan = Arc::new(plan());
        let (control, _snapshots, _reports) = Control::start(plan.clone(), Arc::default());
        let registry = Arc::new(Registry::default());
        let (_writer, log) = LineWriter::start("log", Target::File("/dev/null".into()), 1).unwrap();
        let (reload, orders) = mpsc::channel(4);
        let parts = Parts {
            control: Arc::new(control),
            registry: registry.clone(),
            file: "test.toml".into(),
            workers: 1,
            log,
            access: None,
            reload,
            kept: Some(super::lease_tests::kept(&dir.0)),
            databases: Arc::default(),
        };
        let face = Arc::new(Face::new(parts, plan));
        let serving = tokio::spawn(serve(bind(&place).unwrap(), face.clone()));
        let stage = Stage { face, registry, orders: Some(orders), place, _dir: dir };
        tokio::time::timeout(Duration::from_secs(30), test(stage)).await.expect("in time");
        serving.abort();
    });
}

fn plan() -> Plan {
    let address = "127.0.0.1:9".parse().unwrap();
    let node = params::Node {
        name: "127.0.0.1:9".into(),
        address: params::Address::Ip(address),
        weight: 1,
        role: params::Role::Active,
        max_connections: Some(100),
        eject: None,
        checks: vec![params::CheckerId(0)],
        holder: None,
    };
    let checker = params::Checker {
        name: "tcp".into(),
        address: params::Address::Ip(address),
        tls: None,
        probe: params::Probe::Tcp { send: Vec::new(), expect: None },
        every: Duration::from_secs(60),
        every_in_doubt: Duration::from_secs(60),
        timeout: Duration::from_secs(1),
        rise: 1,
        fall: 1,
    };
    let second = Duration::from_secs(1);
    let pool = params::Pool {
        name: "kv".into(),
        nodes: vec![node],
        kind: params::Kind::Any,
        policy: params::Policy::Spread,
        all_out: params::AllOut::Refuse,
        connect_timeout: second,
        http2: false,
        keep_idle: 1,
        idle_timeout: second,
        requests_per_connection: 1,
        max_connections: Some(10),
        queue: params::Queue { length: 1, wait: second },
        hold: params::Hold { requests: 1, bytes: 1, time: second },
        budget: params::Budget { ratio: 0.2, per_second: 10 },
        tls: None,
        slow_start: Duration::ZERO,
        resolve_every: second,
        doubt_after: second,
    };
    let tcp = params::Tcp {
        postgres: None,
        pool: params::PoolId(0),
        by_name: Vec::new(),
        idle_timeout: second,
        tries: 0,
        tries_within: Duration::ZERO,
        access_log: false,
    };
    let listener = params::Listener {
        name: "front".into(),
        at: params::At::Tcp(address),
        backlog: 8,
        max_connections: 100,
        tls: None,
        service: params::Service::Tcp(tcp),
    };
    Plan { checkers: vec![checker], pools: vec![pool], listeners: vec![listener] }
}

/// Name, type and meaning of each metric.
fn families(text: &str) -> Vec<(&str, &str, &str)> {
    let lines: Vec<_> = text.lines().collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let (name, help) = pair[0].strip_prefix("# HELP ")?.split_once(' ')?;
        let kind = pair[1].strip_prefix("# TYPE ")?.strip_prefix(name)?.trim_start();
        Some((name, kind, help))
    });
    pairs.collect()
}

/// The names of a metric's labels.
fn labels_of(text: &str, name: &str) -> String {
    let sample = text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = rest.strip_prefix("_bucket").unwrap_or(rest);
        (rest.starts_with('{') || rest.starts_with(' ')).then_some(rest)
    });
    let sample = sample.unwrap_or_else(|| panic!("a sample of {name} in\n{text}"));
    let Some((labels, _)) = sample.strip_prefix('{').and_then(|rest| rest.rsplit_once('}')) else {
        return String::new();
    };
    let names = labels.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| *name != "le").map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        use std::os::unix::fs::DirBuilderExt as _;
        let name = format!("mainstay-admin-{}-{:x}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

const BEGIN: &str = "<!-- metrics: written by a test -->\n";
const END: &str = "<!-- end of metrics -->\n";
