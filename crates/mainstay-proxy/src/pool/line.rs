//! What the workers share of a pool in which requests wait: whose turn it is over all of them, and how much is held.
//!
//! Whoever begins to wait draws a ticket. Each worker tells the smallest ticket that waits with it, and whoever has the
//! smallest of all is next. Only pools with a limit or a leader have a line; nobody else pays for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

use crate::params::Hold;

/// The line of one pool.
#[derive(Debug)]
pub(crate) struct Line {
    tickets: AtomicU64,
    /// For each worker the smallest ticket that waits with it; [`NOBODY`] for none.
    heads: Box<[AtomicU64]>,
    bells: Arc<[Notify]>,
    held: AtomicU32,
    bytes: AtomicU64,
}

/// A request or connection that is held; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    line: Arc<Line>,
    bytes: u64,
}

impl Line {
    /// A line for the workers that have these bells.
    pub(super) fn new(bells: &Arc<[Notify]>) -> Self {
        Self {
            tickets: AtomicU64::new(0),
            heads: bells.iter().map(|_| AtomicU64::new(NOBODY)).collect(),
            bells: Arc::clone(bells),
            held: AtomicU32::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// A place behind everybody who has one.
    pub(super) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, SeqCst)
    }

    /// Tells who is first with this worker.
    pub(super) fn tell(&self, worker: usize, head: Option<u64>) {
        if let Some(mine) = self.heads.get(worker) {
            mine.store(head.unwrap_or(NOBODY), SeqCst);
        }
    }

    /// Whether nobody with another worker comes before this ticket.
    pub(super) fn is_first(&self, worker: usize, ticket: u64) -> bool {
        let mut others = self.heads.iter().enumerate().filter(|(index, _)| *index != worker);
        others.all(|(_, head)| head.load(SeqCst) >= ticket)
    }

    /// Whether somebody waits, with any worker.
    pub(super) fn is_there(&self) -> bool {
        self.heads.iter().any(|head| head.load(SeqCst) != NOBODY)
    }

    /// Rings the worker with which the next one waits, if that is another than `worker`.
    pub(super) fn ring(&self, worker: usize) {
        let heads = self.heads.iter().map(|head| head.load(SeqCst)).enumerate();
        let first = heads.min_by_key(|(_, head)| *head).filter(|(_, head)| *head != NOBODY);
        if let Some((next, _)) = first.filter(|(next, _)| *next != worker)
            && let Some(bell) = self.bells.get(next)
        {
            bell.notify_one();
        }
    }

    /// Holds something of this size; `None` when as much is held as may be.
    pub(super) fn hold(self: &Arc<Self>, bytes: u64, bounds: &Hold) -> Option<Held> {
        let held = self.hold_anyway(bytes);
        let fits = self.held.load(SeqCst) <= bounds.requests && self.bytes.load(SeqCst) <= bounds.bytes;
        fits.then_some(held)
    }

    /// The same, also beyond the bounds: for what is with us already.
    pub(super) fn hold_anyway(self: &Arc<Self>, bytes: u64) -> Held {
        self.held.fetch_add(1, SeqCst);
        self.bytes.fetch_add(bytes, SeqCst);
        Held { line: Arc::clone(self), bytes }
    }

    /// Whether nothing more may be held.
    pub(super) fn is_full(&self, bounds: &Hold) -> bool {
        self.held.load(SeqCst) >= bounds.requests
    }
}

impl Held {
    /// What of it is kept in memory.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.line.held.fetch_sub(1, SeqCst);
        self.line.bytes.fetch_sub(self.bytes, SeqCst);
    }
}

const NOBODY: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(workers: usize) -> Arc<Line> {
        let bells: Arc<[Notify]> = (0..workers).map(|_| Notify::new()).collect();
        Arc::new(Line::new(&bells))
    }

    #[tokio::test]
    async fn the_smallest_ticket_of_all_workers_is_next_and_its_worker_is_rung() {
        let line = line(3);
        assert!(!line.is_there());
        let [first, second, third] = [(); 3].map(|()| line.ticket());
        line.tell(2, Some(first));
        line.tell(0, Some(second));
        line.tell(1, Some(third));
        assert!(line.is_first(2, first) && !line.is_first(0, second) && !line.is_first(1, third));
        line.ring(2);
        line.ring(0);
        tokio::time::timeout(Duration::from_secs(5), line.bells[2].notified()).await.expect("rung by another");
        line.tell(2, None);
        assert!(line.is_first(0, second) && line.is_there());
        line.tell(0, None);
        line.tell(1, None);
        assert!(!line.is_there());
    }

    #[test]
    fn no_more_is_held_than_may_be() {
        let line = line(1);
        let bounds = Hold { requests: 2, bytes: 100, time: Duration::ZERO };
        let large = line.hold(90, &bounds).expect("there is room");
        assert!(line.hold(20, &bounds).is_none(), "too many bytes");
        let small = line.hold(10, &bounds).expect("refusing has changed nothing");
        assert!(line.hold(0, &bounds).is_none() && line.is_full(&bounds), "too many requests");
        let beyond = line.hold_anyway(0);
        drop(large);
        assert!(line.is_full(&bounds));
        drop(beyond);
        assert!(line.hold(90, &bounds).is_some());
        assert_eq!(small.bytes(), 10);
    }
}
