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
    most: Cell<usize>,
    given: Cell<Option<Moment>>,
}

impl Tide {
    /// Whether memory is to be given back: `most` tasks there were since this was asked last, `left` are there now.
    pub(super) fn is_out(&self, now: Moment, most: usize, left: usize) -> bool {
        let most = most.max(self.most.get());
        let early = self.given.get().is_some_and(|given| now.since(given) < EVERY);
        let out = most >= WORTH_IT && left <= most / 2 && !early;
        self.most.set(if out { left } else { most });
        if out {
            self.given.set(Some(now));
        }
        out
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
        for (second, most, left, expect) in [
            (0, 999, 0, false),
            (1, 5000, 2501, false),
            (2, 2501, 2500, true),
            (3, 2500, 0, false),
            (11, 900, 0, false),
            (12, 900, 0, true),
            (30, 900, 0, false),
        ] {
            let now = Moment::ZERO + Duration::from_secs(second + 1);
            assert_eq!(tide.is_out(now, most, left), expect, "at second {second}");
        }
    }
}
