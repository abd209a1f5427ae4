//! When a member may take the lease.
//!
//! A lease that is held counts as run out only if the row stayed unchanged for `ttl` and 1 % by the own clock *and* has
//! expired by the store's: a jump of either clock alone then takes it from nobody. After a promotion nobody takes it
//! until everybody who may have been its holder in the old history has stopped, even if it is free.

use super::core::Core;
use super::sight::{Seen, Sight, version};
use crate::Moment;
use crate::lease::happening::Reason;
use crate::lease::row::{Row, RowState};

/// A way to take the lease, from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chance {
    pub(super) at: Moment,
    /// The store's clock is not to be asked.
    pub(super) early: bool,
    pub(super) reason: Reason,
}

impl Core {
    /// The first way to take the lease, if there is one as long as the row stays as it is.
    pub(super) fn chance(&self, now: Moment) -> Option<Chance> {
        let seen = self.sight.seen.as_ref()?;
        if self.terms.me.priority == 0 || self.leaving() {
            return None;
        }
        let chance =
            if seen.row.state == RowState::Free { self.chance_free(seen, now) } else { self.chance_held(seen, now) }?;
        let at = chance.at.max(self.damping.until()).max(self.quarantine(seen));
        Some(Chance { at, ..chance })
    }

    fn chance_free(&self, seen: &Seen, now: Moment) -> Option<Chance> {
        let row = &seen.row;
        let kept = self.is_me(row.next.as_ref());
        if row.paused.is_some() && !kept && !self.is_me(Some(&row.holder)) {
            return None;
        }
        match &row.next {
            Some(_) if kept => Some(Chance { at: self.sight.unchanged, early: false, reason: Reason::Kept }),
            Some(_) => Some(self.run_out(seen, now)),
            None => Some(Chance { at: self.sight.unchanged + self.turn(now), early: false, reason: Reason::Free }),
        }
    }

    fn chance_held(&self, seen: &Seen, now: Moment) -> Option<Chance> {
        let row = &seen.row;
        let mine = self.is_me(Some(&row.holder));
        let named = row.switch.as_ref().is_some_and(|switch| self.is_me(switch.to.as_ref()));
        if (row.paused.is_some() && !mine) || !(self.terms.takeover || mine || named) {
            return None;
        }
        let late = self.run_out(seen, now);
        let early = self.early(seen, now).filter(|early| early.at < late.at);
        Some(early.unwrap_or(late))
    }

    /// When a row that nobody changes any more has run out.
    fn run_out(&self, seen: &Seen, now: Moment) -> Chance {
        let wait = self.terms.gone_after(seen.row.ttl);
        let own = self.sight.unchanged + wait;
        // A store's clock that was set back would bar everybody for as long; then the own clock must do, twice over.
        let set_back = Sight::lasts_too_long(seen);
        let store = if set_back { own + wait } else { Sight::runs_out(seen) + EXPIRED };
        let at = if self.safety.own_clock { own.max(store) } else { Sight::runs_out(seen) };
        Chance { at: at + self.turn(now), early: set_back, reason: Reason::RunOut }
    }

    /// When a holder whose session ended, and who did not renew since, is taken to be gone.
    fn early(&self, seen: &Seen, now: Moment) -> Option<Chance> {
        let after = self.terms.early?;
        let (row, since) = self.sight.gone?.row?;
        let unchanged = row == version(&seen.row) && seen.row.timeline == seen.timeline;
        unchanged.then(|| Chance { at: since + after + self.turn(now), early: true, reason: Reason::Early })
    }

    /// How much longer this member waits than the one that goes first.
    fn turn(&self, now: Moment) -> std::time::Duration {
        let prepared = self.sight.row().is_some_and(|row| self.is_successor(row));
        let rank = if prepared { 0 } else { self.sight.rank(&self.terms, now) };
        self.terms.step().saturating_mul(rank)
    }

    /// Whether this member was chosen to follow in a switch-over.
    pub(super) fn is_successor(&self, row: &Row) -> bool {
        row.switch.is_some() && self.is_me(row.next.as_ref()) && self.terms.me.priority > 0
    }

    /// Not before this does anybody acquire in a promoted database.
    fn quarantine(&self, seen: &Seen) -> Moment {
        if seen.row.timeline == seen.timeline || !self.safety.quarantine {
            return Moment::ZERO;
        }
        self.sight.newest_seen() + self.terms.gone_after(seen.row.ttl)
    }
}

/// So much after a row expired by the store's clock, which is known only as exactly as an answer is quick.
const EXPIRED: std::time::Duration = std::time::Duration::from_millis(2);
