//! Children: started, at work at the database, ended.

use std::sync::Arc;

use mainstay_core::lease::{Request, RequestId, Wish};

use crate::guard::Way;
use crate::step::Step;
use crate::world::{Out, World};

impl World {
    pub(crate) fn child_step(&mut self, step: Step, out: &mut Out) {
        match step {
            Step::Login { guard, serial, db, nonce, role } => {
                let (check, fenced) = (self.setup.check, self.setup.fenced);
                let session = self.dbs[db].login(role, nonce, check, fenced);
                out.seen.push(if session.is_some() { "child let in" } else { "child not let in" });
                out.spawned.push(match session {
                    Some(session) => Step::Enter { guard, serial, db, session },
                    None => Step::LetIn { guard, serial, db, session },
                });
            }
            Step::Enter { guard, serial, db, session } => {
                let there = self.dbs[db].session(session).map(|session| session.listed = true);
                out.spawned.push(Step::LetIn { guard, serial, db, session: there.map(|()| session) });
            }
            Step::LetIn { guard, serial, db, session } => self.let_in(guard, serial, db, session, out),
            Step::Statement { guard, serial, db, session, nonce, ahead } => {
                let done = self.dbs[db].write(session);
                if done {
                    self.written(guard, serial, db, nonce, ahead, out);
                }
                out.seen.push(if done { "write taken" } else { "write refused" });
                out.spawned.push(Step::Ack { guard, serial, done });
            }
            Step::Ack { guard, serial, done } => {
                if let Some(child) = self.guards[guard].child(serial) {
                    child.waits = false;
                    if !done && let Some((db, session)) = child.session.take() {
                        out.spawned.push(Step::Close { db, session });
                    }
                }
            }
            Step::Close { db, session } => self.dbs[db].close(session),
            Step::Act { guard, serial, anew } => self.act(guard, serial, anew, out),
            Step::Ready { guard, serial } => self.ready(guard, serial, out),
            Step::Killed { guard, serial } => {
                if let Some(child) = self.guards[guard].child(serial) {
                    child.killed = true;
                    out.spawned.push(Step::Died { guard, serial });
                }
            }
            Step::Stopped { guard, serial } | Step::Died { guard, serial }
                if self.guards[guard].child(serial).is_some() =>
            {
                self.child_gone(guard, out);
            }
            _ => (),
        }
    }

    pub(crate) fn start_child(&mut self, index: usize, out: &mut Out) {
        let life = self.guards[index].life;
        let Some(nonce) = self.guards[index].held() else { return };
        match self.lock_lets_start(nonce) {
            Some(true) => (),
            Some(false) => return out.seen.push("not started, as its lock was let go"),
            None => return out.spawned.push(Step::Start { guard: index, life }),
        }
        let Some(serial) = self.guards[index].start(self.now) else { return };
        out.spawned.push(Step::Act { guard: index, serial, anew: false });
        out.spawned.push(Step::Ready { guard: index, serial });
        self.report(index, out);
    }

    /// The child has just gone, or is found to have.
    pub(crate) fn child_gone(&mut self, index: usize, out: &mut Out) {
        if let Some(child) = self.guards[index].child.take() {
            out.spawned.extend(child.session.map(|(db, session)| Step::Close { db, session }));
            self.lock_lingers(index, child.serial, child.nonce, out);
        }
        self.give_up_former(index, out);
        self.report(index, out);
    }

    /// A program that was started again gives up what it held before, once nothing of that runs any more.
    pub(crate) fn give_up_former(&mut self, index: usize, out: &mut Out) {
        let (blindly, target) = (self.setup.blindly, self.target(index));
        let guard = &mut self.guards[index];
        let known = blindly || guard.child.is_none();
        // Where nothing but time keeps two apart it waits.
        if guard.machine.is_none() || !known || !(self.setup.fenced || self.setup.lock.is_some()) {
            return;
        }
        let (life, ttl) = (guard.life, self.setup.terms.ttl);
        if let (Some(db), Some(nonce)) = (target, guard.former.take()) {
            let request = Arc::new(Request::Transfer { nonce, next: None, ttl });
            out.seen.push("former tenure given up");
            out.spawned.push(Step::Request { guard: index, life, id: NOBODYS, db, request });
        }
    }

    /// A child died by itself: it is started again in place, or the guard gives up.
    pub(crate) fn child_crashed(&mut self, index: usize, out: &mut Out) {
        let guard = &mut self.guards[index];
        if guard.paused || guard.child.as_ref().is_none_or(|child| child.dying || child.way == Way::Stopping) {
            return;
        }
        guard.crashes += 1;
        if guard.crashes > RESTARTS {
            guard.wish.get_or_insert(Wish::HandOver("it died too often".into()));
        }
        let life = guard.life;
        self.child_gone(index, out);
        out.spawned.push(Step::Start { guard: index, life });
    }

    pub(crate) fn enforce(&mut self, index: usize, out: &mut Out) {
        let killed = self.guards[index].enforce(self.now);
        out.seen.push(if killed.is_some() { "deadline: killed" } else { "deadline: frozen" });
        out.spawned.extend(killed.map(|serial| Step::Died { guard: index, serial }));
        self.report(index, out);
    }

    fn let_in(&mut self, guard: usize, serial: u32, db: usize, session: Option<u32>, out: &mut Out) {
        let (unreplicated, old) = (self.dbs[db].unreplicated, db != self.newest());
        match (self.guards[guard].child(serial), session) {
            (Some(child), session) => {
                child.waits = false;
                child.session = session.map(|session| (db, session));
                if session.is_some() {
                    (child.fresh, child.ahead) = (child.fresh || unreplicated, child.ahead || old && unreplicated);
                }
            }
            (None, Some(session)) => out.spawned.push(Step::Close { db, session }),
            (None, None) => (),
        }
    }

    fn written(
        &mut self,
        guard: usize,
        serial: u32,
        db: usize,
        nonce: mainstay_core::lease::Nonce,
        ahead: bool,
        out: &mut Out,
    ) {
        let newest = db == self.newest();
        if newest {
            self.judge(self.audit.written(nonce, ahead), out);
        }
        let synchronous = self.setup.synchronous;
        self.dbs[db].unreplicated = !synchronous;
        if let Some(child) = self.guards[guard].child(serial) {
            child.fresh |= newest && !synchronous;
            child.ahead |= !newest && !synchronous;
        }
    }

    /// The child logs in, or writes.
    fn act(&mut self, index: usize, serial: u32, anew: bool, out: &mut Out) {
        let target = self.target(index);
        let role = self.guards[index].role;
        let Some(child) = self.guards[index].child(serial).filter(|child| !child.killed) else { return };
        out.spawned.push(Step::Act { guard: index, serial, anew: false });
        if child.waits || child.way == Way::Stopping {
            return;
        }
        if anew && let Some((db, session)) = child.session.take() {
            out.spawned.push(Step::Close { db, session });
        }
        let nonce = child.nonce;
        let next = match (child.session, target) {
            (Some((db, session)), _) => {
                Some(Step::Statement { guard: index, serial, db, session, nonce, ahead: child.ahead })
            }
            (None, Some(db)) => Some(Step::Login { guard: index, serial, db, nonce, role }),
            (None, None) => None,
        };
        child.waits = next.is_some();
        out.spawned.extend(next);
    }

    fn ready(&mut self, index: usize, serial: u32, out: &mut Out) {
        let poorly = self.guards[index].poorly;
        let Some(child) = self.guards[index].child(serial) else { return };
        if child.dying || child.way == Way::Stopping {
            return;
        }
        child.way = match child.way {
            Way::Starting | Way::Ready | Way::Unwell if !poorly => Way::Ready,
            Way::Ready => Way::Unwell,
            other => other,
        };
        if child.way == Way::Ready {
            self.guards[index].wish.take_if(|wish| *wish != Wish::Leave);
        }
        if poorly {
            out.spawned.push(Step::Ready { guard: index, serial });
        }
        self.report(index, out);
    }
}

/// Of a request whose answer no machine waits for.
const NOBODYS: RequestId = RequestId(u64::MAX);
/// In one tenure.
const RESTARTS: u32 = 2;
