//! What gRPC says in fields of HTTP/2.

use std::time::Duration;

use mainstay_wire::h2::Fields;

/// A status of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Status(pub(in crate::http) u8);

impl Status {
    pub(in crate::http) const DEADLINE_EXCEEDED: Self = Self(4);
    pub(in crate::http) const PERMISSION_DENIED: Self = Self(7);
    pub(in crate::http) const RESOURCE_EXHAUSTED: Self = Self(8);
    pub(in crate::http) const UNIMPLEMENTED: Self = Self(12);
    pub(in crate::http) const INTERNAL: Self = Self(13);
    pub(in crate::http) const UNAVAILABLE: Self = Self(14);
    pub(in crate::http) const UNAUTHENTICATED: Self = Self(16);

    /// What an answer of Mainstay's own with this status of HTTP is to a call, by the reason the access log gives.
    pub(in crate::http) fn of(status: u16, reason: &str) -> Self {
        match (status, reason) {
            (_, "queue_full" | "hold_full" | "body_too_large") | (413 | 431, _) => Self::RESOURCE_EXHAUSTED,
            (_, "deadline") => Self::DEADLINE_EXCEEDED,
            // A call that is wrong may not be repeated as if it only had bad luck.
            (_, "forbidden_trailer") | (400, _) => Self::INTERNAL,
            (401, _) => Self::UNAUTHENTICATED,
            (403, _) => Self::PERMISSION_DENIED,
            (404, _) => Self::UNIMPLEMENTED,
            _ => Self::UNAVAILABLE,
        }
    }

    /// As it stands in a field.
    pub(in crate::http) fn text(self) -> String {
        self.0.to_string()
    }
}

/// Whether a content type is gRPC's own, which needs HTTP/2 from end to end.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.first().is_none_or(|byte| matches!(byte, b'+' | b';' | b' ')))
}

/// Writes a message as `grpc-message` has it: printable ASCII but for the percent sign, the rest as escapes.
pub(in crate::http) fn write_message(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(byte);
        } else {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase() as u8;
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xF)]);
        }
    }
}

/// Adds the fields that end a call with a status of ours.
pub(super) fn write_status(status: Status, why: &str, fields: &mut Fields) {
    fields.push(b"grpc-status", status.text().as_bytes());
    let mut message = Vec::new();
    write_message(&format!("mainstay: {why}"), &mut message);
    fields.push(b"grpc-message", &message);
}

/// Reads a `grpc-timeout`: up to eight digits and a unit. `None` for what is none, which gRPC's servers ignore or refuse
/// by themselves.
pub(super) fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Writes a time as `grpc-timeout` has it, in the finest unit in which it fits eight digits; never zero, which nobody
/// could keep.
pub(super) fn write_timeout(left: Duration) -> String {
    let units = [(1, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S'), (60_000_000_000, 'M')];
    let nanos = left.as_nanos().max(1);
    for (worth, unit) in units {
        let number = nanos / worth;
        if number <= MOST_DIGITS {
            return format!("{}{unit}", number.max(1));
        }
    }
    format!("{}H", (nanos / 3_600_000_000_000).min(MOST_DIGITS))
}

const MOST_DIGITS: u128 = 99_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_and_written() {
        for (text, expect) in [
            ("10S", Some(10_000)),
            ("250m", Some(250)),
            ("99999999u", Some(99_999)),
            ("1H", Some(3_600_000)),
            ("1000000000S", None),
            ("S", None),
            ("5", None),
            ("-1S", None),
            ("", None),
        ] {
            assert_eq!(timeout(text.as_bytes()).map(|time| time.as_millis()), expect, "{text}");
        }
        for millis in [1, 250, 99_999, 3_600_000, 86_400_000 * 365] {
            let time = Duration::from_millis(millis);
            let written = write_timeout(time);
            let read = timeout(written.as_bytes()).unwrap();
            assert!(read <= time && time - read <= time / 1000, "{written}");
        }
        assert_eq!(write_timeout(Duration::ZERO), "1n");
    }

    #[test]
    fn content_types() {
        for (text, expect) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(text.as_bytes()), expect, "{text}");
        }
    }

    #[test]
    fn messages_are_escaped() {
        let mut out = Vec::new();
        write_message("100% ü\n", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "100%25 %C3%BC%0A");
    }
}
