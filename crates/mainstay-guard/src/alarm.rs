//! A thread that keeps a run's deadlines when nothing else of the guard does, and wakes the guard at its own.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::deadline::Deadline;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::Notify;

use crate::group::Group;

/// Ends its thread when the last handle is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Alarm(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held while the thread acts: a deadline that has been moved is not acted upon any more.
    state: Mutex<State>,
    changed: OwnedFd,
    rung: Notify,
}

#[derive(Debug, Default)]
struct State {
    run: Option<(Arc<Group>, Limits, Stands)>,
    ring_at: Option<Moment>,
    ended: bool,
}

/// What a run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// It is frozen then; `None`: it is not.
    pub(crate) freeze_at: Option<Moment>,
    /// It is killed then.
    pub(crate) kill_at: Moment,
}

/// Whether a run is known to stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    No,
    Yes,
}

impl Alarm {
    pub(crate) fn start() -> io::Result<Self> {
        let changed = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed, rung: Notify::new() });
        let (deadline, of_thread) = (Deadline::new()?, shared.clone());
        std::thread::Builder::new().name("guard-alarm".into()).spawn(move || of_thread.run(&deadline))?;
        Ok(Self(Arc::new(Handle(shared))))
    }

    /// Has the group's deadlines kept. When this returns, an earlier one is not acted upon any more.
    pub(crate) fn keep(&self, group: &Arc<Group>, limits: Limits) {
        self.change(|state| state.run = Some((group.clone(), limits, Stands::No)));
    }

    /// Has no deadlines kept: the run is over. When this returns, the group is not touched any more.
    pub(crate) fn release(&self) {
        self.change(|state| state.run = None);
    }

    /// Has [`Self::rung`] return at this moment.
    pub(crate) fn ring_at(&self, at: Option<Moment>) {
        self.change(|state| state.ring_at = at);
    }

    pub(crate) async fn rung(&self) {
        self.0.0.rung.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.0.change(change);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        // It fails only when there is no room for more wake-ups, and then the thread is awake.
        let _woken = rustix::io::write(&self.changed, &1_u64.to_ne_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, deadline: &Deadline) {
        loop {
            let again = {
                let mut state = self.lock();
                if state.ended {
                    return;
                }
                self.act(&mut state, deadline)
            };
            let again = again.map(|wait| Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) });
            let waits = &mut [PollFd::new(&self.changed, PollFlags::IN), PollFd::new(deadline, PollFlags::IN)];
            // A signal may cut it short; there is no harm in looking too often.
            let _ready = poll(waits, again.as_ref());
            let mut count = [0_u8; 8];
            let _emptied = rustix::io::read(&self.changed, &mut count);
        }
    }

    /// Does what is due. How soon to do it again, whatever the timer says.
    fn act(&self, state: &mut State, deadline: &Deadline) -> Option<Duration> {
        let now = clock::boot();
        if state.ring_at.is_some_and(|at| now >= at) {
            state.ring_at = None;
            self.rung.notify_one();
        }
        let mut next = state.ring_at;
        let mut again = None;
        if let Some((group, limits, stands)) = &mut state.run {
            let freeze_at = limits.freeze_at.filter(|_| *stands == Stands::No);
            if now >= limits.kill_at {
                // The sentinel does the same, and says when it is done; errors are told by it.
                let _killed = group.kill();
                again = Some(KILL_AGAIN);
            } else if freeze_at.is_some_and(|at| now >= at) {
                match group.freeze() {
                    Ok(true) => *stands = Stands::Yes,
                    _ => again = Some(FREEZE_AGAIN),
                }
                next = next.into_iter().chain([limits.kill_at]).min();
            } else {
                next = next.into_iter().chain(freeze_at).chain([limits.kill_at]).min();
            }
        }
        match deadline.set(next) {
            Ok(()) => again,
            Err(_) => Some(again.unwrap_or(WITHOUT_TIMER)),
        }
    }
}

const KILL_AGAIN: Duration = Duration::from_millis(20);
const FREEZE_AGAIN: Duration = Duration::from_millis(2);
const WITHOUT_TIMER: Duration = Duration::from_millis(20);
