//! What the keeper of a lease tells a guard and a front, and what a guard tells it.

use std::fmt;

use super::row::{Name, Nonce, Token};
use crate::Moment;

/// One holder's unbroken time with a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    /// Compared to know whether it is still the same.
    pub nonce: Nonce,
    /// Handed to whoever can fence with it. It may grow within a tenure, when the database was promoted and lost nothing.
    pub token: Token,
}

/// A standing and its number: each one told to a guard has a higher number than the one before. A guard may miss some
/// (only the last counts), so it reports which one it acted on, and nobody mistakes "gone" said before a child was
/// started for "gone" said after it was forbidden.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Grows; 0 is the `Without` that everything begins with.
    pub number: u64,
    /// What holds from now on.
    pub standing: Standing,
}

/// What a guard may do with its child. Moments are on the clock that counts a suspended machine's sleep (BOOTTIME).
///
/// The guard holds to it without being told again: when `until` passes and nothing newer came, the child is frozen, and
/// when `kill_at` passes it is killed, by whatever still runs (the guard, its alarm thread, its sentinel).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It holds nothing. The child must be gone, and nothing may start it.
    Without,
    /// It holds nothing yet but is to make ready for a planned switch-over: run `prepare`, then report it.
    Prepare {
        /// Of the switch-over.
        switch: Nonce,
    },
    /// The lease is held, the previous holder fenced: the child may run.
    Held {
        /// Which tenure.
        tenure: Tenure,
        /// Until then without further news.
        until: Moment,
        /// Then it is killed.
        kill_at: Moment,
    },
    /// The same tenure, but it is to be confirmed: the child is to be frozen now.
    Frozen {
        /// Which tenure.
        tenure: Tenure,
        /// Until then without further news what others have begun in the tenure may go on, if it remembers nothing beyond
        /// this history: the store was lost, and nothing else is in doubt. `None`: nothing may.
        until: Option<Moment>,
        /// Then it is killed.
        kill_at: Moment,
    },
    /// The lease is still held and is about to be given up: the child is to be stopped in order.
    Yield {
        /// Which tenure.
        tenure: Tenure,
        /// By then it is killed if it has not ended.
        until: Moment,
    },
}

/// What a guard reports of its child. Sent at each change, and when it has taken up an order that forbids the child to
/// run (`Without`, `Prepare`, `Yield`); the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// Number of the last order taken up before this was found: whatever it forbids is not started any more.
    pub order: u64,
    /// The tenure it ran or was stopped in; `None` before the first.
    pub nonce: Option<Nonce>,
    /// How it is.
    pub child: ChildState,
    /// What the guard would like to happen.
    pub wish: Option<Wish>,
    /// The switch-over for which `prepare` has ended well.
    pub prepared: Option<Nonce>,
}

/// How a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChildState {
    /// Known to be gone, all of its processes: the only state in which a lease is given up or taken.
    Gone,
    /// It may be running something that the guard cannot see the end of; nothing is taken or given up.
    Unknown,
    /// Its processes live, the ready check has not passed yet.
    Starting,
    /// The ready check passes.
    Ready,
    /// It was ready and no longer passes.
    Unwell,
    /// Stopped by the freezer, with all its locks and memory.
    Frozen,
    /// Asked to end.
    Stopping,
}

impl fmt::Display for ChildState {
    /// In one word, to stand in a sentence about the child.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "gone",
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unwell => "unwell",
            Self::Frozen => "frozen",
            Self::Stopping => "stopping",
        })
    }
}

/// What a guard wishes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// That another takes over: the child died too often, or is not well. The reason, as a sentence.
    HandOver(Name),
    /// To leave for good: the program is ending. The lease is freed once the child is gone.
    Leave,
}

/// What anybody may know of a lease: fronts follow it, `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseView {
    /// Who holds it, or held it last.
    pub holder: Option<Name>,
    /// Of that tenure: while it stays the same, whoever works with the holder may go on.
    pub nonce: Nonce,
    /// Of that tenure.
    pub token: Token,
    /// How far it is.
    pub phase: Phase,
    /// Whether the store answered lately. While it does not, the rest is the last that was known.
    pub fresh: bool,
    /// Somebody paused takeovers.
    pub paused: bool,
}

/// How far a tenure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nobody holds the lease.
    Vacant,
    /// Somebody is taking it.
    Fencing,
    /// The holder may run; its child is not ready.
    Starting,
    /// The holder's child is ready: this is the leader.
    Ready,
    /// A switch-over has begun: what is under way may finish, nothing new is given to the holder.
    Yielding,
}
