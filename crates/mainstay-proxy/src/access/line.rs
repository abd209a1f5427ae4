//! A record as a line. Whatever bytes a client sends, they can neither end the line nor leave their field: everything
//! but printable ASCII, and the quote and the backslash, is written as `\xHH`.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Outcome, Record};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `TIME CLIENT LISTENER "METHOD TARGET" STATUS name=value ...`
    Text,
    /// One JSON object.
    Json,
}

/// Writes `record`, which ended at `time`, and a line feed.
pub(super) fn write(out: &mut Vec<u8>, format: Format, time: SystemTime, record: &Record<'_>) {
    let written = match format {
        Format::Text => text(out, time, record),
        Format::Json => json(out, time, record),
    };
    debug_assert!(written.is_ok(), "a Vec takes everything");
    out.push(b'\n');
}

fn text(out: &mut Vec<u8>, time: SystemTime, record: &Record<'_>) -> std::io::Result<()> {
    write!(out, "{} {} {} ", Stamp(time), Client(record), Safe(record.listener.as_bytes()))?;
    if record.method.is_empty() {
        out.extend_from_slice(b"\"-\"");
    } else {
        write!(out, "\"{} {}\"", Safe(record.method), Safe(record.target))?;
    }
    write!(out, " {} in={} out={}", record.status, record.bytes_in, record.bytes_out)?;
    for (place, one) in record.tries.iter().enumerate() {
        let before = if place == 0 { " via=" } else { "," };
        write!(out, "{before}{}/{}", Safe(one.node.as_bytes()), How(one.outcome))?;
    }
    if let Some(identity) = record.identity {
        write!(out, " identity=\"{}\"", Safe(identity.as_bytes()))?;
    }
    if let Some(connect) = record.connect {
        write!(out, " connect={}", Seconds(connect))?;
    }
    if let Some(first) = record.first_byte {
        write!(out, " first={}", Seconds(first))?;
    }
    write!(out, " end={} retries={}", Seconds(record.end), retries(record))?;
    if let Some(reason) = record.reason {
        write!(out, " reason=\"{}\"", Safe(reason.as_bytes()))?;
    }
    Ok(())
}

fn json(out: &mut Vec<u8>, time: SystemTime, record: &Record<'_>) -> std::io::Result<()> {
    write!(out, r#"{{"time":"{}","client":"{}""#, Stamp(time), Client(record))?;
    write!(out, r#","listener":"{}""#, Quoted(record.listener.as_bytes()))?;
    if let Some(identity) = record.identity {
        write!(out, r#","identity":"{}""#, Quoted(identity.as_bytes()))?;
    }
    write!(out, r#","method":"{}","path":"{}""#, Quoted(record.method), Quoted(record.target))?;
    write!(out, r#","status":{},"bytes_in":{}"#, record.status, record.bytes_in)?;
    write!(out, r#","bytes_out":{},"tries":["#, record.bytes_out)?;
    for (place, one) in record.tries.iter().enumerate() {
        let before = if place == 0 { "" } else { "," };
        write!(out, r#"{before}{{"node":"{}","outcome":"{}"}}"#, Quoted(one.node.as_bytes()), How(one.outcome))?;
    }
    out.push(b']');
    if let Some(connect) = record.connect {
        write!(out, r#","connect_s":{}"#, Seconds(connect))?;
    }
    if let Some(first) = record.first_byte {
        write!(out, r#","first_byte_s":{}"#, Seconds(first))?;
    }
    write!(out, r#","end_s":{},"retries":{}"#, Seconds(record.end), retries(record))?;
    if let Some(reason) = record.reason {
        write!(out, r#","reason":"{}""#, Quoted(reason.as_bytes()))?;
    }
    out.push(b'}');
    Ok(())
}

fn retries(record: &Record<'_>) -> usize {
    record.tries.len().saturating_sub(1)
}

/// `unix` or an address with its port.
struct Client<'a>(&'a Record<'a>);

impl fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.client {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("unix"),
        }
    }
}

struct How(Outcome);

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Status(status) => write!(f, "{status}"),
            other => f.write_str(other.name().unwrap_or_default()),
        }
    }
}

/// Seconds with microseconds.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// Bytes that stay within their field.
struct Safe<'a>(&'a [u8]);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.0, "\\x")
    }
}

/// The same within a JSON string, where a backslash is two.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.0, "\\\\x")
    }
}

fn escape(f: &mut fmt::Formatter<'_>, bytes: &[u8], before: &str) -> fmt::Result {
    for run in bytes.chunk_by(|a, b| is_plain(*a) && is_plain(*b)) {
        match std::str::from_utf8(run) {
            Ok(text) if run.first().copied().is_some_and(is_plain) => f.write_str(text)?,
            _ => {
                for byte in run {
                    f.write_str(before)?;
                    write!(f, "{byte:02X}")?;
                }
            }
        }
    }
    Ok(())
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// A point in time as RFC 3339 has it, in UTC with milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(pub SystemTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
    }
}

/// Year, month and day of a day counted from 1970-01-01. Counts in eras of 400 years that begin on the first of March,
/// so that the leap day is the last of its year.
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::super::Try;
    use super::*;
    use crate::counters::Failure;

    fn check(format: Format, record: &Record<'_>, expect: &str) {
        let mut out = Vec::new();
        write(&mut out, format, UNIX_EPOCH + Duration::from_millis(1_700_000_000_123), record);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{expect}\n"));
    }

    fn retried<'a>(tries: &'a [Try<'a>]) -> Record<'a> {
        Record {
            client: Some("192.0.2.7:50123".parse().unwrap()),
            identity: None,
            listener: "tm",
            method: b"POST",
            target: b"/send?x=%2F+",
            status: 201,
            bytes_in: 120,
            bytes_out: 300,
            tries,
            connect: Some(Duration::from_micros(250)),
            first_byte: Some(Duration::from_micros(2500)),
            end: Duration::from_micros(1_002_600),
            reason: None,
        }
    }

    const TRIES: [Try<'static>; 2] = [
        Try { node: "10.0.1.11:9101", outcome: Outcome::Failed(Failure::Connect) },
        Try { node: "unix:/run/b.sock", outcome: Outcome::Status(201) },
    ];

    #[test]
    fn a_request_that_was_tried_twice() {
        check(
            Format::Text,
            &retried(&TRIES),
            "2023-11-14T22:13:20.123Z 192.0.2.7:50123 tm \"POST /send?x=%2F+\" 201 in=120 out=300 \
             via=10.0.1.11:9101/connect,unix:/run/b.sock/201 connect=0.000250 first=0.002500 end=1.002600 retries=1",
        );
        check(
            Format::Json,
            &retried(&TRIES),
            r#"{"time":"2023-11-14T22:13:20.123Z","client":"192.0.2.7:50123","listener":"tm","method":"POST","path":"/send?x=%2F+","status":201,"bytes_in":120,"bytes_out":300,"tries":[{"node":"10.0.1.11:9101","outcome":"connect"},{"node":"unix:/run/b.sock","outcome":"201"}],"connect_s":0.000250,"first_byte_s":0.002500,"end_s":1.002600,"retries":1}"#,
        );
    }

    #[test]
    fn a_session_that_failed() {
        let record = Record {
            client: None,
            method: b"",
            target: b"",
            status: 0,
            connect: None,
            first_byte: None,
            reason: Some("no node is in"),
            ..retried(&[])
        };
        check(
            Format::Text,
            &record,
            "2023-11-14T22:13:20.123Z unix tm \"-\" 0 in=120 out=300 end=1.002600 retries=0 reason=\"no node is in\"",
        );
    }

    #[test]
    fn no_byte_leaves_its_field() {
        let all: Vec<u8> = (0..=255).collect();
        let record = Record { target: &all, method: b"G\"\n", ..retried(&TRIES) };
        for format in [Format::Text, Format::Json] {
            let mut out = Vec::new();
            write(&mut out, format, UNIX_EPOCH, &record);
            let line = out.strip_suffix(b"\n").unwrap();
            assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)), "one line of printable ASCII");
        }
        let mut text = Vec::new();
        write(&mut text, Format::Text, UNIX_EPOCH, &record);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.matches('"').count(), 2, "{text}");
        assert!(
            text.contains(r#""G\x22\x0A \x00\x01"#) && text.contains(r"[\x5C]") && text.contains(r"\xFF"),
            "{text}"
        );

        let mut json = Vec::new();
        write(&mut json, Format::Json, UNIX_EPOCH, &record);
        let json = String::from_utf8(json).unwrap();
        assert!(json.contains(r#""method":"G\\x22\\x0A""#) && json.contains(r"[\\x5C]"), "{json}");
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (1_735_689_600, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ];
        for (seconds, expect) in cases {
            assert_eq!(Stamp(UNIX_EPOCH + Duration::from_secs(seconds)).to_string(), expect);
        }
    }
}
