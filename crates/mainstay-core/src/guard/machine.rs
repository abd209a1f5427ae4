use std::time::Duration;

use super::event::{Action, Ending, Event, Job, Permit};
use super::restart::Restart;
use super::rules::{Finish, Rules};
use super::running::{End, Part, Running};
use super::wellness::{Finding, HandOver, Wellness};
use crate::lease::{ChildState, Name, Nonce, Report, Standing, Tenure, Wish};
use crate::{Moment, Span};

/// One guard's decisions. Hand it what happens, and the time, with [`Machine::handle`]; do the actions it pushes, in
/// order; hand it [`Event::Tick`] at [`Machine::deadline`].
#[derive(Clone, Debug)]
pub struct Machine {
    rules: Rules,
    /// Number of the last order.
    order: u64,
    standing: Standing,
    state: State,
    restart: Restart,
    /// Whose failures `restart` counts, and which nonce the reports name.
    last: Option<Nonce>,
    prepared: Option<Nonce>,
    /// The switch-over for which `prepare` was tried: once, whatever became of it.
    tried: Option<Nonce>,
    hand_over: Option<Name>,
    leaving: Leaving,
    finished: Option<Ending>,
    /// Starts in a row that came too late.
    late: u32,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it for each guard")]
enum State {
    /// Something of a predecessor may still run.
    Unclean,
    /// There is no run.
    Idle,
    /// There is no run until then: a back-off.
    Waiting { tenure: Tenure, until: Moment },
    /// `prepare` runs.
    Preparing { switch: Nonce, end: End },
    /// `before` or the child runs.
    Running(Running),
    /// `after` runs. What follows it.
    After(Next),
}

/// What follows a run of the child.
#[derive(Clone, Debug)]
enum Next {
    /// It ended or was stopped as it should.
    Settle,
    /// It did not come to be, for no fault of its own.
    Later { tenure: Tenure },
    /// It failed.
    Again { tenure: Tenure, reason: Name },
}

#[derive(Clone, Copy, Debug)]
enum Leaving {
    No,
    /// The keeper has until then to let the lease go.
    By(Moment),
}

impl Machine {
    /// Of a guard that has just begun, and does not know yet what a predecessor left behind.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            order: 0,
            standing: Standing::Without,
            state: State::Unclean,
            restart: Restart::default(),
            last: None,
            prepared: None,
            tried: None,
            hand_over: None,
            leaving: Leaving::No,
            finished: None,
            late: 0,
        }
    }

    /// Takes what happened and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Moment, actions: &mut Vec<Action>) {
        match event {
            Event::Order(order) => (self.order, self.standing) = (order.number, order.standing),
            Event::Clean => {
                if matches!(self.state, State::Unclean) {
                    self.state = State::Idle;
                }
            }
            Event::Started => {
                self.late = 0;
                // Also when it has been frozen meanwhile.
                if let State::Running(Running { part: Part::Child(wellness), .. }) = &mut self.state {
                    wellness.started();
                }
            }
            Event::Tick => {}
            Event::Ended(ending) => self.ended(ending, now, actions),
            Event::Checked(result) => {
                if let Some(wellness) = self.wellness() {
                    wellness.checked(result, now);
                }
            }
            Event::Progressed(shown) => {
                if let Some(wellness) = self.wellness() {
                    wellness.progressed(shown, now);
                }
            }
            Event::Leave => {
                if matches!(self.leaving, Leaving::No) {
                    self.leaving = Leaving::By(now + self.rules.leave_within);
                }
            }
        }
        self.follow(now, actions);
        self.judge(now, actions);
    }

    /// When [`Event::Tick`] is due at the latest.
    #[must_use]
    pub fn deadline(&self, now: Moment) -> Option<Moment> {
        let (until, kill_at) = match &self.standing {
            Standing::Held { until, kill_at, .. } => (Some(*until), Some(*kill_at)),
            Standing::Frozen { kill_at, .. } => (None, Some(*kill_at)),
            Standing::Without | Standing::Prepare { .. } | Standing::Yield { .. } => (None, None),
        };
        let leave = match self.leaving {
            Leaving::By(by) => Some(by),
            Leaving::No => None,
        };
        let own = match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Running(Running { part: Part::Child(wellness), frozen: None, end: End::No, .. }) => {
                wellness.deadline(now)
            }
            State::Running(Running { end: End::Stopping { by, .. }, .. }) => Some(*by),
            _ => None,
        };
        [until, kill_at, leave, own].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// What the keeper of the lease is to know.
    #[must_use]
    pub fn report(&self, now: Moment) -> Report {
        let wish = match (&self.leaving, &self.finished, &self.hand_over) {
            (Leaving::By(_), ..) | (_, Some(_), _) => Some(Wish::Leave),
            (_, _, Some(reason)) => Some(Wish::HandOver(reason.clone())),
            _ => None,
        };
        Report { order: self.order, nonce: self.last, child: self.child(now), wish, prepared: self.prepared }
    }

    /// Whether the last order lets no child run: its keeper waits to hear that it was taken up.
    #[must_use]
    pub const fn is_forbidden(&self) -> bool {
        matches!(self.standing, Standing::Without | Standing::Prepare { .. } | Standing::Yield { .. })
    }

    /// How the child is.
    #[must_use]
    pub fn child(&self, now: Moment) -> ChildState {
        match &self.state {
            State::Unclean => ChildState::Unknown,
            State::Idle | State::Waiting { .. } | State::Preparing { .. } => ChildState::Gone,
            State::After(_) => ChildState::Stopping,
            State::Running(running) => match (&running.part, running.end, running.frozen) {
                (_, End::Stopping { .. } | End::Killed, _) => ChildState::Stopping,
                (_, _, Some(_)) => ChildState::Frozen,
                (Part::Before { .. }, ..) => ChildState::Starting,
                (Part::Child(wellness), ..) => match wellness.finding(now) {
                    Finding::Starting | Finding::Late(_) => ChildState::Starting,
                    Finding::Ready => ChildState::Ready,
                    Finding::Unwell(..) => ChildState::Unwell,
                },
            },
        }
    }

    /// Why the child is not well, or why another is to take over.
    #[must_use]
    pub fn reason(&self, now: Moment) -> Option<Name> {
        if let State::Running(Running { part: Part::Child(wellness), .. }) = &self.state
            && let Finding::Unwell(reason, _) | Finding::Late(reason) = wellness.finding(now)
        {
            return Some(reason);
        }
        self.hand_over.clone()
    }

    /// How the child ended, once its work is done and it will not be started again.
    #[must_use]
    pub const fn finished(&self) -> Option<&Ending> {
        self.finished.as_ref()
    }

    /// Whether the run is the child, and none of its hooks.
    #[must_use]
    pub const fn runs_child(&self) -> bool {
        matches!(self.state, State::Running(Running { part: Part::Child(_), .. }))
    }

    /// Whether nothing runs, and nothing is started any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        let leaves = matches!(self.leaving, Leaving::By(_)) || self.finished.is_some();
        leaves && matches!(self.state, State::Idle)
    }

    fn wellness(&mut self) -> Option<&mut Wellness> {
        match &mut self.state {
            State::Running(Running { part: Part::Child(wellness), frozen: None, end: End::No, .. }) => Some(wellness),
            _ => None,
        }
    }

    /// The standing as it is with the time that has passed since it was given.
    fn permit(&self, now: Moment) -> Standing {
        match &self.standing {
            Standing::Held { kill_at, .. } | Standing::Frozen { kill_at, .. } if now >= *kill_at => Standing::Without,
            Standing::Held { tenure, until, kill_at } if now >= *until => {
                Standing::Frozen { tenure: tenure.clone(), until: None, kill_at: *kill_at }
            }
            standing => standing.clone(),
        }
    }

    /// Brings the run in line with what is allowed.
    fn follow(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let permit = self.permit(now);
        match &mut self.state {
            State::Unclean | State::After(_) => {}
            State::Idle => self.begin(permit, now, actions),
            State::Waiting { tenure, until } => match &permit {
                Standing::Held { tenure: held, .. } if held.nonce == tenure.nonce => {
                    if now >= *until || self.leaves() {
                        self.state = State::Idle;
                        self.begin(permit, now, actions);
                    }
                }
                Standing::Frozen { tenure: held, .. } if held.nonce == tenure.nonce && !self.leaves() => {}
                _ => {
                    self.state = State::Idle;
                    self.begin(permit, now, actions);
                }
            },
            State::Preparing { switch, end } => {
                let goes_on = matches!(&permit, Standing::Prepare { switch: asked } if asked == switch);
                if *end == End::No && (!goes_on || matches!(self.leaving, Leaving::By(_))) {
                    *end = End::Killed;
                    actions.push(Action::Kill);
                }
            }
            State::Running(running) => {
                let leave = match self.leaving {
                    Leaving::By(by) => Some(by),
                    Leaving::No => None,
                };
                running.follow(&permit, leave, &self.rules, now, actions);
            }
        }
    }

    fn leaves(&self) -> bool {
        matches!(self.leaving, Leaving::By(_)) || self.finished.is_some()
    }

    /// Starts what is allowed, with no run there.
    fn begin(&mut self, permit: Standing, now: Moment, actions: &mut Vec<Action>) {
        if self.leaves() {
            return;
        }
        match permit {
            Standing::Held { tenure, until, kill_at } => {
                if self.last != Some(tenure.nonce) {
                    self.restart = Restart::default();
                    self.hand_over = None;
                    self.last = Some(tenure.nonce);
                }
                self.prepared = None;
                let permit = Permit { tenure, until, kill_at };
                match self.rules.before {
                    Some(within) => self.run_before(permit, now + within, actions),
                    None => self.run_child(permit, now, actions),
                }
            }
            Standing::Prepare { switch } if self.tried != Some(switch) => {
                self.tried = Some(switch);
                self.prepared = None;
                match self.rules.prepare {
                    Some(within) => {
                        self.state = State::Preparing { switch, end: End::No };
                        actions.push(Action::Run(Job::Prepare { switch, kill_at: now + within }));
                    }
                    None => self.prepared = Some(switch),
                }
            }
            Standing::Without => {
                self.hand_over = None;
                self.prepared = None;
                self.tried = None;
            }
            Standing::Prepare { .. } | Standing::Frozen { .. } | Standing::Yield { .. } => {}
        }
    }

    fn run_before(&mut self, mut permit: Permit, by: Moment, actions: &mut Vec<Action>) {
        permit.kill_at = permit.kill_at.min(by);
        self.state = State::Running(Running::new(&permit, Part::Before { kill_at: by }));
        actions.push(Action::Run(Job::Before(permit)));
    }

    fn run_child(&mut self, permit: Permit, now: Moment, actions: &mut Vec<Action>) {
        let wellness = Wellness::new(self.rules.wellness, now);
        self.state = State::Running(Running::new(&permit, Part::Child(wellness)));
        actions.push(Action::Run(Job::Child(permit)));
    }

    /// Acts on what the checks say.
    fn judge(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let State::Running(running) = &mut self.state else { return };
        let Part::Child(wellness) = &running.part else { return };
        if running.end != End::No || running.frozen.is_some() {
            return;
        }
        match wellness.finding(now) {
            Finding::Starting => {}
            // Without a check, readiness is no sign of recovery.
            Finding::Ready if !self.rules.wellness.checked => {}
            Finding::Ready => self.hand_over = None,
            Finding::Unwell(reason, HandOver::Wanted) => self.hand_over = Some(reason),
            Finding::Unwell(_, HandOver::NotYet) => {}
            Finding::Late(reason) => {
                self.hand_over = Some(reason);
                running.kill(actions);
            }
        }
    }

    /// A run is gone.
    fn ended(&mut self, ending: Ending, now: Moment, actions: &mut Vec<Action>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Preparing { switch, end: End::No } if ending == Ending::Code(0) => self.prepared = Some(switch),
            State::Preparing { .. } => {}
            State::Running(running) => self.run_ended(running, ending, now, actions),
            State::After(next) => self.settle(next, now),
            state @ (State::Unclean | State::Idle | State::Waiting { .. }) => self.state = state,
        }
    }

    fn run_ended(&mut self, running: Running, ending: Ending, now: Moment, actions: &mut Vec<Action>) {
        let held = match self.permit(now) {
            Standing::Held { tenure, until, kill_at } if tenure.nonce == running.tenure.nonce => {
                Some(Permit { tenure, until, kill_at })
            }
            _ => None,
        };
        let next = match (&running.part, running.end) {
            (_, End::No) if ending == Ending::Unstarted && !self.is_ever_late() => {
                Next::Later { tenure: running.tenure }
            }
            (Part::Before { .. }, End::No) if ending == Ending::Code(0) => match held {
                Some(permit) if !self.leaves() => return self.run_child(permit, now, actions),
                _ => Next::Settle,
            },
            (Part::Before { .. }, End::No) => {
                Next::Again { tenure: running.tenure, reason: format!("its `before` command {ending}").into() }
            }
            (Part::Child(_), End::No) if matches!(self.rules.finish, Finish::End) => {
                self.finished = Some(ending);
                Next::Settle
            }
            (Part::Child(wellness), end) if end == End::No || matches!(wellness.finding(now), Finding::Late(_)) => {
                Next::Again { tenure: running.tenure, reason: format!("the child {ending}").into() }
            }
            _ => Next::Settle,
        };
        match self.rules.after {
            Some(within) => {
                self.state = State::After(next);
                actions.push(Action::Run(Job::After { kill_at: now + within }));
            }
            None => self.settle(next, now),
        }
    }

    /// A start came too late. Whether that was so too often: another may be faster.
    fn is_ever_late(&mut self) -> bool {
        self.late = self.late.saturating_add(1);
        self.late > MOST_LATE && matches!(self.rules.finish, Finish::Restart(_))
    }

    fn settle(&mut self, next: Next, now: Moment) {
        self.state = State::Idle;
        if let Next::Later { tenure } = next {
            self.state = State::Waiting { tenure, until: now + LATER };
            return;
        }
        let (Next::Again { tenure, reason }, Finish::Restart(rule)) = (next, self.rules.finish) else { return };
        let (until, too_often) = self.restart.failed(&rule, now);
        if too_often && self.hand_over.is_none() {
            self.hand_over = Some(format!("{reason}; that was too often in {}", Span(rule.within)).into());
        }
        self.state = State::Waiting { tenure, until };
    }
}

/// Before what could not be started in time is tried again: each try costs a process, of a machine that is slow already.
const LATER: Duration = Duration::from_millis(100);
/// Starts in a row that may come too late before that counts as a failure.
const MOST_LATE: u32 = 20;
