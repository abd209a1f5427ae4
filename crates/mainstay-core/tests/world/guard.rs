//! A machine with a guard, its child, and what kills the child when the guard cannot.

use mainstay_core::Moment;
use mainstay_core::lease::{ChildState, Identity, Machine, Name, Nonce, Order, Report, Standing, Terms, Wish};

use crate::clock::{Clock, Instant};
use crate::setup::Setup;

/// Guard and machine of one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Guard {
    pub(crate) index: usize,
    pub(crate) name: Name,
    /// At the database.
    pub(crate) role: usize,
    priority: u32,
    /// Which start of the program this is.
    pub(crate) life: u32,
    /// The program; `None` while it is dead.
    pub(crate) machine: Option<Machine>,
    /// The program is stopped (SIGSTOP); its sentinel is not.
    pub(crate) stopped: bool,
    /// Since when, if a child was there then.
    pub(crate) stopped_with_child: Option<Instant>,
    /// Since when the program was neither started nor stopped.
    pub(crate) steady: Instant,
    /// Nothing on this machine runs.
    pub(crate) paused: bool,
    /// The last nonce that was drawn before the machine woke from a pause.
    pub(crate) slept: u64,
    pub(crate) clock: Clock,
    pub(crate) child: Option<Child>,
    children: u32,
    /// The last order taken up.
    pub(crate) taken: Option<Order>,
    /// What the sentinel knows, too.
    pub(crate) freeze_at: Option<Moment>,
    pub(crate) kill_at: Option<Moment>,
    /// Until when the tenure was good, as last heard.
    pub(crate) good_until: Option<Moment>,
    last_nonce: Option<Nonce>,
    /// The last tenure that a child ran in, in an earlier life of the program since the machine was started.
    pub(crate) former: Option<Nonce>,
    /// Times the child died in this tenure, and that it was given up.
    pub(crate) crashes: u32,
    pub(crate) wish: Option<Wish>,
    pub(crate) prepared: Option<Nonce>,
    /// Its messages with the database do not arrive.
    pub(crate) cut: bool,
    /// Nor do its child's.
    pub(crate) child_cut: bool,
    /// It still reaches a database that was replaced.
    pub(crate) misled: bool,
    /// Its child does not pass its ready check.
    pub(crate) poorly: bool,
}

/// A child: all of its processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Child {
    pub(crate) serial: u32,
    /// The tenure it was started in.
    pub(crate) nonce: Nonce,
    pub(crate) way: Way,
    pub(crate) frozen: bool,
    /// It is being killed.
    pub(crate) dying: bool,
    /// It was killed: it executes nothing, but may still be there for a while.
    pub(crate) killed: bool,
    /// The program that started it is dead.
    pub(crate) orphan: bool,
    /// The whole machine was paused in its tenure.
    pub(crate) slept: bool,
    /// It remembers what the newest database's standby does not have yet.
    pub(crate) fresh: bool,
    /// It remembers what the newest database lost.
    pub(crate) ahead: bool,
    pub(crate) session: Option<(usize, u32)>,
    /// A login or a statement is under way.
    pub(crate) waits: bool,
}

/// How far a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Starting,
    Ready,
    Unwell,
    Stopping,
}

/// What a guard does because of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Start,
    /// It was asked to end, and does so in its own time.
    Stop,
    Kill,
    Prepare(Nonce),
}

impl Guard {
    pub(crate) fn new(index: usize, setup: &Setup, clock: Clock) -> Self {
        Self {
            index,
            name: setup.name(index),
            role: setup.role(index),
            priority: setup.priorities.get(index).copied().unwrap_or(1),
            life: 0,
            machine: None,
            stopped: false,
            stopped_with_child: None,
            steady: 0,
            paused: false,
            slept: 0,
            clock,
            child: None,
            children: 0,
            taken: None,
            freeze_at: None,
            kill_at: None,
            good_until: None,
            last_nonce: None,
            former: None,
            crashes: 0,
            wish: None,
            prepared: None,
            cut: false,
            child_cut: false,
            misled: false,
            poorly: false,
        }
    }

    /// The program starts. A child of an earlier life may be left.
    pub(crate) fn boot(&mut self, setup: &Setup, now: Instant) {
        self.life += 1;
        let life = u128::from(self.life);
        let instance = Nonce((1 << 100) | ((self.index as u128) << 64) | life);
        let me = Identity { name: self.name.clone(), instance, priority: self.priority };
        let terms = Terms { me, ..setup.terms.clone() };
        let machine = Machine::with_safety(terms, self.clock.read(now), setup.safety);
        self.machine = Some(machine.expect("terms are in order"));
        self.former = self.last_nonce.or(self.former);
        (self.taken, self.freeze_at, self.kill_at, self.last_nonce) = (None, None, None, None);
        (self.wish, self.prepared, self.crashes, self.stopped) = (None, None, 0, false);
        self.steady = now;
    }

    /// The program is gone, at once.
    pub(crate) fn die(&mut self) {
        self.machine = None;
        self.stopped = false;
        self.taken = None;
        self.child.iter_mut().for_each(|child| child.orphan = true);
    }

    /// The whole machine is: what it knew of earlier lives means nothing when it is started anew.
    pub(crate) fn crash(&mut self) {
        self.die();
        self.paused = false;
        (self.last_nonce, self.former) = (None, None);
    }

    /// Whether the program runs.
    pub(crate) fn acts(&self) -> bool {
        self.machine.is_some() && !self.stopped && !self.paused
    }

    /// Takes up the last order.
    pub(crate) fn take_up(&mut self, now: Instant) -> Vec<Doing> {
        let Some(machine) = &self.machine else { return Vec::new() };
        let order = machine.order().clone();
        let here = self.clock.read(now);
        let mut doing = Vec::new();
        (self.freeze_at, self.kill_at) = (None, None);
        if !matches!(order.standing, Standing::Prepare { .. }) {
            self.prepared = None;
        }
        match &order.standing {
            Standing::Without => self.wish.take_if(|wish| *wish != Wish::Leave).into_iter().for_each(drop),
            Standing::Prepare { switch } if self.child.is_none() => doing.push(Doing::Prepare(*switch)),
            Standing::Prepare { .. } => (),
            Standing::Held { tenure, until, kill_at } => {
                (self.freeze_at, self.kill_at) = (Some(*until), Some(*kill_at));
                self.good_until = Some(*until);
                self.hold(tenure.nonce, here < *until, &mut doing);
            }
            Standing::Frozen { tenure, kill_at, .. } => {
                self.kill_at = Some(*kill_at);
                self.freeze(tenure.nonce);
            }
            Standing::Yield { tenure, until } => {
                self.kill_at = Some(*until);
                self.stop(tenure.nonce, here < *until, &mut doing);
            }
        }
        let allowed = match &order.standing {
            Standing::Without | Standing::Prepare { .. } => None,
            Standing::Held { tenure, .. } | Standing::Frozen { tenure, .. } | Standing::Yield { tenure, .. } => {
                Some(tenure.nonce)
            }
        };
        if let Some(child) = self.child.as_mut().filter(|child| Some(child.nonce) != allowed && !child.dying) {
            child.dying = true;
            doing.push(Doing::Kill);
        }
        self.taken = Some(order);
        doing
    }

    fn hold(&mut self, nonce: Nonce, good: bool, doing: &mut Vec<Doing>) {
        match &mut self.child {
            Some(child) if child.nonce == nonce && good => child.frozen = false,
            None if good => {
                if self.last_nonce != Some(nonce) {
                    (self.crashes, self.wish) = (0, self.wish.take().filter(|wish| *wish == Wish::Leave));
                }
                doing.push(Doing::Start);
            }
            _ => (),
        }
    }

    fn freeze(&mut self, nonce: Nonce) {
        if let Some(child) = self.child.as_mut().filter(|child| child.nonce == nonce) {
            child.frozen = true;
        }
    }

    /// One that is frozen is let run to end in order, but only within its tenure.
    fn stop(&mut self, nonce: Nonce, good: bool, doing: &mut Vec<Doing>) {
        let mine = |child: &&mut Child| child.nonce == nonce && !child.dying;
        match self.child.as_mut().filter(mine) {
            Some(child) if good && child.way != Way::Stopping => {
                (child.way, child.frozen) = (Way::Stopping, false);
                doing.push(Doing::Stop);
            }
            Some(child) if !good => {
                child.dying = true;
                doing.push(Doing::Kill);
            }
            _ => (),
        }
    }

    /// The tenure that the last order lets a child run in.
    pub(crate) fn held(&self) -> Option<Nonce> {
        match self.taken.as_ref().map(|order| &order.standing) {
            Some(Standing::Held { tenure, .. }) => Some(tenure.nonce),
            _ => None,
        }
    }

    /// Starts a child, if the last order lets it. Its serial number.
    pub(crate) fn start(&mut self, now: Instant) -> Option<u32> {
        let Some(Standing::Held { tenure, until, .. }) = self.taken.as_ref().map(|order| &order.standing) else {
            return None;
        };
        if self.child.is_some() || self.clock.read(now) >= *until || self.wish == Some(Wish::Leave) {
            return None;
        }
        self.children += 1;
        self.last_nonce = Some(tenure.nonce);
        self.child = Some(Child {
            serial: self.children,
            nonce: tenure.nonce,
            way: Way::Starting,
            frozen: false,
            dying: false,
            killed: false,
            orphan: false,
            slept: tenure.nonce.0 & u128::from(u64::MAX) <= u128::from(self.slept),
            fresh: false,
            ahead: false,
            session: None,
            waits: false,
        });
        Some(self.children)
    }

    pub(crate) fn child(&mut self, serial: u32) -> Option<&mut Child> {
        self.child.as_mut().filter(|child| child.serial == serial)
    }

    /// The next deadline that is not met, for guard, alarm and sentinel.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let child = self.child.as_ref().filter(|child| !child.dying)?;
        let freeze = self.freeze_at.filter(|_| !child.frozen);
        freeze.into_iter().chain(self.kill_at).min()
    }

    /// Meets the deadlines that have passed. The serial number of a child that was killed.
    pub(crate) fn enforce(&mut self, now: Instant) -> Option<u32> {
        let here = self.clock.read(now);
        if self.freeze_at.is_some_and(|at| at <= here)
            && let Some(child) = &mut self.child
        {
            child.frozen = true;
        }
        let child = self.child.as_mut().filter(|_| self.kill_at.is_some_and(|at| at <= here))?;
        (child.dying, child.killed) = (true, true);
        Some(child.serial)
    }

    /// What it reports of its child.
    pub(crate) fn report(&self) -> Report {
        let child = match &self.child {
            None => ChildState::Gone,
            Some(child) if child.orphan => ChildState::Unknown,
            Some(child) if child.frozen => ChildState::Frozen,
            Some(child) => match child.way {
                _ if child.dying => ChildState::Stopping,
                Way::Starting => ChildState::Starting,
                Way::Ready => ChildState::Ready,
                Way::Unwell => ChildState::Unwell,
                Way::Stopping => ChildState::Stopping,
            },
        };
        Report {
            order: self.taken.as_ref().map_or(0, |order| order.number),
            nonce: self.last_nonce,
            child,
            wish: self.wish.clone(),
            prepared: self.prepared,
        }
    }

    /// Whether its child has a session.
    pub(crate) fn child_is_in(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.session.is_some())
    }

    /// Whether its child executes instructions.
    pub(crate) fn child_runs(&self) -> bool {
        !self.paused && self.child.as_ref().is_some_and(|child| !child.frozen && !child.killed)
    }
}
