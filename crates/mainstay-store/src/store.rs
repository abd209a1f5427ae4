//! What every store can do.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure, Hint, Name, Nonce, Request};
use tokio::sync::{mpsc, watch};

use crate::{Entry, Grant, Presence};

/// What a store gives back while it works on something.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A place where leases are kept. One connection's worth of it serves a whole program: any number of leases, each asked
/// about by one keeper.
pub trait Store: fmt::Debug + Send + Sync {
    /// Does `request` about `lease` as one step.
    ///
    /// It ends within `timeout`. [`Failure::NotDone`] is said only when it is certain that nothing was done
    /// and nothing will be; everything else that is no answer is [`Failure::Unknown`]. Nothing is tried twice here.
    ///
    /// A `Look` makes the lease's row when there is none; any other request about a lease without one is not done.
    fn ask<'a>(&'a self, lease: &'a Name, request: Request, timeout: Duration) -> Asking<'a, Answer>;

    /// The records of members of `lease`, the last first: those that are remembered, dead or alive. Writes nothing.
    fn presences<'a>(&'a self, lease: &'a Name) -> Asking<'a, Vec<Presence>>;

    /// Tells when it is worth looking at `lease`. It ends with the store; [`HINTS_HELD`] are kept for a receiver that is
    /// slow, more are dropped.
    fn hints(&self, lease: &Name) -> mpsc::Receiver<Hint>;

    /// A number that grows when the session with the store ends, before another one is begun: when the connection broke,
    /// and when an answer did not come in time. `None`: there is no session that could end.
    fn losses(&self) -> Option<watch::Receiver<u64>>;

    /// What a child of the tenure `nonce` gets. Complete once the tenure is active; empty for a tenure that this store
    /// did not acquire.
    fn grant(&self, lease: &Name, nonce: Nonce) -> Grant;

    /// Writes down something that happened. The last [`Entry::KEPT`] of each lease are kept.
    fn record<'a>(&'a self, entry: Entry) -> Asking<'a, ()>;

    /// What happened, oldest first: the last `limit` entries of one lease, or of all.
    fn history<'a>(&'a self, lease: Option<&'a Name>, limit: u32) -> Asking<'a, Vec<Entry>>;

    /// The database system that the store is in, by PostgreSQL's own identifier; `None` where it is in none, or was not
    /// reached yet.
    fn system(&self) -> Option<u64>;

    /// What keeps two holders of `lease` from writing both.
    fn tier(&self, lease: &Name) -> Tier;

    /// What it is, in a few words and without secrets: `sqlite:/var/lib/mainstay.db`.
    fn describe(&self) -> String;
}

/// What keeps two holders from writing both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The database does: who lost the lease can no longer log in, and its sessions were ended.
    Fenced,
    /// The kernel of the one machine they share does: a lock lives as long as any process of the holder's child.
    Exclusive,
    /// Nothing but time.
    Advisory,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fenced => "fenced",
            Self::Exclusive => "exclusive",
            Self::Advisory => "advisory",
        })
    }
}

/// How many hints wait for a receiver.
pub(crate) const HINTS_HELD: usize = 16;
