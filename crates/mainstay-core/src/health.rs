use std::time::Duration;

use crate::Moment;

/// How often a node is checked and what its checks must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRule {
    /// Time from the start of one check to the start of the next while the verdict is clear.
    pub every: Duration,
    /// The same while it is in doubt.
    pub every_in_doubt: Duration,
    /// Good checks in a row that make a bad node good; 0 counts as 1.
    pub rise: u32,
    /// Bad checks in a row that make a good node bad; 0 counts as 1.
    pub fall: u32,
}

/// What one check showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The node answered as it should, in time.
    Good,
    /// It did not.
    Bad,
    /// It gave the check no answer in time, though live traffic had one from it meanwhile.
    Contradicted,
}

impl CheckResult {
    /// What a check shows that had no answer after `took`, when live traffic last had a good answer from the node
    /// `heard` ago.
    ///
    /// On a machine that is short of processor time, checks are late like everything else, and a healthy node would
    /// go out for it. An answer counts only from the second half of the check: those of the first half may have been
    /// on their way when the node froze, and a node that froze is to be known at the end of the first check after it.
    #[must_use]
    pub fn of_timeout(took: Duration, heard: Option<Duration>) -> Self {
        match heard {
            Some(ago) if ago < took / 2 => Self::Contradicted,
            _ => Self::Bad,
        }
    }
}

/// What the checks of a node add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No check has ended yet.
    Unknown,
    /// The node is well.
    Good,
    /// It is not.
    Bad,
}

/// A verdict that has just changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The node has become well.
    Up,
    /// It no longer is.
    Down,
}

/// Turns the results of a node's checks into a verdict, and says when the next check is due.
///
/// A good node becomes bad after `fall` bad checks in a row, a bad one good after `rise` good ones in a row. The
/// first result of all settles an unknown node by itself, either way: before it there is nothing to be careful
/// about, and at a start both "this node serves" and "it does not" are worth knowing at once.
///
/// The verdict is *in doubt* from the first result that speaks against it (or a hint from outside,
/// [`Health::nudge`]) until a result confirms or changes it. Meanwhile checks come after `every_in_doubt`, so that
/// careful counts do not cost time. A bad node that answers again is in doubt as well, and is back soon.
///
/// A time-out that live traffic contradicts ([`CheckResult::Contradicted`]) does not count, but keeps the verdict in
/// doubt: the next check comes sooner. Only when [`MOST_CONTRADICTED`] more of them than `fall` come in a row is the
/// node bad all the same, since then what the check looks at is broken, though something else still answers.
///
/// The caller runs one check at a time: it waits until [`Health::due`], calls [`Health::begin`], checks, and calls
/// [`Health::end`]. Answers in a row are asked for instead of an average over many, as an average either
/// forgives a dead node its good past or condemns a recovered one for its bad past.
#[derive(Clone, Debug)]
pub struct Health {
    rule: HealthRule,
    phase: Phase,
    nudged: bool,
    /// Time-outs that live traffic contradicts, since the last good check.
    contradicted: u32,
    began: Moment,
    due: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unknown,
    /// With so many bad checks in a row.
    Good(u32),
    /// With so many good checks in a row.
    Bad(u32),
}

impl Health {
    /// A node nothing is known of. Its first check is due within a moment; `random`, from 0 to 1, spreads those of
    /// many nodes.
    #[must_use]
    pub fn new(rule: HealthRule, now: Moment, random: f64) -> Self {
        let within = FIRST_WITHIN.min(rule.every_in_doubt);
        Self {
            rule,
            phase: Phase::Unknown,
            nudged: false,
            contradicted: 0,
            began: now,
            due: now + portion(within, random),
        }
    }

    /// When the next check is to begin.
    #[must_use]
    pub const fn due(&self) -> Moment {
        self.due
    }

    /// What the checks add up to.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self.phase {
            Phase::Unknown => Verdict::Unknown,
            Phase::Good(_) => Verdict::Good,
            Phase::Bad(_) => Verdict::Bad,
        }
    }

    /// Whether checks come faster because the verdict may be about to change.
    #[must_use]
    pub const fn in_doubt(&self) -> bool {
        self.nudged || self.contradicted > 0 || !matches!(self.phase, Phase::Good(0) | Phase::Bad(0))
    }

    /// Time-outs in a row that live traffic contradicts, and how many would put the node out all the same.
    #[must_use]
    pub fn contradicted(&self) -> (u32, u32) {
        (self.contradicted, self.rule.fall.max(1).saturating_add(MOST_CONTRADICTED))
    }

    /// Results in a row that speak against the verdict, and how many would change it.
    #[must_use]
    pub fn against(&self) -> (u32, u32) {
        match self.phase {
            Phase::Unknown => (0, 1),
            Phase::Good(bad) => (bad, self.rule.fall.max(1)),
            Phase::Bad(good) => (good, self.rule.rise.max(1)),
        }
    }

    /// A check begins.
    pub const fn begin(&mut self, now: Moment) {
        self.began = now;
    }

    /// The check that began last has ended. `random`, from 0 to 1, brings the next one forward by up to a tenth of
    /// its interval, so that checks that began together drift apart; no interval is ever longer than configured.
    pub fn end(&mut self, now: Moment, result: CheckResult, random: f64) -> Option<Transition> {
        let before = self.verdict();
        self.nudged = false;
        let result = self.weigh(result);
        self.phase = match (self.phase, result) {
            (phase, CheckResult::Contradicted) => phase,
            (Phase::Unknown | Phase::Good(_), CheckResult::Good) => Phase::Good(0),
            (Phase::Unknown | Phase::Bad(_), CheckResult::Bad) => Phase::Bad(0),
            (Phase::Good(bad), CheckResult::Bad) if bad.saturating_add(1) < self.rule.fall => Phase::Good(bad + 1),
            (Phase::Good(_), CheckResult::Bad) => Phase::Bad(0),
            (Phase::Bad(good), CheckResult::Good) if good.saturating_add(1) < self.rule.rise => Phase::Bad(good + 1),
            (Phase::Bad(_), CheckResult::Good) => Phase::Good(0),
        };
        if self.verdict() == Verdict::Bad {
            self.contradicted = 0;
        }
        let interval = if self.in_doubt() { self.rule.every_in_doubt.min(self.rule.every) } else { self.rule.every };
        let interval = interval.saturating_sub(portion(interval / 10, random));
        self.due = (self.began + interval).max(now);
        match (before, self.verdict()) {
            (Verdict::Unknown | Verdict::Bad, Verdict::Good) => Some(Transition::Up),
            (Verdict::Unknown | Verdict::Good, Verdict::Bad) => Some(Transition::Down),
            _ => None,
        }
    }

    /// Counts time-outs that live traffic contradicts, and takes too many of them for bad checks.
    fn weigh(&mut self, result: CheckResult) -> CheckResult {
        if result == CheckResult::Good {
            self.contradicted = 0;
        }
        if result != CheckResult::Contradicted {
            return result;
        }
        if self.verdict() == Verdict::Bad {
            return CheckResult::Bad;
        }
        self.contradicted += 1;
        let (so_far, most) = self.contradicted();
        if so_far < most {
            return CheckResult::Contradicted;
        }
        self.phase = Phase::Unknown;
        CheckResult::Bad
    }

    /// Somebody wants to know sooner (live traffic doubts a good node, or no other is left but this bad one): the next
    /// check is due at once, though no sooner than `every_in_doubt` after the start of the last one. An unknown node
    /// is about to be checked anyway.
    pub fn nudge(&mut self, now: Moment) {
        if self.phase != Phase::Unknown {
            self.nudged = true;
            self.due = self.due.min((self.began + self.rule.every_in_doubt).max(now));
        }
    }
}

/// `random` (0 to 1) times `duration`.
fn portion(duration: Duration, random: f64) -> Duration {
    let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.0 };
    Duration::from_nanos((duration.as_nanos() as f64 * random) as u64)
}

/// So many more time-outs in a row than `fall` put a node out, however live traffic contradicts them.
pub const MOST_CONTRADICTED: u32 = 4;

const FIRST_WITHIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: HealthRule =
        HealthRule { every: Duration::from_millis(1000), every_in_doubt: Duration::from_millis(100), rise: 2, fall: 3 };

    /// Runs one check for each letter: `g`ood, `b`ad or `c`ontradicted, ending 10 ms after it began. What comes out: `U`p, `D`own
    /// or a dot for each, then the times at which checks began.
    fn run(rule: HealthRule, results: &str) -> (String, Vec<u64>) {
        let mut health = Health::new(rule, Moment::ZERO, 0.0);
        let (mut out, mut times) = (String::new(), Vec::new());
        for letter in results.chars() {
            let began = health.due();
            health.begin(began);
            times.push(began.as_millis());
            let result = match letter {
                'g' => CheckResult::Good,
                'c' => CheckResult::Contradicted,
                _ => CheckResult::Bad,
            };
            out.push(match health.end(began + Duration::from_millis(10), result, 0.0) {
                Some(Transition::Up) => 'U',
                Some(Transition::Down) => 'D',
                None => '.',
            });
        }
        (out, times)
    }

    fn check(rise: u32, fall: u32, results: &str, expect: &str) {
        let (out, _) = run(HealthRule { rise, fall, ..RULE }, results);
        assert_eq!(out, expect, "rise {rise}, fall {fall}, results {results}");
    }

    #[test]
    fn rises_and_falls_by_its_counts() {
        check(2, 3, "g", "U");
        check(2, 3, "b", "D");
        check(2, 3, "gbbbgg", "U..D.U");
        check(2, 3, "gbbgbbgb", "U.......");
        check(2, 3, "bgbgbgg", "D.....U");
        check(1, 1, "gbgb", "UDUD");
        check(0, 0, "gbgb", "UDUD");
        check(3, 1, "gbggbggg", "UD.....U");
    }

    #[test]
    fn a_timeout_that_live_traffic_contradicts_does_not_count_alone() {
        check(1, 1, "gccccg", "U.....");
        check(1, 1, "gccccc", "U....D");
        check(1, 1, "gccccgcccc", "U.........");
        check(1, 1, "gcccb", "U...D");
        check(1, 3, "gbbcb", "U...D");
        check(1, 3, "gcccccc", "U......");
        check(1, 3, "gccccccc", "U......D");
        // Nobody knows it yet: it is in while it answers somebody.
        check(1, 1, "ccg", "..U");
        check(1, 1, "cb", ".D");
        check(1, 1, "ccccc", "....D");
        // Out it gets no live traffic; what was still on its way is no reason to let it in.
        check(2, 1, "bcgcgg", "D....U");
        assert_eq!(run(HealthRule { fall: 1, ..RULE }, "gcbb").1, [0, 1000, 1100, 2100], "nor does it linger");
        assert_eq!(run(RULE, "gcg").1, [0, 1000, 1100], "the next check comes sooner");
    }

    #[test]
    fn only_an_answer_of_the_second_half_contradicts() {
        let check = |took, heard: Option<u64>, expect| {
            let heard = heard.map(Duration::from_millis);
            assert_eq!(CheckResult::of_timeout(Duration::from_millis(took), heard), expect, "{took}, {heard:?}");
        };
        check(180, Some(0), CheckResult::Contradicted);
        check(180, Some(89), CheckResult::Contradicted);
        check(180, Some(90), CheckResult::Bad);
        check(180, Some(5000), CheckResult::Bad);
        check(180, None, CheckResult::Bad);
        check(0, Some(0), CheckResult::Bad);
    }

    #[test]
    fn checks_come_faster_while_in_doubt() {
        let check = |results, expect: &[u64]| assert_eq!(run(RULE, results).1, expect, "{results}");
        check("gggg", &[0, 1000, 2000, 3000]);
        check("gbbbb", &[0, 1000, 1100, 1200, 2200]);
        check("gbgg", &[0, 1000, 1100, 2100]);
        check("bbggg", &[0, 1000, 2000, 2100, 3100]);
    }

    #[test]
    fn slow_checks_do_not_overlap() {
        let mut health = Health::new(RULE, Moment::ZERO, 0.0);
        health.begin(Moment::ZERO);
        health.end(Moment::from_millis(5000), CheckResult::Good, 0.0);
        assert_eq!(health.due(), Moment::from_millis(5000));
    }

    #[test]
    fn a_nudge_brings_the_check_forward() {
        let check = |results: &str, now, expect| {
            let mut health = Health::new(RULE, Moment::ZERO, 0.0);
            for letter in results.chars() {
                let at = health.due();
                health.begin(at);
                health.end(at, if letter == 'g' { CheckResult::Good } else { CheckResult::Bad }, 0.0);
            }
            health.nudge(Moment::from_millis(now));
            assert_eq!(health.due(), Moment::from_millis(expect), "{results}, nudged at {now} ms");
        };
        check("g", 50, 100);
        check("g", 500, 500);
        check("g", 1500, 1000);
        check("b", 500, 500);
        check("b", 50, 100);
        check("", 500, 0);
    }

    #[test]
    fn a_nudge_ends_with_the_next_result() {
        let mut health = Health::new(RULE, Moment::ZERO, 0.0);
        health.end(Moment::ZERO, CheckResult::Good, 0.0);
        assert!(!health.in_doubt());
        health.nudge(Moment::from_millis(500));
        assert!(health.in_doubt());
        health.begin(Moment::from_millis(500));
        health.end(Moment::from_millis(510), CheckResult::Good, 0.0);
        assert!(!health.in_doubt());
        assert_eq!(health.due(), Moment::from_millis(1500));
    }

    #[test]
    fn jitter_only_brings_checks_forward() {
        let due = |random| {
            let mut health = Health::new(RULE, Moment::ZERO, random);
            assert!(health.due() <= Moment::from_millis(100));
            health.end(Moment::ZERO, CheckResult::Good, random);
            health.due().as_millis()
        };
        assert_eq!([due(0.0), due(0.5), due(1.0), due(9.0), due(f64::NAN)], [1000, 950, 900, 900, 1000]);
    }

    proptest! {
        /// The verdict only changes after as many results in a row as the rule asks for, and then it does change.
        #[test]
        fn never_flaps_outside_rise_and_fall(rise in 1u32..5, fall in 1u32..5, good in prop::collection::vec(any::<bool>(), 1..80)) {
            let results: String = good.iter().map(|&good| if good { 'g' } else { 'b' }).collect();
            let (out, _) = run(HealthRule { rise, fall, ..RULE }, &results);
            let mut up = good[0];
            let mut against = 0;
            for (&good, transition) in good.iter().zip(out.chars()).skip(1) {
                against = if good == up { 0 } else { against + 1 };
                let changes = against == if up { fall } else { rise };
                let expect = match (changes, up) { (false, _) => '.', (true, true) => 'D', (true, false) => 'U' };
                prop_assert_eq!(transition, expect);
                if changes {
                    up = !up;
                    against = 0;
                }
            }
        }
    }
}
