//! Times as people read them: two or three digits that mean something, and the unit.

use std::fmt;
use std::time::Duration;

/// A stretch of time for a sentence: `6.3 ms`, `1.25 s`, `2 min 5 s`.
///
/// What is configured comes out as it was typed, as far as that has no more digits than are read; what was measured
/// loses the digits that say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            0 if self.0.is_zero() => f.write_str("0 ms"),
            0..50 => f.write_str("under 0.1 ms"),
            50..9_950 => decimal(f, rounded(micros, 100), 1, "ms"),
            9_950..999_500 => decimal(f, rounded(micros, 1_000), 0, "ms"),
            999_500..9_995_000 => decimal(f, rounded(micros, 10_000), 2, "s"),
            9_995_000..119_950_000 => decimal(f, rounded(micros, 100_000), 1, "s"),
            _ => whole(f, rounded(micros, 1_000_000)),
        }
    }
}

/// A number of `10^-digits` units, without zeros at its end.
fn decimal(f: &mut fmt::Formatter<'_>, number: u128, digits: u32, unit: &str) -> fmt::Result {
    let scale = 10_u128.pow(digits);
    let (whole, mut part, mut width) = (number / scale, number % scale, digits as usize);
    while width > 0 && part.is_multiple_of(10) {
        (part, width) = (part / 10, width - 1);
    }
    if width == 0 { write!(f, "{whole} {unit}") } else { write!(f, "{whole}.{part:0width$} {unit}") }
}

/// Two minutes and more: the two largest units.
fn whole(f: &mut fmt::Formatter<'_>, seconds: u128) -> fmt::Result {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |f: &mut fmt::Formatter<'_>, (large, name): (u128, &str), (small, other): (u128, &str)| match small {
        0 => write!(f, "{large} {name}"),
        _ => write!(f, "{large} {name} {small} {other}"),
    };
    match () {
        () if hours < 2 => two(f, (minutes, "min"), (seconds % 60, "s")),
        () if days < 2 => two(f, (hours, "h"), (minutes % 60, "min")),
        () => two(f, (days, "d"), (hours % 24, "h")),
    }
}

/// In units of so many, to the nearest.
fn rounded(micros: u128, unit: u128) -> u128 {
    micros.saturating_add(unit / 2) / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_read() {
        let check = |micros: u64, expect: &str| assert_eq!(Span(Duration::from_micros(micros)).to_string(), expect);
        check(0, "0 ms");
        check(49, "under 0.1 ms");
        check(50, "0.1 ms");
        check(598, "0.6 ms");
        check(6_299, "6.3 ms");
        check(9_949, "9.9 ms");
        check(9_950, "10 ms");
        check(194_544, "195 ms");
        check(900_000, "900 ms");
        check(999_499, "999 ms");
        check(999_500, "1 s");
        check(1_250_000, "1.25 s");
        check(2_990_000, "2.99 s");
        check(3_044_761, "3.04 s");
        check(9_994_999, "9.99 s");
        check(9_995_000, "10 s");
        check(90_000_000, "90 s");
        check(119_949_999, "119.9 s");
        check(119_950_000, "2 min");
        check(125_000_000, "2 min 5 s");
        check(7_199_000_000, "119 min 59 s");
        check(7_260_000_000, "2 h 1 min");
        check(300_000_000_000, "3 d 11 h");
        assert_eq!(Span(Duration::from_nanos(1)).to_string(), "under 0.1 ms");
        assert_eq!(Span(Duration::MAX).to_string(), "213503982334601 d 7 h");
    }
}
