//! Times and sizes as operators write them: a number with its unit.

use std::time::Duration;

/// Reads a time: `250ms`, `1.5s`, `5m`, `2h`, `1d`, also `us` and `ns`.
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let Some(&(_, unit_ns)) = TIME_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(unknown_unit(text, unit, "a time", "ms, s, m, h or d"));
    };
    let ns = scaled(number, unit_ns).ok_or_else(|| format!("\"{text}\" is no time"))?;
    if ns > LONGEST_TIME_NS {
        return Err(format!("\"{text}\" is longer than a year"));
    }
    let whole = u64::try_from(ns / 1_000_000_000).unwrap_or(u64::MAX);
    let rest = u32::try_from(ns % 1_000_000_000).unwrap_or(0);
    Ok(Duration::new(whole, rest))
}

/// Reads a size: `512B`, `64KiB`, `1MiB`, also `KB`, `MB` and `GB` of a thousand each.
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let Some(&(_, unit_bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(unknown_unit(text, unit, "a size", "B, KB, KiB, MB, MiB, GB or GiB"));
    };
    scaled(number, unit_bytes)
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or_else(|| format!("\"{text}\" is no size in whole bytes"))
}

/// The shortest text that [`time()`] reads as `duration`.
pub fn show_time(duration: Duration) -> String {
    show(duration.as_nanos(), &TIME_UNITS)
}

/// The shortest text that [`size`] reads as `bytes`.
pub fn show_size(bytes: u64) -> String {
    show(u128::from(bytes), &SIZE_UNITS)
}

fn split(text: &str) -> (&str, &str) {
    let at = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number, unit.trim_start_matches(' '))
}

fn unknown_unit(text: &str, unit: &str, what: &str, units: &str) -> String {
    if unit.is_empty() {
        format!("\"{text}\" is {what} without a unit: {units}")
    } else {
        format!("\"{text}\" is no {}: a number with one of the units {units}", what.trim_start_matches("a "))
    }
}

/// `number` (digits, at most one point) times `unit`, where that is whole.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if whole.len() > MOST_DIGITS || part.len() > MOST_DIGITS {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let ten_to: u128 = 10u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = part.parse::<u128>().ok()?.checked_mul(unit)?;
    if !part.is_multiple_of(ten_to) {
        return None;
    }
    whole.checked_mul(unit)?.checked_add(part / ten_to)
}

/// In the unit that gives the shortest text; the larger one where two do.
fn show(value: u128, units: &[(&str, u128)]) -> String {
    let in_unit = |&(name, unit): &(&str, u128)| {
        let tenths = value.checked_mul(10).filter(|tenths| tenths.is_multiple_of(unit)).map(|tenths| tenths / unit);
        match tenths {
            Some(tenths) if tenths % 10 == 0 => Some(format!("{}{name}", tenths / 10)),
            Some(tenths) => Some(format!("{}.{}{name}", tenths / 10, tenths % 10)),
            None => None,
        }
    };
    let shown = units.iter().filter(|_| value > 0).filter_map(in_unit).min_by_key(String::len);
    // Both tables end in their smallest unit, and zero is written in the usual one.
    shown.unwrap_or_else(|| if units.len() == TIME_UNITS.len() { "0s".to_owned() } else { "0B".to_owned() })
}

/// Largest first; each in nanoseconds.
const TIME_UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Each in bytes; those of 1024 first, so that they win where both are as short.
const SIZE_UNITS: [(&str, u128); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A year: longer waits are mistakes, and sums of them must not overflow.
const LONGEST_TIME_NS: u128 = 366 * 86_400_000_000_000;

/// Digits on either side of the point.
const MOST_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expect_ns) in [
            ("250ms", Some(250_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("5m", Some(300_000_000_000)),
            ("1 s", Some(1_000_000_000)),
            ("0s", Some(0)),
            ("366d", Some(LONGEST_TIME_NS)),
            ("367d", None),
            ("5", None),
            ("", None),
            ("s", None),
            (".", None),
            (".5s", None),
            ("5.s", None),
            ("1.2.3s", None),
            ("-1s", None),
            ("5 minutes", None),
            ("1s ", None),
            ("0.1ns", None),
            ("99999999999999999999999999999999999999999999d", None),
            ("1.99999999999999999999999999999999999999999d", None),
        ] {
            assert_eq!(time(text).ok().map(|time| time.as_nanos()), expect_ns, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expect) in [
            ("64KiB", Some(65_536)),
            ("1MB", Some(1_000_000)),
            ("1.5KiB", Some(1_536)),
            ("0B", Some(0)),
            ("0.3B", None),
            ("64", None),
            ("64k", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(size(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn shown_is_short_and_reads_the_same() {
        for (ms, expect) in
            [(0, "0s"), (250, "250ms"), (1_500, "1.5s"), (60_000, "1m"), (90_000, "90s"), (86_400_000, "1d")]
        {
            let shown = show_time(Duration::from_millis(ms));
            assert_eq!(shown, expect);
            assert_eq!(time(&shown), Ok(Duration::from_millis(ms)));
        }
        for (bytes, expect) in [(0, "0B"), (65_536, "64KiB"), (1_000_000, "1MB"), (1_536, "1536B"), (u64::MAX, "")] {
            let shown = show_size(bytes);
            assert!(expect.is_empty() || shown == expect || shown == "1.5KiB", "{shown}");
            assert_eq!(size(&shown), Ok(bytes));
        }
        assert_eq!(time(&show_time(Duration::from_nanos(1))), Ok(Duration::from_nanos(1)));
    }

    #[test]
    fn a_missing_unit_is_named() {
        assert_eq!(time("5").unwrap_err(), "\"5\" is a time without a unit: ms, s, m, h or d");
        assert_eq!(
            size("5 kilo").unwrap_err(),
            "\"5 kilo\" is no size: a number with one of the units B, KB, KiB, MB, MiB, GB or GiB"
        );
    }
}
