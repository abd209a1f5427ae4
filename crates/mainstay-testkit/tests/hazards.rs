//! The model of Tessera has the hazards it is there for, in both of the measured versions.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::path::Path;
use std::time::Duration;

use mainstay_testkit::tessera::Told;
use mainstay_testkit::{Launch, Postgres, Process, Trouble, free_port, skipped, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[test]
fn hazards_of_0_11() {
    run("hazards of 0.11", hazards("t011"));
}

#[test]
fn hazards_of_1_0() {
    run("hazards of 1.0", hazards("q100"));
}

#[test]
fn a_socket_file_outlives_a_kill_and_stops_the_next_start() {
    run("a stale socket file", async {
        let Some(stage) = Stage::build("a stale socket file").await? else { return Ok(()) };
        let socket = stage.folder.path().join("tm.ipc");
        let at = format!("unix:{}", socket.display());
        let mut first = stage.start("a", "q100", &at, "http://127.0.0.1:1/").await?;
        first.kill().await?;
        assert!(socket.exists());
        let second = stage.start("a", "q100", &at, "http://127.0.0.1:1/").await;
        assert!(second.is_err_and(|trouble| trouble.to_string().contains("Address already in use")));
        std::fs::remove_file(&socket).expect("it can be removed");
        let mut third = stage.start("a", "q100", &at, "http://127.0.0.1:1/").await?;
        third.signal(Signal::TERM)?;
        third.ended(BOUND).await?;
        assert!(!socket.exists());
        Ok(())
    });
}

/// Two nodes; what they answer to what should not happen.
async fn hazards(behaves: &str) -> Result<(), Trouble> {
    let Some(stage) = Stage::build(behaves).await? else { return Ok(()) };
    let (a, b) = (At::free()?, At::free()?);
    let _a = stage.start("a", behaves, &a.q2t, &a.p2p).await?;
    let mut node_b = stage.start("b", behaves, &b.q2t, &b.p2p).await?;
    let send = json!({ "payload": "aGk=", "to": [key("b")] });

    check(&a.q2t, "POST", "/send", &send, 404, "Recipient not found for key").await;
    let told = Told {
        address: format!("http://{}", b.p2p),
        keys: vec![(key("b"), format!("http://{}", b.p2p))],
        peers: vec![],
    };
    assert_eq!(ask(&a.p2p, "POST", "/partyinfo", &told.write()).await.0, 200);
    let sent = check(&a.q2t, "POST", "/send", &send, 201, "key").await;
    let sent: Value = serde_json::from_str(&sent).expect("JSON");
    let path = format!("/transaction/{}", sent["key"].as_str().expect("a hash").replace('/', "%2F"));
    for q2t in [&a.q2t, &b.q2t] {
        check(q2t, "GET", &path, &Value::Null, 200, "aGk=").await;
    }
    let unknown = format!("/transaction/{}", "A".repeat(86) + "==");
    check(&a.q2t, "GET", &unknown, &Value::Null, 404, "Message with hash").await;
    check(&a.q2t, "GET", "/transaction/AAAA/AAAA", &Value::Null, 404, "HTTP 404 Not Found").await;
    check(&a.q2t, "GET", "/transaction/!", &Value::Null, 400, "Illegal base64 character 21").await;

    let stored = check(&a.q2t, "POST", "/storeraw", &json!({ "payload": "aGk=" }), 200, "key").await;
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    let signed = json!({ "hash": stored["key"], "to": [key("b")] });
    let good = if behaves == "t011" { 200 } else { 201 };
    check(&a.q2t, "POST", "/sendsignedtx", &signed, good, "").await;
    let twice = if behaves == "t011" { "Unable to push payload" } else { "duplicate key value" };
    check(&a.q2t, "POST", "/sendsignedtx", &signed, 500, twice).await;

    let pushed = json!({ "sender": key("c"), "payload": "aGk=", "nonce": "x", "recipients": [key("c")] });
    let first = check(&a.p2p, "POST", "/push", &pushed, 201, "").await;
    let again = if behaves == "t011" { (500, "duplicate key value") } else { (201, first.as_str()) };
    check(&a.p2p, "POST", "/push", &pushed, again.0, again.1).await;
    let not_ours = format!("/transaction/{}", first.replace('/', "%2F"));
    check(&a.q2t, "GET", &not_ours, &Value::Null, 500, "No suitable recipient keys found").await;

    node_b.kill().await?;
    let down = if behaves == "t011" { (500, "Connection refused") } else { (410, "Connection error") };
    check(&a.q2t, "POST", "/send", &send, down.0, down.1).await;
    let after = if behaves == "t011" { (500, "Connection refused") } else { (404, "Recipient not found") };
    check(&a.q2t, "POST", "/send", &send, after.0, after.1).await;
    without_database(&stage, &a, behaves).await
}

/// A frozen database: reads hang, and /upcheck tells nothing or does not tell.
async fn without_database(stage: &Stage, a: &At, behaves: &str) -> Result<(), Trouble> {
    stage.postgres.signal(Signal::STOP)?;
    let hangs = async |target: &str| tokio::time::timeout(SHORT, ask(&a.q2t, "GET", target, b"")).await.is_err();
    let hung = [hangs("/upcheck").await, hangs(&format!("/transaction/{}", "A".repeat(86) + "==")).await];
    stage.postgres.signal(Signal::CONT)?;
    assert_eq!(hung, [behaves == "q100", true]);
    until("it does not recover", BOUND, async || ask(&a.q2t, "GET", "/upcheck", b"").await.1 == "I'm up!").await
}

/// What nodes stand on.
struct Stage {
    postgres: Postgres,
    folder: TempDir,
}

/// Where a node listens.
struct At {
    q2t: String,
    p2p: String,
}

impl At {
    fn free() -> Result<Self, Trouble> {
        Ok(Self { q2t: format!("127.0.0.1:{}", free_port()?), p2p: format!("127.0.0.1:{}", free_port()?) })
    }
}

impl Stage {
    async fn build(test: &str) -> Result<Option<Self>, Trouble> {
        let postgres = match Postgres::start().await {
            Err(Trouble::Missing(why)) => {
                skipped(test, &why);
                return Ok(None);
            }
            postgres => postgres?,
        };
        postgres.create("a").await?;
        postgres.create("b").await?;
        Ok(Some(Self { postgres, folder: TempDir::new().expect("a directory") }))
    }

    /// Starts a node that tells nobody about itself while the test lasts.
    async fn start(&self, name: &str, behaves: &str, q2t: &str, p2p: &str) -> Result<Process, Trouble> {
        let p2p = if p2p.starts_with("http") { format!("127.0.0.1:{}", free_port()?) } else { p2p.to_owned() };
        let args = [
            format!("--behaves={behaves}"),
            format!("--q2t={q2t}"),
            format!("--third=127.0.0.1:{}", free_port()?),
            format!("--address=http://{p2p}"),
            format!("--p2p={p2p}"),
            format!("--key={}", key(name)),
            format!("--database={}", self.postgres.conninfo(name)),
            "--party-info-interval=1000".to_owned(),
        ];
        let log = self.folder.path().join(format!("{name}-{}", fastrand::u32(..)));
        let mut process = Launch::new(name, Path::new(env!("CARGO_BIN_EXE_model-tessera"))).args(args).start(&log)?;
        let said = async || std::fs::read_to_string(&log).unwrap_or_default().contains("ready\n");
        process.ready(BOUND, said).await?;
        Ok(process)
    }
}

/// 32 bytes in base64.
fn key(name: &str) -> String {
    name.to_uppercase().repeat(43).replace('B', "E").replace('C', "I") + "="
}

/// Asks and judges; the body of the answer.
async fn check(at: &str, method: &str, target: &str, body: &Value, status: u16, text: &str) -> String {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = ask(at, method, target, body.as_bytes()).await;
    assert!(answer.0 == status && answer.1.contains(text), "{method} {target} {body}: {answer:?}, not {status} {text}");
    answer.1
}

/// Status and body.
async fn ask(at: &str, method: &str, target: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.expect("it listens");
    let fields = "Host: test\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json\r\n";
    let head = format!("{method} {target} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.expect("it takes a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head[9..12].parse().expect("a status"), body.to_owned())
}

fn run(name: &str, test: impl Future<Output = Result<(), Trouble>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async { tokio::time::timeout(LONGEST, test).await });
    ended.expect("it ends in time").unwrap_or_else(|trouble| panic!("{name}: {trouble}"));
}

/// Longest time for a step.
const BOUND: Duration = Duration::from_secs(30);
/// Longest time for a test.
const LONGEST: Duration = Duration::from_secs(180);
/// Who has not answered by then hangs.
const SHORT: Duration = Duration::from_secs(2);
