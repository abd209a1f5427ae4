//! The database that the model nodes share, as the two instances of a real pair share theirs.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::postgres;

/// A handle on two threads with a connection each, so that a read never waits behind a write that waits for the other
/// node's lock.
#[derive(Clone)]
pub(super) struct Store {
    writer: mpsc::Sender<Job<Write, ()>>,
    reader: mpsc::Sender<Job<String, Option<Vec<u8>>>>,
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
    /// Opens (and lays out, where it is new) the database in a file.
    pub(super) fn open(path: &Path, author: Author) -> rusqlite::Result<Self> {
        let (writing, reading) = (connect(path)?, connect(path)?);
        Ok(Self {
            writer: spawn(move |writes| write_all(&writing, writes, &author)),
            reader: spawn(move |reads| read_all(&reading, reads)),
        })
    }

    /// The same in PostgreSQL, logged in as the environment says.
    pub(super) async fn connect(url: &str, author: Author) -> Answer<Self> {
        let (writer, writes) = mpsc::channel(MAX_QUEUED);
        let (reader, reads) = mpsc::channel(MAX_QUEUED);
        let session = postgres::Session::open(url, author).await?;
        tokio::spawn(session.serve(writes, reads));
        Ok(Self { writer, reader })
    }

    /// Adds a row. A repeated write adds a second row on purpose, so that repeats can be counted.
    pub(super) async fn write(&self, write: Write) -> Answer<()> {
        ask(&self.writer, write).await
    }

    /// The value written last under `key`.
    pub(super) async fn read(&self, key: String) -> Answer<Option<Vec<u8>>> {
        ask(&self.reader, key).await
    }
}

/// Who writes, as every row says.
#[derive(Clone)]
pub(super) struct Author {
    /// The node's name.
    pub(super) node: String,
    /// The fencing token it was started with; empty outside of any tenure.
    pub(super) token: String,
}

/// What is asked of one of the writers or readers, and where the answer goes.
pub(super) struct Job<A, T> {
    pub(super) asked: A,
    pub(super) reply: oneshot::Sender<Answer<T>>,
}

async fn ask<A, T>(to: &mpsc::Sender<Job<A, T>>, asked: A) -> Answer<T> {
    let (reply, answer) = oneshot::channel();
    to.send(Job { asked, reply }).await.map_err(|_| "the store has ended".to_owned())?;
    answer.await.map_err(|_| "the store has ended".to_owned())?
}

/// Starts a thread that is handed everything that waits at a time.
fn spawn<J: Send + 'static>(work: impl Fn(&mut Vec<J>) + Send + 'static) -> mpsc::Sender<J> {
    let (sender, mut jobs) = mpsc::channel(MAX_QUEUED);
    std::thread::spawn(move || {
        let mut batch = Vec::new();
        while jobs.blocking_recv_many(&mut batch, MAX_QUEUED) > 0 {
            work(&mut batch);
        }
    });
    sender
}

/// One transaction for all that wait: when the other node holds the lock, the queue that forms costs it but once.
fn write_all(connection: &Connection, jobs: &mut Vec<Job<Write, ()>>, author: &Author) {
    let Author { node, token } = author;
    let insert = || {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        for job in jobs.iter() {
            let Write { key, id, value } = &job.asked;
            transaction
                .prepare_cached("INSERT INTO writes (key, id, node, token, value) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![key, id, node, token, value])?;
        }
        transaction.commit()
    };
    let done = insert().map_err(|error: rusqlite::Error| format!("could not write: {error}"));
    for job in jobs.drain(..) {
        // A client that went away no longer waits for the reply.
        let _gone = job.reply.send(done.clone());
    }
}

fn read_all(connection: &Connection, jobs: &mut Vec<Job<String, Option<Vec<u8>>>>) {
    for job in jobs.drain(..) {
        let _gone = job.reply.send(latest(connection, &job.asked));
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_handler(Some(wait_for_lock))?;
    // No fsync: the demo kills processes, never the machine, and what a process has written survives it.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE IF NOT EXISTS writes (
             key TEXT NOT NULL, id TEXT, node TEXT NOT NULL, token TEXT NOT NULL, value BLOB NOT NULL
         );
         CREATE INDEX IF NOT EXISTS writes_by_key ON writes (key);",
    )?;
    Ok(connection)
}

/// Called while the other node holds the lock, with how often that was so before. SQLite's own handler waits longer and
/// longer, up to 100 ms, which makes a convoy of short writes.
fn wait_for_lock(before: i32) -> bool {
    std::thread::park_timeout(LOCK_GRAIN);
    before < MAX_LOCK_WAITS
}

fn latest(connection: &Connection, key: &str) -> Answer<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM writes WHERE key = ?1 ORDER BY rowid DESC LIMIT 1")
        .and_then(|mut select| select.query_row([key], |row| row.get(0)).optional())
        .map_err(|error| format!("could not read: {error}"))
}

/// How often the other node's lock is tried again, and how many times: 5 s.
const LOCK_GRAIN: Duration = Duration::from_millis(1);
const MAX_LOCK_WAITS: i32 = 5000;
/// Jobs that may wait for one of the two threads; further requests wait to be read.
const MAX_QUEUED: usize = 256;
