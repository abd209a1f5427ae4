//! A pool that follows a lease, as one worker sees it: whether there is a leader, and what is held while there is none.

use std::cell::Cell;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;

use super::line::Held;
use super::{Node, Pool};
use crate::view::Standing;

/// A wait for a node of a pool. Whoever has to wait again keeps its place and its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// Its place in the line.
    pub(crate) ticket: u64,
    since: Moment,
    /// When it has lasted for too long.
    pub(crate) end: Moment,
}

impl Wait {
    /// A wait at the end of the pool's line, counted from `since`.
    pub(crate) fn new(pool: &Pool, since: Moment) -> Self {
        Self { ticket: pool.ticket(), since, end: since }
    }

    /// The same, which may last so long.
    pub(crate) fn until(self, longest: Duration) -> Self {
        Self { end: self.since + longest, ..self }
    }
}

/// What a pool that follows a lease remembers.
#[derive(Default)]
pub(super) struct Leader {
    /// Since when there is none.
    missing: Cell<Option<Moment>>,
    /// Until when nothing is tried on the one there is, because it has just failed.
    stalled: Cell<Option<Moment>>,
}

impl Pool {
    /// Whether what finds no node is held, because the pool follows a lease.
    pub(crate) fn holds(&self) -> bool {
        self.leader.is_some()
    }

    /// Takes note of whether there is a leader, after how the nodes stand has changed; whoever waits for one is woken.
    pub(crate) fn settle_leader(&self) {
        let Some(leader) = &self.leader else { return };
        let is_in = |node: &Node| node.standing() == Standing::In;
        leader.stalled.set(None);
        if self.nodes.iter().any(is_in) {
            leader.missing.set(None);
            self.wake_next();
        } else if leader.missing.get().is_none() {
            leader.missing.set(Some(clock::now()));
        }
    }

    /// The leader has failed, though it is said to be ready: it is left alone for a moment, in which the next word about
    /// it may come.
    pub(crate) fn stall(&self, now: Moment) {
        if let Some(leader) = &self.leader {
            leader.stalled.set(Some(now + STALL));
        }
    }

    /// Whether the leader is left alone just now.
    pub(super) fn is_stalled(&self) -> bool {
        let stalled = self.leader.as_ref().and_then(|leader| leader.stalled.get());
        stalled.is_some_and(|until| clock::now() < until)
    }

    /// When whoever waits should look again, whatever happens.
    pub(crate) fn look_again(&self, now: Moment) -> Moment {
        let stalled = self.leader.as_ref().and_then(|leader| leader.stalled.get()).filter(|until| *until > now);
        stalled.unwrap_or(now + LOOK_AGAIN).min(now + LOOK_AGAIN)
    }

    /// Whether there is a leader, and nobody waits for it.
    pub(crate) fn is_open(&self) -> bool {
        self.leader.as_ref().is_none_or(|leader| leader.missing.get().is_none()) && !self.is_line()
    }

    /// Holds something of which so many bytes are kept; `None` when as much is held as may be.
    pub(crate) fn hold(&self, bytes: usize) -> Option<Held> {
        let held = self.line.as_ref().and_then(|line| line.hold(bytes as u64, &self.params.hold));
        match &held {
            Some(held) => self.count_held(held),
            None => self.counters.hold_refused.one(),
        }
        held
    }

    /// The same, also beyond the bounds: for what is with us already.
    pub(crate) fn hold_anyway(&self, bytes: usize) -> Option<Held> {
        let held = self.line.as_ref().map(|line| line.hold_anyway(bytes as u64));
        held.iter().for_each(|held| self.count_held(held));
        held
    }

    fn count_held(&self, held: &Held) {
        self.counters.held_total.one();
        self.counters.held.add(1);
        self.counters.held_bytes.add(held.bytes());
    }

    /// Holds it no longer.
    pub(crate) fn let_go(&self, held: Held) {
        self.counters.held.sub(1);
        self.counters.held_bytes.sub(held.bytes());
        drop(held);
    }

    /// Whether connections are refused: there is no leader, or others wait for it, and nothing more may be held, or
    /// whoever had been held since the leader went would have been held for too long.
    pub(crate) fn refuses(&self, now: Moment) -> bool {
        let Some((leader, line)) = self.leader.as_ref().zip(self.line.as_ref()) else { return false };
        let bounds = &self.params.hold;
        let too_long = leader.missing.get().is_some_and(|since| now.since(since) >= bounds.time);
        too_long || (!self.is_open() && line.is_full(bounds))
    }
}

/// How long a leader that has failed is left alone.
const STALL: Duration = Duration::from_millis(50);
/// How often whoever waits looks whether it is still waited for, and at what other workers may have left it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
