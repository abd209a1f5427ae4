//! Giving the lease up in order: let requests under way finish, stop the child, and only then free the row.

use std::time::Duration;

use super::asks::Pending;
use super::contending::Contending;
use super::core::{Core, Got};
use super::holding::Holding;
use super::losing::Losing;
use super::tenancy::{Heard, Tenancy, row_free};
use super::{State, Turn};
use crate::Moment;
use crate::lease::happening::{Aim, Happening};
use crate::lease::row::{Name, Outcome, Serving};
use crate::lease::standing::ChildState;
use crate::lease::store::Failure;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Yielding {
    pub(super) tenancy: Tenancy,
    /// `None`: it was lost, and is given up since nobody has taken it.
    why: Option<Aim>,
    next: Option<Name>,
    stage: Stage,
    began: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Fronts hold what is new; what is under way may finish.
    Drain {
        until: Moment,
        /// When the store said that fronts can know.
        announced: Option<Moment>,
    },
    /// The child ends.
    Stop { began: Moment, until: Moment },
    /// The child is gone: the row is freed.
    Give { drain: Duration, stop: Duration },
}

impl Yielding {
    /// Begins with what is under way. A child that is gone has nothing under way.
    pub(super) fn begin(tenancy: Tenancy, why: Aim, next: Option<Name>, core: &mut Core, now: Moment) -> Self {
        if core.terms.drain_within.is_zero() || core.child() == Some(ChildState::Gone) {
            return Self::stop(tenancy, why, next, now, core);
        }
        core.tell(Happening::Yielding { why: why.clone(), next: next.clone() });
        let stage = Stage::Drain { until: now + core.terms.drain_within, announced: None };
        Self { tenancy, why: Some(why), next, stage, began: now }
    }

    /// Begins with stopping the child.
    pub(super) fn stop(tenancy: Tenancy, why: Aim, next: Option<Name>, now: Moment, core: &mut Core) -> Self {
        core.tell(Happening::Yielding { why: why.clone(), next: next.clone() });
        let stage = Stage::Stop { began: now, until: now + core.terms.stop_within };
        Self { tenancy, why: Some(why), next, stage, began: now }
    }

    /// Frees the row, as the child is gone.
    pub(super) fn give(tenancy: Tenancy, now: Moment) -> Self {
        let stage = Stage::Give { drain: Duration::ZERO, stop: Duration::ZERO };
        Self { tenancy, why: None, next: None, stage, began: now }
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn step(mut self, core: &mut Core, now: Moment) -> Turn {
        self.end_when_lost(core, now);
        match self.stage.clone() {
            Stage::Drain { until, announced } => {
                let run_out = self.tenancy.has_run_out(core, now);
                let drained = announced.is_some_and(|announced| core.all_quiet(announced, now));
                if run_out || drained || core.reached(now, until) {
                    return Turn::Go(self.end_drain(core, now));
                }
            }
            Stage::Stop { began, until } => {
                if core.child_gone() {
                    self.stage = Stage::Give { drain: began.since(self.began), stop: now.since(began) };
                    return Turn::Go(State::Yielding(self));
                }
                if core.reached(now, until + core.terms.kill_budget) {
                    core.outlived();
                }
            }
            Stage::Give { .. } => {
                if row_free(core, now) {
                    self.tenancy.transfer(core, self.next.clone(), now);
                }
                return Turn::Stay(State::Yielding(self));
            }
        }
        if row_free(core, now) && !self.tenancy.renew(core, Serving::Yielding, self.next.clone().as_ref(), now) {
            let drains = matches!(self.stage, Stage::Drain { announced: Some(_), .. });
            core.look_every(if drains { LOOK_EVERY_DRAINING } else { core.terms.renew }, now);
        }
        Turn::Stay(State::Yielding(self))
    }

    pub(super) fn answered(
        mut self,
        core: &mut Core,
        pending: &Pending,
        got: Result<Got, Failure>,
        now: Moment,
    ) -> State {
        if let Stage::Give { drain, stop } = self.stage {
            let ours = got.as_ref().map_or(true, |got| self.tenancy.is(&got.row));
            return if ours { State::Yielding(self) } else { self.given(drain, stop, core, now) };
        }
        let told = got.as_ref().is_ok_and(|got| got.row.serving == Serving::Yielding);
        match self.tenancy.heard(core, pending, got, now) {
            Heard::Over(loss) => return State::Losing(Losing::new(self.tenancy, loss, core, now)),
            Heard::Doubtful if matches!(self.stage, Stage::Drain { .. }) => return self.stop_now(core, now),
            Heard::Nothing | Heard::Good | Heard::Doubtful => (),
        }
        if let Stage::Drain { announced, .. } = &mut self.stage
            && told
        {
            announced.get_or_insert(now);
        }
        State::Yielding(self)
    }

    /// Until when the child must have ended, whatever happens.
    pub(super) fn kill_at(&self, core: &Core, until: Moment) -> Moment {
        until.min(self.tenancy.until(&core.terms))
    }

    /// A child that was about to end anyway is killed where another would be frozen.
    fn end_when_lost(&mut self, core: &mut Core, now: Moment) {
        let killed = match self.stage {
            Stage::Drain { .. } => core.is_lost().then_some(now),
            Stage::Stop { began, until } => (core.is_lost() && until > now).then_some(began),
            Stage::Give { .. } => None,
        };
        if let Some(began) = killed {
            if !core.child_gone() {
                core.tell(Happening::CutShort);
            }
            self.stage = Stage::Stop { began, until: now };
        }
    }

    /// The child is stopped next; unless the successor is lost meanwhile, and nothing was touched yet.
    fn end_drain(self, core: &mut Core, now: Moment) -> State {
        if let (Some(Aim::Switch(id)), Some(next)) = (&self.why, &self.next)
            && let Err(why) = core.successor(Some(next), now)
            && !self.tenancy.has_run_out(core, now)
        {
            core.tell(Happening::Stayed(why.clone()));
            core.settle(*id, Outcome::Failed(format!("{why}; {} keeps the lease", core.terms.me.name).into()));
            return State::Holding(Holding::new(self.tenancy, now));
        }
        self.stop_now(core, now)
    }

    fn stop_now(mut self, core: &Core, now: Moment) -> State {
        self.stage = Stage::Stop { began: now, until: now + core.terms.stop_within };
        State::Yielding(self)
    }

    /// The row is free, or another's, who did not wait for it to be given.
    fn given(self, drain: Duration, stop: Duration, core: &mut Core, now: Moment) -> State {
        let freed = core.sight.row().is_some_and(|row| row.nonce == self.tenancy.tenure.nonce);
        if freed {
            core.tell(Happening::Given { next: self.next, drain, stop });
        }
        match self.why {
            Some(Aim::Switch(id)) => {
                self.tenancy.note_end(core, now);
                core.tried = Some(id);
            }
            Some(Aim::HandOver(_) | Aim::NotReady) => {
                self.tenancy.note_end(core, now);
                core.failed(now);
            }
            Some(Aim::Leave) | None => (),
        }
        State::Contending(Contending::default())
    }
}

impl Core {
    /// Whether no front has anything under way any more, as a look shows it that was sent after `since`.
    fn all_quiet(&self, since: Moment, now: Moment) -> bool {
        self.quiet
            && self.sight.members_asked >= since
            && self.sight.others(&self.terms, now).all(|member| member.quiet)
    }

    /// A tenure failed: others go first for a while.
    pub(super) fn failed(&mut self, now: Moment) {
        if let Some(quiet) = self.damping.failed(now, &self.terms) {
            self.tell(Happening::HeldBack { quiet });
        }
    }
}

/// While requests under way end: the last of them ending is what is waited for.
const LOOK_EVERY_DRAINING: Duration = Duration::from_millis(20);
