//! The lease as a row in the store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Name of a lease, of a holder, or of a role. Cheap to copy about.
pub type Name = Arc<str>;

/// Drawn at each acquisition; two tenures never share one. Whoever wants to know whether a tenure is still the same
/// compares nonces, never names or epochs: two machines may have been given one name by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub u128);

/// The history of the database that a row belongs to. It changes when a standby is promoted, and what the old history
/// had acknowledged may be missing from the new one. A store that cannot be promoted has 1 for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeline(pub u32);

/// The fencing token: what grows with every tenure, even when a promoted database has lost the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// The database's history; compared first.
    pub timeline: Timeline,
    /// Number of the tenure; only grows within one history.
    pub epoch: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.timeline.0, self.epoch)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A reading of the store's own clock: microseconds since an origin that only the store knows. Two of them may be
/// subtracted; none is ever compared with a clock of another machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub i64);

/// Whether somebody holds the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowState {
    /// Nobody does. Whoever may, can have it at once.
    Free,
    /// Somebody took it and is making the previous holder unable to write.
    Fencing,
    /// Its holder is active.
    Active,
}

/// The lease, as the store answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number of the tenure.
    pub epoch: u64,
    /// Grows with every change of the row, renewals included.
    pub seq: u64,
    /// Who holds it, or held it last. Empty: nobody ever did.
    pub holder: Name,
    /// Of the tenure.
    pub nonce: Nonce,
    /// Whether it is held.
    pub state: RowState,
    /// The history the tenure was acquired in.
    pub timeline: Timeline,
    /// Whether the holder's child passed its ready check. Meaningful while `state` is `Active`.
    pub ready: bool,
    /// For whom a free lease is kept until it expires.
    pub next: Option<Name>,
    /// What the holder was asked to do.
    pub switch: Option<SwitchTo>,
    /// Maintenance: nobody takes over, whatever happens. Who asked for it.
    pub paused: Option<Name>,
    /// When the tenure (or the reservation for `next`) runs out, by the store's clock.
    pub expires_at: Stamp,
}

/// A switch-over that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchTo {
    /// Of the request, so that whoever asked can follow it.
    pub id: Nonce,
    /// Who is to be the holder; `None`: the best that can.
    pub to: Option<Name>,
    /// It starts this long after it was asked for; zero is at once.
    pub after: Duration,
}

impl Row {
    /// The token of the row's tenure.
    #[must_use]
    pub const fn token(&self) -> Token {
        Token { timeline: self.timeline, epoch: self.epoch }
    }
}
