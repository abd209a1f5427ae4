//! One model Tessera instance, and what is done to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_testkit::{Launch, Netns, Process};

use crate::client::Client;

/// Where the three servers of an instance listen, as `HOST:PORT`.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    pub(crate) q2t: String,
    pub(crate) p2p: String,
    pub(crate) third: String,
}

/// Whose instance it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) address: String,
    pub(crate) key: String,
    pub(crate) peer: String,
    pub(crate) database: String,
}

/// A running instance.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) ports: Ports,
    name: String,
    args: Vec<String>,
    log: PathBuf,
    process: Process,
}

impl Instance {
    /// Starts one and waits until it serves.
    pub(crate) async fn start(folder: &Path, name: &str, ports: Ports, who: &Identity, netns: Option<&Netns>) -> Self {
        let args = [
            format!("--q2t={}", ports.q2t),
            format!("--p2p={}", ports.p2p),
            format!("--third={}", ports.third),
            format!("--address={}", who.address),
            format!("--key={}", who.key),
            format!("--peer={}", who.peer),
            format!("--database={}", who.database),
            format!("--behaves={}", std::env::var("MAINSTAY_TEST_TESSERA").unwrap_or_else(|_| "q100".to_owned())),
        ];
        let log = folder.join(format!("{name}.log"));
        let args = args.to_vec();
        let process = launch(name, &args, &log, netns).await;
        Self { ports, name: name.to_owned(), args, log, process }
    }

    /// Kills it as a crash does.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("it ends");
    }

    /// Starts it again after its end.
    pub(crate) async fn restart(&mut self, netns: Option<&Netns>) {
        std::fs::write(&self.log, "").expect("its log can be emptied");
        self.process = launch(&self.name, &self.args, &self.log, netns).await;
    }

    pub(crate) async fn freeze(&self) {
        self.process.freeze().await.expect("it stops");
    }

    pub(crate) fn thaw(&self) {
        self.process.thaw().expect("it takes a signal");
    }

    /// How often it has said this.
    pub(crate) fn said(&self, what: &str) -> usize {
        self.process.said().matches(what).count()
    }

    /// Whether it knows a key, by its own account.
    pub(crate) async fn knows(&self, key: &str) -> bool {
        let answer = Client::tcp(&self.ports.p2p).get("/partyinfo").await;
        answer.is_ok_and(|answer| answer.text().contains(key))
    }
}

async fn launch(name: &str, args: &[String], log: &Path, netns: Option<&Netns>) -> Process {
    let launch = Launch::new(name, model()).args(args).within(netns);
    let mut process = launch.start(log).expect("it starts");
    let ready = async || std::fs::read_to_string(log).unwrap_or_default().contains("ready\n");
    process.ready(STARTING, ready).await.unwrap_or_else(|trouble| panic!("{trouble}"));
    process
}

/// The model's binary, beside the product's.
fn model() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_mainstay")).with_file_name("model-tessera");
    assert!(path.exists(), "no {}: `cargo build -p mainstay-testkit` makes it", path.display());
    path
}

/// Longest time to start.
const STARTING: Duration = Duration::from_secs(30);
