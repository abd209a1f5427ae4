//! What clients saw.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::grpc::Status;

/// What clients saw, with times.
#[derive(Debug)]
pub struct Book {
    /// Held for a look or an entry only.
    pages: Mutex<Pages>,
}

#[derive(Debug)]
pub(super) struct Pages {
    pub(super) commands: HashMap<String, Record>,
    pub(super) streams: Vec<Track>,
    /// Commands that streams showed, and how often.
    pub(super) seen: HashMap<String, usize>,
    /// How the last stream or try ended that did not go on.
    pub(super) refused: Option<Status>,
}

/// One command.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) begun: Instant,
    /// Tries that ended otherwise, in order.
    pub(super) failed: Vec<Status>,
    pub(super) end: Option<(Instant, Fate)>,
}

/// How a command ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Acknowledged.
    Done,
    /// Refused as one that was done before.
    Duplicate,
    /// Never told.
    GivenUp,
}

/// One stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    /// When it was opened.
    pub(super) opened: Vec<Instant>,
    /// When and how it ended.
    pub(super) ended: Vec<(Instant, Status)>,
}

impl Book {
    pub(super) fn new(streams: usize) -> Self {
        let streams = vec![Track::default(); streams];
        Self { pages: Mutex::new(Pages { commands: HashMap::new(), streams, seen: HashMap::new(), refused: None }) }
    }

    pub(super) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commands whose client was told that they are done.
    pub fn done(&self) -> usize {
        self.pages().commands.values().filter(|record| record.is_done()).count()
    }

    /// Streams that are open.
    pub fn open(&self) -> usize {
        self.pages().streams.iter().filter(|track| track.opened.len() > track.ended.len()).count()
    }

    /// The last word of a server, or of what became of a call, that ended a stream or a try: its code and message.
    pub fn refused(&self) -> Option<String> {
        self.pages().refused.as_ref().map(|status| format!("{:?}: {}", status.code, status.message))
    }

    /// Whether each command has its end.
    pub(super) fn settled(&self) -> bool {
        self.pages().commands.values().all(|record| record.end.is_some())
    }

    /// Commands whose client was told that they are done, and which no stream has shown.
    pub(super) fn unseen(&self) -> HashSet<String> {
        let pages = self.pages();
        let done = pages.commands.iter().filter(|(_, record)| record.is_done());
        done.filter(|(id, _)| !pages.seen.contains_key(*id)).map(|(id, _)| id.clone()).collect()
    }
}

impl Record {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.end, Some((_, Fate::Done | Fate::Duplicate)))
    }
}
