use std::time::Duration;

use crate::Moment;

/// How often a child is started again in place.
#[derive(Clone, Copy, Debug)]
pub struct RestartRule {
    /// As often as this within [`Self::within`]; once more, and another is to take over.
    pub times: u32,
    /// See [`Self::times`].
    pub within: Duration,
    /// Before the first; doubled with each that follows, up to half a minute.
    pub backoff: Duration,
}

/// How often a child failed lately.
///
/// Trying in place is far cheaper than a takeover when the failure was a single one, and useless when it was not. So the
/// failures of a stretch of time are counted. A child that fails on is nevertheless started on, ever more seldom: maybe
/// nobody else can take over.
#[derive(Clone, Debug, Default)]
pub struct Restart {
    /// Each not longer ago than the rule looks back, and no more of them than it allows, and one.
    failures: Vec<Moment>,
    /// In a row, none of them longer after the one before than the rule looks back.
    streak: u32,
}

impl Restart {
    /// Counts a failure. Says when the child is to be started again, and whether it failed too often.
    pub fn failed(&mut self, rule: &RestartRule, now: Moment) -> (Moment, bool) {
        if self.failures.last().is_some_and(|last| now.since(*last) > rule.within) {
            self.streak = 0;
        }
        self.failures.retain(|failure| now.since(*failure) <= rule.within);
        self.failures.push(now);
        let most = rule.times.saturating_add(1).try_into().unwrap_or(usize::MAX);
        let excess = self.failures.len().saturating_sub(most);
        self.failures.drain(..excess);
        let factor = 2_u32.saturating_pow(self.streak);
        self.streak = self.streak.saturating_add(1);
        let wait = rule.backoff.saturating_mul(factor).min(MAX_BACKOFF.max(rule.backoff));
        (now + wait, self.failures.len() >= most)
    }
}

const MAX_BACKOFF: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RestartRule =
        RestartRule { times: 2, within: Duration::from_secs(60), backoff: Duration::from_secs(1) };

    /// Failures at these seconds, and for each the wait in seconds and whether it was too many.
    fn check(rule: RestartRule, failures: &[(u64, u64, bool)]) {
        let mut restart = Restart::default();
        for (at, wait, too_often) in failures {
            let now = Moment::from_millis(at * 1000);
            let expect = (now + Duration::from_secs(*wait), *too_often);
            assert_eq!(restart.failed(&rule, now), expect, "at {at} s, of {failures:?}");
        }
    }

    #[test]
    fn counts_what_happened_lately() {
        check(RULE, &[(0, 1, false), (5, 2, false), (10, 4, true), (20, 8, true)]);
        check(RULE, &[(0, 1, false), (50, 2, false), (100, 4, false), (109, 8, true)]);
        check(RULE, &[(0, 1, false), (61, 1, false), (122, 1, false)]);
        check(RestartRule { times: 0, ..RULE }, &[(0, 1, true), (100, 1, true)]);
    }

    #[test]
    fn waits_are_bounded() {
        let eager = RestartRule { times: 100, ..RULE };
        let failures: Vec<_> = (0..40).map(|n| (n, 2_u64.saturating_pow(n as u32).min(30), false)).collect();
        check(eager, &failures);
        check(RestartRule { backoff: Duration::from_secs(100), ..RULE }, &[(0, 100, false), (1, 100, false)]);
    }
}
