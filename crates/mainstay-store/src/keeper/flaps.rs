//! What comes and goes is told of as it does, a few times; and then once a minute, with a count.
//!
//! A store whose disk is full answers each look and can do nothing else, and one whose sessions are ended again and again
//! has a child frozen each time: it would be told of many times a second, in the log and in the history, of which only so
//! much is kept.

use std::time::Duration;

use mainstay_core::lease::Name;
use mainstay_core::{Moment, Span};

#[derive(Debug)]
pub(super) struct Flaps {
    words: Words,
    window: Option<Window>,
}

/// What a sum says.
#[derive(Debug)]
struct Words {
    was: &'static str,
    away: &'static str,
    back: &'static str,
}

#[derive(Debug)]
struct Window {
    since: Moment,
    told: u32,
    silent: u32,
    /// How it is, and why it went away last.
    away: bool,
    why: Name,
    /// Whether its last going away was told, so that its coming back is to be.
    loud: bool,
}

impl Flaps {
    /// Of a store that is of no use.
    pub(super) const fn of_store() -> Self {
        Self::new(Words { was: "the store was of no use", away: "is so now", back: "answers just now" })
    }

    /// Of a child that is frozen.
    pub(super) const fn of_child() -> Self {
        Self::new(Words { was: "child frozen", away: "is so now", back: "is not just now" })
    }

    const fn new(words: Words) -> Self {
        Self { words, window: None }
    }

    /// It went away; whether to tell.
    pub(super) fn away(&mut self, why: &Name, now: Moment) -> bool {
        let window = self.window.get_or_insert_with(|| Window {
            since: now,
            told: 0,
            silent: 0,
            away: true,
            why: why.clone(),
            loud: true,
        });
        (window.away, window.why) = (true, why.clone());
        window.loud = window.told < AT_ONCE;
        *(if window.loud { &mut window.told } else { &mut window.silent }) += 1;
        window.loud
    }

    /// It is back; whether to tell.
    pub(super) fn back(&mut self) -> bool {
        let Some(window) = &mut self.window else { return true };
        window.away = false;
        window.loud
    }

    /// What is to be told at the end of a while in which not all was.
    pub(super) fn due(&mut self, now: Moment) -> Option<String> {
        let window = self.window.as_mut().filter(|window| now.since(window.since) >= EVERY)?;
        if window.silent == 0 {
            self.window = None;
            return None;
        }
        let Window { silent, away, why, .. } = window;
        let (times, every) = (if *silent == 1 { "once".to_owned() } else { format!("{silent} times") }, Span(EVERY));
        let Words { was, away: gone, back } = self.words;
        let how = if *away { gone } else { back };
        let text = format!("{was} {times} more within {every}, and {how}; the last reason: {why}");
        (window.since, window.silent, window.loud) = (now, 0, *away);
        Some(text)
    }
}

/// So many times it is told at once.
const AT_ONCE: u32 = 4;
/// And from then on so seldom.
const EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a store that goes at the one second of a script and comes at the other, and of a look at the third.
    fn check(script: &str, expect: &str) {
        let mut flaps = Flaps::of_store();
        let mut told = Vec::new();
        for word in script.split_whitespace() {
            let (what, at) = word.split_at(1);
            let now = Moment::from_millis((at.parse::<f64>().unwrap() * 1000.0) as u64);
            match what {
                "-" if flaps.away(&"full".into(), now) => told.push(format!("{at} away")),
                "+" if flaps.back() => told.push(format!("{at} back")),
                _ => {}
            }
            told.extend(flaps.due(now).map(|text| format!("{at} {text}")));
        }
        assert_eq!(told.join("\n"), expect, "{script}");
    }

    #[test]
    fn of_a_child_it_says_that_it_was_frozen() {
        let mut flaps = Flaps::of_child();
        for second in 0..=60 {
            let loud = flaps.away(&"lost".into(), Moment::from_millis(second * 1000));
            assert_eq!((loud, flaps.back()), (second < 4, second < 4), "{second}");
        }
        let sum = "child frozen 57 times more within 60 s, and is not just now; the last reason: lost";
        assert_eq!(flaps.due(Moment::from_millis(60_000)).as_deref(), Some(sum));
    }

    #[test]
    fn a_few_times_are_told_and_then_a_sum() {
        check("-1 +2 -100 +200 -300", "1 away\n2 back\n100 away\n200 back\n300 away");
        check(
            "-1 +1.1 -1.2 +1.3 -1.4 +1.5 -1.6 +1.7 -1.8 +1.9 -2 .60 .61.5 -62 +63 .130",
            "1 away\n1.1 back\n1.2 away\n1.3 back\n1.4 away\n1.5 back\n1.6 away\n1.7 back\n\
             61.5 the store was of no use 2 times more within 60 s, and is so now; the last reason: full\n\
             130 the store was of no use once more within 60 s, and answers just now; the last reason: full",
        );
        check(
            "-1 -2 -3 -4 -5 +6 .61 +62 .130 -140 +141",
            "1 away\n2 away\n3 away\n4 away\n61 the store was of no use once more within 60 s, and answers just now; the last reason: full\n140 away\n141 back",
        );
    }
}
