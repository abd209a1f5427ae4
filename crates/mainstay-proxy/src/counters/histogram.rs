//! Durations in fixed buckets.

use std::time::Duration;

use super::cell::Counter;

/// Counts durations in buckets whose width grows with the duration: four for each doubling, so a quantile read from it
/// is at most a quarter too high. Counting one is an index computation and two additions. One thread writes it.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    nanos: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()), nanos: Counter::default() }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(index(nanos)) {
            bucket.one();
        }
        self.nanos.add(nanos);
    }

    /// What has been counted so far.
    pub fn read(&self) -> Durations {
        Durations { buckets: self.buckets.iter().map(Counter::get).collect(), nanos: self.nanos.get() }
    }

    pub(super) fn absorb(&self, other: &Self) {
        for (mine, theirs) in self.buckets.iter().zip(&other.buckets) {
            mine.absorb(theirs);
        }
        self.nanos.absorb(&other.nanos);
    }
}

/// A reading of a [`Histogram`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    buckets: Vec<u64>,
    nanos: u64,
}

impl Durations {
    /// How many durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// What came since an earlier reading of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |index| earlier.buckets.get(index).copied().unwrap_or(0);
        Self {
            buckets: self.buckets.iter().enumerate().map(|(n, count)| count.saturating_sub(before(n))).collect(),
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }

    /// The duration that this share of them (0 to 1) does not exceed, rounded up to its bucket's bound; `None` without
    /// any. Durations beyond the last bound are given as that bound.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among fewer than 2^52"
        )]
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= rank {
                return Some(bound(index.min(BUCKETS - 2)));
            }
        }
        None
    }

    /// For each doubling from 50 microseconds to 105 seconds: the bound and how many durations do not exceed it.
    pub fn doublings(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut seen = 0;
        self.buckets.iter().take(BUCKETS - 1).enumerate().filter_map(move |(index, bucket)| {
            seen += bucket;
            (index < 2 || index % PARTS == PARTS - 1).then(|| (bound(index), seen))
        })
    }
}

/// The bucket of a duration: a bound belongs to the bucket below it.
fn index(nanos: u64) -> usize {
    let units = nanos.saturating_sub(1) / UNIT;
    let doubling = units.checked_ilog2().unwrap_or(0);
    if doubling < 2 {
        return usize::try_from(units).unwrap_or(0);
    }
    let part = (units >> (doubling - 2)) & 3;
    let index = u64::from(doubling - 1) * 4 + part;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The largest duration of a bucket.
fn bound(index: usize) -> Duration {
    let index = index as u64;
    let units = if index < 4 { index + 1 } else { (index % 4 + 5) << (index / 4 - 1) };
    Duration::from_nanos(units * UNIT)
}

/// Width of the narrowest bucket, in nanoseconds.
const UNIT: u64 = 50_000;

/// Buckets for each doubling.
const PARTS: usize = 4;

/// Up to 2^21 units (105 s), and one for what is longer.
const BUCKETS: usize = 20 * PARTS + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_falls_below_its_bound_and_above_the_one_before() {
        for exponent in 0..37_u32 {
            for nanos in [(1_u64 << exponent) - 1, 1 << exponent, (1 << exponent) + 1, 3 << exponent] {
                let index = index(nanos);
                if index < BUCKETS - 1 {
                    assert!(Duration::from_nanos(nanos) <= bound(index), "{nanos} in {index}");
                }
                if index > 0 {
                    assert!(Duration::from_nanos(nanos) > bound(index - 1), "{nanos} in {index}");
                }
            }
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
        assert_eq!(bound(BUCKETS - 2), Duration::from_nanos(UNIT << 21));
    }

    #[test]
    fn quantiles_are_those_of_what_came_in_between() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().quantile(0.5), None);
        for _ in 0..1000 {
            histogram.record(Duration::from_secs(200));
        }
        let before = histogram.read();
        assert_eq!(before.quantile(0.5), Some(Duration::from_nanos(UNIT << 21)));
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let between = histogram.read().since(&before);
        assert_eq!(between.count(), 100);
        assert_eq!(between.sum(), Duration::from_millis(5050));
        let near = |share: f64, millis: u64| {
            let got = between.quantile(share).unwrap();
            let want = Duration::from_millis(millis);
            assert!(got >= want && got <= want + want / 4, "{share}: {got:?}, should be about {want:?}");
        };
        near(0.0, 1);
        near(0.5, 50);
        near(0.99, 99);
        near(1.0, 100);
    }

    #[test]
    fn doublings_count_what_does_not_exceed_them() {
        let histogram = Histogram::default();
        for micros in [50, 100, 150, 200, 800, 1_600_000, 500_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let doublings: Vec<_> = histogram.read().doublings().collect();
        let below = |micros| doublings.iter().find(|(bound, _)| *bound == Duration::from_micros(micros)).unwrap().1;
        assert_eq!([below(50), below(100), below(200), below(400), below(800)], [1, 2, 4, 4, 5]);
        assert_eq!(doublings.len(), 22);
        assert_eq!(doublings.last(), Some(&(Duration::from_nanos(UNIT << 21), 6)));
    }
}
