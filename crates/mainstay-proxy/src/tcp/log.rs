//! What is counted and logged of a session.

use std::time::Duration;

use mainstay_io::clock;

use super::{End, Session};
use crate::access::{Outcome, Record, Try};
use crate::counters::Class;
use crate::worker::Peer;

/// How a session went.
#[derive(Default)]
pub(super) struct Account {
    /// Nodes tried by index, and how it went.
    pub(super) tries: Vec<(u32, Outcome)>,
    /// Bytes from the client.
    pub(super) bytes_in: u64,
    /// Bytes to the client.
    pub(super) bytes_out: u64,
    /// Time to connect to the node the session had.
    pub(super) connect: Option<Duration>,
    /// Until the node's first byte.
    pub(super) first_byte: Option<Duration>,
}

impl Account {
    pub(super) fn tried(&mut self, node: u32, outcome: Outcome) {
        self.tries.push((node, outcome));
    }
}

impl Session {
    pub(super) fn opened(&self) {
        self.counters.active.add(1);
        self.counters.in_flight.add(1);
    }

    /// Counts a session that is done and writes it to the access log.
    pub(super) fn closed(&self, end: End) {
        let (account, counters) = (&self.account, &self.counters);
        let took = clock::now().since(self.begun);
        counters.active.sub(1);
        counters.in_flight.sub(1);
        counters.requests.one();
        counters.answers.one(Class::None);
        counters.closed.one(end.close);
        counters.duration.record(took);
        if !self.params.access_log {
            return;
        }
        let Some(access) = &mut *self.worker.access.borrow_mut() else { return };
        let told = |(node, outcome): &(u32, Outcome)| {
            let node = self.pool.node(*node).map_or("", |node| &node.name);
            Try { node, outcome: *outcome }
        };
        let tries: Vec<_> = account.tries.iter().map(told).collect();
        access.push(&Record {
            client: match self.peer {
                Peer::Tcp(address) => Some(address),
                Peer::Unix => None,
            },
            identity: self.client.identity(),
            listener: &self.listening.name(),
            method: b"",
            target: b"",
            status: 0,
            bytes_in: account.bytes_in,
            bytes_out: account.bytes_out,
            tries: &tries,
            connect: account.connect,
            first_byte: account.first_byte,
            end: took,
            reason: end.reason,
        });
    }
}
