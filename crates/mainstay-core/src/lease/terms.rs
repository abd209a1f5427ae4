//! What a member of a lease is configured with, and the times that follow from it.

use std::fmt;
use std::time::Duration;

use super::row::{Name, Nonce};
use crate::Span;

/// What one member was told about one lease. Checked by [`Terms::fault`] when a [`super::Machine`] is made of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The lease.
    pub lease: Name,
    /// Who this is.
    pub me: Identity,
    /// Time from one renewal to the next. A contender looks as often.
    pub renew: Duration,
    /// How long the lease lasts without a renewal: at least three times `renew`.
    pub ttl: Duration,
    /// How long one request to the store may take.
    pub timeout: Duration,
    /// How long a guard may need to freeze or kill its child: it begins so much before the tenure ends.
    pub kill_budget: Duration,
    /// How long a child stays frozen while the store is not heard from, before it is killed; `None`: it is killed
    /// rather than frozen. While the lease is paused it stays frozen for [`Terms::PAUSED_FROZEN`].
    pub frozen: Option<Duration>,
    /// Take over this long after the holder's session was seen to end, if no renewal follows; `None`: only when the
    /// tenure has run out. For nodes whose only side effects are in a database that fences.
    pub early: Option<Duration>,
    /// Take over unasked from a holder that is gone. Without it the lease is taken only when it is free, when this
    /// member was its last holder, or when a switch-over names this member.
    pub takeover: bool,
    /// No step that the store acknowledged, and nothing that the child's database acknowledged, is missing after
    /// another database was promoted (synchronous replication, and only its members are promoted). A tenure then goes
    /// on in the promoted database; otherwise it ends, and the child is frozen whenever the store is lost, if it may be
    /// frozen.
    pub lossless: bool,
    /// How long a successor may make ready before a switch-over is refused.
    pub prepare_within: Duration,
    /// How long requests under way may take to finish before the child of a holder that yields is stopped.
    pub drain_within: Duration,
    /// How long the child of a holder that yields may take to end before it is killed.
    pub stop_within: Duration,
    /// How long fencing may take before a new holder gives up.
    pub fence_within: Duration,
    /// How long a child may take to get ready before its holder gives the lease up; `None`: as long as it takes.
    pub ready_within: Option<Duration>,
    /// When a member that fails is held back.
    pub damping: Damping,
}

/// Who a member is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its name, its own among the lease's members.
    pub name: Name,
    /// Drawn when its program started.
    pub instance: Nonce,
    /// The higher, the sooner it takes over; 0 means never. A front without a guard has 0.
    pub priority: u32,
}

/// Holds a member back whose tenures fail again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Damping {
    /// So many tenures that failed ...
    pub failures: u32,
    /// ... within this time make it unfit ...
    pub window: Duration,
    /// ... for so long at first, twice as long each further time ...
    pub quiet: Duration,
    /// ... and never longer than this.
    pub quiet_max: Duration,
}

/// Why [`Terms`] cannot be used. Says what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTerms {
    /// A duration is zero that must not be. Its name.
    Zero(&'static str),
    /// `ttl` is less than three renewals: one lost answer would end the tenure.
    TtlTooShort {
        /// As configured.
        ttl: Duration,
        /// The least that goes with the `renew` that is configured.
        least: Duration,
    },
    /// What `ttl` leaves after the allowance for clocks and `kill_budget` is less than two renewals.
    KillBudgetTooLong {
        /// As configured.
        kill_budget: Duration,
        /// The most that goes with `ttl` and `renew`.
        most: Duration,
    },
    /// A single request could outlast the tenure.
    TimeoutTooLong {
        /// As configured.
        timeout: Duration,
        /// The most: `ttl`.
        most: Duration,
    },
    /// `early` is not shorter than `ttl`, or not longer than a request may take to arrive.
    EarlyOutOfRange {
        /// As configured.
        early: Duration,
        /// It must be less than this.
        below: Duration,
    },
    /// A longest wait is shorter than the shortest.
    QuietMaxTooShort,
}

impl Terms {
    /// How far two clocks that run may be apart in rate: one part in so many.
    pub const DRIFT_DIVISOR: u32 = 100;
    /// How far the store's clock may move otherwise than the own one between two answers.
    pub const JUMP_MAX: Duration = Duration::from_millis(200);
    /// How long a child stays frozen at most while the lease is paused.
    pub const PAUSED_FROZEN: Duration = Duration::from_secs(7 * 24 * 3600);

    /// Terms with the defaults for everything that is not asked for here.
    #[must_use]
    pub fn new(lease: Name, me: Identity, renew: Duration, ttl: Duration) -> Self {
        Self {
            lease,
            me,
            renew,
            ttl,
            timeout: renew,
            kill_budget: (ttl / 20).min(Duration::from_millis(100)),
            frozen: Some(Duration::from_secs(60)),
            early: None,
            takeover: true,
            lossless: false,
            prepare_within: Duration::from_secs(60),
            drain_within: Duration::from_secs(5),
            stop_within: Duration::from_secs(30),
            fence_within: Duration::from_secs(15),
            ready_within: None,
            damping: Damping {
                failures: 3,
                window: Duration::from_secs(300),
                quiet: Duration::from_secs(10),
                quiet_max: Duration::from_secs(600),
            },
        }
    }

    /// What is wrong with them, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<BadTerms> {
        let zero = [("renew", self.renew), ("ttl", self.ttl), ("timeout", self.timeout)];
        if let Some((name, _)) = zero.into_iter().find(|(_, duration)| duration.is_zero()) {
            return Some(BadTerms::Zero(name));
        }
        let least = self.renew.saturating_mul(RENEWALS_AT_LEAST);
        if self.ttl < least {
            return Some(BadTerms::TtlTooShort { ttl: self.ttl, least });
        }
        let most = (self.ttl - self.ttl / Self::DRIFT_DIVISOR).saturating_sub(self.renew.saturating_mul(2));
        if self.kill_budget > most {
            return Some(BadTerms::KillBudgetTooLong { kill_budget: self.kill_budget, most });
        }
        if self.timeout > self.ttl {
            return Some(BadTerms::TimeoutTooLong { timeout: self.timeout, most: self.ttl });
        }
        if let Some(early) = self.early.filter(|early| early.is_zero() || *early >= self.ttl) {
            return Some(BadTerms::EarlyOutOfRange { early, below: self.ttl });
        }
        (self.damping.quiet_max < self.damping.quiet).then_some(BadTerms::QuietMaxTooShort)
    }

    /// How long a tenure is good, counted from just before the request that confirmed it was sent. By the slowest
    /// clock that is allowed for it ends, freezing included, before `ttl` has passed on the fastest.
    #[must_use]
    pub fn good_for(&self) -> Duration {
        (self.ttl - self.ttl / Self::DRIFT_DIVISOR).saturating_sub(self.kill_budget)
    }

    /// How long a row must stay unchanged, by the own clock, before its holder counts as gone.
    #[must_use]
    pub fn gone_after(&self, row_ttl: Duration) -> Duration {
        let ttl = self.ttl.max(row_ttl);
        ttl + ttl / Self::DRIFT_DIVISOR
    }

    /// How much longer a member waits for each one that goes before it.
    #[must_use]
    pub fn step(&self) -> Duration {
        STEP.min(self.renew)
    }

    /// A member that did not look for so long is not counted on.
    #[must_use]
    pub fn absent_after(&self) -> Duration {
        self.renew.saturating_mul(2).saturating_add(self.timeout)
    }

    /// A holder looks so seldom when nothing is afoot: each renewal shows it the row, only the members it must look for.
    #[must_use]
    pub fn holder_looks_every(&self) -> Duration {
        self.renew.saturating_mul(LOOK_EVERY_RENEWALS)
    }
}

/// Between two looks of a holder.
const LOOK_EVERY_RENEWALS: u32 = 5;

impl fmt::Display for BadTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(name) => write!(f, "`{name}` is zero: give it a time, such as \"1s\""),
            Self::TtlTooShort { ttl, least } => write!(
                f,
                "`ttl` is {}, less than three renewals, so that one lost answer would end a tenure: make it at least \
                 {}, or `renew` shorter",
                Span(*ttl),
                Span(*least)
            ),
            Self::KillBudgetTooLong { kill_budget, most } => write!(
                f,
                "{} kept for stopping the child leave less than two renewals of a tenure: keep at most \
                 {}, or make `ttl` longer",
                Span(*kill_budget),
                Span(*most)
            ),
            Self::TimeoutTooLong { timeout, most } => {
                write!(
                    f,
                    "a request to the store may take {}, longer than a tenure lasts: make it at most {}",
                    Span(*timeout),
                    Span(*most)
                )
            }
            Self::EarlyOutOfRange { early, below } => {
                write!(
                    f,
                    "an early takeover after {} is none: it must be more than nothing and less than {}",
                    Span(*early),
                    Span(*below)
                )
            }
            Self::QuietMaxTooShort => {
                write!(f, "the longest time a failing member is held back is shorter than the first")
            }
        }
    }
}

impl std::error::Error for BadTerms {}

/// A tenure must survive one lost answer and still have time to be confirmed.
const RENEWALS_AT_LEAST: u32 = 3;

/// Longer than a store needs to answer, so that the member before has tried; short beside any takeover.
const STEP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let me = Identity { name: "a".into(), instance: Nonce(1), priority: 1 };
        Terms::new("bank".into(), me, Duration::from_secs(1), Duration::from_secs(3))
    }

    #[test]
    fn bad_terms_are_named() {
        let check = |change: fn(&mut Terms), expect: &str| {
            let mut terms = terms();
            change(&mut terms);
            let told = terms.fault().map_or_else(|| "fine".to_owned(), |fault| fault.to_string());
            assert!(told.contains(expect), "expected {expect:?} in {told:?}");
        };
        let ms = Duration::from_millis;
        check(|_| (), "fine");
        check(|t| t.renew = Duration::ZERO, "`renew` is zero");
        check(|t| t.timeout = Duration::ZERO, "`timeout` is zero");
        check(|t| t.ttl = Duration::from_millis(2999), "at least 3 s");
        check(|t| t.kill_budget = Duration::from_millis(971), "at most 970 ms");
        check(|t| t.kill_budget = Duration::from_millis(970), "fine");
        check(|t| t.timeout = Duration::from_millis(3001), "at most 3 s");
        check(|t| t.early = Some(Duration::from_secs(3)), "early takeover");
        check(|t| t.early = Some(Duration::ZERO), "early takeover");
        check(|t| t.early = Some(Duration::from_millis(500)), "fine");
        check(|t| t.damping.quiet_max = Duration::ZERO, "held back");
        assert_eq!(terms().good_for(), ms(2870), "3 s less 1 % less 100 ms");
        assert_eq!(terms().gone_after(ms(1)), ms(3030));
        assert_eq!(terms().gone_after(ms(5000)), ms(5050), "the holder's own ttl counts if it is longer");
    }
}
