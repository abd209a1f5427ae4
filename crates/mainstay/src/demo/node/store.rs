//! The database that the model nodes share, as the two instances of a real pair share theirs.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

/// A handle on two threads with a connection each, so that a read never waits behind a write that waits for the other
/// node's lock.
#[derive(Clone)]
pub(super) struct Store {
    writer: mpsc::Sender<Job>,
    reader: mpsc::Sender<Job>,
}

/// A value as it was written.
pub(super) struct Write {
    /// Under which key.
    pub(super) key: String,
    /// What the client calls this write; counted afterwards.
    pub(super) id: Option<String>,
    /// The bytes.
    pub(super) value: Vec<u8>,
}

/// Answers are `Err` with a text for the log: a model node has no better use for a broken database.
pub(super) type Answer<T> = Result<T, String>;

impl Store {
    /// Opens (and lays out, where it is new) the database at `path` in the name of `node`.
    pub(super) fn open(path: &Path, node: &str) -> rusqlite::Result<Self> {
        Ok(Self { writer: spawn(connect(path)?, node), reader: spawn(connect(path)?, node) })
    }

    /// Adds a row. A repeated write adds a second row on purpose, so that repeats can be counted.
    pub(super) async fn write(&self, write: Write) -> Answer<()> {
        ask(&self.writer, |reply| Job::Write(write, reply)).await
    }

    /// The value written last under `key`.
    pub(super) async fn read(&self, key: String) -> Answer<Option<Vec<u8>>> {
        ask(&self.reader, |reply| Job::Read(key, reply)).await
    }
}

enum Job {
    Write(Write, oneshot::Sender<Answer<()>>),
    Read(String, oneshot::Sender<Answer<Option<Vec<u8>>>>),
}

async fn ask<T>(to: &mpsc::Sender<Job>, job: impl FnOnce(oneshot::Sender<Answer<T>>) -> Job) -> Answer<T> {
    let (reply, answer) = oneshot::channel();
    to.send(job(reply)).await.map_err(|_| "the store has ended".to_owned())?;
    answer.await.map_err(|_| "the store has ended".to_owned())?
}

fn spawn(connection: Connection, node: &str) -> mpsc::Sender<Job> {
    let (sender, mut jobs) = mpsc::channel(MAX_QUEUED);
    let node = node.to_owned();
    std::thread::spawn(move || {
        while let Some(job) = jobs.blocking_recv() {
            // A client that went away no longer waits for the reply.
            match job {
                Job::Write(write, reply) => drop(reply.send(insert(&connection, &write, &node))),
                Job::Read(key, reply) => drop(reply.send(latest(&connection, &key))),
            }
        }
    });
    sender
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // No fsync: the demo kills processes, never the machine, and what a process has written survives it.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE IF NOT EXISTS writes (key TEXT NOT NULL, id TEXT, node TEXT NOT NULL, value BLOB NOT NULL);
         CREATE INDEX IF NOT EXISTS writes_by_key ON writes (key);",
    )?;
    Ok(connection)
}

fn insert(connection: &Connection, write: &Write, node: &str) -> Answer<()> {
    connection
        .prepare_cached("INSERT INTO writes (key, id, node, value) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| insert.execute(params![write.key, write.id, node, write.value]))
        .map(drop)
        .map_err(|error| format!("could not write: {error}"))
}

fn latest(connection: &Connection, key: &str) -> Answer<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM writes WHERE key = ?1 ORDER BY rowid DESC LIMIT 1")
        .and_then(|mut select| select.query_row([key], |row| row.get(0)).optional())
        .map_err(|error| format!("could not read: {error}"))
}

/// Longest wait for the other node's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Jobs that may wait for one of the two threads; further requests wait to be read.
const MAX_QUEUED: usize = 256;
