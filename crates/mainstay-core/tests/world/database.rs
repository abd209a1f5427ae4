//! A database with the lease's row, the roles of its holders, and the sessions of their children.

use std::time::Duration;

use mainstay_core::lease::{
    Answer, Member, Name, Nonce, Request, Row, RowState, Serving, Settled, Stamp, SwitchTo, Timeline,
};

use crate::clock::{Clock, Instant};

/// One history of the database. A promotion makes another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    pub(crate) timeline: Timeline,
    pub(crate) power: Power,
    pub(crate) clock: Clock,
    pub(crate) content: Content,
    /// What the standby has of it.
    pub(crate) standby: Content,
    /// Children wrote what the standby does not have.
    pub(crate) unreplicated: bool,
    pub(crate) sessions: Vec<Session>,
    sessions_made: u32,
}

/// Whether it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Power {
    On,
    /// Refuses connections.
    Off,
    /// Replaced by a promoted one, and still answering.
    Zombie {
        /// Without its standby's word no commit ends.
        writable: bool,
    },
}

/// What is replicated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Content {
    pub(crate) row: Row,
    /// By index.
    pub(crate) roles: Vec<Role>,
    members: Vec<(Member, Stamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Role {
    pub(crate) holder: Name,
    pub(crate) login: bool,
    pub(crate) password: Password,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Password {
    /// The same for ever, and known to every child of the role.
    Fixed,
    /// That of one tenure.
    Of(Nonce),
}

/// Of a child, at the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(crate) id: u32,
    pub(crate) role: usize,
    /// The tenure of the child.
    pub(crate) nonce: Nonce,
    /// Seen by whoever looks for sessions. One that has just been let in is not, yet.
    pub(crate) listed: bool,
}

/// How a child gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Check {
    /// Only by its role.
    Direct,
    /// Through a front that compares the nonce.
    Nonce,
    /// Through a front that compares nonce and history.
    NonceAndHistory,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ran {
    Answer(Box<Answer>),
    /// Fencing has begun: these roles are swept again later.
    Sweeping(Vec<usize>),
    /// Nothing will ever be heard of it.
    Silence,
}

impl Database {
    pub(crate) fn new(names: &[Name], password: Password) -> Self {
        let roles = names.iter().map(|holder| Role { holder: holder.clone(), login: false, password });
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
        let content = Content { row, roles: roles.collect(), members: Vec::new() };
        Self {
            timeline: Timeline(1),
            power: Power::On,
            clock: Clock { ahead: 1_000_000_000_000_000, ppm: 0 },
            standby: content.clone(),
            content,
            unreplicated: false,
            sessions: Vec::new(),
            sessions_made: 0,
        }
    }

    /// Its standby, promoted.
    pub(crate) fn promoted(&self, lossless: bool, clock: Clock) -> Self {
        let content = if lossless { self.content.clone() } else { self.standby.clone() };
        Self {
            timeline: Timeline(self.timeline.0 + 1),
            power: Power::On,
            clock,
            standby: content.clone(),
            content,
            unreplicated: false,
            sessions: Vec::new(),
            sessions_made: 0,
        }
    }

    pub(crate) fn replicate(&mut self) {
        self.standby = self.content.clone();
        self.unreplicated = false;
    }

    pub(crate) fn row(&self) -> &Row {
        &self.content.row
    }

    pub(crate) fn turn_off(&mut self) {
        self.power = Power::Off;
        self.sessions.clear();
    }

    /// Does what is asked, as one step.
    pub(crate) fn ask(&mut self, request: &Request, now: Instant) -> Ran {
        let stuck = self.power == Power::Zombie { writable: false };
        if self.power == Power::Off || stuck && !matches!(request, Request::Look { .. }) {
            return Ran::Silence;
        }
        let clock = self.clock.stamp(now);
        if let Request::Look { me } = request {
            self.content.members.retain(|(member, _)| member.instance != me.instance);
            self.content.members.push((me.clone(), clock));
            self.content.members.sort_by_key(|(member, _)| member.instance);
            let seen = self.content.members.iter();
            let members = seen.map(|(member, at)| Member { age: at.until(clock), ..member.clone() });
            return Ran::Answer(Box::new(Answer::Done {
                row: self.row().clone(),
                timeline: self.timeline,
                clock,
                members: members.filter(|member| member.age < FORGOTTEN).collect(),
            }));
        }
        if !self.change(request, clock) {
            return self.overtaken(now);
        }
        match request {
            Request::Fence { .. } => Ran::Sweeping(self.shut_out()),
            _ => Ran::Answer(Box::new(self.done(clock))),
        }
    }

    /// The row is not what was asked for.
    pub(crate) fn overtaken(&self, now: Instant) -> Ran {
        let (row, clock) = (self.row().clone(), self.clock.stamp(now));
        Ran::Answer(Box::new(Answer::Overtaken { row, timeline: self.timeline, clock }))
    }

    /// What fencing ends with.
    pub(crate) fn sweep(&mut self, roles: &[usize], now: Instant) -> Ran {
        if self.power == Power::Off {
            return Ran::Silence;
        }
        self.sessions.retain(|session| !session.listed || !roles.contains(&session.role));
        Ran::Answer(Box::new(self.done(self.clock.stamp(now))))
    }

    /// A child of this tenure wants in. Its session, if it may.
    pub(crate) fn login(&mut self, role: usize, nonce: Nonce, check: Check, fenced: bool) -> Option<u32> {
        let row = &self.content.row;
        let named = row.nonce == nonce && row.state == RowState::Active;
        let passes = match check {
            Check::Direct => true,
            Check::Nonce => named,
            Check::NonceAndHistory => named && row.timeline == self.timeline,
        };
        let let_in = self.content.roles.get(role).is_some_and(|role| role.login && role.password_fits(nonce));
        if self.power == Power::Off || !passes || fenced && !let_in {
            return None;
        }
        self.sessions_made += 1;
        self.sessions.push(Session { id: self.sessions_made, role, nonce, listed: false });
        Some(self.sessions_made)
    }

    pub(crate) fn session(&mut self, id: u32) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    pub(crate) fn close(&mut self, id: u32) {
        self.sessions.retain(|session| session.id != id);
    }

    /// A child commits something. Whether it could.
    pub(crate) fn write(&mut self, session: u32) -> bool {
        let can = matches!(self.power, Power::On | Power::Zombie { writable: true });
        can && self.sessions.iter().any(|open| open.id == session && open.listed)
    }

    fn done(&self, clock: Stamp) -> Answer {
        Answer::Done { row: self.row().clone(), timeline: self.timeline, clock, members: Vec::new() }
    }

    /// The first half of fencing: no login, and whoever is listed is thrown out.
    fn shut_out(&mut self) -> Vec<usize> {
        let row = &self.content.row;
        let own = (row.state == RowState::Active).then(|| row.holder.clone());
        let mut shut = Vec::new();
        for (index, role) in self.content.roles.iter_mut().enumerate() {
            if own.as_ref() != Some(&role.holder) {
                role.login = false;
                shut.push(index);
            }
        }
        self.sessions.retain(|session| !session.listed || !shut.contains(&session.role));
        shut
    }

    /// Whether the row is what the request was made for; then it is done.
    fn change(&mut self, request: &Request, clock: Stamp) -> bool {
        let here = self.timeline;
        let row = &mut self.content.row;
        let held = |row: &Row, nonce: &Nonce| row.nonce == *nonce && row.state != RowState::Free && row.epoch > 0;
        match request {
            Request::Look { .. } => true,
            Request::Fence { nonce } => held(row, nonce),
            Request::Acquire { seen, timeline, epoch_at_least, nonce, holder, ttl, early } => {
                let kept = row.state == RowState::Free && row.next.as_ref() == Some(holder);
                let open =
                    *early || row.expires_at < clock || row.state == RowState::Free && (row.next.is_none() || kept);
                let own = kept || row.holder == *holder;
                let same = (row.epoch, row.seq) == (seen.epoch, seen.seq) && *timeline == here;
                if !same || !open || row.paused.is_some() && !own {
                    return false;
                }
                row.epoch = (row.epoch + 1).max(*epoch_at_least);
                (row.holder, row.nonce, row.state) = (holder.clone(), *nonce, RowState::Fencing);
                (row.timeline, row.serving, row.next) = (here, Serving::Starting, None);
                step(row, clock, *ttl)
            }
            Request::Activate { nonce, timeline, ttl } => {
                if !held(row, nonce) || *timeline != here || row.timeline != here {
                    return false;
                }
                let first = row.state == RowState::Fencing;
                row.state = RowState::Active;
                step(row, clock, *ttl);
                let holder = row.holder.clone();
                for role in self.content.roles.iter_mut().filter(|role| first && role.holder == holder) {
                    role.login = true;
                    if role.password != Password::Fixed {
                        role.password = Password::Of(*nonce);
                    }
                }
                true
            }
            Request::Renew { nonce, timeline, ttl, serving, next } => {
                if !held(row, nonce) || *timeline != here || row.timeline != here {
                    return false;
                }
                (row.serving, row.next) = (*serving, next.clone());
                step(row, clock, *ttl)
            }
            Request::Carry { nonce, from, to, seq_at_least, ttl } => {
                let same = row.nonce == *nonce && row.state == RowState::Active && row.timeline == *from;
                if !same || *to != here || row.seq < *seq_at_least {
                    return false;
                }
                row.timeline = here;
                step(row, clock, *ttl)
            }
            Request::Transfer { nonce, next, ttl } => {
                if !held(row, nonce) {
                    return false;
                }
                (row.state, row.serving, row.next) = (RowState::Free, Serving::Starting, next.clone());
                step(row, clock, *ttl)
            }
            Request::Switch { .. } | Request::Settle { .. } | Request::Pause(_) => word(row, request, clock),
        }
    }
}

impl Role {
    fn password_fits(&self, nonce: Nonce) -> bool {
        matches!(self.password, Password::Fixed) || self.password == Password::Of(nonce)
    }
}

fn step(row: &mut Row, clock: Stamp, ttl: Duration) -> bool {
    row.seq += 1;
    row.expires_at = after(clock, ttl);
    row.ttl = ttl;
    true
}

fn word(row: &mut Row, request: &Request, clock: Stamp) -> bool {
    match request {
        Request::Switch { id, to, after: wait } if row.switch.is_none() => {
            row.switch = Some(SwitchTo { id: *id, to: to.clone(), due: after(clock, *wait) });
        }
        Request::Settle { id, outcome } if row.switch.as_ref().is_some_and(|switch| switch.id == *id) => {
            row.switch = None;
            row.settled = Some(Settled { id: *id, outcome: outcome.clone() });
        }
        Request::Pause(by) => row.paused.clone_from(by),
        _ => return false,
    }
    true
}

fn after(clock: Stamp, wait: Duration) -> Stamp {
    Stamp(clock.0 + i64::try_from(wait.as_micros()).unwrap_or(i64::MAX / 2))
}

/// A member that did not look for so long is not answered.
const FORGOTTEN: Duration = Duration::from_secs(30);
