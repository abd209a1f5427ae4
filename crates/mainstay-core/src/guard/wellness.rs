use std::time::Duration;

use crate::lease::Name;
use crate::{Moment, Span};

/// When a child is ready, and when it is not well.
#[derive(Clone, Copy, Debug, Default)]
pub struct WellnessRule {
    /// Whether there is a ready check. Without one a child is ready once it is started.
    pub checked: bool,
    /// It must be ready this long after its start; `None`: no bound.
    pub start_within: Option<Duration>,
    /// Another is to take over when the ready check failed for so long; `None`: never for that.
    pub unwell_after: Option<Duration>,
    /// Another is to take over when the progress check showed the same for so long; `None`: there is no such check.
    pub progress_within: Option<Duration>,
}

/// How a child that runs is doing, by its checks.
///
/// Intuition: a child is *starting* until its ready check passes for the first time. From then on one failed check is
/// noise and two in a row are not: it is *unwell* until one passes. How long it has been unwell decides whether another
/// is to take over. The progress check knows nothing of good and bad, only of change: what stands still for too long
/// stands still.
///
/// Time in which the child is frozen does not count: it cannot answer then.
#[derive(Clone, Debug)]
pub struct Wellness {
    rule: WellnessRule,
    began: Moment,
    ready: bool,
    /// Failed checks in a row, and when the first was.
    failing: Option<(u32, Moment, Name)>,
    /// What the progress check showed last, and since when.
    progress: Option<(Option<Name>, Moment)>,
}

/// What checks say about a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Not ready yet.
    Starting,
    /// It is well.
    Ready,
    /// It was ready and is not well. Why, as a sentence, and whether that is a reason for another to take over.
    Unwell(Name, HandOver),
    /// It was not ready in time.
    Late(Name),
}

/// Whether another is to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOver {
    /// It has lasted too long.
    Wanted,
    /// It may pass.
    NotYet,
}

impl Wellness {
    /// Of a child that is about to be started.
    #[must_use]
    pub fn new(rule: WellnessRule, now: Moment) -> Self {
        Self { rule, began: now, ready: false, failing: None, progress: None }
    }

    /// Its command was started.
    pub fn started(&mut self) {
        self.ready |= !self.rule.checked;
    }

    /// Takes a result of the ready check; a failed one with its reason.
    pub fn checked(&mut self, result: Result<(), Name>, now: Moment) {
        match result {
            Ok(()) => {
                self.ready = true;
                self.failing = None;
            }
            Err(reason) => {
                let (fails, since) = self.failing.as_ref().map_or((0, now), |(fails, since, _)| (*fails, *since));
                self.failing = Some((fails.saturating_add(1), since, reason));
            }
        }
    }

    /// Takes what the progress check showed; `None` when it failed, which is no progress.
    pub fn progressed(&mut self, shown: Option<Name>, now: Moment) {
        let stands_still = self.progress.as_ref().is_some_and(|(before, _)| shown.is_none() || *before == shown);
        if !stands_still {
            self.progress = Some((shown, now));
        }
    }

    /// Leaves out a stretch in which the child was frozen.
    pub fn skip(&mut self, frozen: Duration) {
        let failing = self.failing.as_mut().map(|(_, since, _)| since);
        let progress = self.progress.as_mut().map(|(_, since)| since);
        for moment in [&mut self.began].into_iter().chain(failing).chain(progress) {
            *moment = *moment + frozen;
        }
    }

    /// How it is doing.
    #[must_use]
    pub fn finding(&self, now: Moment) -> Finding {
        if !self.ready {
            return match self.rule.start_within {
                Some(bound) if now >= self.began + bound => Finding::Late(self.late(bound)),
                _ => Finding::Starting,
            };
        }
        if let (Some(bound), Some((_, since))) = (self.rule.progress_within, &self.progress)
            && now >= *since + bound
        {
            return Finding::Unwell(format!("it has stood still for {}", Span(bound)).into(), HandOver::Wanted);
        }
        match &self.failing {
            Some((fails, since, reason)) if *fails >= FALLS => match self.rule.unwell_after {
                Some(bound) if now >= *since + bound => {
                    let text = format!("its ready check has failed for {}: {reason}", Span(bound));
                    Finding::Unwell(text.into(), HandOver::Wanted)
                }
                _ => Finding::Unwell(format!("its ready check fails: {reason}").into(), HandOver::NotYet),
            },
            _ => Finding::Ready,
        }
    }

    /// When [`Self::finding`] will next change with nothing new known.
    #[must_use]
    pub fn deadline(&self, now: Moment) -> Option<Moment> {
        if !self.ready {
            return self.rule.start_within.map(|bound| self.began + bound).filter(|at| *at > now);
        }
        let failing = self.failing.as_ref().filter(|(fails, ..)| *fails >= FALLS);
        let unwell = failing.zip(self.rule.unwell_after).map(|((_, since, _), bound)| *since + bound);
        let still = self.progress.as_ref().zip(self.rule.progress_within).map(|((_, since), bound)| *since + bound);
        unwell.into_iter().chain(still).filter(|at| *at > now).min()
    }

    fn late(&self, bound: Duration) -> Name {
        match &self.failing {
            Some((_, _, reason)) => format!("it was not ready within {}: {reason}", Span(bound)).into(),
            None => format!("it was not ready within {}", Span(bound)).into(),
        }
    }
}

/// Failed checks in a row that make a ready child unwell.
const FALLS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: WellnessRule = WellnessRule {
        checked: true,
        start_within: Some(Duration::from_secs(30)),
        unwell_after: Some(Duration::from_secs(10)),
        progress_within: Some(Duration::from_secs(20)),
    };

    enum Step {
        Passes,
        Fails,
        Shows(&'static str),
        ShowsNothing,
        Frozen(u64),
        Started,
        Look,
    }
    use Step::{Fails, Frozen, Look, Passes, Shows, ShowsNothing, Started};

    /// Steps, each with its second and the word for what is found after it.
    fn check(rule: WellnessRule, steps: &[(u64, Step, &str)]) {
        let mut wellness = Wellness::new(rule, Moment::ZERO);
        for (number, (second, step, expect)) in steps.iter().enumerate() {
            let now = Moment::from_millis(second * 1000);
            match step {
                Passes => wellness.checked(Ok(()), now),
                Fails => wellness.checked(Err("refused".into()), now),
                Shows(value) => wellness.progressed(Some((*value).into()), now),
                ShowsNothing => wellness.progressed(None, now),
                Frozen(seconds) => wellness.skip(Duration::from_secs(*seconds)),
                Started => wellness.started(),
                Look => {}
            }
            let word = match wellness.finding(now) {
                Finding::Starting => "starting",
                Finding::Ready => "ready",
                Finding::Unwell(_, HandOver::NotYet) => "unwell",
                Finding::Unwell(_, HandOver::Wanted) => "hand over",
                Finding::Late(_) => "late",
            };
            assert_eq!(word, *expect, "step {number}, at {second} s");
        }
    }

    #[test]
    fn a_start_is_bounded() {
        check(RULE, &[(0, Look, "starting"), (29, Fails, "starting"), (30, Look, "late")]);
        check(RULE, &[(1, Fails, "starting"), (2, Passes, "ready"), (40, Passes, "ready")]);
        check(RULE, &[(25, Frozen(10), "starting"), (39, Look, "starting"), (40, Look, "late")]);
        check(WellnessRule { start_within: None, ..RULE }, &[(10_000, Fails, "starting")]);
        check(RULE, &[(0, Started, "starting"), (29, Look, "starting")]);
        check(WellnessRule { checked: false, ..RULE }, &[(0, Look, "starting"), (1, Started, "ready")]);
    }

    #[test]
    fn one_failure_is_noise_and_lasting_ones_are_not() {
        check(RULE, &[(1, Passes, "ready"), (2, Fails, "ready"), (3, Fails, "unwell"), (4, Passes, "ready")]);
        check(RULE, &[(1, Passes, "ready"), (2, Fails, "ready"), (11, Fails, "unwell"), (12, Look, "hand over")]);
        check(RULE, &[(1, Passes, "ready"), (2, Fails, "ready"), (3, Fails, "unwell"), (3, Frozen(9), "unwell")]);
        let patient = WellnessRule { unwell_after: None, ..RULE };
        check(patient, &[(1, Passes, "ready"), (2, Fails, "ready"), (9_000, Fails, "unwell")]);
    }

    #[test]
    fn what_stands_still_is_noticed() {
        check(RULE, &[(0, Passes, "ready"), (1, Shows("a"), "ready"), (20, Shows("b"), "ready"), (39, Look, "ready")]);
        check(
            RULE,
            &[(0, Passes, "ready"), (1, Shows("a"), "ready"), (20, Shows("a"), "ready"), (21, Look, "hand over")],
        );
        check(
            RULE,
            &[(0, Passes, "ready"), (1, Shows("a"), "ready"), (20, ShowsNothing, "ready"), (21, Look, "hand over")],
        );
        check(RULE, &[(0, Passes, "ready"), (1, ShowsNothing, "ready"), (21, ShowsNothing, "hand over")]);
        check(RULE, &[(0, Passes, "ready"), (1, Shows("a"), "ready"), (22, Shows("b"), "ready")]);
        let none = WellnessRule { progress_within: None, ..RULE };
        check(none, &[(0, Passes, "ready"), (1, Shows("a"), "ready"), (9_000, Shows("a"), "ready")]);
    }

    #[test]
    fn says_when_to_look_again() {
        let seconds = |wellness: &Wellness| wellness.deadline(Moment::from_millis(5)).map(|at| at.as_millis() / 1000);
        let mut wellness = Wellness::new(RULE, Moment::ZERO);
        assert_eq!(seconds(&wellness), Some(30));
        wellness.checked(Ok(()), Moment::from_millis(1000));
        assert_eq!(seconds(&wellness), None);
        wellness.progressed(Some("1".into()), Moment::from_millis(2000));
        assert_eq!(seconds(&wellness), Some(22));
        wellness.checked(Err("no".into()), Moment::from_millis(3000));
        assert_eq!(seconds(&wellness), Some(22), "one failure is noise");
        wellness.checked(Err("no".into()), Moment::from_millis(4000));
        assert_eq!(seconds(&wellness), Some(13));
        assert_eq!(wellness.deadline(Moment::from_millis(22_000)), None);
    }
}
