//! One's own tenure: what confirms it, what ends it.
//!
//! # When a database is promoted
//!
//! A tenure ends with its history, unless [`Terms::lossless`] says that the promoted database has everything that the
//! old one had acknowledged. Then it is carried on by one atomic step, [`Request::Carry`], that asks for the nonce, the
//! old timeline and at least the `seq` that was acknowledged last. This keeps what a tenure promises:
//!
//! - *Nobody else holds the lease.* Somebody who had taken it would have been told so by the old history, and the row
//!   would have its nonce here as well. One who was not told holds nothing until it reads its own nonce in the row.
//!   Everybody else is in quarantine, and their `Acquire` names a version that this step changes.
//! - *The child remembers nothing that is not written.* What was acknowledged to it is there, by the same word; of what
//!   was not, its driver told it that it failed or is in doubt.
//! - *Those who were fenced stay so.* Their roles are locked in the same history as the row. But a session that one of
//!   them had on the standby, for reading, can write after the promotion, and fencing on the old primary did not end it:
//!   hence one more [`Request::Fence`] at once.
//! - *The old primary harms nobody*: without the standbys that it needs it acknowledges nothing.
//!
//! It is the operator's word, which a store can check beforehand but not afterwards: a row that lacks an acknowledged step
//! proves that something was lost (and ends the tenure), a row that lacks none proves nothing about what the child wrote
//! after the last renewal. So without that word there is no such step, even if by luck nothing was lost.

use super::asks::{Pending, Track, What};
use super::clocks::{Clocks, Moved, Sample};
use super::core::{Core, Got};
use super::validity::{Odd, Validity};
use crate::Moment;
use crate::lease::happening::{Happening, Loss, Steps};
use crate::lease::row::{Name, Nonce, Row, RowState, Serving, Timeline};
use crate::lease::standing::Tenure;
use crate::lease::store::{Failure, Request};
use crate::lease::terms::Terms;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tenancy {
    pub(super) tenure: Tenure,
    /// Who gave it, in a switch-over: the one to give it back to.
    pub(super) from: Option<Name>,
    /// The switch-over by which it came.
    pub(super) switch: Option<Nonce>,
    /// The next renewal.
    pub(super) due: Moment,
    pub(super) steps: Steps,
    /// When it became active; until then, when it began.
    pub(super) active: Moment,
    /// When its child was ready for the first time.
    pub(super) ready: Option<Moment>,
    /// The promoted database's history in which it is to go on.
    carry: Option<Timeline>,
    validity: Validity,
    clocks: Clocks,
    /// What the last renewal said.
    said: (Serving, Option<Name>),
}

/// What an answer means for a tenure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing: it is as good as before.
    Nothing,
    /// It goes on.
    Good,
    /// It goes on, but the own clock may have stood still since: another renewal is to confirm it.
    Doubtful,
    /// It is over.
    Over(Loss),
}

impl Tenancy {
    /// A tenure that began with a request sent at `sent`, after which the store's row was `row`.
    pub(super) fn new(row: &Row, sent: Moment, terms: &Terms) -> Self {
        Self {
            tenure: Tenure { nonce: row.nonce, token: row.token() },
            from: None,
            switch: None,
            due: sent + terms.renew,
            steps: Steps::default(),
            active: sent,
            ready: None,
            carry: None,
            validity: Validity::new(row.seq, sent),
            clocks: Clocks::default(),
            said: (Serving::Starting, None),
        }
    }

    fn timeline(&self) -> Timeline {
        self.tenure.token.timeline
    }

    /// Until when the child may run without further news.
    pub(super) fn until(&self, terms: &Terms) -> Moment {
        self.validity.from() + terms.good_for()
    }

    /// When the child is to be killed without further news.
    pub(super) fn kill_at(&self, core: &Core) -> Moment {
        let paused = core.sight.row().is_some_and(|row| row.paused.is_some());
        let frozen = match core.terms.frozen {
            Some(_) if paused => Terms::PAUSED_FROZEN,
            Some(frozen) => frozen,
            None => std::time::Duration::ZERO,
        };
        self.until(&core.terms) + frozen
    }

    /// Whether the tenure has run out by the own clock.
    pub(super) fn has_run_out(&self, core: &mut Core, now: Moment) -> bool {
        let until = self.until(&core.terms);
        core.safety.run_out && core.reached(now, until)
    }

    /// Whether the store knows what it is to know.
    pub(super) fn has_said(&self, serving: Serving, next: Option<&Name>) -> bool {
        (self.said.0, self.said.1.as_ref()) == (serving, next)
    }

    /// Renews if it is time, or if there is something new to say; the lane must be free.
    pub(super) fn renew(&mut self, core: &mut Core, serving: Serving, next: Option<&Name>, now: Moment) -> bool {
        if !self.has_said(serving, next) {
            self.due = self.due.min(now);
        }
        if !core.reached(now, self.due) {
            return false;
        }
        self.due = now + core.terms.renew;
        let ttl = core.terms.ttl;
        let timeout = core.terms.timeout;
        let (nonce, timeline) = (self.tenure.nonce, self.timeline());
        if let Some(to) = self.carry {
            let seq_at_least = if core.safety.end_with_history { self.validity.acked() } else { 0 };
            let request = Request::Carry { nonce, from: timeline, to, seq_at_least, ttl };
            core.ask(What::Carry, request, timeout, now);
        } else {
            self.said = (serving, next.cloned());
            let request = Request::Renew { nonce, timeline, ttl, serving, next: next.cloned() };
            core.ask(What::Renew, request, timeout, now);
        }
        true
    }

    /// Renews, saying the same as before.
    pub(super) fn renew_as_said(&mut self, core: &mut Core, now: Moment) -> bool {
        let (serving, next) = self.said.clone();
        self.renew(core, serving, next.as_ref(), now)
    }

    /// Becomes active; the lane must be free.
    pub(super) fn activate(&mut self, core: &mut Core, now: Moment) {
        self.due = now + core.terms.renew;
        let request = Request::Activate { nonce: self.tenure.nonce, timeline: self.timeline(), ttl: core.terms.ttl };
        let timeout = core.terms.timeout;
        core.ask(What::Activate, request, timeout, now);
    }

    /// Takes in what the store answered to any request about the row.
    pub(super) fn heard(
        &mut self,
        core: &mut Core,
        pending: &Pending,
        got: Result<Got, Failure>,
        now: Moment,
    ) -> Heard {
        let is_step = matches!(pending.what, What::Activate | What::Renew | What::Carry | What::Transfer);
        let got = match got {
            Ok(got) => got,
            Err(failure) => {
                if is_step {
                    self.due = now;
                }
                if is_step && matches!(failure, Failure::Unknown(_)) {
                    self.validity.unknown(pending.sent);
                }
                if !core.safety.unknown_is_nothing && pending.what == What::Renew {
                    self.validity.assume(pending.sent);
                }
                return Heard::Nothing;
            }
        };
        if pending.what == What::Renew && got.done {
            core.tell(Happening::Renewed { took: now.since(pending.sent) });
        }
        if got.row.nonce != self.tenure.nonce || got.row.state == RowState::Free {
            let promoted = got.timeline != self.timeline() && got.row.timeline <= self.timeline();
            return Heard::Over(if promoted { Loss::Promoted } else { Loss::Overtaken(taker(&got.row)) });
        }
        if got.timeline != self.timeline() {
            return self.heard_from_elsewhere(core, &got, pending, now);
        }
        let sent = if core.safety.count_from_send { pending.sent } else { now };
        let odd =
            if got.done && is_step { self.validity.done(sent, got.row.seq) } else { self.validity.read(got.row.seq) };
        match odd {
            Ok(()) => self.compare_clocks(core, pending, &got, now),
            Err(Odd::WentBack) => Heard::Over(Loss::WentBack),
            Err(Odd::Copied) => Heard::Over(Loss::Copied),
        }
    }

    /// The row has this tenure's nonce, but another database answers. Where nothing can have been lost, it is asked to
    /// go on there by one step that does so only if the row is no older than what was acknowledged.
    fn heard_from_elsewhere(&mut self, core: &mut Core, got: &Got, pending: &Pending, now: Moment) -> Heard {
        let lossless = core.terms.lossless || !core.safety.end_with_history;
        if !lossless || got.row.state != RowState::Active {
            return Heard::Over(Loss::Promoted);
        }
        let moved = got.row.timeline == got.timeline;
        if !moved {
            let behind = core.safety.end_with_history && got.row.seq < self.validity.acked();
            if behind || got.row.timeline != self.timeline() {
                return Heard::Over(Loss::Promoted);
            }
            self.carry = Some(got.timeline);
            self.due = now;
            return Heard::Nothing;
        }
        if self.carry != Some(got.timeline) {
            return Heard::Over(Loss::Copied);
        }
        let done = got.done && pending.what == What::Carry;
        let odd = if done { self.validity.done(pending.sent, got.row.seq) } else { self.validity.read(got.row.seq) };
        match odd {
            Ok(()) => (),
            Err(Odd::Copied) => return Heard::Over(Loss::Copied),
            Err(Odd::WentBack) if !core.safety.end_with_history => {
                self.validity = Validity::new(got.row.seq, pending.sent);
            }
            Err(Odd::WentBack) => return Heard::Over(Loss::WentBack),
        }
        self.carry = None;
        self.clocks.forget();
        self.tenure.token = got.row.token();
        self.due = now;
        core.tell(Happening::Carried { tenure: self.tenure.clone() });
        Heard::Good
    }

    fn compare_clocks(&mut self, core: &mut Core, pending: &Pending, got: &Got, now: Moment) -> Heard {
        let sample = Sample { clock: got.clock, sent: pending.sent, answered: now };
        match self.clocks.sample(sample, core.terms.ttl) {
            Moved::Alike => Heard::Good,
            Moved::Behind(by) => {
                core.tell(Happening::ClocksApart { by, store_ahead: false });
                Heard::Good
            }
            Moved::Ahead(by) => {
                core.tell(Happening::ClocksApart { by, store_ahead: true });
                self.due = now;
                Heard::Doubtful
            }
            Moved::AheadAgain(by) => {
                core.tell(Happening::ClocksApart { by, store_ahead: true });
                Heard::Over(Loss::Clocks)
            }
        }
    }

    /// Gives the lease up; the lane must be free.
    pub(super) fn transfer(&self, core: &mut Core, next: Option<Name>, now: Moment) {
        let request = Request::Transfer { nonce: self.tenure.nonce, next, ttl: core.terms.ttl };
        let timeout = core.terms.timeout;
        core.ask(What::Transfer, request, timeout, now);
    }

    /// Makes sure once more that no other role of the lease can write; the lane must be free.
    pub(super) fn fence(&self, core: &mut Core, now: Moment) {
        let timeout = core.terms.timeout.max(core.terms.fence_within / 4);
        core.ask(What::Fence, Request::Fence { nonce: self.tenure.nonce }, timeout, now);
    }

    /// Whether a row is this tenure's, and held.
    pub(super) fn is(&self, row: &Row) -> bool {
        row.nonce == self.tenure.nonce && row.state != RowState::Free
    }
}

/// Whether the lane of row steps can be used.
pub(super) fn row_free(core: &mut Core, now: Moment) -> bool {
    core.free(Track::Row, now)
}

fn taker(row: &Row) -> Name {
    if row.state == RowState::Free { Name::from("") } else { row.holder.clone() }
}
