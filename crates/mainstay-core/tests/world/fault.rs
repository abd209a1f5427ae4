//! What goes wrong in a world, and what people do to it.

use mainstay_core::lease::{Command, Event, Hint, Nonce, Wish};

use crate::clock::Clock;
use crate::database::Power;
use crate::step::{Fault, Step};
use crate::world::{Out, World};

impl World {
    pub(crate) fn fault(&mut self, fault: Fault, out: &mut Out) {
        out.seen.push(fault.name());
        match fault {
            Fault::Crash(guard) => {
                self.guards[guard].crash();
                self.child_gone(guard, out);
                self.hint_gone(guard, out);
            }
            Fault::KillGuard(guard) => {
                self.guards[guard].die();
                self.hint_gone(guard, out);
                if let Some(child) = &mut self.guards[guard].child {
                    child.dying = true;
                    out.spawned.push(Step::Killed { guard, serial: child.serial });
                }
            }
            Fault::KillChild(guard) => self.child_crashed(guard, out),
            Fault::Boot(guard) => {
                if self.guards[guard].machine.is_none() {
                    self.boot(guard, out);
                }
            }
            Fault::Stop(guard) => {
                let now = self.now;
                let guard = &mut self.guards[guard];
                guard.stopped = guard.machine.is_some();
                guard.stopped_with_child = guard.child.as_ref().map(|_| now);
            }
            Fault::Continue(guard) => {
                (self.guards[guard].stopped, self.guards[guard].steady) = (false, self.now);
                let life = self.guards[guard].life;
                out.spawned.push(Step::TakeUp { guard, life });
            }
            Fault::Pause(guard) => self.guards[guard].paused = true,
            Fault::Wake(guard, stood) => {
                let nonces = self.nonces;
                let guard = &mut self.guards[guard];
                if std::mem::take(&mut guard.paused) {
                    guard.clock.ahead -= i64::try_from(stood).unwrap_or(0);
                    guard.slept = nonces;
                    guard.child.iter_mut().for_each(|child| child.slept = true);
                    out.spawned.push(Step::TakeUp { guard: guard.index, life: guard.life });
                }
            }
            Fault::Cut { guard, child } => {
                (self.guards[guard].cut, self.guards[guard].child_cut) = (true, child);
                self.hint_gone(guard, out);
            }
            Fault::Heal(guard) => {
                (self.guards[guard].cut, self.guards[guard].child_cut) = (false, false);
                self.tell(guard, Event::Hint(Hint::Cut), out);
            }
            Fault::Poorly(guard, poorly) => {
                self.guards[guard].poorly = poorly;
                let serial = self.guards[guard].child.as_ref().map_or(0, |child| child.serial);
                out.spawned.push(Step::Ready { guard, serial });
            }
            Fault::HandOver(guard) => self.wish(guard, Wish::HandOver("not well".into()), out),
            Fault::Leave(guard) => self.wish(guard, Wish::Leave, out),
            Fault::DropSession(guard) => {
                self.hint_gone(guard, out);
                self.session_lost(guard, out);
                self.tell(guard, Event::Hint(Hint::Cut), out);
            }
            Fault::Command(guard, wanted) => {
                let id = Nonce((2 << 100) | u128::from(self.now));
                self.tell(guard, Event::Command(Command { id, wanted }), out);
            }
            other => self.database_fault(other, out),
        }
    }

    fn wish(&mut self, guard: usize, wish: Wish, out: &mut Out) {
        if self.guards[guard].machine.is_some() {
            self.guards[guard].wish = Some(wish);
            self.report(guard, out);
        }
    }

    fn database_fault(&mut self, fault: Fault, out: &mut Out) {
        let newest = self.newest();
        match fault {
            Fault::PowerOff => {
                self.dbs[newest].turn_off();
                self.sessions_end(&[], out);
            }
            Fault::PowerOn => self.dbs[newest].power = Power::On,
            Fault::Replicate => {
                self.dbs[newest].replicate();
                for child in self.guards.iter_mut().filter_map(|guard| guard.child.as_mut()) {
                    child.fresh = false;
                }
            }
            Fault::Mislead(guard) => {
                self.guards[guard].misled = true;
                self.session_lost(guard, out);
            }
            Fault::Promote { zombie } => self.promote(&zombie, out),
            Fault::EndZombie => {
                for db in &mut self.dbs[..newest] {
                    db.turn_off();
                }
                for guard in 0..self.guards.len() {
                    if std::mem::take(&mut self.guards[guard].misled) {
                        self.session_lost(guard, out);
                    }
                }
            }
            Fault::Jump(by) => {
                let clock = &mut self.dbs[newest].clock;
                clock.ahead = clock.ahead.saturating_add(by);
            }
            _ => (),
        }
    }

    fn promote(&mut self, zombie: &[usize], out: &mut Out) {
        let synchronous = self.setup.synchronous;
        let newest = self.newest();
        if self.setup.dies_first && self.dbs[newest].power == Power::On {
            self.dbs[newest].turn_off();
            self.sessions_end(&[], out);
            out.spawned.push(Step::Fault(Fault::Promote { zombie: zombie.to_vec() }));
            return;
        }
        let old = &mut self.dbs[newest];
        let clock = Clock { ahead: old.clock.ahead + SKEW, ppm: old.clock.ppm };
        let new = old.promoted(synchronous, clock);
        if zombie.is_empty() {
            old.turn_off();
        } else {
            old.power = Power::Zombie { writable: !synchronous };
            self.divided |= !synchronous;
        }
        self.dbs.push(new);
        for guard in &mut self.guards {
            guard.misled = zombie.contains(&guard.index);
            if let Some(child) = &mut guard.child {
                child.ahead |= child.fresh;
                child.fresh = false;
            }
        }
        self.sessions_end(zombie, out);
    }

    /// Those of all guards but these.
    fn sessions_end(&self, but: &[usize], out: &mut Out) {
        for guard in 0..self.guards.len() {
            self.hint_gone(guard, out);
            if !but.contains(&guard) {
                self.session_lost(guard, out);
            }
        }
    }
}

/// Two databases' clocks differ.
const SKEW: i64 = 37_000_000;
