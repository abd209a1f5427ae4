//! A clock that is off, runs a little fast or slow, and may have stood still.

use mainstay_core::Moment;
use mainstay_core::lease::Stamp;

/// True time in the world, in nanoseconds since its beginning. Nobody in it can read it.
pub(crate) type Instant = u64;

/// What somebody in the world reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Clock {
    /// Nanoseconds ahead of the true time.
    pub(crate) ahead: i64,
    /// Millionths by which it is too fast.
    pub(crate) ppm: i64,
}

impl Clock {
    pub(crate) fn read(&self, now: Instant) -> Moment {
        Moment::from_nanos(u64::try_from(self.nanos(now)).unwrap_or(0))
    }

    pub(crate) fn stamp(&self, now: Instant) -> Stamp {
        Stamp(i64::try_from(self.nanos(now) / 1000).unwrap_or(i64::MAX))
    }

    /// The first instant at which this clock shows at least `moment`.
    pub(crate) fn shows(&self, moment: Moment) -> Instant {
        let wanted = i128::from(moment.as_nanos()) - i128::from(self.ahead);
        let mut at = u64::try_from(wanted * MILLION / (MILLION + i128::from(self.ppm))).unwrap_or(0);
        while self.read(at) < moment {
            at += 1;
        }
        at
    }

    fn nanos(&self, now: Instant) -> i128 {
        let now = i128::from(now);
        now + now * i128::from(self.ppm) / MILLION + i128::from(self.ahead)
    }
}

pub(crate) const fn ms(millis: u64) -> Instant {
    millis * 1_000_000
}

const MILLION: i128 = 1_000_000;
