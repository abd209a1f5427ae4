use crate::Moment;

/// Bounds retries, so that a pool in trouble is not hit harder for it.
///
/// Over the last ten seconds there may be as many retries as `ratio` times the requests seen in them, and on top
/// `per_second` for each second, which lets a pool with little traffic retry too. Those ten are the running second
/// and the nine before it.
///
/// A bucket of tokens would need a size of its own to be chosen: too small, and a node that dies with many requests
/// in flight uses it up at once; too large, and an hour of good traffic pays for a storm.
#[derive(Clone, Debug)]
pub struct Budget {
    per_million: u64,
    per_second: u64,
    slots: [Slot; SLOTS],
    /// Number of the running second since the clock's origin.
    second: u64,
    /// Sums over all slots.
    requests: u64,
    retries: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    requests: u64,
    retries: u64,
}

impl Budget {
    /// A budget of `ratio` retries for each request (negative or no number: none) and `per_second` in each second.
    #[must_use]
    pub fn new(ratio: f64, per_second: u32) -> Self {
        Self {
            // A cast of a double saturates, and makes 0 of what is not a number.
            per_million: (ratio * 1e6) as u64,
            per_second: u64::from(per_second),
            slots: [Slot::default(); SLOTS],
            second: 0,
            requests: 0,
            retries: 0,
        }
    }

    /// Notes a request (not its retries).
    pub fn request(&mut self, now: Moment) {
        self.turn(now);
        self.requests = self.requests.saturating_add(1);
        if let Some(slot) = self.slot() {
            slot.requests = slot.requests.saturating_add(1);
        }
    }

    /// Takes one retry, if there is one left.
    #[must_use = "a retry that was not granted must not be made"]
    pub fn take(&mut self, now: Moment) -> Granted {
        self.turn(now);
        let earned = u128::from(self.requests) * u128::from(self.per_million) / 1_000_000;
        let allowed = earned + u128::from(self.per_second) * SLOTS as u128;
        if u128::from(self.retries) >= allowed {
            return Granted::No;
        }
        self.retries += 1;
        if let Some(slot) = self.slot() {
            slot.retries += 1;
        }
        Granted::Yes
    }

    /// Empties the slots of the seconds that have passed. A clock that goes backwards changes nothing.
    fn turn(&mut self, now: Moment) {
        let second = now.as_nanos() / NANOS_PER_SECOND;
        let passed = second.saturating_sub(self.second);
        for step in 1..=passed.min(SLOTS as u64) {
            let index = ((self.second + step) % SLOTS as u64) as usize;
            if let Some(slot) = self.slots.get_mut(index) {
                self.requests -= slot.requests;
                self.retries -= slot.retries;
                *slot = Slot::default();
            }
        }
        self.second = self.second.max(second);
    }

    fn slot(&mut self) -> Option<&mut Slot> {
        self.slots.get_mut((self.second % SLOTS as u64) as usize)
    }
}

/// Whether a retry may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It may.
    Yes,
    /// The budget is spent.
    No,
}

const SLOTS: usize = 10;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn granted(budget: &mut Budget, now: Moment, wanted: u32) -> u32 {
        (0..wanted).map(|_| u32::from(budget.take(now) == Granted::Yes)).sum()
    }

    #[test]
    fn grants_what_traffic_earned_and_a_little_each_second() {
        let check = |ratio, per_second, requests, expect| {
            let mut budget = Budget::new(ratio, per_second);
            let now = Moment::from_millis(123_456);
            (0..requests).for_each(|_| budget.request(now));
            assert_eq!(granted(&mut budget, now, 10_000), expect, "ratio {ratio}, {per_second}/s, {requests} requests");
        };
        check(0.2, 0, 0, 0);
        check(0.2, 0, 4, 0);
        check(0.2, 0, 5, 1);
        check(0.2, 0, 1000, 200);
        check(0.2, 3, 1000, 230);
        check(0.0, 2, 1000, 20);
        check(0.0, 0, 1000, 0);
        check(-1.0, 0, 1000, 0);
        check(f64::NAN, 0, 1000, 0);
        check(1e300, 0, 1000, 10_000);
    }

    #[test]
    fn forgets_after_ten_seconds() {
        let mut budget = Budget::new(0.1, 0);
        (0..100).for_each(|_| budget.request(Moment::from_millis(500)));
        assert_eq!(granted(&mut budget, Moment::from_millis(9_999), 3), 3);
        assert_eq!(granted(&mut budget, Moment::from_millis(10_000), 3), 0);
        (0..100).for_each(|_| budget.request(Moment::from_millis(18_000)));
        assert_eq!(granted(&mut budget, Moment::from_millis(18_999), 99), 7, "the three of second 9 still count");
        assert_eq!(granted(&mut budget, Moment::from_millis(19_000), 99), 3, "they no longer do");
        assert_eq!(granted(&mut budget, Moment::from_nanos(u64::MAX), 1), 0);
    }

    proptest! {
        /// Against a plain list of what happened when.
        #[test]
        fn never_exceeds_its_bound(
            ratio in 0.0f64..1.0, per_second in 0u32..3,
            steps in prop::collection::vec((prop_oneof![9 => 0u64..1500, 1 => 0u64..25_000], 0u32..20, 0u32..20), 1..60),
        ) {
            let mut budget = Budget::new(ratio, per_second);
            let (mut requests, mut retries, mut now) = (Vec::new(), Vec::new(), 0u64);
            for (wait, seen, wanted) in steps {
                now += wait;
                let moment = Moment::from_millis(now);
                for _ in 0..seen {
                    budget.request(moment);
                    requests.push(now / 1000);
                }
                for _ in 0..wanted {
                    let recent = |list: &[u64]| list.iter().filter(|&&s| s + 10 > now / 1000).count() as f64;
                    let allowed = ratio * recent(&requests) + f64::from(per_second) * 10.0;
                    match budget.take(moment) {
                        Granted::Yes => {
                            retries.push(now / 1000);
                            prop_assert!(recent(&retries) <= allowed);
                        }
                        Granted::No => prop_assert!(recent(&retries) + 1.0 > allowed - 0.01),
                    }
                }
            }
        }
    }
}
