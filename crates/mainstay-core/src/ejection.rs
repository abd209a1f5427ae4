use std::time::Duration;

use crate::Moment;

/// When failures of live traffic put a node out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectRule {
    /// Failures in a row that eject; 0 counts as 1.
    pub failures: u32,
    /// Time in which they must fall.
    pub within: Duration,
    /// How long a node is out the first time. Each relapse doubles it, up to eight times.
    pub out_for: Duration,
}

/// Whether another node would be left if this one went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// At least one other node of the pool is in.
    SomeIn,
    /// None is: this is the last one.
    NoneIn,
}

/// How ejection sees a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ejected {
    /// It takes part.
    No,
    /// It is out.
    Yes,
    /// One request may try it; the answer to that decides.
    Trial,
}

/// Passive removal: live traffic that fails on a node again and again puts it out for a while, and then one request
/// tries whether it is well again.
///
/// A relapse (failing the trial, or being ejected again within the time the node was out before) doubles the time
/// out, up to eight times; a node that has stayed well longer starts afresh. A trial nobody reports on (no request
/// came, or its client left) ends after `out_for` as well: the node is in again, and a single failure ejects it.
///
/// The last node that is in is never ejected. Failures of live traffic are a guess (a client may send what no node
/// can answer), and a pool with no node in answers every request with an error, which is the worst a guess could
/// be wrong by. Active checks are no guess: they do put the last node out.
#[derive(Clone, Debug)]
pub struct Ejection {
    rule: EjectRule,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// `failures` in a row since `first`. `relapse`: until when another ejection counts as one, and how often the
    /// time out has been doubled.
    In {
        failures: u32,
        first: Moment,
        relapse: Option<(Moment, u32)>,
    },
    Out {
        until: Moment,
        doubled: u32,
    },
    Trial {
        until: Moment,
        doubled: u32,
    },
}

const WELL: Phase = Phase::In { failures: 0, first: Moment::ZERO, relapse: None };

impl Ejection {
    /// A node that has not failed yet.
    #[must_use]
    pub const fn new(rule: EjectRule) -> Self {
        Self { rule, phase: WELL }
    }

    /// How the node stands.
    #[must_use]
    pub const fn state(&self) -> Ejected {
        match self.phase {
            Phase::In { .. } => Ejected::No,
            Phase::Out { .. } => Ejected::Yes,
            Phase::Trial { .. } => Ejected::Trial,
        }
    }

    /// Whether a good answer would change anything.
    #[must_use]
    pub const fn suspect(&self) -> bool {
        matches!(self.phase, Phase::Trial { .. } | Phase::In { failures: 1.., .. })
    }

    /// When [`Ejection::tick`] has something to do; `None`: not before the next report.
    #[must_use]
    pub const fn due(&self) -> Option<Moment> {
        match self.phase {
            Phase::Out { until, .. } | Phase::Trial { until, .. } => Some(until),
            Phase::In { .. } => None,
        }
    }

    /// A request failed on the node. What requests report that began before it went out changes nothing.
    pub fn failed(&mut self, now: Moment, others: Others) {
        match self.phase {
            Phase::Out { .. } => {}
            Phase::Trial { doubled, .. } => self.put_out(now, doubled.saturating_add(1)),
            Phase::In { failures, first, relapse } => {
                let fresh = failures == 0 || now.since(first) > self.rule.within;
                let (failures, first) = if fresh { (1, now) } else { (failures.saturating_add(1), first) };
                self.phase = Phase::In { failures, first, relapse };
                if failures >= self.rule.failures && others == Others::SomeIn {
                    let doubled = relapse.filter(|&(until, _)| now < until).map_or(0, |(_, doubled)| doubled + 1);
                    self.put_out(now, doubled);
                }
            }
        }
    }

    /// The node answered. An answer from before it went out does not bring it back.
    pub fn answered(&mut self, now: Moment) {
        self.phase = match self.phase {
            Phase::In { relapse, .. } => Phase::In { failures: 0, first: Moment::ZERO, relapse },
            Phase::Trial { doubled, .. } => self.back_in(now, 0, doubled),
            out @ Phase::Out { .. } => out,
        };
    }

    /// Lets time pass: a node whose time out is over goes on trial, and one whose trial was left open comes in.
    pub fn tick(&mut self, now: Moment) {
        match self.phase {
            Phase::Out { until, doubled } if now >= until => {
                self.phase = Phase::Trial { until: now + self.rule.out_for, doubled };
            }
            Phase::Trial { until, doubled } if now >= until => {
                self.phase = self.back_in(now, self.rule.failures.saturating_sub(1), doubled);
            }
            _ => {}
        }
    }

    /// An operator or a check knows better: the node is well.
    pub const fn reset(&mut self) {
        self.phase = WELL;
    }

    fn back_in(&self, now: Moment, failures: u32, doubled: u32) -> Phase {
        Phase::In { failures, first: now, relapse: Some((now + self.out_for(doubled), doubled)) }
    }

    fn put_out(&mut self, now: Moment, doubled: u32) {
        let doubled = doubled.min(MAX_DOUBLED);
        self.phase = Phase::Out { until: now + self.out_for(doubled), doubled };
    }

    fn out_for(&self, doubled: u32) -> Duration {
        self.rule.out_for.saturating_mul(1 << doubled)
    }
}

const MAX_DOUBLED: u32 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: EjectRule = EjectRule { failures: 3, within: Duration::from_secs(10), out_for: Duration::from_secs(5) };

    /// Steps as `SECONDS EVENT STATE`: `f`ailed, failed as the `l`ast node, `a`nswered or `t`ick, and then `in`,
    /// `out` or `trial`.
    fn check(steps: &str) {
        let mut ejection = Ejection::new(RULE);
        for step in steps.split(", ") {
            let mut words = step.split(' ');
            let now = Moment::from_millis(words.next().unwrap().parse::<u64>().unwrap() * 1000);
            match words.next().unwrap() {
                "f" => ejection.failed(now, Others::SomeIn),
                "l" => ejection.failed(now, Others::NoneIn),
                "a" => ejection.answered(now),
                _ => ejection.tick(now),
            }
            let state = match ejection.state() {
                Ejected::No => "in",
                Ejected::Yes => "out",
                Ejected::Trial => "trial",
            };
            assert_eq!(state, words.next().unwrap(), "step {step:?} of {steps:?}");
        }
    }

    #[test]
    fn failures_in_a_row_eject() {
        check("1 f in, 1 f in, 1 f out");
        check("1 f in, 2 f in, 3 a in, 4 f in, 5 f in, 6 f out");
    }

    #[test]
    fn failures_too_far_apart_do_not() {
        check("1 f in, 2 f in, 12 f in, 13 f in, 14 f out");
    }

    #[test]
    fn one_request_tries_the_way_back() {
        check("1 f in, 1 f in, 1 f out, 5 t out, 6 t trial, 6 a in, 100 f in");
        check("1 f in, 1 f in, 1 f out, 2 f out, 2 a out, 6 t trial, 6 f out, 15 t out, 16 t trial");
    }

    #[test]
    fn a_trial_that_is_left_open_ends() {
        check("1 f in, 1 f in, 1 f out, 6 t trial, 10 t trial, 11 t in, 12 f out");
        check("1 f in, 1 f in, 1 f out, 6 t trial, 11 t in, 12 a in, 13 f in, 13 f in, 13 f out");
        check("1 f in, 1 f in, 1 f out, 6 t trial, 11 t in, 22 f in, 22 f in, 22 f out");
    }

    #[test]
    fn relapses_double_the_time_out_up_to_eight_times() {
        check(
            "0 f in, 0 f in, 0 f out, 4 t out, 5 t trial, 5 f out, 14 t out, 15 t trial, 15 f out, 34 t out, 35 t trial, \
             35 f out, 74 t out, 75 t trial, 75 f out, 114 t out, 115 t trial",
        );
        check("0 f in, 0 f in, 0 f out, 5 t trial, 5 a in, 9 f in, 9 f in, 9 f out, 18 t out, 19 t trial");
        check("0 f in, 0 f in, 0 f out, 5 t trial, 5 a in, 11 f in, 11 f in, 11 f out, 15 t out, 16 t trial");
    }

    #[test]
    fn the_last_node_stays() {
        check("1 l in, 1 l in, 1 l in, 2 l in, 3 f out");
        check("1 f in, 1 f in, 1 f out, 6 t trial, 6 l out");
    }

    #[test]
    fn an_answer_is_news_only_while_it_may_change_something() {
        let mut ejection = Ejection::new(RULE);
        assert!(!ejection.suspect());
        ejection.failed(Moment::ZERO, Others::SomeIn);
        assert!(ejection.suspect());
        ejection.answered(Moment::ZERO);
        assert!(!ejection.suspect());
        (0..3).for_each(|_| ejection.failed(Moment::ZERO, Others::SomeIn));
        assert!(!ejection.suspect());
        assert_eq!(ejection.due(), Some(Moment::from_millis(5000)));
        ejection.tick(Moment::from_millis(5000));
        assert!(ejection.suspect());
        assert_eq!(ejection.due(), Some(Moment::from_millis(10_000)));
        ejection.reset();
        assert_eq!(ejection.due(), None);
        assert_eq!(ejection.state(), Ejected::No);
        assert!(!ejection.suspect());
    }

    proptest! {
        /// Whatever is reported when, a node is never out longer than eight times `out_for`, and there is a way back.
        #[test]
        fn there_is_always_a_way_back(steps in prop::collection::vec((0u64..20_000, 0u8..3), 1..80)) {
            let mut ejection = Ejection::new(RULE);
            let mut now = Moment::ZERO;
            for (wait, event) in steps {
                now = now + Duration::from_millis(wait);
                match event {
                    0 => ejection.failed(now, Others::SomeIn),
                    1 => ejection.answered(now),
                    _ => ejection.tick(now),
                }
                prop_assert!(ejection.due().is_none_or(|due| due <= now + RULE.out_for * 8));
            }
            let mut later = ejection.clone();
            let end = now + RULE.out_for * 8;
            later.tick(end);
            later.answered(end);
            prop_assert_eq!(later.state(), Ejected::No);
        }
    }
}
