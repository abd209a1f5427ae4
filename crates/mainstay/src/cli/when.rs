//! A moment as operators write it.

use std::time::{Duration, SystemTime};

use crate::config::units;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// So long from now.
    In(Duration),
    /// Then.
    At(SystemTime),
}

impl When {
    /// How long it is until then; zero if it has just been.
    ///
    /// # Errors
    /// It is over: a wrong year or zone must not be taken for "now".
    pub(super) fn from(&self, now: SystemTime) -> Result<Duration, &'static str> {
        match self {
            Self::In(time) => Ok(*time),
            Self::At(at) => match now.duration_since(*at) {
                Ok(past) if past > MOST_PAST => Err("the time of --at is over; leave --at out to begin now"),
                _ => Ok(at.duration_since(now).unwrap_or_default()),
            },
        }
    }
}

/// Reads `+10m`, or a time of RFC 3339 such as `2026-11-21T22:00:00Z` (seconds may be left out).
///
/// # Errors
/// What to write instead.
pub(crate) fn parse(text: &str) -> Result<When, String> {
    if let Some(time) = text.strip_prefix('+') {
        return units::time(time).map(When::In);
    }
    let help = || "write a time such as 2026-11-21T22:00:00Z or 2026-11-21T22:00+01:00, or +10m".to_owned();
    rfc3339(text)
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
        .map(When::At)
        .ok_or_else(help)
}

/// What is over by less was typed for now.
const MOST_PAST: Duration = Duration::from_secs(60);

/// Seconds since 1970.
fn rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone)?;
    let mut parts = time.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let good = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !good || hour > 23 || minute > 59 || second > 59 || parts.next().is_some() {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    u64::try_from(seconds - offset(zone)?).ok()
}

/// What a zone is ahead of UTC, in seconds.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// Days from 1970-01-01, by the rule of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| (year - 1) * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    before(year) - before(1970) + months + day - 1
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_not_now() {
        let (now, second) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000), Duration::from_secs(1));
        assert_eq!(When::At(now + second).from(now), Ok(second));
        assert_eq!(When::At(now - second).from(now), Ok(Duration::ZERO));
        assert!(When::At(now - 61 * second).from(now).is_err());
    }

    #[test]
    fn times_are_read() {
        let at = |seconds: u64| Some(When::At(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        for (text, expect) in [
            ("1970-01-01T00:00:00Z", at(0)),
            ("2026-11-21T22:00:00Z", at(1_795_298_400)),
            ("2026-11-21T22:00Z", at(1_795_298_400)),
            ("2026-11-21 23:30+01:30", at(1_795_298_400)),
            ("2026-11-21T17:00:00-05:00", at(1_795_298_400)),
            ("2000-02-29T00:00:00Z", at(951_782_400)),
            ("+10m", Some(When::In(Duration::from_secs(600)))),
            ("2001-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-21T24:00:00Z", None),
            ("2026-11-21T22:00:00", None),
            ("22:00", None),
            ("+10", None),
            ("", None),
        ] {
            assert_eq!(parse(text).ok(), expect, "{text}");
        }
    }
}
