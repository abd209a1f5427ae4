//! With the lease, and active: the child may run. Renew, and see whether the lease is to go elsewhere.

use std::time::Duration;

use super::asks::{Pending, Track};
use super::core::{Core, Got};
use super::frozen::Frozen;
use super::losing::Losing;
use super::plan::Plan;
use super::tenancy::{Heard, Tenancy, row_free};
use super::yielding::Yielding;
use super::{State, Turn};
use crate::Moment;
use crate::lease::happening::{Aim, Freeze, Happening, Loss};
use crate::lease::row::Serving;
use crate::lease::standing::ChildState;
use crate::lease::store::{Answer, Failure};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holding {
    pub(super) tenancy: Tenancy,
    pub(super) plan: Plan,
    /// Whether the lease is to go elsewhere is not asked again before.
    pub(super) again: Moment,
    /// It was to, and nobody was there to take it; told once.
    pub(super) alone: bool,
    /// The tenure was carried into a promoted database, where sessions of those who were fenced may have been open for
    /// reading all along: they are ended once more.
    sweep: bool,
}

impl Holding {
    pub(super) fn new(tenancy: Tenancy, now: Moment) -> Self {
        Self { tenancy, plan: Plan::Stay, again: now, alone: false, sweep: false }
    }

    pub(super) fn step(mut self, core: &mut Core, now: Moment) -> Turn {
        if self.tenancy.has_run_out(core, now) {
            return Turn::Go(self.silenced(core, now));
        }
        if core.is_lost() {
            return Turn::Go(State::Frozen(Frozen::new(self, Freeze::Lost, core, now)));
        }
        if core.leaving() {
            return Turn::Go(State::Yielding(Yielding::begin(self.tenancy, Aim::Leave, None, core, now)));
        }
        self.tenancy.note_ready(core, now);
        if let Some((aim, next)) = self.planned(core, now) {
            return Turn::Go(State::Yielding(Yielding::begin(self.tenancy, aim, next, core, now)));
        }
        if self.sweep && core.free(Track::Fence, now) {
            self.tenancy.fence(core, now);
        }
        if row_free(core, now) {
            let serving = self.tenancy.serving(core);
            let next = self.plan.next().cloned();
            if !self.tenancy.renew(core, serving, next.as_ref(), now) {
                let every = self.plan.look_every(&core.terms).unwrap_or(core.terms.holder_looks_every());
                core.look_every(every, now);
            }
        }
        Turn::Stay(State::Holding(self))
    }

    pub(super) fn answered(
        mut self,
        core: &mut Core,
        pending: &Pending,
        got: Result<Got, Failure>,
        now: Moment,
    ) -> State {
        match self.hear(core, pending, got, now) {
            Heard::Nothing | Heard::Good => State::Holding(self),
            Heard::Doubtful => State::Frozen(Frozen::new(self, Freeze::Clocks, core, now)),
            Heard::Over(loss) => State::Losing(Losing::new(self.tenancy, loss, core, now)),
        }
    }

    /// Takes an answer in, and notes whether it came from a database that the tenure was carried into.
    pub(super) fn hear(&mut self, core: &mut Core, pending: &Pending, got: Result<Got, Failure>, now: Moment) -> Heard {
        let before = self.tenancy.tenure.token.timeline;
        let heard = self.tenancy.heard(core, pending, got, now);
        self.sweep |= self.tenancy.tenure.token.timeline != before;
        heard
    }

    /// Takes in what came of ending the sessions of others once more.
    pub(super) fn swept(
        mut self,
        core: &mut Core,
        pending: &Pending,
        result: Result<Answer, Failure>,
        now: Moment,
    ) -> Self {
        match result {
            Ok(Answer::Done { .. }) => {
                core.asks.fence.well();
                self.sweep = false;
                core.tell(Happening::Fenced { took: now.since(pending.sent) });
            }
            Ok(Answer::Overtaken { .. }) => self.tenancy.due = now,
            Err(Failure::NotDone(why) | Failure::Unknown(why)) => {
                core.asks.fence.failed(now, &core.terms);
                if core.asks.fence.failures() == 1 {
                    core.tell(Happening::FenceFailed(why));
                }
            }
        }
        self
    }

    fn silenced(self, core: &mut Core, now: Moment) -> State {
        if core.terms.frozen.is_some() {
            State::Frozen(Frozen::new(self, Freeze::Silence, core, now))
        } else {
            State::Losing(Losing::new(self.tenancy, Loss::Silence, core, now))
        }
    }
}

impl Tenancy {
    /// How far the child of this tenure is.
    pub(super) fn serving(&self, core: &Core) -> Serving {
        if core.child_of(self.tenure.nonce) == Some(ChildState::Ready) { Serving::Ready } else { Serving::Starting }
    }

    /// Tells when the child is ready for the first time, and that a switch-over is done with it.
    fn note_ready(&mut self, core: &mut Core, now: Moment) {
        if self.serving(core) != Serving::Ready {
            return;
        }
        if self.ready.is_none() {
            self.ready = Some(now);
            self.steps.start = now.since(self.active);
            core.tell(Happening::Ready { tenure: self.tenure.clone(), steps: self.steps });
        }
        core.switch_arrived(self.switch);
    }

    /// The tenure ends; whether it went well counts for the next.
    pub(super) fn note_end(&self, core: &mut Core, now: Moment) {
        if self.ready.is_some_and(|ready| now.since(ready) >= core.terms.damping.window) {
            core.damping.went_well();
        }
    }
}

/// While a successor makes ready, and while requests under way end.
pub(super) const LOOK_EVERY_PREPARING: Duration = Duration::from_millis(100);
