//! What a member has seen of its lease, and since when.

use std::time::Duration;

use crate::Moment;
use crate::lease::row::{Nonce, Row, RowState, Stamp, Timeline};
use crate::lease::store::{Member, MemberState, Version};
use crate::lease::terms::Terms;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sight {
    pub(super) seen: Option<Seen>,
    pub(super) members: Vec<Member>,
    /// When the look that showed them was sent.
    pub(super) members_asked: Moment,
    pub(super) members_answered: Moment,
    /// The own clock, when the row was first seen as it is.
    pub(super) unchanged: Moment,
    /// The newest history, and when it was first seen.
    newest: Timeline,
    newest_seen: Moment,
    /// The highest epoch ever seen, in any history.
    pub(super) max_epoch: u64,
    /// The holder's session was seen to end.
    pub(super) gone: Option<Gone>,
}

/// The last answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) row: Row,
    pub(super) timeline: Timeline,
    pub(super) clock: Stamp,
    pub(super) sent: Moment,
    pub(super) answered: Moment,
}

/// What came of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    /// It is the newest history, as before.
    Same,
    /// Another one was promoted since.
    Promoted(Timeline),
    /// It comes from a database that was replaced.
    Old,
}

/// A holder's session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gone {
    /// When the hint came.
    pub(super) at: Moment,
    /// The row as a look that was sent afterwards showed it: if the holder lives, the next one differs.
    pub(super) row: Option<(Version, Moment)>,
}

impl Sight {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            seen: None,
            members: Vec::new(),
            members_asked: Moment::ZERO,
            members_answered: Moment::ZERO,
            unchanged: now,
            newest: Timeline(0),
            newest_seen: now,
            max_epoch: 0,
            gone: None,
        }
    }

    pub(super) fn row(&self) -> Option<&Row> {
        self.seen.as_ref().map(|seen| &seen.row)
    }

    pub(super) fn newest(&self) -> Timeline {
        self.newest
    }

    pub(super) fn newest_seen(&self) -> Moment {
        self.newest_seen
    }

    /// Whether an answer of this history is to be believed.
    pub(super) fn judge(&mut self, timeline: Timeline, now: Moment) -> Fresh {
        if timeline < self.newest {
            return Fresh::Old;
        }
        if timeline == self.newest {
            return Fresh::Same;
        }
        let before = std::mem::replace(&mut self.newest, timeline);
        self.newest_seen = now;
        self.gone = None;
        if self.seen.is_some() { Fresh::Promoted(before) } else { Fresh::Same }
    }

    /// Takes an answer in that was judged to be fresh.
    pub(super) fn saw(&mut self, seen: Seen) {
        self.max_epoch = self.max_epoch.max(seen.row.epoch);
        let changed = self.seen.as_ref().is_none_or(|last| identity(last) != identity(&seen));
        if changed {
            self.unchanged = seen.answered;
        }
        if let Some(gone) = &mut self.gone {
            let version = version(&seen.row);
            match gone.row {
                None if seen.sent >= gone.at => gone.row = Some((version, seen.sent)),
                Some((before, _)) if before != version => self.gone = None,
                _ => (),
            }
        }
        self.seen = Some(seen);
    }

    pub(super) fn saw_members(&mut self, members: Vec<Member>, asked: Moment, now: Moment) {
        self.members = members;
        self.members.truncate(MEMBERS_AT_MOST);
        self.members_asked = asked;
        self.members_answered = now;
    }

    /// Members that looked lately, except the one that asks.
    pub(super) fn others<'s>(&'s self, terms: &'s Terms, now: Moment) -> impl Iterator<Item = &'s Member> {
        let since = now.since(self.members_answered);
        self.members.iter().filter(move |member| {
            member.instance != terms.me.instance && member.age.saturating_add(since) <= terms.absent_after()
        })
    }

    /// How many members go before this one when the lease is there for the taking.
    pub(super) fn rank(&self, terms: &Terms, now: Moment) -> u32 {
        let me = (std::cmp::Reverse(terms.me.priority), &terms.me.name, terms.me.instance);
        let before = self
            .others(terms, now)
            .filter(|member| fit(member) && (std::cmp::Reverse(member.priority), &member.name, member.instance) < me);
        u32::try_from(before.count()).unwrap_or(u32::MAX)
    }

    /// When, by the own clock, the row runs out by the store's.
    pub(super) fn runs_out(seen: &Seen) -> Moment {
        seen.answered + seen.clock.until(seen.row.expires_at)
    }

    /// Whether the store's clock was set back, so that the row lasts longer than anybody ever asked for.
    pub(super) fn lasts_too_long(seen: &Seen) -> bool {
        seen.clock.until(seen.row.expires_at) > seen.row.ttl.saturating_add(Terms::JUMP_MAX)
    }

    /// How old the row's last renewal was when it was seen, by the store's clock. For timing looks, nothing else.
    pub(super) fn age(seen: &Seen) -> Duration {
        seen.row.ttl.saturating_sub(seen.clock.until(seen.row.expires_at))
    }
}

pub(super) fn version(row: &Row) -> Version {
    Version { epoch: row.epoch, seq: row.seq }
}

/// Whether a member can take the lease when it is offered.
pub(super) fn fit(member: &Member) -> bool {
    member.priority > 0 && matches!(member.state, MemberState::Standby | MemberState::Prepared(_))
}

fn identity(seen: &Seen) -> (Timeline, u64, Nonce, u64, RowState) {
    (seen.timeline, seen.row.epoch, seen.row.nonce, seen.row.seq, seen.row.state)
}

/// Of a lease; those beyond are not looked at.
const MEMBERS_AT_MOST: usize = 256;
