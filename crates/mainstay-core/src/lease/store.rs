//! What is asked of a store, and what it answers. A store does one request as one atomic step, or says that it does not
//! know whether it did.

use std::time::Duration;

use super::row::{Name, Nonce, Row, Stamp, SwitchTo, Timeline};

/// Which state of the row somebody acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its epoch.
    pub epoch: u64,
    /// Its sequence number.
    pub seq: u64,
}

/// Something asked of a store about one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the row, the members and the store's clock; also says that this member lives.
    Look {
        /// Who asks, and how it is.
        me: Member,
    },
    /// Take the lease, if the row is still as it was seen. Without `early` it must also have expired by the store's
    /// clock, or be free and not kept for somebody else. State becomes `Fencing`.
    Acquire {
        /// The row that was seen.
        seen: Version,
        /// The history it was seen in; in another one nothing is done.
        timeline: Timeline,
        /// The new epoch is at least this.
        epoch_at_least: u64,
        /// Drawn for this tenure.
        nonce: Nonce,
        /// Who takes it.
        holder: Name,
        /// How long until it expires.
        ttl: Duration,
        /// The holder's session is known to have ended: expiry is not waited for.
        early: bool,
    },
    /// Make every role of this lease but the tenure's own unable to log in, end their sessions and prepared
    /// transactions, sweep again. Done again from the start when its outcome was unknown.
    Fence {
        /// The tenure that fences; if the row has another, nothing is done.
        nonce: Nonce,
    },
    /// `Fencing` becomes `Active`, and the holder's role may log in.
    Activate {
        /// The tenure.
        nonce: Nonce,
        /// Its history; in another one nothing is done.
        timeline: Timeline,
        /// How long until it expires.
        ttl: Duration,
    },
    /// Say that the tenure goes on.
    Renew {
        /// The tenure.
        nonce: Nonce,
        /// Its history; in another one nothing is done.
        timeline: Timeline,
        /// How long until it expires.
        ttl: Duration,
        /// Whether the child is ready.
        ready: bool,
    },
    /// Give the lease up; the child is known to be gone. Kept for `next` for one ttl.
    Transfer {
        /// The tenure.
        nonce: Nonce,
        /// For whom.
        next: Option<Name>,
        /// How long it is kept.
        ttl: Duration,
    },
    /// Ask the holder for a switch-over, or with `None` take the wish back.
    Switch(Option<SwitchTo>),
    /// Pause takeovers, or with `None` resume them.
    Pause(Option<Name>),
}

/// What a store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done. The row after it, for `Fence` and `Look` as it is.
    Done {
        /// The row.
        row: Row,
        /// The history of the database that answered.
        timeline: Timeline,
        /// The store's clock.
        clock: Stamp,
        /// Whoever looked lately, this member included. Only for `Look`.
        members: Vec<Member>,
    },
    /// Nothing was done, because the row is no longer what the request says. The row as it is.
    Overtaken {
        /// The row.
        row: Row,
        /// The history of the database that answered.
        timeline: Timeline,
        /// The store's clock.
        clock: Stamp,
    },
}

/// A request that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is certain that nothing was done. The reason, as a sentence.
    NotDone(Name),
    /// It may or may not have been done, or may be done later. The reason, as a sentence.
    Unknown(Name),
}

/// Somebody who may hold the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: Name,
    /// Drawn when its program started: two programs with one name differ in it.
    pub instance: Nonce,
    /// The higher, the sooner it takes over; 0 means never.
    pub priority: u32,
    /// How it is.
    pub state: MemberState,
    /// How long ago it looked, by the store's clock. The store fills it in.
    pub age: Duration,
}

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It could take over.
    Standby,
    /// It has prepared for this switch-over.
    Prepared(Nonce),
    /// It holds the lease.
    Holder,
    /// It cannot take over now: its child is not known to be gone, or it is held back after failures.
    Unfit,
}
