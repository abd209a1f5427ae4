//! A private PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use crate::process::{Launch, Process, free_port};
use crate::{Installation, Trouble};

/// A PostgreSQL cluster of one's own: data, unix socket and log in a temporary directory, reachable over that socket and
/// on 127.0.0.1. Stopped and removed when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    // Before the directory: it is dropped first.
    process: Process,
    programs: Installation,
    port: u16,
    dir: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it. [`Trouble::Missing`] without Debian's `postgresql`.
    pub async fn start() -> Result<Self, Trouble> {
        Self::start_with(&[]).await
    }

    /// The same with further settings, as `name=value`.
    pub async fn start_with(settings: &[&str]) -> Result<Self, Trouble> {
        Self::start_as(Installation::usual().await?, settings).await
    }

    /// The same with the programs of this installation.
    pub async fn start_as(programs: Installation, settings: &[&str]) -> Result<Self, Trouble> {
        let (dir, user) = folder()?;
        let data = dir.path().join("data");
        let log = dir.path().join("log");
        let initdb = ["-D", &text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"];
        let make = Launch::new("initdb", programs.program("initdb")?).args(initdb).user(user);
        make.run(&log, MAKING).await?;
        Self::serve(programs, dir, free_port()?, settings).await
    }

    /// Makes a standby of this one and starts it. `name` is what the primary knows it by.
    pub async fn standby(&self, name: &str) -> Result<Self, Trouble> {
        let program = self.programs.program("pg_basebackup")?;
        let (dir, user) = folder()?;
        let data = dir.path().join("data");
        let source = format!("host=127.0.0.1 port={} user=postgres application_name={name}", self.port);
        let copy = ["-D", &text(&data), "-R", "-c", "fast", "--no-sync", "-d", &source];
        let make = Launch::new("pg_basebackup", program).args(copy).user(user);
        make.run(&dir.path().join("log"), MAKING).await?;
        Self::serve(self.programs.clone(), dir, free_port()?, &[]).await
    }

    /// Makes a primary of this standby, and waits until it is one.
    pub async fn promote(&self) -> Result<(), Trouble> {
        let failed = |error| Trouble::failed("promote", error);
        let client = self.connect("postgres").await?;
        client.batch_execute("SELECT pg_promote(true, 60)").await.map_err(failed)?;
        crate::until("the standby is no primary", STARTING, async || {
            let asked = client.query_one("SELECT NOT pg_is_in_recovery()", &[]).await;
            asked.is_ok_and(|row| row.get(0))
        })
        .await
    }

    /// Kills it as a crash of the machine does: the server and the process of every connection.
    pub fn crash(&self) -> Result<(), Trouble> {
        self.signal(Signal::KILL)
    }

    async fn serve(programs: Installation, dir: TempDir, port: u16, more: &[&str]) -> Result<Self, Trouble> {
        let user = rustix::process::geteuid().is_root().then_some("postgres");
        let (data, log) = (dir.path().join("data"), dir.path().join("log"));
        let settings = ["listen_addresses=127.0.0.1", "max_connections=400", "fsync=off", "shared_buffers=16MB"];
        let server = Launch::new("postgres", programs.program("postgres")?)
            .args(["-D", &text(&data), "-k", &text(dir.path()), "-p", &port.to_string()])
            .args(settings.iter().chain(more).flat_map(|setting| ["-c", setting]))
            .user(user)
            .dies_by("QUIT");
        let mut postgres = Self { process: server.start(&log)?, programs, port, dir };
        let config = postgres.config("postgres");
        let ready = async || config.connect(NoTls).await.is_ok();
        postgres.process.ready(STARTING, ready).await?;
        Ok(postgres)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its data and socket.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// How to connect to a database as `postgres`, over TCP: a URL.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// How to connect to a database, over the unix socket: in words and values.
    pub fn conninfo(&self, database: &str) -> String {
        format!("host={} port={} user=postgres dbname={database}", self.dir.path().display(), self.port)
    }

    /// Makes an empty database.
    pub async fn create(&self, database: &str) -> Result<(), Trouble> {
        let client = self.connect("postgres").await?;
        let made = client.batch_execute(&format!("CREATE DATABASE {database}")).await;
        made.map_err(|error| Trouble::failed("create a database", error))
    }

    /// Connects to a database.
    pub async fn connect(&self, database: &str) -> Result<Client, Trouble> {
        let connected = self.config(database).connect(NoTls).await;
        let (client, connection) = connected.map_err(|error| Trouble::failed("connect to PostgreSQL", error))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Freezes or thaws it whole: the server and the process of every connection.
    pub fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        self.process.signal(signal)?;
        let children = format!("/proc/{0}/task/{0}/children", self.process.id());
        for child in fs::read_to_string(children).unwrap_or_default().split_whitespace() {
            if let Some(pid) = child.parse().ok().and_then(rustix::process::Pid::from_raw) {
                // One that has just ended needs no signal.
                let _ended = rustix::process::kill_process(pid, signal);
            }
        }
        Ok(())
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.dir.path()).port(self.port).user("postgres").dbname(database);
        config.connect_timeout(Duration::from_secs(2));
        config
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT ends it and frees its shared memory; children that linger it kills itself after five seconds.
        let _gone = self.signal(Signal::CONT);
        let _gone = self.process.signal(Signal::QUIT);
        self.process.wait();
    }
}

/// A folder for a cluster, and whose it is.
fn folder() -> Result<(TempDir, Option<&'static str>), Trouble> {
    let dir = TempDir::with_prefix("mainstay-pg-").map_err(|error| Trouble::failed("make a directory", error))?;
    let user = rustix::process::geteuid().is_root().then_some("postgres");
    hand_over(dir.path(), user)?;
    Ok((dir, user))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Lets the server's user work in a directory, and others reach the socket in it.
fn hand_over(dir: &Path, user: Option<&str>) -> Result<(), Trouble> {
    let open = || fs::set_permissions(dir, fs::Permissions::from_mode(0o755));
    open().map_err(|error| Trouble::failed("open a directory", error))?;
    let Some(user) = user else { return Ok(()) };
    let status = std::process::Command::new("chown").arg(user).arg(dir).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Trouble::failed(format!("give {} to {user}", dir.display()), status)),
        Err(error) => Err(Trouble::failed("run chown", error)),
    }
}

/// Longest time to make a cluster.
const MAKING: Duration = Duration::from_secs(90);
/// Longest time to start.
const STARTING: Duration = Duration::from_secs(60);
