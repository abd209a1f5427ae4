//! What a world is made of, and stays.

use std::time::Duration;

use mainstay_core::lease::{Identity, Name, Nonce, Safety, Terms};

use crate::audit::Property;
use crate::database::{Check, Password};
use crate::lock::Locking;

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) guards: usize,
    /// The first two guards were given one name by mistake.
    pub(crate) equal_names: bool,
    pub(crate) priorities: Vec<u32>,
    /// A standby that is promoted has all that was acknowledged.
    pub(crate) synchronous: bool,
    /// Roles are made unable to log in.
    pub(crate) fenced: bool,
    /// Passwords are fresh in each tenure.
    pub(crate) passwords: bool,
    /// Fencing looks for sessions a second time.
    pub(crate) second_sweep: bool,
    /// The members are on one machine, and a lock is beside the lease.
    pub(crate) lock: Option<Locking>,
    /// A program that was started again gives up what it held before, whether or not its child is gone.
    pub(crate) blindly: bool,
    /// Deadlines are met by others when the guard itself cannot.
    pub(crate) alarm: bool,
    pub(crate) check: Check,
    /// No standby is promoted while its primary lives, nor just after that has died.
    pub(crate) dies_first: bool,
    /// Of all members; `me` is replaced.
    pub(crate) terms: Terms,
    pub(crate) safety: Safety,
    /// What `token grows` is judged by is the epoch alone.
    pub(crate) plain_token: bool,
    /// What ends a schedule.
    pub(crate) watch: Watch,
}

/// Which properties are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// All that the full design promises. It does not promise that a child never runs beside another just after its
    /// whole machine was paused: no clock prevents that, and the database takes nothing from it.
    Promised,
    Only(Property),
}

impl Watch {
    pub(crate) fn at(self, property: Property) -> bool {
        match self {
            Self::Promised => property != Property::OneRunsAfterPause,
            Self::Only(only) => property == only,
        }
    }
}

impl Setup {
    /// The full design with so many guards; renewals each second, ttl 3 s.
    pub(crate) fn full(guards: usize, synchronous: bool) -> Self {
        let me = Identity { name: "-".into(), instance: Nonce(0), priority: 1 };
        let seconds = Duration::from_secs;
        let mut terms = Terms::new("bank".into(), me, seconds(1), seconds(3));
        terms.lossless = synchronous;
        terms.frozen = Some(seconds(4));
        (terms.prepare_within, terms.drain_within, terms.stop_within) = (seconds(2), seconds(1), seconds(1));
        (terms.fence_within, terms.ready_within) = (seconds(4), Some(seconds(4)));
        terms.damping.quiet = seconds(1);
        terms.damping.quiet_max = seconds(3);
        terms.damping.window = seconds(20);
        Self {
            guards,
            equal_names: false,
            priorities: vec![2; guards],
            synchronous,
            fenced: true,
            passwords: false,
            second_sweep: true,
            lock: None,
            blindly: false,
            alarm: true,
            check: Check::NonceAndHistory,
            dies_first: false,
            terms,
            safety: Safety::all(),
            plain_token: false,
            watch: Watch::Promised,
        }
    }

    pub(crate) fn name(&self, guard: usize) -> Name {
        ["a", "b", "c"].get(self.role(guard)).copied().unwrap_or("-").into()
    }

    pub(crate) fn role(&self, guard: usize) -> usize {
        if self.equal_names { guard.saturating_sub(1) } else { guard }
    }

    pub(crate) fn password(&self) -> Password {
        if self.passwords { Password::Of(Nonce(0)) } else { Password::Fixed }
    }
}
