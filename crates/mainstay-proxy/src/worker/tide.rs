//! When the memory of a peak is given back to the operating system.

use std::cell::Cell;
use std::time::Duration;

use mainstay_core::Moment;

/// How many tasks there were at a time, and when memory was given back last.
///
/// What tasks owned stays with the allocator when they end. After a peak that may be most of what the process has, for
/// good: calls that stream go on without their tasks, and connections that came in a storm are gone.
#[derive(Default)]
pub(super) struct Tide {
    /// Most tasks at a time, as far as their memory was not given back.
    peak: Cell<usize>,
    given: Cell<Option<Moment>>,
}

impl Tide {
    /// Whether memory is to be given back, now that there were no more than `most` tasks since this was asked last.
    pub(super) fn is_out(&self, now: Moment, most: usize) -> bool {
        let peak = self.peak.get();
        let early = self.given.get().is_some_and(|given| now.since(given) < EVERY);
        if peak < WORTH_IT || most > peak / 2 || early {
            self.peak.set(peak.max(most));
            return false;
        }
        self.peak.set(most);
        self.given.set(Some(now));
        true
    }
}

/// The memory of fewer tasks than this is not worth looking for.
const WORTH_IT: usize = 1000;
/// It is not looked for more often.
const EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_for_a_peak_and_not_too_often() {
        let tide = Tide::default();
        for (second, most, expect) in [
            (0, 999, false),
            (1, 0, false),
            (2, 5000, false),
            (3, 2501, false),
            (4, 2500, true),
            (5, 0, false),
            (13, 0, false),
            (14, 0, true),
            (30, 0, false),
        ] {
            let now = Moment::ZERO + Duration::from_secs(second + 1);
            assert_eq!(tide.is_out(now, most), expect, "at second {second}");
        }
    }
}
