//! Connections to nodes while they are in use.

use std::rc::Rc;

use mainstay_core::retry;
use mainstay_io::stream::Stream;

use super::{Permit, Pool};

/// A connection to a node, in use.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    /// Requests sent over it before this one.
    pub(crate) requests: u64,
    /// Held for what it counts.
    guard: Guard,
}

/// Work on a node: counted in flight, and against the limits of connections, until it is dropped.
pub(crate) struct Guard {
    // First of all the permit goes, so that whoever is woken finds it free.
    permit: Option<Permit>,
    pool: Rc<Pool>,
    index: u32,
}

impl Connection {
    /// Whether it had carried requests before.
    pub(crate) fn kind(&self) -> retry::Connection {
        if self.requests == 0 { retry::Connection::Fresh } else { retry::Connection::Reused }
    }

    /// What it counts, without its stream.
    pub(crate) fn into_guard(self) -> Guard {
        self.guard
    }
}

impl Guard {
    pub(super) fn new(pool: Rc<Pool>, index: u32, permit: Permit) -> Self {
        if let Some(node) = pool.node(index) {
            node.in_flight.set(node.in_flight.get() + 1);
            node.counters.in_flight.add(1);
        }
        Self { permit: Some(permit), pool, index }
    }

    /// The connection that was opened under it.
    pub(crate) fn fresh(self, stream: Stream) -> Connection {
        self.reused(stream, 0)
    }

    /// A connection that carried so many requests before.
    pub(crate) fn reused(self, stream: Stream, requests: u64) -> Connection {
        Connection { stream, requests, guard: self }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.permit = None;
        if let Some(node) = self.pool.node(self.index) {
            node.in_flight.set(node.in_flight.get().saturating_sub(1));
            node.counters.in_flight.sub(1);
        }
        self.pool.wake_next();
    }
}
