//! What must hold, seen by somebody who sees everything.

use std::fmt;

use mainstay_core::lease::{Nonce, Token};

use crate::world::World;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Property {
    /// The database takes no write of a tenure once a newer one is active.
    NoStaleWrite,
    /// The database takes no write of a child that remembers what the database has lost.
    NoOldMemory,
    /// Each tenure that becomes active has a higher token than the one before.
    TokenGrows,
    /// Only the active tenure's role may log in, and only its children have sessions.
    OneWriter,
    /// Two children never run at once. (One that slept with its machine is seen separately.)
    OneRuns,
    /// Like it, for children that slept with their machine.
    OneRunsAfterPause,
    /// A role may log in only when the child that had it before is dead.
    OldChildDead,
    /// A lease is given up only when the child is gone.
    GivenWhenGone,
    /// When nothing goes wrong any more, somebody is active and ready within a bound.
    SomebodyReady,
    /// A guard that is stopped does not keep the lease for long after its child is dead.
    TakenOver,
    /// Nothing spins.
    Rests,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) property: Property,
    pub(crate) how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.how)
    }
}

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Audit {
    /// The tenure that became active last, in the history that counts.
    last: Option<(Token, Nonce)>,
}

impl Audit {
    /// A tenure became active.
    pub(crate) fn activated(&mut self, token: Token, nonce: Nonce, plain: bool) -> Option<Broken> {
        let last = self.last.replace((token, nonce));
        let (before, _) = last?;
        let grew = if plain { token.epoch > before.epoch } else { token > before };
        (!grew).then(|| broken(Property::TokenGrows, format!("{token} after {before}")))
    }

    /// A write was taken.
    pub(crate) fn written(&self, nonce: Nonce, ahead: bool) -> Option<Broken> {
        match self.last {
            Some((token, last)) if last != nonce => {
                Some(broken(Property::NoStaleWrite, format!("by tenure {nonce} after {token} ({last}) became active")))
            }
            _ if ahead => {
                Some(broken(Property::NoOldMemory, format!("by tenure {nonce}, which remembers lost commits")))
            }
            _ => None,
        }
    }
}

impl World {
    /// What holds at every moment.
    pub(crate) fn holds(&self) -> Option<Broken> {
        let db = self.dbs.last()?;
        if self.setup.fenced && db.content.roles.iter().filter(|role| role.login).count() > 1 {
            return Some(broken(Property::OneWriter, "two roles may log in".to_owned()));
        }
        if let Some(guard) = self.kept_by_a_stopped_guard() {
            return Some(broken(Property::TakenOver, format!("guard {guard} is stopped and has the lease")));
        }
        let running = || self.guards.iter().filter(|guard| guard.child_runs());
        let slept = running().any(|guard| guard.child.as_ref().is_some_and(|child| child.slept));
        let property = if slept { Property::OneRunsAfterPause } else { Property::OneRuns };
        // Who takes over early, or is left alone with a zombie, relies on the database alone.
        let expected = self.setup.terms.early.is_some() && self.setup.lock.is_none() || self.divided;
        let all = running().count();
        (all > 1 && !expected).then(|| broken(property, format!("{all} children run")))
    }

    /// Whether a child runs beside another because its whole machine was paused.
    pub(crate) fn overlaps(&self) -> bool {
        self.holds().is_some_and(|broken| broken.property == Property::OneRunsAfterPause)
    }

    /// What holds when a tenure becomes active.
    pub(crate) fn holds_at_activation(&self, nonce: Nonce) -> Option<Broken> {
        let db = self.dbs.last()?;
        if !self.setup.fenced {
            return None;
        }
        if let Some(other) = db.sessions.iter().find(|session| session.nonce != nonce) {
            return Some(broken(Property::OneWriter, format!("tenure {} still has a session", other.nonce)));
        }
        let role = self.owner(nonce).role;
        let owner = self.owner(nonce).index;
        let same =
            self.guards.iter().filter(|guard| guard.role == role && (guard.index == owner || !self.setup.passwords));
        let old = same.filter_map(|guard| guard.child.as_ref()).find(|child| child.nonce != nonce)?;
        Some(broken(Property::OldChildDead, format!("its child of tenure {} lives", old.nonce)))
    }

    /// What holds when a lease is given up.
    pub(crate) fn holds_at_transfer(&self, nonce: Nonce) -> Option<Broken> {
        let child = self.owner(nonce).child.as_ref().filter(|child| child.nonce == nonce)?;
        Some(broken(Property::GivenWhenGone, format!("its child lives: {:?}", child.way)))
    }
}

pub(crate) fn broken(property: Property, how: String) -> Broken {
    Broken { property, how }
}
