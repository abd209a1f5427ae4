//! What the guard and the fronts are told, given a state.

use super::State;
use super::core::Core;
use super::sight::Sight;
use super::yielding::Stage;
use crate::Moment;
use crate::lease::row::{Nonce, RowState, Serving, Token};
use crate::lease::standing::{LeaseView, Phase, Standing};
use crate::lease::store::MemberState;

impl Core {
    pub(super) fn standing_of(&self, state: &State) -> Standing {
        match state {
            State::Holding(holding) => self.held(&holding.tenancy),
            State::Frozen(frozen) => {
                let tenancy = &frozen.holding.tenancy;
                Standing::Frozen {
                    tenure: tenancy.tenure.clone(),
                    until: frozen.until(self),
                    kill_at: tenancy.kill_at(self),
                }
            }
            State::Yielding(yielding) => match *yielding.stage() {
                Stage::Drain { .. } => self.held(&yielding.tenancy),
                Stage::Stop { until, .. } => {
                    Standing::Yield { tenure: yielding.tenancy.tenure.clone(), until: yielding.kill_at(self, until) }
                }
                Stage::Give { .. } => Standing::Without,
            },
            State::Contending(_) => {
                match self.sight.row().filter(|row| self.is_successor(row)).and_then(|row| row.switch.as_ref()) {
                    Some(switch) => Standing::Prepare { switch: switch.id },
                    None => Standing::Without,
                }
            }
            // What was made ready is not undone just before it is needed.
            State::Fencing(_) => match &self.order().standing {
                prepare @ Standing::Prepare { .. } => prepare.clone(),
                _ => Standing::Without,
            },
            State::Losing(_) => Standing::Without,
        }
    }

    fn held(&self, tenancy: &super::Tenancy) -> Standing {
        Standing::Held {
            tenure: tenancy.tenure.clone(),
            until: tenancy.until(&self.terms),
            kill_at: tenancy.kill_at(self),
        }
    }

    /// How this member is, as others need to know it.
    pub(super) fn member_of(&mut self, state: &State, now: Moment) -> MemberState {
        if !matches!(state, State::Contending(_)) {
            return MemberState::Holder;
        }
        let held_back = !self.reached(now, self.damping.until());
        if held_back || self.leaving() || !self.child_gone() || self.terms.me.priority == 0 {
            return MemberState::Unfit;
        }
        match (self.order().standing.clone(), self.prepared()) {
            (Standing::Prepare { switch }, Some(prepared)) if switch == prepared => MemberState::Prepared(prepared),
            _ => MemberState::Standby,
        }
    }

    pub(super) fn view_of(&mut self, state: &State, now: Moment) -> LeaseView {
        let fresh = self.is_fresh(now);
        let phase = self.phase_of(state, fresh, now);
        let row = self.sight.row();
        let held = row.filter(|row| !row.holder.is_empty()).map(|row| row.holder.clone());
        let known = || row.map_or((Nonce(0), Token::default()), |row| (row.nonce, row.token()));
        let (nonce, token) = state.tenancy().map_or_else(known, |tenancy| (tenancy.tenure.nonce, tenancy.tenure.token));
        let paused = row.is_some_and(|row| row.paused.is_some());
        LeaseView { holder: held, nonce, token, phase, fresh, paused }
    }

    fn phase_of(&mut self, state: &State, fresh: bool, now: Moment) -> Phase {
        match state {
            State::Fencing(_) => return Phase::Fencing,
            State::Holding(holding) => return phase(holding.tenancy.serving(self)),
            State::Frozen(_) => return Phase::Starting,
            State::Yielding(_) => return Phase::Yielding,
            State::Contending(_) | State::Losing(_) => (),
        }
        let Some(seen) = &self.sight.seen else { return Phase::Vacant };
        // Whose tenure has run out does not run its child any more; while the store is away nobody can tell.
        let ends = (self.sight.unchanged + self.terms.gone_after(seen.row.ttl)).max(Sight::runs_out(seen));
        let own = state.tenancy().is_some_and(|tenancy| tenancy.is(&seen.row));
        let (row_state, serving) = (seen.row.state, seen.row.serving);
        match row_state {
            RowState::Free => Phase::Vacant,
            _ if own => Phase::Vacant,
            _ if fresh && self.reached(now, ends) => Phase::Vacant,
            RowState::Fencing => Phase::Fencing,
            RowState::Active => phase(serving),
        }
    }
}

fn phase(serving: Serving) -> Phase {
    match serving {
        Serving::Starting => Phase::Starting,
        Serving::Ready => Phase::Ready,
        Serving::Yielding => Phase::Yielding,
    }
}
