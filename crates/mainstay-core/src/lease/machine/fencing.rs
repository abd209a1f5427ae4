//! With the lease, but not active: make every previous holder unable to write first.

use std::time::Duration;

use super::asks::{Pending, Track, What};
use super::contending::Contending;
use super::core::{Core, Got};
use super::frozen::Frozen;
use super::holding::Holding;
use super::losing::Losing;
use super::tenancy::{Heard, Tenancy, row_free};
use super::yielding::Yielding;
use super::{State, Turn};
use crate::Moment;
use crate::lease::happening::{Aim, Freeze, Happening, Loss};
use crate::lease::row::Serving;
use crate::lease::store::{Answer, Failure};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fencing {
    pub(super) tenancy: Tenancy,
    began: Moment,
    fenced: Option<Moment>,
}

impl Fencing {
    pub(super) fn new(tenancy: Tenancy, now: Moment) -> Self {
        Self { tenancy, began: now, fenced: None }
    }

    pub(super) fn step(mut self, core: &mut Core, now: Moment) -> Turn {
        if core.leaving() {
            return Turn::Go(State::Yielding(Yielding::stop(self.tenancy, Aim::Leave, None, now, core)));
        }
        if core.reached(now, self.began + core.terms.fence_within) {
            return Turn::Go(State::Losing(Losing::new(self.tenancy, Loss::Fencing, core, now)));
        }
        if !core.safety.fence {
            self.fenced.get_or_insert(now);
        }
        if self.fenced.is_none() && core.free(Track::Fence, now) {
            self.tenancy.fence(core, now);
        }
        if row_free(core, now) {
            if self.fenced.is_some() {
                self.tenancy.activate(core, now);
            } else if !self.tenancy.renew(core, Serving::Starting, None, now) {
                core.look_every(Duration::MAX, now);
            }
        }
        Turn::Stay(State::Fencing(self))
    }

    /// Takes in what came of fencing.
    pub(super) fn fenced(
        mut self,
        core: &mut Core,
        _: &Pending,
        result: Result<Answer, Failure>,
        now: Moment,
    ) -> State {
        match result {
            Ok(Answer::Done { .. }) => {
                core.asks.fence.well();
                let took = now.since(self.began);
                self.tenancy.steps.fence = took;
                self.fenced = Some(now);
                core.tell(Happening::Fenced { took });
            }
            Ok(Answer::Overtaken { .. }) => {
                core.asks.fence.failed(now, &core.terms);
                self.tenancy.due = now;
            }
            Err(Failure::NotDone(why) | Failure::Unknown(why)) => {
                core.asks.fence.failed(now, &core.terms);
                if core.asks.fence.failures() == 1 {
                    core.tell(Happening::FenceFailed(why));
                }
            }
        }
        State::Fencing(self)
    }

    pub(super) fn answered(
        mut self,
        core: &mut Core,
        pending: &Pending,
        got: Result<Got, Failure>,
        now: Moment,
    ) -> State {
        let done = got.as_ref().is_ok_and(|got| got.done);
        let heard = self.tenancy.heard(core, pending, got, now);
        let activated = pending.what == What::Activate && done;
        match heard {
            // No child ever ran in this tenure: there is nothing to stop, and nothing to give.
            Heard::Over(loss) => {
                core.tell(Happening::Lost(loss));
                State::Contending(Contending::default())
            }
            Heard::Good | Heard::Doubtful if activated => {
                let steps = &mut self.tenancy.steps;
                steps.activate = now.since(self.began).saturating_sub(steps.fence);
                self.tenancy.active = now;
                core.tell(Happening::Activated { tenure: self.tenancy.tenure.clone() });
                let holding = Holding::new(self.tenancy, now);
                if heard == Heard::Good {
                    State::Holding(holding)
                } else {
                    State::Frozen(Frozen::new(holding, Freeze::Clocks, core, now))
                }
            }
            Heard::Good | Heard::Doubtful | Heard::Nothing => State::Fencing(self),
        }
    }
}
