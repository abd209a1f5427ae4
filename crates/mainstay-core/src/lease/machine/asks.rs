//! What was asked of the store and is not answered yet: at most one request of each lane.
//!
//! The steps of a tenure and looks share a lane. So what an answer shows is never older than what is known, and a row
//! that lacks a step was not read before it. Fencing has a lane of its own, as it may take longer than a renewal may
//! wait, and so have the words of operators, which must not delay either.

use std::time::Duration;

use crate::Moment;
use crate::lease::event::RequestId;
use crate::lease::terms::Terms;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asks {
    last: u64,
    pub(super) row: Lane,
    pub(super) fence: Lane,
    pub(super) word: Lane,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) pending: Option<Pending>,
    failures: u32,
    /// Not asked again before.
    pub(super) rest: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) id: RequestId,
    pub(super) what: What,
    pub(super) sent: Moment,
    pub(super) deadline: Moment,
}

/// Which request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Look,
    Acquire,
    Activate,
    Renew,
    Carry,
    Transfer,
    Fence,
    Word,
}

/// Which lane a request runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Track {
    Row,
    Fence,
    Word,
}

impl Asks {
    pub(super) fn new() -> Self {
        Self { last: 0, row: Lane::default(), fence: Lane::default(), word: Lane::default() }
    }

    pub(super) fn lane(&mut self, track: Track) -> &mut Lane {
        match track {
            Track::Row => &mut self.row,
            Track::Fence => &mut self.fence,
            Track::Word => &mut self.word,
        }
    }

    /// Notes that a request goes out, in place of any that was pending.
    pub(super) fn send(&mut self, what: What, now: Moment, timeout: Duration) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.lane(what.track()).pending = Some(Pending { id, what, sent: now, deadline: now + timeout });
        id
    }

    /// The request that was sent last.
    pub(super) fn last(&self) -> RequestId {
        RequestId(self.last)
    }

    /// A tenure begins: what comes of fencing for an earlier one says nothing about this one.
    pub(super) fn forget_fencing(&mut self) {
        self.fence = Lane::default();
    }

    /// The request that an answer belongs to, if it still counts.
    pub(super) fn take(&mut self, id: RequestId) -> Option<(Track, Pending)> {
        for track in TRACKS {
            if let Some(pending) = self.lane(track).pending.take_if(|pending| pending.id == id) {
                return Some((track, pending));
            }
        }
        None
    }

    /// A request whose time is up, and else when the next one's is.
    pub(super) fn overdue(&mut self, now: Moment) -> Result<(Track, Pending), Option<Moment>> {
        let mut next: Option<Moment> = None;
        for track in TRACKS {
            if let Some(pending) = self.lane(track).pending.take_if(|pending| pending.deadline <= now) {
                return Ok((track, pending));
            }
            let deadline = self.lane(track).pending.as_ref().map(|pending| pending.deadline);
            next = next.into_iter().chain(deadline).min();
        }
        Err(next)
    }
}

impl Lane {
    /// A request of this lane was answered.
    pub(super) fn well(&mut self) {
        self.failures = 0;
        self.rest = Moment::ZERO;
    }

    /// It was not.
    pub(super) fn failed(&mut self, now: Moment, terms: &Terms) {
        self.failures = self.failures.saturating_add(1);
        self.rest = now + terms.back_off(self.failures);
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

impl Terms {
    /// How long to wait after so many failures: each time twice as long, without jitter, which the members' different
    /// beginnings make unnecessary.
    pub(super) fn back_off(&self, failures: u32) -> Duration {
        let Some(before) = failures.checked_sub(1) else { return Duration::ZERO };
        let wait = RETRY_FIRST.min(self.renew / 8).saturating_mul(1 << before.min(RETRY_DOUBLINGS));
        wait.min(self.renew / 4).max(RETRY_LEAST)
    }

    /// The same for what fails although the store answers: there is no hurry before somebody has mended it.
    pub(super) fn back_off_long(&self, failures: u32) -> Duration {
        let first = RETRY_FIRST.min(self.renew / 8);
        let wait = first.saturating_mul(1 << failures.saturating_sub(1).min(RETRY_DOUBLINGS));
        wait.min(self.renew.saturating_mul(RETRY_LONG_RENEWALS)).max(RETRY_LEAST)
    }
}

impl What {
    fn track(self) -> Track {
        match self {
            Self::Look | Self::Acquire | Self::Activate | Self::Renew | Self::Carry | Self::Transfer => Track::Row,
            Self::Fence => Track::Fence,
            Self::Word => Track::Word,
        }
    }
}

const TRACKS: [Track; 3] = [Track::Row, Track::Fence, Track::Word];

/// After the first failure; doubled after each further one, up to a quarter of a renewal.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_DOUBLINGS: u32 = 8;
/// So many renewals at most between two tries of what fails although the store answers.
const RETRY_LONG_RENEWALS: u32 = 3;
/// Whatever the terms: a store is not asked more often than this.
const RETRY_LEAST: Duration = Duration::from_millis(2);
