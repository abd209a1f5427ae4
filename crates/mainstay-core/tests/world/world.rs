//! Guards, databases and what is on its way between them. It knows what can happen, never when or whether it does: that
//! is for whoever drives it, by chance or exhaustively.

use std::sync::Arc;

use mainstay_core::lease::{
    Action, Answer, Event, Failure, Hint, LeaseView, Nonce, Phase, Request, RequestId, RowState, Standing, Wish,
};

use crate::audit::{Audit, Broken};
use crate::clock::{Clock, Instant};
use crate::coverage::{answered, told};
use crate::database::{Database, Power, Ran};
use crate::guard::{Doing, Guard};
use crate::lock::Lock;
use crate::setup::Setup;
use crate::step::{Can, Step};

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) setup: Arc<Setup>,
    pub(crate) now: Instant,
    /// The last one counts; the one before it may be a zombie.
    pub(crate) dbs: Vec<Database>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) audit: Audit,
    /// A replaced database took writes that the newest never sees.
    pub(crate) divided: bool,
    pub(crate) nonces: u64,
    pub(crate) lock: Option<Lock>,
}

/// What came of a step.
#[derive(Debug, Default)]
pub(crate) struct Out {
    /// What follows, sooner or later.
    pub(crate) spawned: Vec<Step>,
    /// For the count of what was reached.
    pub(crate) seen: Vec<&'static str>,
    pub(crate) broken: Option<Broken>,
    /// Lines for whoever wants to know, if somebody does.
    pub(crate) trace: Option<Vec<String>>,
}

impl Out {
    pub(crate) fn line(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    pub(crate) fn breaks(&mut self, broken: Broken) {
        self.line(|| format!("BROKEN {broken}"));
        self.broken.get_or_insert(broken);
    }
}

impl World {
    pub(crate) fn new(setup: Arc<Setup>, clocks: &[Clock], out: &mut Out) -> Self {
        let names: Vec<_> = (0..setup.guards).map(|guard| setup.name(guard)).collect();
        let mut roles = names.clone();
        roles.dedup();
        let guards = (0..setup.guards).map(|index| {
            let clock = clocks.get(index).cloned().unwrap_or(Clock { ahead: 1_000_000_000, ppm: 0 });
            Guard::new(index, &setup, clock)
        });
        let guards = guards.collect();
        let dbs = vec![Database::new(&roles, setup.password())];
        let mut world =
            Self { setup, now: 0, dbs, guards, audit: Audit::default(), divided: false, nonces: 0, lock: None };
        for guard in 0..world.guards.len() {
            world.boot(guard, out);
        }
        world
    }

    /// Who drew a nonce.
    pub(crate) fn owner(&self, nonce: Nonce) -> &Guard {
        let index = usize::try_from((nonce.0 >> 64) & 0xff).unwrap_or(0);
        &self.guards[index]
    }

    pub(crate) fn newest(&self) -> usize {
        self.dbs.len() - 1
    }

    /// Which database a guard or its child reaches.
    pub(crate) fn target(&self, guard: usize) -> Option<usize> {
        let zombie = |db: &usize| matches!(self.dbs[*db].power, Power::Zombie { .. });
        let newest = self.newest();
        let before = newest.checked_sub(1).filter(|db| self.guards[guard].misled && zombie(db));
        before.or((self.dbs[newest].power == Power::On).then_some(newest))
    }

    pub(crate) fn can(&self, step: &Step) -> Can {
        let (guard, program, child) = match step {
            Step::Request { guard, .. } => return cut(self.guards[*guard].cut),
            Step::Login { guard, .. } | Step::Statement { guard, .. } => return cut(self.guards[*guard].child_cut),
            Step::Reply { guard, .. } | Step::Hint { guard, .. } | Step::Lost { guard, .. } => (guard, true, false),
            Step::TakeUp { guard, .. } | Step::Start { guard, .. } | Step::Prepared { guard, .. } => {
                (guard, true, false)
            }
            Step::Quiet { guard, .. } | Step::Tick { guard } | Step::Ready { guard, .. } => (guard, true, false),
            Step::Noticed { guard, .. } => (guard, true, false),
            Step::LetIn { guard, .. } | Step::Ack { guard, .. } | Step::Act { guard, .. } => (guard, false, true),
            Step::Stopped { guard, .. } => (guard, false, true),
            Step::Killed { guard, .. }
            | Step::Died { guard, .. }
            | Step::Enforce { guard }
            | Step::LetGo { guard, .. } => (guard, false, false),
            Step::Sweep { .. } | Step::Enter { .. } | Step::Close { .. } | Step::Fault(_) => return Can::Yes,
        };
        let guard = &self.guards[*guard];
        let frozen = guard.child.as_ref().is_some_and(|child| child.frozen);
        if guard.paused || program && guard.stopped || (child || matches!(step, Step::Ready { .. })) && frozen {
            return Can::Later;
        }
        let away = program && guard.cut || child && guard.child_cut;
        cut(away && step.travels())
    }

    /// A message is lost: whoever waits for it does so no longer.
    pub(crate) fn lose(&self, step: Step, out: &mut Out) {
        match step {
            Step::Login { guard, serial, db, .. } => {
                out.spawned.push(Step::LetIn { guard, serial, db, session: None });
            }
            Step::LetIn { guard, serial, db, session: Some(session) } => {
                out.spawned.push(Step::Close { db, session });
                out.spawned.push(Step::LetIn { guard, serial, db, session: None });
            }
            Step::Statement { guard, serial, .. } | Step::Ack { guard, serial, .. } => {
                out.spawned.push(Step::Ack { guard, serial, done: false });
            }
            _ => (),
        }
    }

    pub(crate) fn step(&mut self, step: Step, out: &mut Out) {
        out.line(|| format!("{:>9.3} {step:?}", crate::seconds(self.now)));
        match step {
            Step::Request { guard, life, id, db, request } => self.request(guard, life, id, db, &request, out),
            Step::Sweep { guard, life, id, db, roles } => {
                let ran = self.dbs[db].sweep(if self.setup.second_sweep { &roles } else { &[] }, self.now);
                self.ran(guard, life, id, db, ran, out);
            }
            Step::Reply { guard, life, id, result } if self.guards[guard].life == life => {
                out.seen.push(answered(&result));
                self.tell(guard, Event::Answered { id, result: (*result).clone() }, out);
            }
            Step::Hint { guard, life, hint } if self.guards[guard].life == life => {
                self.tell(guard, Event::Hint(hint), out);
            }
            Step::Lost { guard, life } if self.guards[guard].life == life => {
                self.tell(guard, Event::Hint(Hint::Lost), out);
            }
            Step::TakeUp { guard, life } if self.guards[guard].life == life => self.take_up(guard, out),
            Step::Start { guard, life } if self.guards[guard].life == life => self.start_child(guard, out),
            Step::Prepared { guard, life, switch } if self.guards[guard].life == life => {
                if matches!(self.guards[guard].taken.as_ref().map(|order| &order.standing),
                    Some(Standing::Prepare { switch: wanted }) if *wanted == switch)
                {
                    self.guards[guard].prepared = Some(switch);
                    self.report(guard, out);
                }
            }
            Step::Quiet { guard, life, quiet } if self.guards[guard].life == life => {
                self.tell(guard, Event::Quiet(quiet), out);
            }
            Step::Noticed { guard, life, serial } if self.guards[guard].life == life => self.lock_noticed(serial),
            Step::LetGo { guard, serial } => self.lock_let_go(guard, serial, out),
            Step::Tick { guard } => self.tell(guard, Event::Tick, out),
            Step::Enforce { guard } => self.enforce(guard, out),
            Step::Fault(fault) => self.fault(fault, out),
            other => self.child_step(other, out),
        }
        if self.overlaps() {
            out.seen.push("two children run after a pause of a machine");
        }
        self.judge(self.holds(), out);
    }

    pub(crate) fn judge(&self, broken: Option<Broken>, out: &mut Out) {
        if let Some(broken) = broken.filter(|broken| self.setup.watch.at(broken.property)) {
            out.breaks(broken);
        }
    }

    /// Whether somebody is active and ready, and its child at work.
    pub(crate) fn somebody_is_ready(&self) -> bool {
        let Some(db) = self.dbs.last() else { return false };
        let row = db.row();
        row.state == RowState::Active
            && row.serving == mainstay_core::lease::Serving::Ready
            && row.timeline == db.timeline
            && self.owner(row.nonce).child.as_ref().is_some_and(|child| child.nonce == row.nonce && !child.frozen)
            && db.sessions.iter().any(|session| session.nonce == row.nonce && session.listed)
    }

    pub(crate) fn boot(&mut self, guard: usize, out: &mut Out) {
        let setup = Arc::clone(&self.setup);
        self.guards[guard].boot(&setup, self.now);
        self.give_up_former(guard, out);
        self.report(guard, out);
    }

    pub(crate) fn report(&mut self, guard: usize, out: &mut Out) {
        let report = self.guards[guard].report();
        self.tell(guard, Event::Report(report), out);
    }

    fn request(&mut self, guard: usize, life: u32, id: RequestId, db: usize, request: &Request, out: &mut Out) {
        let counts = db == self.newest();
        let before = self.dbs[db].row().state;
        let ran = match self.locked(guard, life, db, request, out) {
            Some(refused) => refused,
            None => self.dbs[db].ask(request, self.now),
        };
        if let Ran::Answer(answer) = &ran {
            self.lock_after(guard, life, request, answer);
        }
        if let (true, Ran::Answer(answer)) = (counts, &ran)
            && let Answer::Done { row, .. } = &**answer
        {
            match request {
                Request::Activate { nonce, .. } if before == RowState::Fencing => {
                    let grew = self.audit.activated(row.token(), *nonce, self.setup.plain_token);
                    self.judge(grew, out);
                    self.judge(self.holds_at_activation(*nonce), out);
                }
                Request::Transfer { nonce, .. } => self.judge(self.holds_at_transfer(*nonce), out),
                _ => (),
            }
            if !matches!(request, Request::Look { .. } | Request::Renew { .. }) {
                self.hint_all(Hint::Look, out);
            }
        }
        self.ran(guard, life, id, db, ran, out);
    }

    fn ran(&mut self, guard: usize, life: u32, id: RequestId, db: usize, ran: Ran, out: &mut Out) {
        match ran {
            Ran::Answer(answer) => out.spawned.push(Step::Reply { guard, life, id, result: Arc::new(Ok(*answer)) }),
            Ran::Sweeping(roles) => out.spawned.push(Step::Sweep { guard, life, id, db, roles }),
            Ran::Silence => (),
        }
    }

    /// The notices of the database; nobody relies on them.
    pub(crate) fn hint_all(&self, hint: Hint, out: &mut Out) {
        for guard in self.guards.iter().filter(|guard| guard.machine.is_some()) {
            out.spawned.push(Step::Hint { guard: guard.index, life: guard.life, hint });
        }
    }

    /// The session of a guard with the store ended: those who wait for it hear of it, if it holds the lease.
    pub(crate) fn hint_gone(&self, guard: usize, out: &mut Out) {
        let holds = self.dbs[self.newest()].row().holder == self.guards[guard].name;
        let others = self.guards.iter().filter(|other| other.index != guard && other.machine.is_some());
        for other in others.filter(|_| holds) {
            out.spawned.push(Step::Hint { guard: other.index, life: other.life, hint: Hint::HolderGone });
        }
    }

    /// The session of a guard with the store ends, and it learns so: nothing is in between.
    pub(crate) fn session_lost(&self, guard: usize, out: &mut Out) {
        let guard = &self.guards[guard];
        if guard.machine.is_some() && !guard.cut {
            out.spawned.push(Step::Lost { guard: guard.index, life: guard.life });
        }
    }

    /// Tells a program's machine what happened and does what it wants.
    pub(crate) fn tell(&mut self, index: usize, event: Event, out: &mut Out) {
        let target = self.target(index);
        let guard = &mut self.guards[index];
        if !guard.acts() {
            return;
        }
        let now = guard.clock.read(self.now);
        let life = guard.life;
        let Some(machine) = &mut guard.machine else { return };
        let nonces = &mut self.nonces;
        let mut draw = || {
            *nonces += 1;
            Nonce(((index as u128) << 64) | u128::from(*nonces))
        };
        let actions = machine.on(event, now, &mut draw);
        let leaves = guard.wish == Some(Wish::Leave) && machine.has_left() && guard.child.is_none();
        for action in actions {
            out.line(|| format!("          {} <- {action:?}", ["a", "b", "c"][index]));
            match action {
                Action::Ask { id, request, timeout: _ } => out.spawned.push(match target {
                    Some(db) => Step::Request { guard: index, life, id, db, request: Arc::new(request) },
                    None => {
                        let refused = Arc::new(Err(Failure::NotDone("refused".into())));
                        Step::Reply { guard: index, life, id, result: refused }
                    }
                }),
                Action::Stand(_) => out.spawned.push(Step::TakeUp { guard: index, life }),
                Action::Show(view) => shown(index, life, &view, out),
                Action::Tell(happening) => out.seen.push(told(&happening)),
                Action::Reply { result, .. } => {
                    out.seen.push(if result.is_ok() { "command done" } else { "command refused" });
                }
            }
        }
        if leaves {
            out.seen.push("program has left");
            self.guards[index].die();
        }
    }

    fn take_up(&mut self, index: usize, out: &mut Out) {
        let life = self.guards[index].life;
        for doing in self.guards[index].take_up(self.now) {
            let serial = self.guards[index].child.as_ref().map_or(0, |child| child.serial);
            out.spawned.push(match doing {
                Doing::Start => Step::Start { guard: index, life },
                Doing::Stop => Step::Stopped { guard: index, serial },
                Doing::Kill => Step::Killed { guard: index, serial },
                Doing::Prepare(switch) => Step::Prepared { guard: index, life, switch },
            });
        }
        out.seen.push(match self.guards[index].taken.as_ref().map(|order| &order.standing) {
            Some(Standing::Held { .. }) => "standing: held",
            Some(Standing::Frozen { .. }) => "standing: frozen",
            Some(Standing::Yield { .. }) => "standing: yield",
            Some(Standing::Prepare { .. }) => "standing: prepare",
            Some(Standing::Without) | None => "standing: without",
        });
        self.report(index, out);
    }
}

/// Fronts beside the program finish what they have under way.
fn shown(guard: usize, life: u32, view: &LeaseView, out: &mut Out) {
    match view.phase {
        Phase::Yielding => out.spawned.push(Step::Quiet { guard, life, quiet: true }),
        Phase::Ready => out.spawned.push(Step::Quiet { guard, life, quiet: false }),
        Phase::Vacant | Phase::Fencing | Phase::Starting => (),
    }
}

fn cut(is: bool) -> Can {
    if is { Can::Cut } else { Can::Yes }
}
