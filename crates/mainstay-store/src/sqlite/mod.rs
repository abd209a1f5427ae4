//! Leases in a file, for programs of one machine: the row, and a lock that the holder's child inherits.
//!
//! Its clock is the machine's own since it was started, which no one can set; after a start of the machine every tenure
//! is over, since nobody can have lived through it.

mod lock;
mod open;
mod removed;
mod rows;
mod steps;
mod trouble;
mod watch;
mod worker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_core::lease::{Answer, Name, Nonce, Request};
use tokio::sync::mpsc;

use crate::store::HINTS_HELD;
use crate::{Asking, Entry, FileFault, Finding, Grant, Hint, Presence, Settings, Store, Tier};
use lock::Locks;
use worker::Worker;

/// A store in a file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    worker: Worker,
    locks: Locks,
    timeout: Duration,
}

impl Sqlite {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, FileFault> {
        let path = std::path::absolute(path).map_err(|error| FileFault(format!("{}: {error}", path.display())))?;
        let database = open::open(&path, settings.timeout)?;
        let locks = Locks::beside(&path);
        let worker = Worker::start(database, locks.clone(), settings);
        let worker =
            worker.map_err(|error| FileFault(format!("cannot start a thread for {}: {error}", path.display())))?;
        Ok(Self { path, worker, locks, timeout: settings.timeout })
    }
}

impl Sqlite {
    /// Says what can be said of a file that is there; one that is not is not made.
    pub(crate) fn look(path: &Path, settings: &Settings) -> Result<Finding, FileFault> {
        if !path.exists() {
            let text = format!("{} is not there yet: it is made when a guard starts", path.display());
            return Ok(Finding::Note(text));
        }
        Self::open(path, settings)?;
        Ok(Finding::Good(format!("{} is a store and can be written", path.display())))
    }
}

impl Store for Sqlite {
    fn ask<'a>(&'a self, lease: &'a Name, request: Request, timeout: Duration) -> Asking<'a, Answer> {
        let lease = lease.clone();
        Box::pin(self.worker.call(timeout, move |state| state.step(&lease, &request)))
    }

    fn presences<'a>(&'a self, lease: &'a Name) -> Asking<'a, Vec<Presence>> {
        let lease = lease.clone();
        Box::pin(self.worker.call(self.timeout, move |state| state.presences(&lease)))
    }

    fn hints(&self, lease: &Name) -> mpsc::Receiver<Hint> {
        let (sender, receiver) = mpsc::channel(HINTS_HELD);
        self.worker.watch(lease.clone(), sender);
        receiver
    }

    fn losses(&self) -> Option<tokio::sync::watch::Receiver<u64>> {
        None
    }

    fn grant(&self, lease: &Name, nonce: Nonce) -> Grant {
        Grant { credential: None, lock: self.locks.held(lease, nonce) }
    }

    fn record<'a>(&'a self, entry: Entry) -> Asking<'a, ()> {
        Box::pin(self.worker.call(self.timeout, move |state| state.record(&entry)))
    }

    fn history<'a>(&'a self, lease: Option<&'a Name>, limit: u32) -> Asking<'a, Vec<Entry>> {
        let lease = lease.cloned();
        Box::pin(self.worker.call(self.timeout, move |state| state.history(lease.as_ref(), limit)))
    }

    fn system(&self) -> Option<u64> {
        None
    }

    fn tier(&self, _lease: &Name) -> Tier {
        Tier::Exclusive
    }

    fn describe(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }
}
