use std::time::Duration;

use super::Candidate;
use super::slow_start::{SCALE, warmth};
use crate::Moment;

/// When traffic goes back to a better node that has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// Once it has been in for this long; zero is at once.
    After(Duration),
    /// Only when the current one goes out.
    Never,
}

/// One node at a time: the first in order, the rest being its backups.
///
/// Which node that is, is settled from how the nodes stand ([`Primary::settle`]), apart from picking: a request that
/// must try another node does not make that node the primary, and workers that see the same nodes agree even when
/// only one of them has traffic.
#[derive(Clone, Debug)]
pub struct Primary {
    failback: Failback,
    slow_start: Duration,
    current: Option<usize>,
    /// While traffic goes back step by step: the node it comes from, and since when.
    leaving: Option<(usize, Moment)>,
    credit: u32,
}

impl Primary {
    /// For a pool whose traffic goes back as `failback` says, over `slow_start`.
    #[must_use]
    pub const fn new(failback: Failback, slow_start: Duration) -> Self {
        Self { failback, slow_start, current: None, leaving: None, credit: 0 }
    }

    /// Settles which node is the primary. `in_since` tells for each node, in order, since when it is in; `None` when
    /// it is not. To be called with every change and, for [`Failback::After`], before a pick.
    pub fn settle(&mut self, now: Moment, in_since: &[Option<Moment>]) {
        let since = |index: usize| in_since.get(index).copied().flatten();
        let first_in = |before: usize, at_least: Duration| {
            (0..before).find(|&index| since(index).is_some_and(|since| now.since(since) >= at_least))
        };
        if let Some((from, start)) = self.leaving
            && (since(from).is_none() || now.since(start) >= self.slow_start)
        {
            self.leaving = None;
        }
        match self.current.filter(|&current| since(current).is_some()) {
            None => {
                if let Some(next) = first_in(in_since.len(), Duration::ZERO) {
                    self.current = Some(next);
                    self.leaving = None;
                }
            }
            Some(current) => {
                let Failback::After(at_least) = self.failback else { return };
                if let Some(better) = first_in(current, at_least) {
                    self.current = Some(better);
                    self.leaving = (!self.slow_start.is_zero()).then_some((current, now));
                    self.credit = 0;
                }
            }
        }
    }

    /// The primary as last settled.
    #[must_use]
    pub const fn current(&self) -> Option<usize> {
        self.current
    }

    /// The node for a request: the primary, or while traffic goes back to it step by step now and then the one it
    /// comes from; the first eligible one where neither is eligible. `None` when none is.
    pub fn pick(&mut self, now: Moment, candidates: &[Candidate]) -> Option<usize> {
        let eligible = |index: usize| candidates.get(index).is_some_and(|candidate| candidate.eligible());
        let current = self.current.filter(|&index| eligible(index));
        let leaving = self.leaving.filter(|&(index, _)| eligible(index));
        match (current, leaving) {
            (Some(current), Some((from, start))) => {
                self.credit += warmth(now.since(start), self.slow_start);
                if self.credit < SCALE {
                    return Some(from);
                }
                self.credit -= SCALE;
                Some(current)
            }
            (Some(current), None) => Some(current),
            (None, _) => candidates.iter().position(|candidate| candidate.eligible()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Candidate; 3] = [Candidate { weight: 1, in_flight: 0 }; 3];

    /// Time in seconds, since when each node is in, and the primary that follows.
    type Step = (u64, [Option<u64>; 3], Option<usize>);

    fn check(failback: Failback, steps: &[Step]) {
        let mut primary = Primary::new(failback, Duration::ZERO);
        for (now, since, expect) in steps {
            let now = Moment::from_millis(now * 1000);
            primary.settle(now, &since.map(|since| since.map(|s| Moment::from_millis(s * 1000))));
            assert_eq!(primary.current(), *expect, "at {now:?} with {since:?}");
            if expect.is_some() {
                assert_eq!(primary.pick(now, &ALL), *expect);
            }
        }
    }

    #[test]
    fn takes_the_first_and_goes_back_after_a_while() {
        check(
            Failback::After(Duration::from_secs(30)),
            &[
                (0, [None, None, None], None),
                (1, [Some(0), Some(0), Some(0)], Some(0)),
                (5, [None, Some(0), Some(0)], Some(1)),
                (10, [Some(10), Some(0), Some(0)], Some(1)),
                (39, [Some(10), Some(0), Some(0)], Some(1)),
                (40, [Some(10), Some(0), Some(0)], Some(0)),
                (41, [None, None, None], Some(0)),
                (42, [None, None, Some(42)], Some(2)),
                (43, [None, Some(43), Some(42)], Some(2)),
                (44, [None, Some(43), None], Some(1)),
            ],
        );
    }

    #[test]
    fn goes_back_at_once_or_never() {
        let steps = |back| {
            [
                (0, [Some(0), Some(0), None], Some(0)),
                (1, [None, Some(0), None], Some(1)),
                (2, [Some(2), Some(0), None], back),
                (9999, [Some(2), Some(0), None], back),
                (10_000, [Some(2), None, None], Some(0)),
            ]
        };
        check(Failback::After(Duration::ZERO), &steps(Some(0)));
        check(Failback::Never, &steps(Some(1)));
    }

    #[test]
    fn another_try_does_not_move_the_primary() {
        let mut primary = Primary::new(Failback::Never, Duration::ZERO);
        primary.settle(Moment::ZERO, &[Some(Moment::ZERO); 3]);
        let tried = [Candidate::default(), ALL[1], ALL[2]];
        assert_eq!(primary.pick(Moment::ZERO, &tried), Some(1));
        assert_eq!(primary.pick(Moment::ZERO, &ALL), Some(0));
        assert_eq!(primary.pick(Moment::ZERO, &[Candidate::default(); 3]), None);
        assert_eq!(primary.pick(Moment::ZERO, &[]), None);
    }

    #[test]
    fn traffic_goes_back_step_by_step() {
        let mut primary = Primary::new(Failback::After(Duration::ZERO), Duration::from_secs(10));
        let at = Moment::from_millis;
        primary.settle(at(0), &[None, Some(at(0)), None]);
        assert_eq!(primary.current(), Some(1));
        let back = [Some(at(1000)), Some(at(0)), None];
        primary.settle(at(1000), &back);
        let mut share = |now: u64| {
            primary.settle(at(now), &back);
            (0..1000).filter(|_| primary.pick(at(now), &ALL) == Some(0)).count()
        };
        assert_eq!(share(1000), 10);
        assert_eq!(share(6000), 500);
        assert_eq!(share(11_000), 1000);
    }

    #[test]
    fn traffic_goes_back_at_once_when_the_other_goes_out() {
        let mut primary = Primary::new(Failback::After(Duration::ZERO), Duration::from_secs(10));
        let at = Moment::from_millis;
        primary.settle(at(0), &[None, Some(at(0)), None]);
        primary.settle(at(1000), &[Some(at(1000)), Some(at(0)), None]);
        primary.settle(at(1001), &[Some(at(1000)), None, None]);
        assert!((0..10).all(|_| primary.pick(at(1001), &ALL) == Some(0)));
    }
}
