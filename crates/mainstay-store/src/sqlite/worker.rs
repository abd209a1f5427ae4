//! The thread that has the file, so that a slow disk stops nobody else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use mainstay_core::Span;
use mainstay_core::lease::{Failure, Name};
use tokio::sync::{mpsc, oneshot};

use super::lock::Locks;
use super::open::Database;
use super::steps::State;
use super::watch::Watchers;
use crate::{Hint, Settings};

/// The way to the thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: SyncSender<Job>,
}

type Job = Box<dyn FnOnce(&mut State) + Send>;

impl Worker {
    /// Starts it.
    pub(super) fn start(database: Database, locks: Locks, settings: &Settings) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let state = State {
            database,
            locks,
            watchers: Watchers::default(),
            timeout: settings.timeout,
            place: settings.place.clone(),
        };
        std::thread::Builder::new().name("sqlite".to_owned()).spawn(move || run(state, &queue))?;
        Ok(Self { jobs })
    }

    /// Has the thread do something, in time or not at all as far as that can be said.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl FnOnce(&mut State) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        // Whoever sets it first decides: the thread that begins, or the caller who no longer waits.
        let taken = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&taken);
        let job: Job = Box::new(move |state| {
            if !begun.swap(true, Ordering::AcqRel) {
                // The caller may have left meanwhile; it was told that nobody knows.
                let _left = answer.send(work(state));
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(Failure::NotDone(format!("{QUEUE} requests wait for the store's file already").into()));
            }
            Err(TrySendError::Disconnected(_)) => return Err(Failure::NotDone("the store's thread has ended".into())),
        }
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::Unknown("the store's thread has ended".into())),
            Err(_) if taken.swap(true, Ordering::AcqRel) => {
                Err(Failure::Unknown(format!("the store's file did not answer within {}", Span(timeout)).into()))
            }
            Err(_) => Err(Failure::NotDone(format!("the store's file was busy for {}", Span(timeout)).into())),
        }
    }

    /// Has it tell of a lease. Nobody is told when the thread has ended or is overwhelmed: the channel then closes.
    pub(super) fn watch(&self, lease: Name, receiver: mpsc::Sender<Hint>) {
        let _closed = self.jobs.try_send(Box::new(move |state| state.watchers.add(lease, receiver)));
    }
}

fn run(mut state: State, queue: &Receiver<Job>) {
    let mut looked = Instant::now();
    loop {
        let pause = if state.watchers.any() { TURN.saturating_sub(looked.elapsed()) } else { IDLE };
        match queue.recv_timeout(pause) {
            Ok(job) => job(&mut state),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if state.watchers.any() && looked.elapsed() >= TURN {
            let State { database, locks, watchers, .. } = &mut state;
            if let Err(error) = watchers.turn(database, locks) {
                tracing::debug!(%error, "look for changes in the store's file");
            }
            looked = Instant::now();
        }
    }
}

/// Requests that may wait.
const QUEUE: usize = 4096;
/// How often other programs' changes are looked for, and locks that became free.
const TURN: Duration = Duration::from_millis(20);
/// How long the thread sleeps when nobody watches; a request wakes it.
const IDLE: Duration = Duration::from_secs(3600);
