//! A model node that can be killed, frozen and restarted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use rustix::process::Signal;

use super::{Dir, Mishap, Port, Process};

/// A model node. Its address stays the same through its lives.
pub struct Node {
    name: String,
    exe: PathBuf,
    port: Port,
    store: PathBuf,
    log: PathBuf,
    think: Duration,
    process: Option<Process>,
}

/// The stretch of time in which a fault took hold: before its start all was well, after its end it is complete.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Just before.
    pub from: Instant,
    /// Just after.
    pub to: Instant,
}

impl Node {
    /// File name of the database that all nodes share.
    pub const STORE: &str = "store.db";

    /// Starts one that takes `think` for each answer.
    pub async fn start(name: &str, exe: &Path, dir: &Dir, think: Duration) -> Result<Self, Mishap> {
        let mut node = Self {
            name: name.to_owned(),
            exe: exe.to_owned(),
            port: Port::take()?,
            store: dir.file(Self::STORE),
            log: dir.file(&format!("node-{name}.log")),
            think,
            process: None,
        };
        node.restart().await?;
        Ok(node)
    }

    /// What it calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn at(&self) -> std::net::SocketAddr {
        self.port.address()
    }

    /// Its process id while it lives.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Starts it (again) and waits until it listens.
    pub async fn restart(&mut self) -> Result<(), Mishap> {
        let args = [
            "model-node".to_owned(),
            format!("--at={}", self.port.address()),
            format!("--store={}", self.store.display()),
            format!("--name={}", self.name),
            format!("--think-ms={}", self.think.as_millis()),
        ];
        let who = format!("node {}", self.name);
        self.process = Some(Process::start(&who, &self.exe, &args, &self.log)?);
        self.port.open(&who).await
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<Fault, Mishap> {
        let from = Instant::now();
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::KILL)?;
            process.ended(ENDING).await?;
        }
        Ok(Fault { from, to: Instant::now() })
    }

    /// SIGTERM, and waits until it has drained and ended well.
    pub async fn stop(&mut self) -> Result<Fault, Mishap> {
        let from = Instant::now();
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM)?;
            let status = process.ended(ENDING).await?;
            if !status.success() {
                return Err(Mishap::new(format!("node {} did not drain", self.name), status));
            }
        }
        Ok(Fault { from, to: Instant::now() })
    }

    /// SIGSTOP, at a moment at which it does not hold the database's write lock.
    ///
    /// SQLite's lock belongs to the process, so a node frozen within a write would freeze its fellow too; a database
    /// server, which this file stands for, would go on serving the others.
    pub async fn freeze(&self) -> Result<Fault, Mishap> {
        let from = Instant::now();
        let Some(process) = &self.process else { return Err(Mishap::new("could not freeze", "it does not run")) };
        loop {
            process.signal(Signal::STOP)?;
            process.stopped().await?;
            if writable(&self.store).map_err(|error| Mishap::new("could not look at the store", error))? {
                return Ok(Fault { from, to: Instant::now() });
            }
            process.signal(Signal::CONT)?;
            tokio::task::yield_now().await;
        }
    }

    /// SIGCONT.
    pub fn thaw(&self) -> Result<(), Mishap> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(Signal::CONT))
    }
}

/// Whether the write lock is to be had, the other node's short writes aside.
fn writable(store: &Path) -> rusqlite::Result<bool> {
    let connection = Connection::open(store)?;
    connection.busy_timeout(SHORT_WRITES)?;
    match connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
        Ok(()) => Ok(true),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Longest time for a node to end.
const ENDING: Duration = Duration::from_secs(15);
/// Far longer than one write of a node that runs.
const SHORT_WRITES: Duration = Duration::from_millis(30);
