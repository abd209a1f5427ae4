//! Holding back a member whose tenures fail.

use std::time::Duration;

use crate::Moment;
use crate::lease::terms::{Damping as Rule, Terms};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Damping {
    failed: Vec<Moment>,
    /// How often it was held back in a row.
    times: u32,
    /// Not fit before.
    until: Moment,
}

impl Damping {
    pub(super) fn until(&self) -> Moment {
        self.until
    }

    /// A tenure ended that another member should follow: this one lets the others go first, and if it failed too often,
    /// for much longer. In that case for how long.
    pub(super) fn failed(&mut self, now: Moment, terms: &Terms) -> Option<Duration> {
        let Rule { failures, window, quiet, quiet_max } = terms.damping;
        self.until = self.until.max(now + terms.ttl);
        self.failed.retain(|failed| now.since(*failed) < window);
        self.failed.push(now);
        if failures == 0 || self.failed.len() < usize::try_from(failures).unwrap_or(usize::MAX) {
            return None;
        }
        self.failed.clear();
        let quiet = quiet.saturating_mul(1 << self.times.min(DOUBLINGS_AT_MOST)).min(quiet_max);
        self.times = self.times.saturating_add(1);
        self.until = self.until.max(now + quiet);
        Some(quiet)
    }

    /// A tenure went well for as long as failures are remembered.
    pub(super) fn went_well(&mut self) {
        self.failed.clear();
        self.times = 0;
    }
}

const DOUBLINGS_AT_MOST: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::row::Nonce;
    use crate::lease::terms::Identity;

    #[test]
    fn the_wait_grows_with_every_bout_of_failures() {
        let me = Identity { name: "a".into(), instance: Nonce(1), priority: 1 };
        let mut terms = Terms::new("bank".into(), me, Duration::from_secs(1), Duration::from_secs(3));
        let secs = Duration::from_secs;
        terms.damping = Rule { failures: 2, window: secs(60), quiet: secs(10), quiet_max: secs(35) };
        let mut damping = Damping::default();
        let mut check = |at: u64, expect: Option<u64>, until: u64| {
            let quiet = damping.failed(Moment::from_millis(at * 1000), &terms);
            assert_eq!((quiet, damping.until().as_millis()), (expect.map(secs), until * 1000), "failure at {at} s");
        };
        check(0, None, 3);
        check(61, None, 64);
        check(62, Some(10), 72);
        check(80, None, 83);
        check(81, Some(20), 101);
        check(110, None, 113);
        check(111, Some(35), 146);
        damping.went_well();
        let quiet = damping.failed(Moment::from_millis(200_000), &terms);
        assert_eq!(quiet, None);
        assert_eq!(damping.failed(Moment::from_millis(201_000), &terms), Some(secs(10)));
    }
}
