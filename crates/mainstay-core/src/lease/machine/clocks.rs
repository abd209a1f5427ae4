//! Whether the store's clock and the own one move alike.
//!
//! A machine whose clock stands still for a while (a virtual machine that was paused) or runs slowly believes that its
//! tenure lasts longer than it does. Between two answers the store's clock must have moved as far as the own one did,
//! give or take the time the requests took. If it moved further, the own clock may have stood still; if it moved less,
//! it was set back, or the own clock is fast: a fast clock ends a tenure early, which harms nobody.
//!
//! Somebody who sets the store's clock forward by an hour looks just like a pause of an hour. Ending the tenure at the
//! first sign would let everybody who corrects a clock restart every node. So the first sign stops the child (frozen, or
//! held as good only from a renewal sent afterwards), and the tenure goes on when that renewal confirms it: then nobody
//! has taken the lease, whatever the clocks did. A second sign within [`AGAIN_WITHIN_TTLS`] means that the own clock
//! keeps running slowly, and that no moment computed from it can be relied on.

use std::time::Duration;

use crate::Moment;
use crate::lease::row::Stamp;
use crate::lease::terms::Terms;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Clocks {
    last: Option<Sample>,
    doubted: Option<Moment>,
}

/// One reading of the store's clock, taken between two moments of the own one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sample {
    pub(super) clock: Stamp,
    pub(super) sent: Moment,
    pub(super) answered: Moment,
}

/// What a sample showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Both moved alike.
    Alike,
    /// The store's moved so much less.
    Behind(Duration),
    /// The store's moved so much further, for the first time lately.
    Ahead(Duration),
    /// And once more.
    AheadAgain(Duration),
}

impl Clocks {
    pub(super) fn sample(&mut self, sample: Sample, ttl: Duration) -> Moved {
        let Some(last) = self.last.replace(sample) else { return Moved::Alike };
        let store = i128::from(sample.clock.0) - i128::from(last.clock.0);
        let least = micros(sample.sent.since(last.answered)) - micros(Terms::JUMP_MAX);
        let most = micros(sample.answered.since(last.sent)) + micros(Terms::JUMP_MAX);
        if store < least {
            return Moved::Behind(duration(least - store + micros(Terms::JUMP_MAX)));
        }
        if store <= most {
            return Moved::Alike;
        }
        let by = duration(store - most + micros(Terms::JUMP_MAX));
        let again = self.doubted.is_some_and(|doubted| sample.answered < doubted + ttl * AGAIN_WITHIN_TTLS);
        self.doubted = Some(sample.answered);
        if again { Moved::AheadAgain(by) } else { Moved::Ahead(by) }
    }

    /// Another database answers from now on, by a clock of its own.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}

fn micros(duration: Duration) -> i128 {
    i128::try_from(duration.as_micros()).unwrap_or(i128::MAX / 4)
}

fn duration(micros: i128) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Long enough that a clock so slow as to matter shows it again with the next renewals.
const AGAIN_WITHIN_TTLS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples as (store's clock, sent, answered), in milliseconds; ttl 3 s.
    fn check(samples: &[(i64, u64, u64)], expect: Moved) {
        let mut clocks = Clocks::default();
        let mut last = Moved::Alike;
        for &(clock, sent, answered) in samples {
            let sample = Sample {
                clock: Stamp(clock * 1000),
                sent: Moment::from_millis(sent),
                answered: Moment::from_millis(answered),
            };
            last = clocks.sample(sample, Duration::from_secs(3));
        }
        assert_eq!(last, expect, "{samples:?}");
    }

    #[test]
    fn clocks_that_move_apart_are_seen() {
        let ms = Duration::from_millis;
        check(&[(50_000, 0, 10)], Moved::Alike);
        check(&[(50_000, 0, 10), (51_000, 1000, 1010)], Moved::Alike);
        check(&[(50_000, 0, 10), (51_210, 1000, 1010)], Moved::Alike);
        check(&[(50_000, 0, 10), (51_211, 1000, 1010)], Moved::Ahead(ms(201)));
        check(&[(50_000, 0, 10), (50_790, 1000, 1010)], Moved::Alike);
        check(&[(50_000, 0, 10), (50_789, 1000, 1010)], Moved::Behind(ms(201)));
        check(&[(50_000, 0, 10), (-3_550_000, 1000, 1010)], Moved::Behind(ms(3_600_990)));
        check(&[(50_000, 0, 900), (51_900, 1000, 1900)], Moved::Alike);
        check(&[(i64::MIN / 1000, 0, 0), (i64::MAX / 1000, 0, 0)], Moved::Ahead(ms(18_446_744_073_709_550)));
    }

    #[test]
    fn a_clock_that_stays_slow_is_not_a_jump() {
        let ms = Duration::from_millis;
        let jump = [(0, 0, 10), (3_601_000, 1000, 1010)];
        check(&[jump[0], jump[1], (3_601_005, 1010, 1020), (3_602_000, 2000, 2010)], Moved::Alike);
        check(&[jump[0], jump[1], (3_601_005, 1010, 1020), (3_603_000, 2000, 2010)], Moved::AheadAgain(ms(995)));
        check(&[jump[0], jump[1], (3_608_005, 8010, 8020), (3_610_000, 9000, 9010)], Moved::Ahead(ms(995)));
    }
}
