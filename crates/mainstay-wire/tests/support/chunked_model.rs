//! The plain model of reading a chunked body: slow, all at once.

use std::sync::LazyLock;

use mainstay_wire::h1::ChunkLimits;
use regex::bytes::Regex;

use super::head_model::{Reading, regex};

/// Bytes of the body and its data.
pub(crate) type Body = (usize, Vec<u8>);

pub(crate) fn body(bytes: &[u8], limits: ChunkLimits) -> Reading<Body> {
    let (mut at, mut data, mut extensions) = (0, Vec::new(), 0u64);
    loop {
        let Some(line) = line(&bytes[at..]) else { return Reading::More };
        at += line.len() + 2;
        let Some(parts) = CHUNK_LINE.captures(line) else { return Reading::Refused };
        if line.ends_with(b" ") || line.ends_with(b"\t") {
            return Reading::Refused;
        }
        let Ok(size) = i64::from_str_radix(&String::from_utf8_lossy(&parts[1]), 16) else { return Reading::Refused };
        let size = size.unsigned_abs();
        extensions += parts[2].len() as u64;
        if !parts[2].is_empty() && extensions > u64::from(limits.extensions) {
            return Reading::Refused;
        }
        if size == 0 {
            break;
        }
        extensions = extensions.saturating_sub(size / 16);
        let rest = &bytes[at..];
        let Some(chunk) = usize::try_from(size).ok().and_then(|size| rest.get(..size)) else { return Reading::More };
        data.extend_from_slice(chunk);
        at += chunk.len();
        match bytes[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => return Reading::More,
            _ => return Reading::Refused,
        }
    }
    trailers(&bytes[at..], limits, (at, data))
}

fn trailers(bytes: &[u8], limits: ChunkLimits, (start, data): Body) -> Reading<Body> {
    let mut at = 0;
    loop {
        let Some(line) = line(&bytes[at..]) else { return Reading::More };
        at += line.len() + 2;
        if at > limits.trailers as usize {
            return Reading::Refused;
        }
        if line.is_empty() {
            return Reading::Done((start + at, data));
        }
        let Some(field) = TRAILER.captures(line) else { return Reading::Refused };
        if FORBIDDEN.contains(&String::from_utf8_lossy(&field[1]).to_ascii_lowercase().as_str()) {
            return Reading::Refused;
        }
    }
}

/// Up to the next CRLF.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.windows(2).position(|window| window == b"\r\n").map(|end| &bytes[..end])
}

static CHUNK_LINE: LazyLock<Regex> = LazyLock::new(|| {
    let token = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+";
    let text = r#"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"#;
    let extension = format!(r#";[ \t]*{token}(?:[ \t]*=[ \t]*(?:{token}|"{text}"))?"#);
    regex(&format!(r"^([0-9A-Fa-f]{{1,16}})((?:{extension}[ \t]*)*)$"))
});
static TRAILER: LazyLock<Regex> = LazyLock::new(|| regex(r"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t\x20-\x7e\x80-\xff]*$"));

const FORBIDDEN: &[&str] = &[
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];
