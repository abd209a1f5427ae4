//! Who wants to know when it is worth to look, and what is known of the holders' sessions.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use mainstay_core::lease::{Name, RowState};
use tokio::sync::{mpsc, watch};

use super::rows::Seen;
use crate::Hint;
use crate::store::HINTS_HELD;

/// The watched leases.
#[derive(Debug, Default)]
pub(super) struct Hints {
    // Invariant: what is locked is only read or changed, never held while anything is waited for.
    leases: Mutex<HashMap<Name, Watched>>,
    /// How often the own session has ended.
    losses: watch::Sender<u64>,
    /// The database system that was reached; the store's hosts are copies of one another.
    system: OnceLock<u64>,
}

#[derive(Debug, Default)]
struct Watched {
    receivers: Vec<mpsc::Sender<Hint>>,
    /// The holder's session, while it is not known to have ended.
    session: Option<i64>,
    /// The last one whose end was told.
    ended: Option<i64>,
}

impl Hints {
    /// Adds one who watches a lease.
    pub(super) fn watch(&self, lease: &Name) -> mpsc::Receiver<Hint> {
        let (sender, receiver) = mpsc::channel(HINTS_HELD);
        self.lock().entry(lease.clone()).or_default().receivers.push(sender);
        receiver
    }

    /// A notification came: a lease's name.
    pub(super) fn changed(&self, lease: &str) {
        if let Some(watched) = self.lock().get_mut(lease) {
            watched.say(Hint::Look);
        }
    }

    /// The own session has ended.
    pub(super) fn lost(&self) {
        self.losses.send_modify(|losses| *losses = losses.wrapping_add(1));
    }

    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// A session was begun in this database system.
    pub(super) fn reached(&self, system: u64) {
        let _known = self.system.set(system);
    }

    pub(super) fn system(&self) -> Option<u64> {
        self.system.get().copied()
    }

    /// The own session is another one now.
    pub(super) fn cut(&self) {
        for watched in self.lock().values_mut() {
            watched.say(Hint::Cut);
        }
    }

    /// A row was seen: whose session is to be watched.
    pub(super) fn seen(&self, seen: &Seen, own: i64) {
        let mut leases = self.lock();
        let Some(watched) = leases.get_mut(&seen.lease) else { return };
        let held = seen.row.state != RowState::Free && seen.session != 0 && seen.session != own;
        watched.session = (held && watched.ended != Some(seen.session)).then_some(seen.session);
    }

    /// The sessions to look after.
    pub(super) fn sessions(&self) -> BTreeSet<i64> {
        let mut leases = self.lock();
        leases.retain(|_, watched| {
            watched.receivers.retain(|receiver| !receiver.is_closed());
            !watched.receivers.is_empty()
        });
        leases.values().filter_map(|watched| watched.session).collect()
    }

    /// These sessions have ended.
    pub(super) fn ended(&self, sessions: &BTreeSet<i64>) {
        for watched in self.lock().values_mut() {
            if let Some(session) = watched.session.take_if(|session| sessions.contains(session)) {
                watched.ended = Some(session);
                watched.say(Hint::HolderGone);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Watched>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn say(&mut self, hint: Hint) {
        for receiver in &self.receivers {
            // One that is full has been told to look; one that is closed is removed when sessions are looked after.
            let _dropped = receiver.try_send(hint);
        }
    }
}
