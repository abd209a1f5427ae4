use std::time::Duration;

/// What [`warm_weight`] makes of a weight of 1 once slow start is over.
pub const SCALE: u32 = 100;

/// A node's weight for a pick while it warms up: it grows in a straight line from a hundredth of its full value to
/// all of it, over `slow_start` from when the node came in (`in_for` ago).
///
/// The result is in units of 1/[`SCALE`], so all weights of one pick must come from here. It is 0 only for weight 0.
#[must_use]
pub fn warm_weight(weight: u32, in_for: Duration, slow_start: Duration) -> u32 {
    weight.saturating_mul(warmth(in_for, slow_start))
}

/// How much of its traffic a node takes, from 1 to [`SCALE`].
pub(super) fn warmth(in_for: Duration, slow_start: Duration) -> u32 {
    if in_for >= slow_start {
        return SCALE;
    }
    let share = in_for.as_nanos().saturating_mul(u128::from(SCALE)).checked_div(slow_start.as_nanos());
    share.and_then(|share| u32::try_from(share).ok()).unwrap_or(SCALE).clamp(1, SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_grows_in_a_straight_line() {
        let check = |weight, in_for, slow_start, expect| {
            let got = warm_weight(weight, Duration::from_millis(in_for), Duration::from_millis(slow_start));
            assert_eq!(got, expect, "weight {weight}, in for {in_for} ms of {slow_start} ms");
        };
        check(1, 0, 0, 100);
        check(1, 0, 10_000, 1);
        check(1, 5_000, 10_000, 50);
        check(3, 5_000, 10_000, 150);
        check(1, 9_999, 10_000, 99);
        check(1, 10_000, 10_000, 100);
        check(0, 5_000, 10_000, 0);
        check(u32::MAX, 5_000, 10_000, u32::MAX);
        check(1, u64::MAX, u64::MAX, 100);
        check(1, u64::MAX - 1, u64::MAX, 99);
    }
}
