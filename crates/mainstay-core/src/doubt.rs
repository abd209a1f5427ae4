use std::time::Duration;

use crate::{CheckResult, Moment, Others, Transition};

/// How often a doubted node is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubtRule {
    /// Shortest time from one probe to the next, however often live traffic raises doubts.
    pub apart: Duration,
    /// Time from one probe to the next while the node gives no answer.
    pub again: Duration,
}

/// Health of a node that nobody configured a check for: it is probed only while live traffic doubts it.
///
/// Most nodes answer at once and are never probed. When a request has waited too long, or failed, a probe asks
/// whether there is life at all: no answer puts the node out, and further probes find out when it is back. A node
/// that is merely slow answers the probe and stays.
///
/// Like [`crate::Ejection`], this never takes the last node that is in: the operator did not say what a living node
/// looks like, and without another node, waiting on this one is the best a request can do.
///
/// Neither does a probe that ran out of time while live traffic was answered: it is made again.
///
/// The caller runs one probe at a time: it waits until [`Doubt::due`], calls [`Doubt::begin`], probes, and calls
/// [`Doubt::end`].
#[derive(Clone, Debug)]
pub struct Doubt {
    rule: DoubtRule,
    out: bool,
    began: Option<Moment>,
    due: Option<Moment>,
}

impl Doubt {
    /// A node that nobody doubts.
    #[must_use]
    pub const fn new(rule: DoubtRule) -> Self {
        Self { rule, out: false, began: None, due: None }
    }

    /// When the next probe is to begin; `None`: not before a doubt is raised.
    #[must_use]
    pub const fn due(&self) -> Option<Moment> {
        self.due
    }

    /// Whether the node is out.
    #[must_use]
    pub const fn out(&self) -> bool {
        self.out
    }

    /// Live traffic doubts the node.
    pub fn raise(&mut self, now: Moment) {
        let soonest = self.began.map_or(now, |began| now.max(began + self.rule.apart));
        self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
    }

    /// A probe begins. A doubt raised while it is under way asks for another one.
    pub const fn begin(&mut self, now: Moment) {
        self.began = Some(now);
        self.due = None;
    }

    /// The probe that began last has ended.
    pub fn end(&mut self, now: Moment, result: CheckResult, others: Others) -> Option<Transition> {
        let was_out = self.out;
        match result {
            CheckResult::Good => self.out = false,
            CheckResult::Bad | CheckResult::Contradicted => {
                self.out |= others == Others::SomeIn && result == CheckResult::Bad;
                let again = self.began.map_or(now, |began| now.max(began + self.rule.again));
                self.due = Some(self.due.map_or(again, |due| due.min(again)).max(now));
            }
        }
        match (was_out, self.out) {
            (false, true) => Some(Transition::Down),
            (true, false) => Some(Transition::Up),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: DoubtRule = DoubtRule { apart: Duration::from_millis(250), again: Duration::from_millis(1000) };

    /// Steps as `MILLIS EVENT STATE DUE`: doubt `raised`, probe `begun`, ended `good`, `bad`, `contradicted`, or bad as the `last`
    /// node; then `in` or `out`, and when the next probe is due (`-`: none).
    fn check(steps: &str) {
        let mut doubt = Doubt::new(RULE);
        for step in steps.split(", ") {
            let words: Vec<_> = step.split(' ').collect();
            let now = Moment::from_millis(words[0].parse().unwrap());
            let was_out = doubt.out();
            let transition = match words[1] {
                "raised" => {
                    doubt.raise(now);
                    None
                }
                "begun" => {
                    doubt.begin(now);
                    None
                }
                "good" => doubt.end(now, CheckResult::Good, Others::SomeIn),
                "bad" => doubt.end(now, CheckResult::Bad, Others::SomeIn),
                "contradicted" => doubt.end(now, CheckResult::Contradicted, Others::SomeIn),
                _ => doubt.end(now, CheckResult::Bad, Others::NoneIn),
            };
            assert_eq!(if doubt.out() { "out" } else { "in" }, words[2], "step {step:?} of {steps:?}");
            let due = doubt.due().map_or("-".to_owned(), |due| due.as_millis().to_string());
            assert_eq!(due, words[3], "step {step:?} of {steps:?}");
            let expect = match (was_out, doubt.out()) {
                (false, true) => Some(Transition::Down),
                (true, false) => Some(Transition::Up),
                _ => None,
            };
            assert_eq!(transition, expect, "step {step:?} of {steps:?}");
        }
    }

    #[test]
    fn nobody_doubts_nobody_probes() {
        assert_eq!(Doubt::new(RULE).due(), None);
    }

    #[test]
    fn a_node_that_answers_stays() {
        check("10 raised in 10, 11 raised in 10, 12 begun in -, 13 good in -");
    }

    #[test]
    fn doubts_do_not_make_a_storm_of_probes() {
        check("10 raised in 10, 10 begun in -, 20 good in -, 30 raised in 260, 40 raised in 260, 900 raised in 260");
        check("10 raised in 10, 10 begun in -, 15 raised in 260, 20 good in 260, 260 begun in -, 261 good in -");
    }

    #[test]
    fn a_silent_node_goes_out_and_comes_back_when_it_answers() {
        check(
            "10 raised in 10, 10 begun in -, 300 bad out 1010, 1010 begun out -, 1300 bad out 2010, 2010 begun out -, \
             2020 good in -",
        );
        check("10 raised in 10, 10 begun in -, 5000 bad out 5000");
        check("10 raised in 10, 10 begun in -, 300 contradicted in 1010, 1010 begun in -, 1300 bad out 2010");
        check("10 raised in 10, 10 begun in -, 300 bad out 1010, 1010 begun out -, 1300 contradicted out 2010");
        check("10 raised in 10, 10 begun in -, 20 bad out 1010, 30 raised out 260");
    }

    #[test]
    fn the_last_node_stays_and_is_probed_on() {
        check("10 raised in 10, 10 begun in -, 300 last in 1010, 1010 begun in -, 1300 bad out 2010");
        check("10 raised in 10, 10 begun in -, 300 last in 1010, 1010 begun in -, 1300 good in -");
        check("10 raised in 10, 10 begun in -, 300 bad out 1010, 1010 begun out -, 1300 last out 2010");
    }
}
