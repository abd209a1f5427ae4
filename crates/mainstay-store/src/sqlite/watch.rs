//! Whoever wants to know when a lease changes or its lock becomes free.

use std::collections::HashMap;
use std::time::Duration;

use mainstay_core::lease::{Member, Name, Nonce, Row, RowState, Stamp};
use tokio::sync::mpsc;

use super::lock::Locks;
use super::open::Database;
use super::rows;
use crate::Hint;
use crate::semantics::is_news;

/// The watched leases.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    leases: HashMap<Name, Watched>,
    data_version: i64,
}

#[derive(Debug, Default)]
struct Watched {
    row: Option<Row>,
    /// Whether `row` was ever read: what is found first is no news.
    known: bool,
    /// The members, without how long ago they looked.
    members: Vec<Member>,
    /// The tenure whose end was told.
    gone: Option<Nonce>,
    /// The tenure of this program whose lock's file was seen to be missing.
    astray: Option<Nonce>,
    receivers: Vec<mpsc::Sender<Hint>>,
}

impl Watchers {
    /// Adds one who watches a lease.
    pub(super) fn add(&mut self, lease: Name, receiver: mpsc::Sender<Hint>) {
        self.leases.entry(lease).or_default().receivers.push(receiver);
        // What is known of the lease is read at the next turn.
        self.data_version = -1;
    }

    /// Whether anybody watches.
    pub(super) fn any(&self) -> bool {
        !self.leases.is_empty()
    }

    /// Tells of a row or a member that this program wrote.
    pub(super) fn tell(&mut self, lease: &Name, row: &Row) {
        if let Some(watched) = self.leases.get_mut(lease) {
            watched.row = Some(row.clone());
            watched.say(Hint::Look);
        }
    }

    /// Looks what other programs did.
    pub(super) fn turn(&mut self, database: &Database, locks: &Locks) -> rusqlite::Result<()> {
        self.leases.retain(|_, watched| {
            watched.receivers.retain(|receiver| !receiver.is_closed());
            !watched.receivers.is_empty()
        });
        let version = database.connection.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0))?;
        let written = version != self.data_version;
        for (lease, watched) in &mut self.leases {
            if written {
                let row = rows::read(&database.connection, lease)?;
                let mut members = rows::members(&database.connection, lease, Stamp::default())?;
                members.iter_mut().for_each(|member| member.age = Duration::ZERO);
                let news = match (&watched.row, &row) {
                    (Some(old), Some(new)) => is_news(old, new),
                    (None, None) => false,
                    _ => true,
                } || members.iter().any(|member| !watched.members.contains(member));
                (watched.row, watched.members) = (row, members);
                if std::mem::replace(&mut watched.known, true) && news {
                    watched.say(Hint::Look);
                }
            }
            watched.look_at_lock(lease, locks);
        }
        // Only once all of it was read: what fails is read again.
        self.data_version = version;
        Ok(())
    }
}

impl Watched {
    /// A row that says that somebody holds the lease, while nobody has its lock, is that of a holder that is gone.
    fn look_at_lock(&mut self, lease: &Name, locks: &Locks) {
        let holder = self.row.as_ref().filter(|row| row.state != RowState::Free).map(|row| row.nonce);
        if let Some(nonce) = holder.filter(|nonce| self.astray != Some(*nonce))
            && locks.is_astray(lease, nonce)
        {
            self.astray = Some(nonce);
            self.say(Hint::Look);
        }
        if holder.is_none() || holder == self.gone || !locks.is_free(lease) {
            return;
        }
        self.gone = holder;
        self.say(Hint::HolderGone);
    }

    fn say(&self, hint: Hint) {
        for receiver in &self.receivers {
            // One that is full has been told to look; one that is closed is removed at the next turn.
            let _dropped = receiver.try_send(hint);
        }
    }
}
