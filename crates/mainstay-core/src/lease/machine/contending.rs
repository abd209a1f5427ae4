//! Without the lease: look, wait for a chance, take it.

use super::asks::{Pending, What};
use super::chance::Chance;
use super::core::{At, Core, Got};
use super::fencing::Fencing;
use super::sight::{Seen, version};
use super::tenancy::{Tenancy, row_free};
use super::{State, Turn};
use crate::Moment;
use crate::lease::happening::{Happening, Reason, Steps};
use crate::lease::row::{Name, Nonce, Row, RowState, SwitchTo, Timeline};
use crate::lease::store::{Failure, Request, Version};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Contending {
    claim: Option<Claim>,
    /// So often the store refused to give the row as it is: another process on this machine has the lease's lock.
    refused: u32,
    /// So often the store could not do it, though it answers looks: its disk is full, it may not be written to.
    failed: u32,
    /// Not tried again before.
    rest: Moment,
}

/// An acquisition that was asked for, and may have been done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claim {
    nonce: Nonce,
    /// It can only succeed if the row is still this ...
    seen: Version,
    /// ... in this history.
    timeline: Timeline,
    /// When it was first asked for. Asked for again with the same nonce it counts from then: which of the two was done
    /// need not be known.
    sent: Moment,
    /// Whether a try of it may still be done.
    doubtful: bool,
    reason: Reason,
    detect: std::time::Duration,
    /// Who held the lease before.
    from: Option<Name>,
    switch: Option<Nonce>,
}

impl Contending {
    /// Whether nothing was asked for whose outcome is not known.
    pub(super) fn is_idle(&self) -> bool {
        self.claim.is_none()
    }

    pub(super) fn step(mut self, core: &mut Core, at: &mut At<'_>) -> Turn {
        if let Some(fencing) = self.claimed(core, at.now) {
            return Turn::Go(State::Fencing(fencing));
        }
        if !row_free(core, at.now) {
            return Turn::Stay(State::Contending(self));
        }
        if let Some(chance) = core.chance(at.now)
            && core.reached(at.now, chance.at.max(self.rest))
        {
            if core.child_gone() {
                self.acquire(core, chance, at);
                return Turn::Stay(State::Contending(self));
            }
            core.blocked();
        }
        core.look_at_pace(at.now);
        Turn::Stay(State::Contending(self))
    }

    pub(super) fn answered(
        mut self,
        core: &mut Core,
        pending: &Pending,
        got: Result<Got, Failure>,
        now: Moment,
    ) -> State {
        if pending.what != What::Acquire {
            return State::Contending(self);
        }
        match got {
            Ok(got)
                if !got.done && !self.claim.as_ref().is_some_and(|claim| claim.was_done(&got.row, got.timeline)) =>
            {
                let same = self.claim.as_ref().is_some_and(|claim| claim.seen == version(&got.row));
                self.refused = if same { self.refused.saturating_add(1) } else { 0 };
                self.rest = now + core.terms.back_off(self.refused);
                self.claim = self.claim.filter(|claim| claim.doubtful);
                core.want_look();
            }
            Ok(_) => {
                if let Some(claim) = &mut self.claim {
                    claim.doubtful = true;
                }
            }
            Err(Failure::Unknown(_)) => {
                if let Some(claim) = &mut self.claim {
                    claim.doubtful = true;
                }
                core.want_look();
            }
            Err(Failure::NotDone(_)) => {
                self.claim = self.claim.filter(|claim| claim.doubtful);
                self.failed = self.failed.saturating_add(1);
                self.rest = now + core.terms.back_off_long(self.failed);
            }
        }
        State::Contending(self)
    }

    /// Whether a claim turned out to have been done. One that cannot be done any more is forgotten.
    fn claimed(&mut self, core: &mut Core, now: Moment) -> Option<Fencing> {
        let claim = self.claim.as_ref()?;
        let seen = core.sight.seen.as_ref()?;
        let row = &seen.row;
        if claim.was_done(row, seen.timeline) {
            let row = row.clone();
            let answered = seen.answered;
            return self.claim.take().map(|claim| claim.begin(core, &row, answered, now));
        }
        let impossible = version(row) != claim.seen || seen.timeline != claim.timeline;
        // Whoever leaves need not wait for what may never come: it runs out by itself.
        if impossible || (core.leaving() && seen.sent > claim.sent) {
            self.claim = None;
        }
        None
    }

    fn acquire(&mut self, core: &mut Core, chance: Chance, at: &mut At<'_>) {
        let Some(seen) = core.sight.seen.clone() else { return };
        let row = &seen.row;
        let again = self.claim.take().filter(|claim| claim.seen == version(row) && claim.timeline == seen.timeline);
        let claim = again.unwrap_or_else(|| Claim {
            nonce: (at.draw)(),
            seen: version(row),
            timeline: seen.timeline,
            sent: at.now,
            doubtful: false,
            reason: chance.reason,
            detect: at.now.since(core.sight.unchanged),
            from: (!row.holder.is_empty()).then(|| row.holder.clone()),
            switch: row.switch.as_ref().filter(|switch| core.fulfils(row, switch, &seen)).map(|switch| switch.id),
        });
        if let Some(id) = core.gave_before(&seen) {
            core.tried = Some(id);
        }
        let epoch_at_least = if core.safety.epoch_above_seen { core.sight.max_epoch + 1 } else { row.epoch + 1 };
        let request = Request::Acquire {
            seen: claim.seen,
            timeline: claim.timeline,
            epoch_at_least,
            nonce: claim.nonce,
            holder: core.terms.me.name.clone(),
            ttl: core.terms.ttl,
            early: chance.early,
        };
        self.claim = Some(claim);
        let timeout = core.terms.timeout;
        core.ask(What::Acquire, request, timeout, at.now);
    }
}

impl Core {
    /// The switch-over for which a member of this name gave the lease up, as the row says: this one, or what it was before
    /// it was started again. The lease is kept for a successor who did not come.
    fn gave_before(&self, seen: &Seen) -> Option<Nonce> {
        let row = &seen.row;
        let switch = row.switch.as_ref()?;
        let kept = row.next.is_some() && !self.is_me(row.next.as_ref());
        let given = row.state == RowState::Free && self.is_me(Some(&row.holder)) && kept;
        // Its time had come when the lease was given up, which is one `ttl` before what it is kept for ends.
        let due = switch.due.until(row.expires_at) >= row.ttl;
        (given && due).then_some(switch.id)
    }

    /// Whether this member's taking the lease is what a switch-over asked for. One that named nobody wanted another than
    /// the holder, however that one comes to be gone. Who gave it up for that and has it back is that holder.
    fn fulfils(&self, row: &Row, switch: &SwitchTo, seen: &Seen) -> bool {
        let due = seen.clock.until(switch.due).is_zero();
        let gave = self.tried == Some(switch.id);
        let by_chance = switch.to.is_none() && due && !gave && row.holder != self.terms.me.name;
        by_chance || self.is_successor(row) || self.is_me(switch.to.as_ref())
    }
}

impl Claim {
    fn was_done(&self, row: &Row, timeline: Timeline) -> bool {
        let held = row.nonce == self.nonce && row.state != RowState::Free;
        held && row.timeline == self.timeline && timeline == self.timeline
    }

    fn begin(self, core: &mut Core, row: &Row, answered: Moment, now: Moment) -> Fencing {
        let mut tenancy = Tenancy::new(row, self.sent, &core.terms);
        tenancy.from = self.from.clone().filter(|_| self.reason == Reason::Kept);
        tenancy.switch = self.switch;
        tenancy.steps = Steps { detect: self.detect, acquire: answered.since(self.sent), ..Steps::default() };
        core.sight.gone = None;
        if core.safety.fence_of_tenure {
            core.asks.forget_fencing();
        }
        core.tell(Happening::Acquired { tenure: tenancy.tenure.clone(), by: self.reason, from: self.from });
        Fencing::new(tenancy, now)
    }
}
