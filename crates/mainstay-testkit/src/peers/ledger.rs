//! Digital Asset's own server of the Ledger API, and a client of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::jars::Jars;
use super::python::Python;
use crate::Trouble;
use crate::process::{Launch, Process};

/// The server: `sandbox` of the Daml SDK, which keeps its ledger in a PostgreSQL.
#[derive(Debug)]
pub struct LedgerServer {
    jars: Jars,
}

impl LedgerServer {
    /// Fetches it if it is not there. [`Trouble::Missing`] when it cannot be had.
    pub async fn jars() -> Result<Self, Trouble> {
        let jars = Jars::of("com.daml:sandbox_2.13:1.13.1", async |folder| {
            let settings = folder.join("logback.xml");
            fs::write(&settings, LOGGING).map_err(|error| Trouble::failed("write its settings", error))
        });
        Ok(Self { jars: jars.await? })
    }

    /// Starts one on this port of 127.0.0.1, with its ledger in this database; over TLS where a certificate, its key and
    /// the authority of its clients' certificates are given, which it demands then. It listens when it is ready.
    pub fn start(
        &self,
        log: &Path,
        port: u16,
        database: &Database<'_>,
        files: Option<[&Path; 3]>,
    ) -> Result<Process, Trouble> {
        let Database { port: at, name } = database;
        let settings = format!("-Dlogback.configurationFile={}", self.jars.folder.join("logback.xml").display());
        let options = ["-Xmx600m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", &settings];
        let words = ["-a", "127.0.0.1", "-p", &port.to_string(), "--ledgerid", LEDGER].map(str::to_owned);
        let kept =
            ["--sql-backend-jdbcurl".to_owned(), format!("jdbc:postgresql://127.0.0.1:{at}/{name}?user=postgres")];
        let files = files.into_iter().flat_map(|files| ["--crt", "--pem", "--cacrt"].into_iter().zip(files));
        let files = files.flat_map(|(option, file)| [option.to_owned(), file.display().to_string()]);
        let launch = self.jars.run("the Ledger API server", &options, "com.daml.platform.sandboxnext.Main");
        launch.args(words).args(kept).args(files).start(log)
    }

    /// Waits until one that was started listens.
    pub async fn listens(process: &mut Process, port: u16) -> Result<(), Trouble> {
        let listens = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        process.ready(STARTING, listens).await
    }
}

/// Where a ledger is kept.
#[derive(Debug)]
pub struct Database<'a> {
    /// Port of the PostgreSQL on 127.0.0.1.
    pub port: u16,
    /// Name of the database.
    pub name: &'a str,
}

/// A client of the Ledger API in Python, with gRPC's C core.
#[derive(Debug)]
pub struct LedgerClient {
    python: Python,
    dir: PathBuf,
}

impl LedgerClient {
    /// Fetches the packages it needs if they are not there; its files go to `dir`. [`Trouble::Missing`] when they cannot be
    /// had.
    pub async fn scripts(dir: &Path) -> Result<Self, Trouble> {
        let python = Python::with(&["grpcio==1.85.1", "typing-extensions==4.15.0"]).await?;
        Ok(Self { python, dir: dir.to_owned() })
    }

    /// Starts what the script calls `task` against a server on this port, which must have a certificate of the authority
    /// if there is one, and is shown `client.crt` beside that. It says what it did, line by line.
    pub fn start(&self, task: &str, port: u16, ca: Option<&Path>, words: &[&str]) -> Result<Process, Trouble> {
        let log = self.log(task);
        // It is written to at its end.
        let _none_before = fs::remove_file(&log);
        self.launch(task, port, ca, words)?.start(&log)
    }

    /// The same to its end; what it said.
    pub async fn run(&self, task: &str, port: u16, ca: Option<&Path>, words: &[&str]) -> Result<String, Trouble> {
        let log = self.log(task);
        // It is written to at its end.
        let _none_before = fs::remove_file(&log);
        self.launch(task, port, ca, words)?.run(&log, WORKING).await?;
        fs::read_to_string(&log).map_err(|error| Trouble::failed("read what a client said", error))
    }

    fn launch<'n>(&self, task: &'n str, port: u16, ca: Option<&Path>, words: &[&str]) -> Result<Launch<'n>, Trouble> {
        let ca = ca.map_or("-".to_owned(), |path| path.display().to_string());
        let all = [task.to_owned(), port.to_string(), ca].into_iter();
        self.python.script(task, CLIENT, &self.dir, all.chain(words.iter().map(|&word| word.to_owned())))
    }

    fn log(&self, task: &str) -> PathBuf {
        self.dir.join(format!("ledger-{task}.log"))
    }
}

const CLIENT: &str = include_str!("ledger_client.py");
/// Name of every ledger; the client knows it too.
const LEDGER: &str = "peers";
const LOGGING: &str = "<configuration><appender name=\"out\" class=\"ch.qos.logback.core.ConsoleAppender\"><encoder>\
    <pattern>%d %-5level %logger{20} %msg%n</pattern></encoder></appender>\
    <root level=\"WARN\"><appender-ref ref=\"out\"/></root></configuration>";
const STARTING: Duration = Duration::from_secs(120);
const WORKING: Duration = Duration::from_secs(60);
