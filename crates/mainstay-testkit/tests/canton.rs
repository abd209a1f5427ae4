//! The model of Canton elects, closes its port and answers as it should: with a real PostgreSQL and real processes.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::path::Path;
use std::time::Duration;

use mainstay_testkit::canton::{
    Channel, Code, Commands, CompletionStreamRequest, CompletionStreamResponse, Endpoint, ErrorInfo,
    HealthCheckRequest, HealthCheckResponse, Incoming, Kind, Nothing, Numbers, Status, SubmitAndWaitRequest,
    SubmitAndWaitResponse, path,
};
use mainstay_testkit::{Launch, Postgres, Process, Trouble, free_port, skipped, until};
use prost::Message as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[test]
fn the_killed_ones_successor_knows_what_was_done() {
    run("a killed participant", async |stage| {
        let (mut a, b) = stage.pair(&[]).await?;
        let done = a.submit("one").await.expect("done");
        assert_eq!(refusal(a.submit("one").await), (Code::AlreadyExists, "DUPLICATE_COMMAND".to_owned()));
        let mut stream = a.completions(0).await.expect("a stream");
        assert_eq!(next(&mut stream).await.expect("a completion"), "one");
        a.process.kill().await?;
        assert!(!next(&mut stream).await.expect_err("the stream is cut").said);
        b.active().await?;
        assert_eq!(refusal(b.submit("one").await), (Code::AlreadyExists, "DUPLICATE_COMMAND".to_owned()));
        assert!(b.submit("two").await.expect("done").completion_offset > done.completion_offset);
        let mut stream = b.completions(done.completion_offset).await.expect("a stream");
        assert_eq!(next(&mut stream).await.expect("a completion"), "two");
        Ok(())
    });
}

#[test]
fn a_stopped_one_keeps_its_locks() {
    run("a stopped participant", async |stage| {
        let (mut a, b) = stage.pair(&[]).await?;
        a.process.freeze().await?;
        // The passive one has tried again since.
        stage.asked_twice(&format!("pg_try_advisory_lock({})", stage.numbers.main)).await?;
        assert_eq!(b.http("/health").await, 503);
        assert!(!b.listens().await);
        a.process.kill().await?;
        b.active().await
    });
}

#[test]
fn nobody_is_active_while_the_former_ones_sessions_live() {
    run("sessions that outlive their process", async |stage| {
        let (mut a, b) = stage.pair(&[]).await?;
        let left_over = stage.postgres.connect(DATABASE).await?;
        let lock = format!("SELECT pg_advisory_lock_shared({})", stage.numbers.pool);
        left_over.batch_execute(&lock).await.expect("it can be shared");
        a.process.kill().await?;
        stage.asked_twice(&format!("pg_try_advisory_lock({})", stage.numbers.pool)).await?;
        assert_eq!(b.http("/health").await, 503);
        assert!(!b.listens().await);
        drop(left_over);
        b.active().await
    });
}

#[test]
fn a_demoted_one_says_so_and_closes_its_port() {
    run("a demoted participant", async |stage| {
        let (a, b) = stage.pair(&["--demoting", "3000"]).await?;
        let mut stream = a.completions(0).await.expect("a stream");
        a.admin.one::<Nothing>(path::SET_PASSIVE, &Nothing {}, BOUND).await.expect("it obeys");
        until("it does not demote", BOUND, async || a.http("/health").await == 503).await?;
        assert_eq!(refusal(a.submit("late").await), (Code::Unavailable, "NODE_IS_PASSIVE_REPLICA".to_owned()));
        let upload = "/com.daml.ledger.api.v2.admin.PackageManagementService/UploadDarFile";
        let refused = a.ledger.one::<Nothing>(upload, &Nothing {}, BOUND).await.expect_err("it is passive");
        assert_eq!((refused.message.as_str(), refused.details.len()), ("Node is passive", 0));
        let ended = next(&mut stream).await.expect_err("the stream ends");
        assert_eq!(reason(&ended), (Code::Unavailable, "SERVER_IS_SHUTTING_DOWN".to_owned()));
        assert!(ended.said);
        until("its port stays open", BOUND, async || !a.listens().await).await?;
        b.active().await?;
        b.submit("late").await.expect("it was not done");
        assert_eq!(a.health("participant").await.expect("known"), NOT_SERVING);
        assert_eq!(a.health("liveness").await.expect("known"), SERVING);
        Ok(())
    });
}

#[test]
fn a_silent_stream_lingers_if_it_is_told_to() {
    run("streams that linger", async |stage| {
        let (a, b) = stage.pair(&["--lingering", "60000"]).await?;
        let mut stream = a.completions(0).await.expect("a stream");
        a.admin.one::<Nothing>(path::SET_PASSIVE, &Nothing {}, BOUND).await.expect("it obeys");
        b.active().await?;
        b.submit("one").await.expect("done");
        assert!(!a.listens().await);
        let nothing = tokio::time::timeout(Duration::from_millis(300), next(&mut stream)).await;
        assert!(nothing.is_err(), "it is open, and silent: {nothing:?}");
        Ok(())
    });
}

#[test]
fn the_start_is_a_trap() {
    run("the start", async |stage| {
        let mut a = stage.start("a", &["--starting", "3000"]).await?;
        a.process.ready(BOUND, async || a.grpc_health.answers().await).await?;
        assert_eq!(a.health("").await.expect("known"), SERVING);
        assert_eq!(a.health("participant").await.expect_err("not registered").code, Code::NotFound);
        assert_eq!(a.http("/health").await, 503);
        a.active().await?;
        assert_eq!(a.health("").await.expect("known"), SERVING);
        assert_eq!(a.ledger_health("write").await.expect("known"), SERVING);
        assert_eq!(a.ledger_health("other").await.expect_err("unknown").code, Code::NotFound);
        Ok(())
    });
}

struct Stage {
    // Processes before their folder.
    postgres: Postgres,
    numbers: Numbers,
    folder: TempDir,
}

struct Replica {
    process: Process,
    public: String,
    http: String,
    ledger: Channel,
    admin: Channel,
    grpc_health: Grpc,
}

struct Grpc(String, Channel);

impl Grpc {
    async fn answers(&self) -> bool {
        TcpStream::connect(&self.0).await.is_ok()
    }
}

impl Stage {
    async fn build() -> Result<Self, Trouble> {
        let postgres = Postgres::start().await?;
        postgres.create(DATABASE).await?;
        let numbers = Numbers::of(Kind::Participant, DATABASE).expect("it elects");
        Ok(Self { postgres, numbers, folder: TempDir::with_prefix("mainstay-canton-").expect("a directory") })
    }

    async fn start(&self, name: &str, more: &[&str]) -> Result<Replica, Trouble> {
        let at = || free_port().map(|port| format!("127.0.0.1:{port}"));
        let (public, admin, http, grpc) = (at()?, at()?, at()?, at()?);
        let args = ["participant", "--name", name, "--public", &public, "--admin", &admin, "--http-health", &http];
        let database = self.postgres.conninfo(DATABASE);
        let rest = ["--grpc-health", &grpc, "--database", &database, "--passive-check", "200", "--active-check", "200"];
        // What is said later counts.
        let quick = ["--starting", "50", "--promoting", "50"].into_iter().filter(|_| !more.contains(&"--starting"));
        let args = args.into_iter().chain(rest).chain(quick).chain(more.iter().copied());
        let log = self.folder.path().join(name);
        let process = Launch::new(name, Path::new(env!("CARGO_BIN_EXE_model-canton"))).args(args).start(&log)?;
        let channel = |at: &str| {
            Channel::new(Endpoint { at: at.to_owned(), name: "localhost".to_owned(), tls: None, token: None })
        };
        let (ledger, admin, grpc_health) = (channel(&public), channel(&admin), Grpc(grpc.clone(), channel(&grpc)));
        Ok(Replica { process, public, http, ledger, admin, grpc_health })
    }

    /// An active one and a passive one.
    async fn pair(&self, more: &[&str]) -> Result<(Replica, Replica), Trouble> {
        let a = self.start("a", more).await?;
        a.active().await?;
        let mut b = self.start("b", more).await?;
        let said = || std::fs::read_to_string(self.folder.path().join("b")).unwrap_or_default();
        b.process.ready(BOUND, async || said().contains("ready: passive")).await?;
        assert!(!b.listens().await, "the passive one listens");
        Ok((a, b))
    }

    /// Waits until somebody else has asked the database this, twice.
    async fn asked_twice(&self, question: &str) -> Result<(), Trouble> {
        let client = self.postgres.connect("postgres").await?;
        let last = "SELECT max(query_start)::text FROM pg_stat_activity WHERE query LIKE '%' || $1 || '%' \
                    AND pid <> pg_backend_pid() AND datname = $2";
        let mut seen = Vec::new();
        until("nobody asks", BOUND, async || {
            let row = client.query_one(last, &[&question, &DATABASE]).await.expect("it answers");
            if let Some(at) = row.get::<_, Option<String>>(0)
                && !seen.contains(&at)
            {
                seen.push(at);
            }
            seen.len() > 2
        })
        .await
    }
}

impl Replica {
    async fn active(&self) -> Result<(), Trouble> {
        until("it is not active", BOUND, async || self.http("/health").await == 200 && self.listens().await).await
    }

    async fn listens(&self) -> bool {
        TcpStream::connect(&self.public).await.is_ok()
    }

    async fn http(&self, path: &str) -> u16 {
        let ask = async {
            let mut socket = TcpStream::connect(&self.http).await?;
            socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = ask.await.unwrap_or_default();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    async fn health(&self, service: &str) -> Result<i32, Status> {
        asked(&self.grpc_health.1, service).await
    }

    async fn ledger_health(&self, service: &str) -> Result<i32, Status> {
        asked(&self.ledger, service).await
    }

    async fn submit(&self, command: &str) -> Result<SubmitAndWaitResponse, Status> {
        let commands = Commands {
            user_id: "alice".to_owned(),
            command_id: command.to_owned(),
            commands: vec![Vec::new()],
            act_as: vec![PARTY.to_owned()],
            submission_id: String::new(),
        };
        self.ledger.one(path::SUBMIT_AND_WAIT, &SubmitAndWaitRequest { commands: Some(commands) }, BOUND).await
    }

    async fn completions(&self, begin_exclusive: i64) -> Result<Incoming, Status> {
        let parties = vec![PARTY.to_owned()];
        let request = CompletionStreamRequest { user_id: "alice".to_owned(), parties, begin_exclusive };
        self.ledger.stream(path::COMPLETION_STREAM, &request).await
    }
}

async fn asked(channel: &Channel, service: &str) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer: HealthCheckResponse = channel.one("/grpc.health.v1.Health/Check", &request, BOUND).await?;
    Ok(answer.status)
}

async fn next(stream: &mut Incoming) -> Result<String, Status> {
    let answer = stream.next::<CompletionStreamResponse>().await?.expect("the stream goes on");
    Ok(answer.completion.expect("a completion").command_id)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    reason(&result.expect_err("it is refused"))
}

/// The code, and the error's name in the details, which the message begins with too.
fn reason(status: &Status) -> (Code, String) {
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("google.rpc.ErrorInfo"));
    let info = info.unwrap_or_else(|| panic!("without details: {status:?}"));
    let info = ErrorInfo::decode(info.value.as_slice()).expect("an ErrorInfo");
    assert!(status.message.starts_with(&info.reason), "{status:?}");
    (status.code, info.reason)
}

fn run(name: &str, test: impl AsyncFnOnce(&Stage) -> Result<(), Trouble>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(async {
        let stage = Stage::build().await?;
        tokio::time::timeout(LONGEST, test(&stage)).await.expect("it ends in time")
    });
    match outcome {
        Ok(()) => {}
        Err(Trouble::Missing(why)) => skipped(name, &why),
        Err(trouble) => panic!("{trouble}"),
    }
}

const DATABASE: &str = "participant1";
const PARTY: &str = "alice::1220";
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
/// Longest time for any step.
const BOUND: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(150);
