//! What is told of a request once it is done.

use std::rc::Rc;
use std::time::Duration;

use super::Conn;
use super::job::Job;
use super::spares::Buffers;
use crate::access::{self, Record, Try};
use crate::counters::{Class, Failure, Limit};
use crate::pool::Pool;
use crate::worker::{Listening, Peer, Worker};

/// A node that was tried, and how it went.
pub(super) struct Tried {
    pub(super) pool: Rc<Pool>,
    pub(super) node: u32,
    pub(super) outcome: Outcome,
}

impl Tried {
    fn told(&self) -> Try<'_> {
        let node = self.pool.node(self.node).map_or("", |node| &node.name);
        Try { node, outcome: self.outcome.told() }
    }
}

/// How a try on one node went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answered with this status.
    Answered(u16),
    /// It could not be connected to.
    Refused,
    /// Mainstay has no descriptors, ports or memory left for a connection.
    NoResources,
    /// It was connected to, but there is no encrypted connection.
    Tls,
    /// Connecting took too long.
    ConnectTimeout,
    /// Every connection it may have is in use.
    Busy,
    /// The connection broke before the answer.
    Broken,
    /// No answer in time.
    Timeout,
    /// What it answered breaks the protocol.
    Invalid,
    /// It went out while the request waited.
    NodeOut,
    /// It lost the lease while the request waited.
    Demoted,
    /// A call was answered by UNAVAILABLE and nothing else.
    Unavailable,
    /// The same, by a replica that said that it is the passive one.
    Passive,
    /// The request was given up before the node could answer it.
    Abandoned,
}

impl Outcome {
    /// What the access log says of it.
    fn told(self) -> access::Outcome {
        match (self, self.failure()) {
            (Self::Answered(status), _) => access::Outcome::Status(status),
            (_, Some(failure)) => access::Outcome::Failed(failure),
            (_, None) => access::Outcome::Abandoned,
        }
    }

    /// A word for logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Refused => "refused",
            Self::NoResources => "no_resources",
            Self::Tls => "tls",
            Self::ConnectTimeout => "connect_timeout",
            Self::Busy => "busy",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Invalid => "invalid",
            Self::NodeOut => "node_out",
            Self::Demoted => "demoted",
            Self::Unavailable => "unavailable",
            Self::Passive => "passive",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether the node may have seen the request.
    pub(super) fn was_sent(self) -> bool {
        !matches!(self, Self::Refused | Self::Tls | Self::NoResources | Self::ConnectTimeout | Self::Busy)
    }

    /// Whether the fault is here, not with the node.
    pub(super) fn is_local(self) -> bool {
        matches!(self, Self::NoResources | Self::Busy)
    }

    /// The kind of failure; `None` when the node did not fail.
    pub(super) fn failure(self) -> Option<Failure> {
        match self {
            Self::Refused => Some(Failure::Connect),
            Self::Tls => Some(Failure::Tls),
            Self::ConnectTimeout => Some(Failure::ConnectTimeout),
            Self::Broken => Some(Failure::Broken),
            Self::Timeout => Some(Failure::Timeout),
            Self::Invalid => Some(Failure::Invalid),
            Self::NodeOut => Some(Failure::WentOut),
            Self::Demoted => Some(Failure::Demoted),
            Self::Unavailable => Some(Failure::Unavailable),
            Self::Passive => Some(Failure::Passive),
            Self::Answered(_) | Self::NoResources | Self::Busy | Self::Abandoned => None,
        }
    }
}

/// What there is to tell of a request that is done.
pub(super) struct Told<'a> {
    pub(super) peer: Peer,
    pub(super) identity: Option<&'a str>,
    /// Begins with its start line; looked at for the access log alone, as are its tries.
    pub(super) head: &'a [u8],
    /// Status the client got; 0 for none.
    pub(super) status: u16,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) tries: &'a [Tried],
    pub(super) connect: Option<Duration>,
    pub(super) first_byte: Option<Duration>,
    pub(super) took: Duration,
    /// Why it failed; empty if it did not.
    pub(super) reason: &'static str,
}

/// Counts a request that is done and, if its listener has an access log, writes it there.
pub(super) fn tell(worker: &Worker, listening: &Listening, access_log: bool, told: &Told<'_>) {
    let Some(counters) = listening.counters() else { return };
    counters.requests.one();
    counters.answers.one(Class::of(told.status));
    counters.bytes_in.add(told.bytes_in);
    counters.bytes_out.add(told.bytes_out);
    counters.duration.record(told.took);
    if let Some(access) = worker.access.borrow_mut().as_mut().filter(|_| access_log) {
        let (method, target) = start_line(told.head);
        let tries: Vec<_> = told.tries.iter().map(Tried::told).collect();
        access.push(&Record {
            client: match told.peer {
                Peer::Tcp(address) => Some(address),
                Peer::Unix => None,
            },
            identity: told.identity,
            listener: &listening.name(),
            method,
            target,
            status: told.status,
            bytes_in: told.bytes_in,
            bytes_out: told.bytes_out,
            tries: &tries,
            connect: told.connect,
            first_byte: told.first_byte,
            end: told.took,
            reason: Some(told.reason).filter(|reason| !reason.is_empty()),
        });
    }
}

impl Conn {
    /// Tells of a request that is done.
    pub(super) fn log(&self, job: &Job, buffers: &Buffers) {
        let account = &job.account;
        let told = Told {
            peer: self.peer,
            identity: self.stream.identity(),
            head: self.input.get(..job.head_len).unwrap_or_default(),
            status: account.status,
            bytes_in: job.head_len as u64 + job.body_seen,
            bytes_out: account.bytes_out,
            tries: &buffers.tries,
            connect: account.connect,
            first_byte: account.first_byte,
            took: self.now.since(job.begun),
            reason: account.reason,
        };
        tell(&self.worker, &self.listening, job.table.access_log, &told);
    }

    /// Counts a limit that was reached.
    pub(super) fn limit(&self, limit: Limit) {
        if let Some(counters) = self.listening.counters() {
            counters.limits.one(limit);
        }
    }
}

/// Method and target of a head, also of one that is no request.
fn start_line(head: &[u8]) -> (&[u8], &[u8]) {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty()).unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}
