//! The book of a load: one record per request.

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All requests of a load, in the order of their starts.
pub struct Book {
    /// Makes the ids of this load's writes unlike those of any other.
    run: String,
    /// A record is appended when its request starts and completed once, when it ends; neither is done while waiting.
    records: Mutex<Vec<Record>>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whether it is a POST.
    pub write: bool,
    /// When it started.
    pub start: Instant,
    /// How much later than the load meant it to: the fault of a busy machine.
    pub late: Duration,
    /// How and when it ended; `None` while it is under way.
    pub end: Option<(Instant, Outcome)>,
    /// The node that answered, by its own word.
    pub node: Option<String>,
}

/// The one end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer with a status of 2xx.
    Done,
    /// Anything else.
    Failed(Failure),
}

/// How a request failed, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Another status.
    Status(u16),
    /// No connection.
    Connect(io::ErrorKind),
    /// The connection broke before the answer was complete.
    Broken(io::ErrorKind),
    /// The answer is not HTTP.
    Nonsense,
    /// No complete answer in time.
    Timeout,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Connect(kind) => write!(f, "no connection ({kind})"),
            Self::Broken(kind) => write!(f, "connection broke ({kind})"),
            Self::Nonsense => f.write_str("answer is not HTTP"),
            Self::Timeout => f.write_str("no answer in time"),
        }
    }
}

impl Record {
    /// Whether it ended well.
    pub fn is_done(&self) -> bool {
        matches!(self.end, Some((_, Outcome::Done)))
    }

    /// Why it did not end well, if it has ended.
    pub fn failure(&self) -> Option<Failure> {
        match self.end {
            Some((_, Outcome::Failed(failure))) => Some(failure),
            _ => None,
        }
    }

    /// Whether it was under way at some time between `from` and `to`.
    pub fn under_way(&self, from: Instant, to: Instant) -> bool {
        self.start <= to && self.end.is_none_or(|(end, _)| end >= from)
    }
}

impl Book {
    pub(super) fn new() -> Self {
        Self { run: format!("{:08x}", fastrand::u32(..)), records: Mutex::default() }
    }

    /// Notes that a request starts that was `due`; `write` is told its number.
    pub(super) fn open(&self, due: Instant, write: impl FnOnce(usize) -> bool) -> usize {
        let mut records = self.lock();
        let number = records.len();
        let start = Instant::now();
        let late = start.saturating_duration_since(due);
        records.push(Record { write: write(number), start, late, end: None, node: None });
        number
    }

    /// Notes that it ended.
    pub(super) fn close(&self, number: usize, outcome: Outcome, node: Option<String>) {
        if let Some(record) = self.lock().get_mut(number) {
            record.end = Some((Instant::now(), outcome));
            record.node = node;
        }
    }

    /// What a write is called in the database.
    pub fn id(&self, number: usize) -> String {
        format!("{}-{number}", self.run)
    }

    /// Under which key it is written.
    pub(super) fn key(&self, number: usize) -> String {
        format!("{}-{}", self.run, number % KEYS)
    }

    /// Looks at the records, which are in the order of their starts.
    pub fn look<T>(&self, look: impl FnOnce(&[Record]) -> T) -> T {
        look(&self.lock())
    }

    /// How many answers a node has given to requests that started at `since` or later.
    pub fn answers_of(&self, node: &str, since: Instant) -> usize {
        self.look(|records| {
            let first = records.partition_point(|record| record.start < since);
            records.iter().skip(first).filter(|record| record.node.as_deref() == Some(node)).count()
        })
    }

    /// Whether every request that started before `to` has ended.
    pub fn all_ended(&self, to: Instant) -> bool {
        self.look(|records| {
            let end = records.partition_point(|record| record.start < to);
            records.iter().take(end).all(|record| record.end.is_some())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys in use.
const KEYS: usize = 64;
