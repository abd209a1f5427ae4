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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

impl Stamp {
    /// From this reading to `later`; zero if that is the earlier one (the store's clock may have been set back).
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

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

/// How far the holder's child is, as its fronts need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Serving {
    /// It does not pass its ready check, yet or any more.
    Starting,
    /// It does: clients may be sent there.
    Ready,
    /// The lease is about to be given up: what is under way may finish, nothing new is sent there.
    Yielding,
}

/// The lease, as the store answered it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Number of the tenure.
    pub epoch: u64,
    /// Grows by one with every step of a tenure: `Acquire`, `Activate`, `Renew`, `Carry`, `Transfer`. `Switch`, `Settle` and
    /// `Pause`, which anybody may send, leave it as it is: the holder counts its own steps by it.
    pub seq: u64,
    /// Who holds it, or held it last. Empty: nobody ever did.
    pub holder: Name,
    /// Of the tenure.
    pub nonce: Nonce,
    /// Whether it is held.
    pub state: RowState,
    /// The history the tenure was acquired in.
    pub timeline: Timeline,
    /// How far the holder's child is. Meaningful while `state` is `Active`; `Acquire` sets it to `Starting`.
    pub serving: Serving,
    /// While the lease is free: for whom it is kept until it expires. While it is held: who was chosen to follow in a
    /// switch-over and is to make ready. `Acquire` empties it.
    pub next: Option<Name>,
    /// What the holder was asked to do. It stays until `Settle` names its id, whoever holds the lease meanwhile.
    pub switch: Option<SwitchTo>,
    /// How the last switch-over ended.
    pub settled: Option<Settled>,
    /// Maintenance: nobody takes over, whatever happens. Who asked for it.
    pub paused: Option<Name>,
    /// When the tenure (or the reservation for `next`) runs out, by the store's clock.
    pub expires_at: Stamp,
    /// The `ttl` of the request that set `expires_at`: members may have been configured differently.
    pub ttl: Duration,
}

/// A switch-over that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SwitchTo {
    /// Of the request, so that whoever asked can follow it.
    pub id: Nonce,
    /// Who is to be the holder; `None`: the best that can.
    pub to: Option<Name>,
    /// When it is to start, by the store's clock.
    pub due: Stamp,
}

/// A switch-over that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settled {
    /// Of the request.
    pub id: Nonce,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a switch-over ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The successor is ready.
    Done,
    /// It was refused before anything was touched. The reason, as a sentence.
    Refused(Name),
    /// It was begun and did not succeed. What happened and who holds the lease, as a sentence.
    Failed(Name),
}

impl Row {
    /// The token of the row's tenure.
    #[must_use]
    pub const fn token(&self) -> Token {
        Token { timeline: self.timeline, epoch: self.epoch }
    }
}
