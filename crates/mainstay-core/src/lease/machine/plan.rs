//! Whether a holder is to give the lease up, and to whom.
//!
//! Nothing is touched before a successor is known that lives, is fit and (in a switch-over) has made ready. The holder
//! decides, as it alone can tell whether its own tenure is good; whoever asked reads the outcome in the row.

use std::time::Duration;

use super::core::Core;
use super::holding::{Holding, LOOK_EVERY_PREPARING};
use super::sight::fit;
use crate::lease::happening::{Aim, Happening};
use crate::lease::row::{Name, Nonce, Outcome};
use crate::lease::standing::Wish;
use crate::lease::store::{Member, MemberState};
use crate::lease::terms::Terms;
use crate::{Moment, Span};

/// How far a holder is in giving the lease up, before anything is touched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Plan {
    /// It is not.
    Stay,
    /// Somebody is to be found who can follow, among the members as a look shows them that is sent after `since`.
    Choose { aim: Aim, since: Moment },
    /// A successor makes ready.
    Prepare { id: Nonce, next: Name, until: Moment },
}

impl Plan {
    /// Who is to make ready.
    pub(super) fn next(&self) -> Option<&Name> {
        match self {
            Self::Prepare { next, .. } => Some(next),
            Self::Stay | Self::Choose { .. } => None,
        }
    }

    /// How often to look meanwhile, if more often than usual.
    pub(super) fn look_every(&self, terms: &Terms) -> Option<Duration> {
        match self {
            Self::Stay => None,
            Self::Choose { .. } => Some(Duration::ZERO),
            Self::Prepare { .. } => Some(LOOK_EVERY_PREPARING.min(terms.renew / 4)),
        }
    }
}

impl Holding {
    /// Carries the plan on; says why and for whom the lease is to be given up when the time has come.
    pub(super) fn planned(&mut self, core: &mut Core, now: Moment) -> Option<(Aim, Option<Name>)> {
        if self.plan == Plan::Stay
            && let Some(aim) = self.aim(core, now)
        {
            // The look that showed the wish showed the members as well.
            let since = Moment::from_nanos(now.as_nanos().saturating_sub(nanos(core.terms.renew / 2)));
            self.plan = Plan::Choose { aim, since };
        }
        match self.plan.clone() {
            Plan::Stay => None,
            Plan::Choose { aim, since }
                if core.sight.members_asked >= since && core.sight.members_asked > Moment::ZERO =>
            {
                self.plan = Plan::Stay;
                self.choose(aim, core, now)
            }
            Plan::Choose { .. } => None,
            Plan::Prepare { id, next, until } => self.prepare(id, next, until, core, now),
        }
    }

    /// Why the lease is to go elsewhere, if it is.
    fn aim(&self, core: &mut Core, now: Moment) -> Option<Aim> {
        if let Some(id) = core.switch_due(self.tenancy.switch, now) {
            return Some(Aim::Switch(id));
        }
        let paused = core.sight.row().is_some_and(|row| row.paused.is_some());
        if paused || !core.reached(now, self.again) {
            return None;
        }
        if let Some(Wish::HandOver(why)) = core.wish() {
            return Some(Aim::HandOver(why.clone()));
        }
        let within = core.terms.ready_within.filter(|_| self.tenancy.ready.is_none())?;
        core.reached(now, self.tenancy.active + within).then_some(Aim::NotReady)
    }

    fn choose(&mut self, aim: Aim, core: &mut Core, now: Moment) -> Option<(Aim, Option<Name>)> {
        if let Aim::Switch(id) = aim {
            let to = core.sight.row().and_then(|row| row.switch.as_ref()).and_then(|switch| switch.to.clone());
            match core.successor(to.as_ref(), now) {
                Ok(next) => {
                    core.tell(Happening::Preparing { id, next: next.clone() });
                    self.plan = Plan::Prepare { id, next, until: now + core.terms.prepare_within };
                }
                Err(why) => core.settle(id, Outcome::Refused(why)),
            }
            return None;
        }
        // One that came by a switch-over goes back to where it came from.
        let back = self.tenancy.from.clone().filter(|from| core.successor(Some(from), now).is_ok());
        if let Some(id) = self.tenancy.switch.filter(|_| self.tenancy.ready.is_none()) {
            let who = back.as_ref().map_or_else(|| "another member".to_owned(), Name::to_string);
            core.settle(
                id,
                Outcome::Failed(
                    format!("{} did not get ready ({aim}): {who} is to take the lease", core.terms.me.name).into(),
                ),
            );
        }
        if core.successor(None, now).is_err() {
            if !std::mem::replace(&mut self.alone, true) {
                core.tell(Happening::NobodyElse(aim));
            }
            self.again = now + core.terms.ttl;
            return None;
        }
        Some((aim, back))
    }

    fn prepare(
        &mut self,
        id: Nonce,
        next: Name,
        until: Moment,
        core: &mut Core,
        now: Moment,
    ) -> Option<(Aim, Option<Name>)> {
        if core.switch_waiting() != Some(id) {
            self.plan = Plan::Stay;
            return None;
        }
        let ready = |member: &Member| member.name == next && member.state == MemberState::Prepared(id);
        if core.sight.others(&core.terms, now).any(ready) {
            return Some((Aim::Switch(id), Some(next)));
        }
        let why = match core.successor(Some(&next), now) {
            Err(why) => why,
            Ok(_) if core.reached(now, until) => {
                format!("{next} did not make ready within {}; nothing was touched", Span(core.terms.prepare_within))
                    .into()
            }
            Ok(_) => return None,
        };
        core.settle(id, Outcome::Refused(why));
        self.plan = Plan::Stay;
        None
    }
}

impl Core {
    /// Who can follow: `to`, or else the best; or why nobody can, as a sentence.
    pub(super) fn successor(&self, to: Option<&Name>, now: Moment) -> Result<Name, Name> {
        let others = || self.sight.others(&self.terms, now);
        let Some(to) = to else {
            let best = others()
                .filter(|member| fit(member))
                .min_by_key(|member| (std::cmp::Reverse(member.priority), member.name.clone(), member.instance));
            return best
                .map(|member| member.name.clone())
                .ok_or_else(|| "no other member is fit to take the lease".into());
        };
        let mut named = others().filter(|member| member.name == *to);
        let Some(member) = named.next() else {
            return Err(format!("{to} was not heard from in the last {}", Span(self.terms.absent_after())).into());
        };
        if named.next().is_some() {
            return Err(format!("two members are called {to}: give each a name of its own").into());
        }
        if member.priority == 0 {
            return Err(format!("{to} has priority 0: it never takes the lease").into());
        }
        if !fit(member) {
            return Err(format!(
                "{to} cannot take the lease now: its child is not known to be gone, or it failed too often"
            )
            .into());
        }
        Ok(member.name.clone())
    }

    /// The switch-over in the row, unless this member has ended it already.
    pub(super) fn switch_waiting(&self) -> Option<Nonce> {
        let id = self.sight.row()?.switch.as_ref()?.id;
        (!self.words.has_ended(id)).then_some(id)
    }

    /// The switch-over that this holder is to carry out now. `came_by`: the one that made it the holder.
    fn switch_due(&mut self, came_by: Option<Nonce>, now: Moment) -> Option<Nonce> {
        let id = self.switch_waiting()?;
        let seen = self.sight.seen.as_ref()?;
        let switch = seen.row.switch.as_ref()?;
        if came_by == Some(id) || self.is_me(switch.to.as_ref()) {
            return None;
        }
        let due = seen.answered + seen.clock.until(switch.due);
        if self.tried == Some(id) {
            let who = switch.to.as_ref().map_or("the successor", |to| to);
            let why = format!(
                "{who} did not take the lease in time, or could not start: {} has it again",
                self.terms.me.name
            );
            self.settle(id, Outcome::Failed(why.into()));
            return None;
        }
        self.reached(now, due).then_some(id)
    }

    /// The child is ready: a switch-over to here is done.
    pub(super) fn switch_arrived(&mut self, came_by: Option<Nonce>) {
        let Some(id) = self.switch_waiting() else { return };
        let named =
            self.sight.row().and_then(|row| row.switch.as_ref()).is_some_and(|switch| self.is_me(switch.to.as_ref()));
        if came_by == Some(id) || named {
            self.settle(id, Outcome::Done);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
