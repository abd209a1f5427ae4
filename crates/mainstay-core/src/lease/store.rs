//! What is asked of a store, and what it answers. A store does one request as one atomic step, or says that it does not
//! know whether it did.

use std::time::Duration;

use super::row::{Name, Nonce, Outcome, Row, Serving, Stamp, Timeline};

/// Which state of the row somebody acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Its epoch.
    pub epoch: u64,
    /// Its sequence number.
    pub seq: u64,
}

/// Something asked of a store about one lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Read the row, the members and the store's clock; also says that this member lives.
    Look {
        /// Who asks, and how it is.
        me: Member,
    },
    /// Take the lease, if the row is still as it was seen. Without `early` it must also have expired by the store's
    /// clock, or be free and not kept for somebody else. While the lease is paused, only the row's holder (the one it
    /// had last, if it is free) and the one it is kept for can take it. State becomes `Fencing`, the row's timeline that
    /// of the database.
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
        /// Expiry by the store's clock is not waited for: the holder's session is known to have ended, or the store's
        /// clock was set back and would bar everybody for as long.
        early: bool,
    },
    /// Make the roles of this lease unable to log in, end their sessions and prepared transactions, sweep again. While
    /// the row is `Fencing` all of them, the tenure's own included (whoever had it before may live on); while it is
    /// `Active` all but the tenure's own. Done again from the start when its outcome was unknown.
    Fence {
        /// The tenure that fences; if the row has another, nothing is done.
        nonce: Nonce,
    },
    /// `Fencing` becomes `Active`, and the holder's role may log in. Done again (the row is `Active` with this nonce) it
    /// changes nothing but `seq` and the expiry; in particular the role keeps the password of this tenure. Nothing is
    /// done to a row that is `Free`.
    Activate {
        /// The tenure.
        nonce: Nonce,
        /// Its history; in another one nothing is done.
        timeline: Timeline,
        /// How long until it expires.
        ttl: Duration,
    },
    /// Say that the tenure goes on, in the state that it has. Nothing is done to a row that is `Free`.
    Renew {
        /// The tenure.
        nonce: Nonce,
        /// Its history; in another one nothing is done.
        timeline: Timeline,
        /// How long until it expires.
        ttl: Duration,
        /// How far the child is.
        serving: Serving,
        /// Who is to make ready to follow.
        next: Option<Name>,
    },
    /// Go on with an active tenure in the history of a promoted database, of which it is known that it lost nothing
    /// acknowledged. The row must have this nonce, the timeline `from`, and a `seq` of at least `seq_at_least`; it gets
    /// the timeline `to`.
    Carry {
        /// The tenure.
        nonce: Nonce,
        /// The history it was last confirmed in.
        from: Timeline,
        /// The history it goes on in; in another one nothing is done.
        to: Timeline,
        /// What the old history acknowledged.
        seq_at_least: u64,
        /// How long until it expires.
        ttl: Duration,
    },
    /// Give the lease up; the child is known to be gone. Kept for `next` for one ttl. Nothing is done to a row that is
    /// `Free`; the nonce stays in the row.
    Transfer {
        /// The tenure.
        nonce: Nonce,
        /// For whom.
        next: Option<Name>,
        /// How long it is kept.
        ttl: Duration,
    },
    /// Ask the holder for a switch-over; nothing is done while another one waits.
    Switch {
        /// Drawn for it, so that whoever asked can follow it.
        id: Nonce,
        /// Who is to be the holder; `None`: the best that can.
        to: Option<Name>,
        /// How long from now it is to start, by the store's clock.
        after: Duration,
    },
    /// End a switch-over and say how it ended; nothing is done if another one waits.
    Settle {
        /// Of the switch-over.
        id: Nonce,
        /// What whoever asked may read in the row.
        outcome: Outcome,
    },
    /// Pause takeovers, or with `None` resume them.
    Pause(Option<Name>),
}

/// What a store answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It is certain that nothing was done. The reason, as a sentence.
    NotDone(Name),
    /// It may or may not have been done, or may be done later. The reason, as a sentence.
    Unknown(Name),
}

/// Somebody who may hold the lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name.
    pub name: Name,
    /// Drawn when its program started: two programs with one name differ in it.
    pub instance: Nonce,
    /// The higher, the sooner it takes over; 0 means never.
    pub priority: u32,
    /// How it is.
    pub state: MemberState,
    /// Its fronts have nothing under way at the holder (or it has none): a holder that yields waits for this.
    pub quiet: bool,
    /// How long ago it looked, by the store's clock. The store fills it in.
    pub age: Duration,
}

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
