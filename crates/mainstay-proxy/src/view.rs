//! What workers are told (a [`Snapshot`], over a watch channel) and what they tell (a [`Report`], over a bounded one).
//!
//! Health, ejection and name look-ups are decided outside the workers; a worker only ever sees the latest snapshot,
//! which is immutable, so the request path shares nothing that changes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstay_core::Moment;
use mainstay_core::lease::Nonce;
use mainstay_io::clock;

use crate::params::{Plan, PoolId};

/// The plan and how its nodes are just now.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What is run. A new plan (reload) is a new allocation; compare with [`Arc::ptr_eq`].
    pub plan: Arc<Plan>,
    /// How its nodes are; same indices as [`Plan::pools`] and [`crate::params::Pool::nodes`].
    pub pools: Vec<Vec<NodeView>>,
    /// Grows with each plan, so that a [`Report`] about an older one can be told apart.
    pub plan_number: u64,
    /// Grows with each snapshot. Workers tell which one they have taken up.
    pub number: u64,
}

/// How one node is just now.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Whether it gets new work.
    pub standing: Standing,
    /// Since when it stands so; with [`Standing::In`], slow start counts from here.
    pub since: Moment,
    /// Whether a good answer is news: the worker then reports [`Event::Answered`].
    pub suspect: bool,
    /// Where to connect, best first. Empty while a name has never been resolved.
    pub endpoints: Arc<[Endpoint]>,
    /// In a pool that follows a lease: the tenure the node has a part in. When it changes, what runs on the node ends at
    /// once.
    pub tenure: Option<Nonce>,
    /// Where what runs on the node may go on only for a time: until when.
    pub until: Option<Until>,
}

/// A moment until which what runs in one tenure may go on, on the clock that counts a suspended machine's sleep
/// (BOOTTIME). It is moved by whoever keeps the tenure, and looked at by workers before bytes go on: a program that was
/// stopped and woken finds it over before anything else has been told. Clones are the same moment. The next tenure has one
/// of its own, so that whoever slept through the end of this one does not take that for news of its own.
#[derive(Clone, Debug)]
pub struct Until {
    tenure: Nonce,
    moment: Arc<AtomicU64>,
}

impl Until {
    /// Of this tenure; it is over until it is moved.
    #[must_use]
    pub fn of(tenure: Nonce) -> Self {
        Self { tenure, moment: Arc::new(AtomicU64::new(0)) }
    }

    /// Whether it is that of this tenure.
    #[must_use]
    pub fn is_of(&self, tenure: Nonce) -> bool {
        self.tenure == tenure
    }

    /// Moves it.
    pub fn set(&self, until: Moment) {
        self.moment.store(until.as_nanos(), Ordering::Release);
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        clock::boot().as_nanos() >= self.moment.load(Ordering::Acquire)
    }
}

impl PartialEq for Until {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.moment, &other.moment)
    }
}

/// Whether a node gets new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    In,
    /// One request may try it, to see whether it is well again (after an ejection).
    Trial,
    /// It does not. What waits on it ends at once, unless the reason says that it may finish.
    Out(OutReason),
    /// It gets none, but what it has may finish (an operator drains it).
    Draining,
}

/// Why a node is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutReason {
    /// Checks got no answer: it is dead, frozen or cut off, so nothing that waits on it is worth waiting for.
    Check,
    /// Checks were answered, but not as they should be (a 503, or a port that is closed: a node that drains does either):
    /// it gets no new work, what it has may finish. If it is in fact dead, the system ends its connections by itself. In a
    /// pool of [`Kind::Canton`](crate::params::Kind) what it has ends as soon as another node is in: that one was promoted.
    Unwell,
    /// Live traffic failed on it. What it has may finish.
    Ejected,
    /// Its name was never resolved.
    Unresolved,
    /// The configuration says so.
    Off,
    /// Its pool follows a lease, which the node's holder does not have.
    NotLeader,
    /// Its holder has the lease, but is not ready, or is about to give it up. What it has may finish.
    NotReady,
}

/// Where to connect, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

/// News about a node from live traffic. Sent with `try_send`: a report that finds the channel full is dropped and
/// counted, since the next request brings the same news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// [`Snapshot::plan_number`] the ids belong to.
    pub plan_number: u64,
    /// The pool.
    pub pool: PoolId,
    /// Index of the node in its pool.
    pub node: u32,
    /// What happened.
    pub event: Event,
}

/// What live traffic saw of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It could not be connected to, broke a connection before an answer, or answered nonsense.
    Failed,
    /// It gave no answer in time.
    TimedOut,
    /// A request has waited for [`crate::params::Pool::doubt_after`]. Not a failure: a reason to check now.
    Slow,
    /// The same on a TCP session whose first bytes are no HTTP, so that only a connection can be probed.
    SlowOpaque,
    /// It answered while it was suspect or on trial.
    Answered,
}
