//! Finding a node that takes the session. Nothing was sent yet, so another one may always be tried.

use std::net::SocketAddr;

use mainstay_io::clock;
use mainstay_io::listen;
use mainstay_io::timer::Interrupt;

use super::{End, Farewell, Session};
use crate::access::Outcome;
use crate::counters::{Close, Failure, Limit};
use crate::params::{HashKey, Policy};
use crate::pool::{Connection, Guard, Key, NoConnection, NoTls, Wait};
use crate::view::{Event, Standing, Until};
use crate::worker::{DEMOTED, KILL, NODE_OUT, ON_NODE, Peer, QUEUE};

/// The node a session has.
pub(super) struct NodeEnd {
    pub(super) connection: Connection,
    /// Its index in the pool.
    pub(super) index: u32,
    /// Until when bytes may go on.
    pub(super) until: Option<Until>,
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
        let (mut tried, mut failures, mut given) = (Vec::new(), 0, None);
        let mut in_turn = self.held.is_none() && !self.pool.is_line();
        loop {
            let key = address.as_deref().map_or(Key::None, Key::Bytes);
            let waited = given.take();
            let picked = match &waited {
                Some((index, _)) => Some(*index),
                None if in_turn => self.pool.pick(key, &tried, clock::now()),
                None => None,
            };
            let Some(index) = picked else {
                given = Some(self.no_node(&mut tried).await?);
                in_turn = true;
                continue;
            };
            if let Some((failed, _)) = self.account.tries.last()
                && let Some(node) = self.pool.node(*failed)
            {
                node.counters.retries_away.one();
            }
            match self.connect(index, waited.map(|(_, guard)| guard)).await {
                Ok((connection, until)) => return Ok(NodeEnd { connection, index, until }),
                Err(Refused::Killed) => return Err(End::drained()),
                Err(Refused::NoResources) => {
                    tracing::warn!(listener = %self.listening.name(), "open a connection to a node: out of resources");
                    return Err(End::refused(Close::Failed, "no_resources"));
                }
                Err(Refused::Full) => {}
                Err(Refused::ByNode(failure)) => {
                    failures += 1;
                    self.note_failure(index, failure);
                    if self.pool.holds() {
                        self.leader_failed(index);
                        in_turn = false;
                        continue;
                    }
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

    /// Also until when what runs on the connection may go on: as it was before it was made.
    async fn connect(&mut self, index: u32, begun: Option<Guard>) -> Result<(Connection, Option<Until>), Refused> {
        let Some(node) = self.pool.node(index) else { return Err(Refused::Full) };
        let Some(guard) = begun.or_else(|| self.pool.begin(index)) else { return Err(Refused::Full) };
        let until = node.until();
        let is_over = || until.as_ref().is_some_and(Until::is_over);
        if is_over() {
            return Err(Refused::ByNode(Failure::Demoted));
        }
        let begun = clock::now();
        self.slot.lower(NODE_OUT | DEMOTED);
        self.slot.tag(node.tag);
        self.slot.hear(ON_NODE);
        node.counters.connects.one();
        let connected = node.connect(&self.slot, self.pool.params.connect_timeout).await;
        let stream = connected.map_err(|none| match none {
            NoConnection::Refused(error) if mainstay_io::is_exhaustion(&error) => Refused::NoResources,
            NoConnection::Refused(error) if NoTls::is(&error) => Refused::ByNode(Failure::Tls),
            NoConnection::Refused(_) => Refused::ByNode(Failure::Connect),
            NoConnection::TimedOut => Refused::ByNode(Failure::ConnectTimeout),
            NoConnection::Signal(signals) if signals & KILL != 0 => Refused::Killed,
            NoConnection::Signal(signals) if signals & DEMOTED != 0 => Refused::ByNode(Failure::Demoted),
            NoConnection::Signal(_) => Refused::ByNode(Failure::WentOut),
        })?;
        let took = clock::now().since(begun);
        node.counters.connect.record(took);
        self.account.connect = Some(took);
        if is_over() {
            stream.reset_on_close();
            return Err(Refused::ByNode(Failure::Demoted));
        }
        match self.params.postgres {
            Some(_) => listen::watch_closely(&stream),
            None => listen::keep_alive(&stream),
        }
        // A node that was ejected for refused connections has taken one.
        if node.standing() == Standing::Trial {
            self.worker.report(&self.pool, index, Event::Answered);
        }
        Ok((guard.fresh(stream), until))
    }

    fn note_failure(&mut self, index: u32, failure: Failure) {
        // A leader that is away is tried again and again while the session is held: that is one line in the log.
        let outcome = Outcome::Failed(failure);
        if !self.pool.holds() || self.account.tries.last() != Some(&(index, outcome)) {
            self.account.tried(index, outcome);
        }
        if let Some(node) = self.pool.node(index) {
            node.counters.failures.one(failure);
        }
        match failure {
            Failure::Connect | Failure::Tls => self.worker.report(&self.pool, index, Event::Failed),
            Failure::ConnectTimeout => self.worker.report(&self.pool, index, Event::TimedOut),
            _ => {}
        }
    }

    /// No node could be picked. Waits for a connection if that is all that is missing.
    async fn no_node(&mut self, tried: &mut Vec<u32>) -> Result<(u32, Guard), End> {
        if self.pool.holds() {
            tried.clear();
            return self.hold().await;
        }
        let failed = |index: &u32| self.account.tries.iter().any(|(known, _)| known == index);
        tried.retain(failed);
        if !self.pool.is_line() && !self.pool.is_busy(tried) {
            if tried.is_empty() {
                self.pool.counters.no_node.one();
                return Err(End::refused(Close::Node, "no_node"));
            }
            return Err(End::refused(Close::Node, "no_connection"));
        }
        self.queue(tried).await
    }

    /// Waits in the pool's queue for a connection.
    async fn queue(&mut self, tried: &[u32]) -> Result<(u32, Guard), End> {
        if self.pool.is_queue_full() {
            return Err(self.limit_reached(Limit::QueueFull, "queue_full"));
        }
        let wait = *self.wait.get_or_insert_with(|| Wait::new(&self.pool, self.begun));
        self.pool.counters.waiting.add(1);
        let waited = self.stand_in_line(wait.until(self.pool.params.queue.wait), tried).await;
        self.pool.counters.waiting.sub(1);
        match waited {
            Waited::Turn(index, guard) => Ok((index, guard)),
            Waited::TooLong => Err(self.limit_reached(Limit::QueueTimeout, "queue_timeout")),
            Waited::Left => {
                self.pool.counters.queue_left.one();
                Err(End::left())
            }
            Waited::Killed => Err(End::drained()),
        }
    }

    /// Is held until there is a leader that can take it. Nothing that the client sends meanwhile is read.
    async fn hold(&mut self) -> Result<(u32, Guard), End> {
        let wait = *self.wait.get_or_insert_with(|| Wait::new(&self.pool, clock::now()));
        if self.held.is_none() {
            self.held = self.pool.hold_anyway(0);
        }
        let waited = self.stand_in_line(wait.until(self.pool.params.hold.time), &[]).await;
        if let Some(held) = self.held.take() {
            self.pool.let_go(held);
        }
        let counters = &self.pool.counters;
        match waited {
            Waited::Turn(index, guard) => {
                counters.hold_released.one();
                Ok((index, guard))
            }
            Waited::TooLong => {
                counters.hold_timed_out.one();
                Err(End::refused(Close::Refused, "hold_timeout"))
            }
            Waited::Left => {
                counters.hold_left.one();
                Err(End::left())
            }
            Waited::Killed => Err(End::drained()),
        }
    }

    /// Waits until a node can be picked. A client that leaves meanwhile is noticed.
    async fn stand_in_line(&self, wait: Wait, tried: &[u32]) -> Waited {
        let address = self.hash_key();
        let key = address.as_deref().map_or(Key::None, Key::Bytes);
        let me = self.slot.raiser();
        self.pool.enqueue(me.clone(), tried, wait.ticket);
        self.slot.hear(QUEUE | KILL);
        let waited = loop {
            let now = clock::now();
            if let Some((index, guard)) = self.pool.take_turn(&me, key, tried, now) {
                break if self.client.has_left() { Waited::Left } else { Waited::Turn(index, guard) };
            }
            if now >= wait.end {
                break Waited::TooLong;
            }
            self.slot.set(wait.end.min(self.pool.look_again(now)));
            match self.slot.interrupted().await {
                Interrupt::Signal(signals) if signals & KILL != 0 => break Waited::Killed,
                Interrupt::Signal(_) => self.slot.lower(QUEUE),
                Interrupt::Expired if self.client.has_left() => break Waited::Left,
                Interrupt::Expired => {}
            }
        };
        self.pool.dequeue(&me);
        waited
    }

    /// The leader does not take the session, and no other may: it is held.
    fn leader_failed(&self, index: u32) {
        if self.pool.node(index).is_some_and(|node| node.standing() == Standing::In) {
            self.pool.stall(clock::now());
        }
    }

    fn limit_reached(&self, limit: Limit, reason: &'static str) -> End {
        self.counters.limits.one(limit);
        End::refused(Close::Refused, reason)
    }
}

/// How a wait for a node ended.
enum Waited {
    /// Work has begun on a node with this index.
    Turn(u32, Guard),
    /// It has lasted for as long as it may.
    TooLong,
    /// The client is gone.
    Left,
    /// The session is to end.
    Killed,
}

impl End {
    pub(super) fn left() -> Self {
        Self::refused(Close::Client, "client_gone")
    }

    pub(super) fn refused(close: Close, reason: &'static str) -> Self {
        Self { close, last: None, reason: Some(reason), farewell: Farewell::Reset }
    }

    pub(super) fn drained() -> Self {
        Self::refused(Close::Drain, "drained")
    }
}
