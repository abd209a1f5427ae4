//! With the lease, but not sure of it: the child is frozen until a renewal confirms the tenure, or it is over.

use super::asks::Pending;
use super::core::{Core, Got};
use super::holding::Holding;
use super::losing::Losing;
use super::tenancy::{Heard, row_free};
use super::yielding::Yielding;
use super::{State, Turn};
use crate::Moment;
use crate::lease::happening::{Aim, Freeze, Happening, Loss};
use crate::lease::store::Failure;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frozen {
    pub(super) holding: Holding,
    since: Moment,
    why: Freeze,
}

impl Frozen {
    pub(super) fn new(mut holding: Holding, why: Freeze, core: &mut Core, now: Moment) -> Self {
        holding.tenancy.due = now;
        core.tell(Happening::Frozen(why));
        Self { holding, since: now, why }
    }

    /// Until when what does not lean on this machine's memory may go on: while the tenure's time is known and not over.
    pub(super) fn until(&self, core: &Core) -> Option<Moment> {
        (self.why == Freeze::Lost).then(|| self.holding.tenancy.until(&core.terms))
    }

    pub(super) fn step(mut self, core: &mut Core, now: Moment) -> Turn {
        let tenancy = &mut self.holding.tenancy;
        if core.leaving() {
            return Turn::Go(State::Yielding(Yielding::stop(self.holding.tenancy, Aim::Leave, None, now, core)));
        }
        if core.terms.frozen.is_none() && self.why == Freeze::Clocks && tenancy.has_run_out(core, now) {
            return Turn::Go(State::Losing(Losing::new(self.holding.tenancy, Loss::Silence, core, now)));
        }
        if core.reached(now, tenancy.kill_at(core)) {
            return Turn::Go(State::Losing(Losing::new(self.holding.tenancy, Loss::Silence, core, now)));
        }
        if row_free(core, now) {
            tenancy.renew_as_said(core, now);
        }
        Turn::Stay(State::Frozen(self))
    }

    /// A doubt about clocks arises with an answer, and one request is under way at a time: what is answered next was sent
    /// after it. When the store was lost one may be under way that was sent before; it is not taken for an answer to that.
    pub(super) fn answered(
        mut self,
        core: &mut Core,
        pending: &Pending,
        got: Result<Got, Failure>,
        now: Moment,
    ) -> State {
        match self.holding.hear(core, pending, got, now) {
            Heard::Nothing => State::Frozen(self),
            Heard::Doubtful => {
                self.why = Freeze::Clocks;
                self.since = now;
                State::Frozen(self)
            }
            Heard::Good => {
                let until = self.holding.tenancy.until(&core.terms);
                if until <= now || core.is_lost() {
                    return State::Frozen(self);
                }
                core.tell(Happening::Thawed { after: now.since(self.since) });
                State::Holding(self.holding)
            }
            Heard::Over(loss) => State::Losing(Losing::new(self.holding.tenancy, loss, core, now)),
        }
    }
}
