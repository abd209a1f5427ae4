//! One request, as far as it outlives its head.

use std::rc::Rc;
use std::time::Duration;

use mainstay_core::{Moment, retry};
use mainstay_wire::h1::{Method, Version};

use super::body::Body;
use super::route::{Route, Table};
use super::spares::Buffers;
use crate::params::Action;
use crate::pool::{Connection, Guard, Wait};

/// One request, as far as it outlives its head.
pub(super) struct Job {
    pub(super) table: Rc<Table>,
    pub(super) route: Rc<Route>,
    /// When its first byte came.
    pub(super) begun: Moment,
    pub(super) method: Method,
    pub(super) version: Version,
    /// Whether the client wants to keep the connection.
    pub(super) keep: bool,
    /// Whether it asks for another protocol.
    pub(super) upgrade: bool,
    /// Length of its head in the connection's input.
    pub(super) head_len: usize,
    /// Bytes of the body in the input, behind the head. All that came, while [`Job::kept`].
    pub(super) body_here: usize,
    /// What is still to come of the body.
    pub(super) body: Body,
    /// Whether the client keeps the body back until it is told to go on.
    pub(super) withheld: bool,
    /// Bytes of the body seen, framing included.
    pub(super) body_seen: u64,
    /// Those of them that are data.
    pub(super) body_data: u64,
    /// Whether all of the body seen so far is in the input, so that it can be sent again.
    pub(super) kept: retry::Body,
    /// Set when it is refused before anything is done: the status.
    pub(super) refusal: Option<u16>,
    /// Set when it asks for an error page in another's place: the status the client gets.
    pub(super) page: Option<u16>,
    /// Set once it had to wait for a node; boxed because that is rare.
    pub(super) waited: Option<Box<Waited>>,
    /// Set when the rest of it is to be carried without a task: its place on a connection to the node.
    pub(super) up: Option<Box<Connection>>,
    /// How it went, for the log.
    pub(super) account: Account,
}

/// A request that had to wait for a node.
pub(super) struct Waited {
    /// Its place in the line.
    pub(super) wait: Wait,
    /// Work begun on a node when its turn came, until a connection takes it over.
    pub(super) begun: Option<Guard>,
}

/// How a request went.
#[derive(Default)]
pub(super) struct Account {
    /// Status the client got; 0 for none.
    pub(super) status: u16,
    /// Bytes written to the client, heads included.
    pub(super) bytes_out: u64,
    /// Time to connect to the last node; `None` when an idle connection was used.
    pub(super) connect: Option<Duration>,
    /// From the request's first byte to the answer's.
    pub(super) first_byte: Option<Duration>,
    /// Why it failed; empty if it did not.
    pub(super) reason: &'static str,
}

impl Waited {
    pub(super) fn new(wait: Wait) -> Box<Self> {
        Box::new(Self { wait, begun: None })
    }
}

impl Job {
    /// Work that was begun on a node when its turn came.
    pub(super) fn take_begun(&mut self) -> Option<Guard> {
        self.waited.as_mut()?.begun.take()
    }

    /// A request of which nothing is known but that `input` bytes of it came.
    pub(super) fn unknown(table: &Rc<Table>, begun: Moment, input: usize) -> Self {
        Self {
            table: Rc::clone(table),
            route: Rc::clone(table.nowhere()),
            begun,
            method: Method::Other,
            version: Version::Http11,
            keep: false,
            upgrade: false,
            head_len: input,
            body_here: 0,
            body: Body::Done,
            withheld: false,
            body_seen: 0,
            body_data: 0,
            kept: retry::Body::Gone,
            refusal: None,
            page: None,
            waited: None,
            up: None,
            account: Account::default(),
        }
    }

    /// Largest body that must be kept for copies.
    pub(super) fn mirrored(&self) -> usize {
        let Action::Forward(forward) = &self.route.params.action else { return 0 };
        forward.mirrors.iter().map(|mirror| mirror.body_max).max().unwrap_or(0)
    }

    /// Whether all of it is with the node that gets it, as far as the system has taken it.
    pub(super) fn is_sent(&self, buffers: &Buffers) -> bool {
        self.body.is_done() && buffers.unsent.is_empty()
    }

    /// Whether the connection can be kept after this request, as far as the request is concerned.
    pub(super) fn can_keep(&self) -> bool {
        self.keep && self.body.is_done()
    }
}
