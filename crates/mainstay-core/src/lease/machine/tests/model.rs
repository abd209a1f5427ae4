//! A store in a few lines: one row, one clock, members.

use std::time::Duration;

use crate::lease::{Answer, Member, Name, Nonce, Request, Row, RowState, Serving, Settled, Stamp, SwitchTo, Timeline};

pub(super) struct Model {
    pub(super) row: Row,
    pub(super) timeline: Timeline,
    /// How far its clock is ahead of real time.
    pub(super) ahead_ms: i64,
    /// With the real time at which each looked.
    pub(super) members: Vec<(Member, u64)>,
    /// What fencing saw, to show that it was asked for.
    pub(super) fences: u32,
    /// A process on this machine has the lease's lock.
    pub(super) locked: bool,
}

impl Model {
    pub(super) fn new() -> Self {
        let row = Row {
            epoch: 0,
            seq: 0,
            holder: "".into(),
            nonce: Nonce(0),
            state: RowState::Free,
            timeline: Timeline(1),
            serving: Serving::Starting,
            next: None,
            switch: None,
            settled: None,
            paused: None,
            expires_at: Stamp(0),
            ttl: Duration::ZERO,
        };
        Self { row, timeline: Timeline(1), ahead_ms: 1_000_000, members: Vec::new(), fences: 0, locked: false }
    }

    pub(super) fn clock(&self, real_ms: u64) -> Stamp {
        Stamp((i64::try_from(real_ms).expect("a small number") + self.ahead_ms) * 1000)
    }

    /// Somebody else holds the lease from now on.
    pub(super) fn taken_by(&mut self, holder: &str, ttl: Duration, real_ms: u64) {
        let expires_at = self.later(real_ms, ttl);
        let row = &mut self.row;
        row.epoch += 1;
        row.seq += 1;
        row.holder = holder.into();
        row.nonce = Nonce(1_000_000 + u128::from(row.epoch));
        (row.state, row.serving, row.next) = (RowState::Active, Serving::Ready, None);
        row.timeline = self.timeline;
        (row.expires_at, row.ttl) = (expires_at, ttl);
    }

    /// And gives it up for another.
    pub(super) fn given_to(&mut self, next: &str, real_ms: u64) {
        self.renewed(real_ms);
        (self.row.state, self.row.next) = (RowState::Free, Some(next.into()));
    }

    /// And renews.
    pub(super) fn renewed(&mut self, real_ms: u64) {
        self.row.expires_at = self.later(real_ms, self.row.ttl);
        self.row.seq += 1;
    }

    fn later(&self, real_ms: u64, ttl: Duration) -> Stamp {
        Stamp(self.clock(real_ms).0 + i64::try_from(ttl.as_micros()).expect("a small number"))
    }

    pub(super) fn ask(&mut self, request: &Request, real_ms: u64) -> Answer {
        let clock = self.clock(real_ms);
        let done = self.apply(request, real_ms);
        let (row, timeline) = (self.row.clone(), self.timeline);
        if !done {
            return Answer::Overtaken { row, timeline, clock };
        }
        let aged = |(member, looked): &(Member, u64)| Member {
            age: Duration::from_millis(real_ms - looked),
            ..member.clone()
        };
        let look = matches!(request, Request::Look { .. });
        let members = if look { self.members.iter().map(aged).collect() } else { Vec::new() };
        Answer::Done { row, timeline, clock, members }
    }

    fn apply(&mut self, request: &Request, real_ms: u64) -> bool {
        let clock = self.clock(real_ms);
        let here = self.timeline;
        let row = &mut self.row;
        let held = |row: &Row, nonce: Nonce| row.nonce == nonce && row.state != RowState::Free;
        match request {
            Request::Look { me } => {
                self.members.retain(|(member, _)| member.instance != me.instance);
                self.members.push((me.clone(), real_ms));
            }
            Request::Fence { nonce } => {
                self.fences += 1;
                return held(row, *nonce);
            }
            Request::Acquire { seen, timeline, epoch_at_least, nonce, holder, ttl, early } => {
                let free = row.state == RowState::Free;
                let kept = free && row.next.as_ref() == Some(holder);
                let open = *early || row.expires_at < clock || (free && (row.next.is_none() || kept));
                let paused = row.paused.is_some() && !kept && row.holder != *holder;
                if (row.epoch, row.seq) != (seen.epoch, seen.seq) || *timeline != here || !open || paused || self.locked
                {
                    return false;
                }
                row.epoch = (row.epoch + 1).max(*epoch_at_least);
                (row.holder, row.nonce, row.state) = (holder.clone(), *nonce, RowState::Fencing);
                (row.timeline, row.serving, row.next) = (here, Serving::Starting, None);
                self.step(real_ms, *ttl);
            }
            Request::Activate { nonce, timeline, ttl } => {
                if !held(row, *nonce) || *timeline != here || row.timeline != here {
                    return false;
                }
                row.state = RowState::Active;
                self.step(real_ms, *ttl);
            }
            Request::Renew { nonce, timeline, ttl, serving, next } => {
                if !held(row, *nonce) || *timeline != here || row.timeline != here {
                    return false;
                }
                (row.serving, row.next) = (*serving, next.clone());
                self.step(real_ms, *ttl);
            }
            Request::Carry { nonce, from, to, seq_at_least, ttl } => {
                let same = row.timeline == *from && *to == here && row.seq >= *seq_at_least;
                if !held(row, *nonce) || row.state != RowState::Active || !same {
                    return false;
                }
                row.timeline = here;
                self.step(real_ms, *ttl);
            }
            Request::Transfer { nonce, next, ttl } => {
                if !held(row, *nonce) {
                    return false;
                }
                (row.state, row.serving, row.next) = (RowState::Free, Serving::Starting, next.clone());
                self.step(real_ms, *ttl);
            }
            Request::Switch { .. } | Request::Settle { .. } | Request::Pause(_) => return self.word(request, clock),
        }
        true
    }

    fn word(&mut self, request: &Request, clock: Stamp) -> bool {
        let row = &mut self.row;
        match request {
            Request::Switch { id, to, after } if row.switch.is_none() => {
                let due = Stamp(clock.0 + i64::try_from(after.as_micros()).expect("a small number"));
                row.switch = Some(SwitchTo { id: *id, to: to.clone(), due });
            }
            Request::Settle { id, outcome } if row.switch.as_ref().is_some_and(|switch| switch.id == *id) => {
                row.switch = None;
                row.settled = Some(Settled { id: *id, outcome: outcome.clone() });
            }
            Request::Pause(paused) => row.paused.clone_from(paused),
            _ => return false,
        }
        true
    }

    fn step(&mut self, real_ms: u64, ttl: Duration) {
        self.row.expires_at = self.later(real_ms, ttl);
        self.row.seq += 1;
        self.row.ttl = ttl;
    }

    pub(super) fn member(&mut self, name: &str, member: Member, real_ms: u64) {
        let name: Name = name.into();
        self.members.retain(|(known, _)| known.instance != member.instance);
        self.members.push((Member { name, ..member }, real_ms));
    }
}
