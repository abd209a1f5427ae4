//! nginx's sizes and times.

use std::time::Duration;

/// `8k`, `1m`, `2g` or bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    number::<u64>(digits)?.checked_mul(factor)
}

/// `60`, `60s`, `1m30s`, `100ms`, `1h 30m`: a sum of counted units, each smaller than the one before; the last may be
/// bare and counts seconds. Months and years, which nginx has too, are no time-outs anybody means.
pub(super) fn time(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    let mut previous = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let count: u64 = number(&rest[..digits])?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).len();
        let unit = &rest[..letters];
        rest = rest[letters..].trim_start_matches(' ');
        let unit_ms = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        if unit_ms >= previous || (unit.is_empty() && !rest.is_empty()) {
            return None;
        }
        previous = unit_ms;
        total = total.checked_add(Duration::from_millis(count.checked_mul(unit_ms)?))?;
    }
    Some(total)
}

/// Digits and nothing else.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Units in milliseconds; no unit is seconds.
const UNITS: [(&str, u64); 7] =
    [("ms", 1), ("", 1_000), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expect) in [
            ("0", Some(0)),
            ("1m", Some(1 << 20)),
            ("8K", Some(8192)),
            ("2g", Some(2 << 30)),
            ("17", Some(17)),
            ("", None),
            ("m", None),
            ("1mb", None),
            ("-1", None),
            ("+1", None),
            ("1.5m", None),
            ("99999999999999999999", None),
            ("18446744073709551615g", None),
            ("é", None),
        ] {
            assert_eq!(size(text), expect, "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, expect_ms) in [
            ("0", Some(0)),
            ("5", Some(5_000)),
            ("5s", Some(5_000)),
            ("100ms", Some(100)),
            ("1m30s", Some(90_000)),
            ("1m30", Some(90_000)),
            ("1h 30m", Some(5_400_000)),
            ("1d", Some(86_400_000)),
            ("1s1m", None),
            ("1s1s", None),
            ("1s1", None),
            ("", None),
            ("s", None),
            ("1x", None),
            ("1.5s", None),
            ("1M", None),
            ("99999999999999999d", None),
            ("5é", None),
        ] {
            assert_eq!(time(text), expect_ms.map(Duration::from_millis), "{text}");
        }
    }
}
