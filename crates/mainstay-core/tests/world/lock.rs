//! The lock beside a lease whose members are on one machine: whoever has it holds it for as long as the program that took
//! it, or a child that inherited it, is there; or until a sentinel lets go of it for all of them.

use mainstay_core::lease::{Answer, Hint, Nonce, Request, RowState};

use crate::clock::Instant;
use crate::database::Ran;
use crate::step::Step;
use crate::world::{Out, World};

/// How the lock is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Locking {
    /// The design: a sentinel whose child is gone, and whose guard takes no notice though its time is over, lets go of it.
    LetGo,
    /// Nobody ever lets go of it.
    Kept,
    /// It is let go, and whoever had it does not look.
    Unseen,
}

/// The lock as it was taken last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lock {
    guard: usize,
    life: u32,
    nonce: Nonce,
    /// The program has its part of it, if it lives.
    program: bool,
    let_go: bool,
    /// The child whose sentinel waits to be noticed.
    lingers: Option<u32>,
}

impl World {
    /// What is answered instead of what the row alone would say.
    pub(crate) fn locked(
        &mut self,
        guard: usize,
        life: u32,
        db: usize,
        request: &Request,
        out: &mut Out,
    ) -> Option<Ran> {
        let locking = self.setup.lock?;
        let lock = self.lock.as_mut()?;
        match request {
            Request::Acquire { .. } => {
                lock.program &= (lock.guard, lock.life) != (guard, life);
                if !self.lock_is_held() {
                    return None;
                }
            }
            Request::Renew { nonce, .. } | Request::Activate { nonce, .. } | Request::Fence { nonce } => {
                let ended = lock.nonce == *nonce && lock.let_go && locking != Locking::Unseen;
                let row = self.dbs[db].row();
                if !ended || row.nonce != *nonce || row.state == RowState::Free {
                    return None;
                }
                out.seen.push("freed, as its lock was let go");
                let free = Request::Transfer { nonce: *nonce, next: None, ttl: row.ttl };
                self.dbs[db].ask(&free, self.now);
                self.judge(self.holds_at_transfer(*nonce), out);
            }
            _ => return None,
        }
        Some(self.dbs[db].overtaken(self.now))
    }

    /// Takes the lock with the lease, and gives it up with it.
    pub(crate) fn lock_after(&mut self, guard: usize, life: u32, request: &Request, answer: &Answer) {
        if self.setup.lock.is_none() {
            return;
        }
        match (request, answer) {
            (Request::Acquire { nonce, .. }, Answer::Done { .. }) => {
                let (nonce, program) = (*nonce, true);
                self.lock = Some(Lock { guard, life, nonce, program, let_go: false, lingers: None });
            }
            (Request::Transfer { nonce, .. }, _)
            | (Request::Renew { nonce, .. } | Request::Activate { nonce, .. }, Answer::Overtaken { .. }) => {
                self.lock.iter_mut().filter(|lock| lock.nonce == *nonce).for_each(|lock| lock.program = false);
            }
            _ => (),
        }
    }

    /// A child is gone. Its sentinel waits to be noticed by the guard, if there is one.
    pub(crate) fn lock_lingers(&mut self, guard: usize, serial: u32, nonce: Nonce, out: &mut Out) {
        let life = self.guards[guard].life;
        let lives = self.guards[guard].machine.is_some();
        let Some(lock) = self.lock.as_mut().filter(|lock| (lock.guard, lock.nonce) == (guard, nonce)) else { return };
        if lives && lock.life == life {
            lock.lingers = Some(serial);
            out.spawned.push(Step::Noticed { guard, life, serial });
            out.spawned.push(Step::LetGo { guard, serial });
        } else if !self.lock_is_held() {
            self.hint_all(Hint::HolderGone, out);
        }
    }

    /// The guard takes notice; the sentinel ends.
    pub(crate) fn lock_noticed(&mut self, serial: u32) {
        self.lock.iter_mut().for_each(|lock| lock.lingers = lock.lingers.filter(|lingers| *lingers != serial));
    }

    /// The sentinel has waited; longer than this while the tenure is good.
    pub(crate) fn lock_let_go(&mut self, guard: usize, serial: u32, out: &mut Out) {
        let good = self.guards[guard].good_until.is_some_and(|until| self.guards[guard].clock.read(self.now) < until);
        let lets_go = self.setup.lock != Some(Locking::Kept);
        let waits = |lock: &&mut Lock| lock.guard == guard && lock.lingers == Some(serial);
        let Some(lock) = self.lock.as_mut().filter(waits) else { return };
        if good {
            out.spawned.push(Step::LetGo { guard, serial });
        } else if lets_go {
            (lock.lingers, lock.let_go) = (None, true);
            out.seen.push("lock let go");
            self.hint_all(Hint::HolderGone, out);
        }
    }

    /// Whether a child may be started; `None`: not yet.
    pub(crate) fn lock_lets_start(&self, nonce: Nonce) -> Option<bool> {
        match (self.setup.lock, &self.lock) {
            (None | Some(Locking::Unseen), _) => Some(true),
            (Some(_), None) => Some(false),
            (Some(_), Some(lock)) if lock.nonce == nonce && !lock.let_go => lock.lingers.is_none().then_some(true),
            (Some(_), Some(_)) => Some(false),
        }
    }

    fn lock_is_held(&self) -> bool {
        let Some(lock) = self.lock.as_ref().filter(|lock| !lock.let_go) else { return false };
        let guard = &self.guards[lock.guard];
        let program = lock.program && guard.life == lock.life && guard.machine.is_some();
        program || guard.child.as_ref().is_some_and(|child| child.nonce == lock.nonce)
    }

    /// A guard that was stopped long ago, with a child that is long dead, and has the lease still.
    pub(crate) fn kept_by_a_stopped_guard(&self) -> Option<usize> {
        self.setup.lock?;
        let row = self.dbs.last()?.row();
        let late = |since: Instant| self.now > since + TAKEN_OVER_WITHIN;
        let keeps = |guard: &&crate::guard::Guard| {
            let stopped = guard.stopped_with_child.filter(|_| guard.stopped);
            stopped.is_some_and(late) && guard.child.is_none() && self.owner(row.nonce).index == guard.index
        };
        let guard = self.guards.iter().find(keeps)?;
        self.guards.iter().find(|other| other.index != guard.index && other.acts() && late(other.steady))?;
        (row.state != RowState::Free).then_some(guard.index)
    }
}

/// The tenure's time, once more as long frozen, and what it takes to notice: at a ttl of 3 s.
const TAKEN_OVER_WITHIN: Instant = crate::clock::ms(8_500);
