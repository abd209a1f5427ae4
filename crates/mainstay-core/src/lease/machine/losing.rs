//! The tenure is over, or must not be relied on: the child must be gone before anything else.

use super::asks::Pending;
use super::contending::Contending;
use super::core::{Core, Got};
use super::tenancy::{Heard, Tenancy, row_free};
use super::yielding::Yielding;
use super::{State, Turn};
use crate::Moment;
use crate::lease::happening::{Happening, Loss};
use crate::lease::row::Serving;
use crate::lease::store::Failure;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Losing {
    pub(super) tenancy: Tenancy,
    /// Whether the row may still be this tenure's: it is kept from others while the child is not gone, and given up
    /// then.
    ours: bool,
    began: Moment,
}

impl Losing {
    pub(super) fn new(tenancy: Tenancy, loss: Loss, core: &mut Core, now: Moment) -> Self {
        tenancy.note_end(core, now);
        // A copy of this machine has the same nonce: what is done with it would be done to the copy.
        let ours = matches!(loss, Loss::Silence | Loss::Clocks | Loss::Fencing);
        if matches!(loss, Loss::Clocks | Loss::Fencing) {
            core.failed(now);
        }
        core.tell(Happening::Lost(loss));
        Self { tenancy, ours, began: now }
    }

    pub(super) fn step(mut self, core: &mut Core, now: Moment) -> Turn {
        if core.child_gone() {
            return Turn::Go(if self.ours {
                State::Yielding(Yielding::give(self.tenancy, now))
            } else {
                State::Contending(Contending::default())
            });
        }
        core.blocked();
        if core.reached(now, self.began + core.terms.stop_within) {
            core.outlived();
        }
        if row_free(core, now) && !(self.ours && self.tenancy.renew(core, Serving::Starting, None, now)) {
            core.look_at_pace(now);
        }
        Turn::Stay(State::Losing(self))
    }

    pub(super) fn answered(
        mut self,
        core: &mut Core,
        pending: &Pending,
        got: Result<Got, Failure>,
        now: Moment,
    ) -> State {
        if self.ours && matches!(self.tenancy.heard(core, pending, got, now), Heard::Over(_)) {
            self.ours = false;
        }
        State::Losing(self)
    }
}
