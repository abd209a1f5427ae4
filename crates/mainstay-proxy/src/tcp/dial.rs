//! Finding a node that takes the session. Nothing was sent yet, so another one may always be tried.

use std::net::SocketAddr;
use std::time::Duration;

use mainstay_io::clock;
use mainstay_io::listen;
use mainstay_io::timer::{Interrupt, Raiser};

use super::{End, Farewell, Session};
use crate::access::Outcome;
use crate::counters::{Close, Failure, Limit};
use crate::params::{HashKey, Policy};
use crate::pool::{Connection, Key, NoConnection};
use crate::view::{Event, Standing};
use crate::worker::{KILL, NODE_OUT, Peer, QUEUE};

/// The node a session has.
pub(super) struct NodeEnd {
    pub(super) connection: Connection,
    /// Its index in the pool.
    pub(super) index: u32,
}

/// Why a try brought no connection.
enum Refused {
    /// The node refused, or did not answer in time, or went out.
    ByNode(Failure),
    /// Every connection that is allowed is in use.
    Full,
    /// Mainstay has no descriptors, ports or memory left.
    NoResources,
    /// The session is to end.
    Killed,
}

impl Session {
    /// Tries nodes until one takes a connection, or no further try is allowed.
    pub(super) async fn dial(&mut self) -> Result<NodeEnd, End> {
        let address = self.hash_key();
        let (mut tried, mut failures) = (Vec::new(), 0);
        let mut in_turn = !self.pool.is_line();
        loop {
            let key = address.as_deref().map_or(Key::None, Key::Bytes);
            let picked = if in_turn { self.pool.pick(key, &tried, clock::now()) } else { None };
            let Some(index) = picked else {
                self.no_node(&mut tried).await?;
                in_turn = true;
                continue;
            };
            if let Some((failed, _)) = self.account.tries.last()
                && let Some(node) = self.pool.node(*failed)
            {
                node.counters.retries_away.one();
            }
            match self.connect(index).await {
                Ok(connection) => return Ok(NodeEnd { connection, index }),
                Err(Refused::Killed) => return Err(End::drained()),
                Err(Refused::NoResources) => {
                    tracing::warn!(listener = %self.listening.name(), "open a connection to a node: out of resources");
                    return Err(End::refused(Close::Failed, "no_resources"));
                }
                Err(Refused::Full) => {}
                Err(Refused::ByNode(failure)) => {
                    failures += 1;
                    self.note_failure(index, failure);
                    if !self.may_try(failures) {
                        return Err(End::refused(Close::Node, "no_connection"));
                    }
                }
            }
            tried.push(index);
        }
    }

    /// What a hash policy sees of the client.
    fn hash_key(&self) -> Option<Vec<u8>> {
        match (&self.pool.params.policy, self.peer) {
            (Policy::Hash(HashKey::Client), Peer::Tcp(SocketAddr::V4(client))) => Some(client.ip().octets().to_vec()),
            (Policy::Hash(HashKey::Client), Peer::Tcp(SocketAddr::V6(client))) => Some(client.ip().octets().to_vec()),
            _ => None,
        }
    }

    /// Whether another node may be tried after so many failures.
    fn may_try(&self, failures: u32) -> bool {
        let (tries, within) = (self.params.tries, self.params.tries_within);
        let in_time = within.is_zero() || clock::now().since(self.begun) < within;
        (tries == 0 || failures < tries) && in_time
    }

    async fn connect(&mut self, index: u32) -> Result<Connection, Refused> {
        let Some(node) = self.pool.node(index) else { return Err(Refused::Full) };
        let Some(guard) = self.pool.begin(index) else { return Err(Refused::Full) };
        let begun = clock::now();
        self.slot.lower(NODE_OUT);
        self.slot.tag(node.tag);
        self.slot.hear(NODE_OUT | KILL);
        node.counters.connects.one();
        let connected = node.connect(&self.slot, self.pool.params.connect_timeout).await;
        let stream = connected.map_err(|none| match none {
            NoConnection::Refused(error) if mainstay_io::is_exhaustion(&error) => Refused::NoResources,
            NoConnection::Refused(_) => Refused::ByNode(Failure::Connect),
            NoConnection::TimedOut => Refused::ByNode(Failure::ConnectTimeout),
            NoConnection::Signal(signals) if signals & KILL != 0 => Refused::Killed,
            NoConnection::Signal(_) => Refused::ByNode(Failure::WentOut),
        })?;
        let took = clock::now().since(begun);
        node.counters.connect.record(took);
        self.account.connect = Some(took);
        listen::keep_alive(&stream);
        // A node that was ejected for refused connections has taken one.
        if node.standing() == Standing::Trial {
            self.worker.report(&self.pool, index, Event::Answered);
        }
        Ok(guard.fresh(stream))
    }

    fn note_failure(&mut self, index: u32, failure: Failure) {
        self.account.tried(index, Outcome::Failed(failure));
        if let Some(node) = self.pool.node(index) {
            node.counters.failures.one(failure);
        }
        match failure {
            Failure::Connect => self.worker.report(&self.pool, index, Event::Failed),
            Failure::ConnectTimeout => self.worker.report(&self.pool, index, Event::TimedOut),
            _ => {}
        }
    }

    /// No node could be picked. Waits for a connection if that is all that is missing.
    async fn no_node(&mut self, tried: &mut Vec<u32>) -> Result<(), End> {
        let failed = |index: &u32| self.account.tries.iter().any(|(known, _)| known == index);
        tried.retain(failed);
        if !self.pool.is_line() && !self.pool.is_busy(tried) {
            if tried.is_empty() {
                self.pool.counters.no_node.one();
                return Err(End::refused(Close::Node, "no_node"));
            }
            return Err(End::refused(Close::Node, "no_connection"));
        }
        let me = self.slot.raiser();
        if !self.pool.enqueue(me.clone(), tried) {
            return Err(self.limit_reached(Limit::QueueFull, "queue_full"));
        }
        self.pool.counters.waiting.add(1);
        let waited = self.queue(&me, tried).await;
        self.pool.counters.waiting.sub(1);
        self.pool.dequeue(&me);
        waited
    }

    /// Waits until a node can be picked.
    async fn queue(&self, me: &Raiser, tried: &[u32]) -> Result<(), End> {
        let end = self.begun + self.pool.params.queue.wait;
        self.slot.hear(QUEUE | KILL);
        while !self.pool.is_turn(me, tried) {
            let now = clock::now();
            if now >= end {
                return Err(self.limit_reached(Limit::QueueTimeout, "queue_timeout"));
            }
            // A connection another worker gives back wakes nobody here, so this is looked at again and again.
            self.slot.set(end.min(now + LOOK_AGAIN));
            match self.slot.interrupted().await {
                Interrupt::Signal(signals) if signals & KILL != 0 => return Err(End::drained()),
                _ => self.slot.lower(QUEUE),
            }
        }
        Ok(())
    }

    fn limit_reached(&self, limit: Limit, reason: &'static str) -> End {
        self.counters.limits.one(limit);
        End::refused(Close::Refused, reason)
    }
}

impl End {
    fn refused(close: Close, reason: &'static str) -> Self {
        Self { close, last: None, reason: Some(reason), farewell: Farewell::Reset }
    }

    fn drained() -> Self {
        Self::refused(Close::Drain, "drained")
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(10);
