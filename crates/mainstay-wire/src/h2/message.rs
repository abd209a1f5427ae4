//! Whether a field section is a message, in exactly one reading (RFC 9113 8).

use super::fields::{Field, Fields};
use crate::h1::scan::{find_control, find_target_end, is_token};

/// What makes a message malformed. Its stream ends with PROTOCOL_ERROR; nothing of it goes on.
pub(super) type Malformed = &'static str;

/// What a head says about how its message goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Content-Length.
    pub(super) length: Option<u64>,
    /// Of a response.
    pub(super) status: u16,
}

/// Judges a request's head.
pub(super) fn request(fields: &Fields) -> Result<Facts, Malformed> {
    let (mut method, mut scheme, mut path, mut authority) = (None, None, None, None);
    let facts = section(fields, |field| {
        let place = match field.name {
            b":method" => &mut method,
            b":scheme" => &mut scheme,
            b":path" => &mut path,
            b":authority" => &mut authority,
            _ => return Err("an unknown pseudo-header field"),
        };
        once(place, field.value)
    })?;
    let method = method.ok_or("no :method")?;
    if !is_token(method) {
        return Err("a :method that is no token");
    }
    if method == b"CONNECT" {
        return Err("CONNECT is not supported");
    }
    if !matches!(scheme.ok_or("no :scheme")?, b"http" | b"https") {
        return Err("a :scheme other than http and https");
    }
    let path = path.ok_or("no :path")?;
    let asterisk = path == b"*" && method == b"OPTIONS";
    if !(path.first() == Some(&b'/') || asterisk) || find_target_end(path, 0).is_some() {
        return Err("a :path that is malformed");
    }
    let host = fields.get(b"host");
    if let (Some(authority), Some(host)) = (authority, host)
        && !authority.eq_ignore_ascii_case(host)
    {
        return Err(":authority and host differ");
    }
    let name = authority.or(host).ok_or("no :authority")?;
    if name.is_empty() || !name.iter().all(|byte| is_authority(*byte)) {
        return Err("an :authority that is malformed");
    }
    Ok(facts)
}

/// Judges a response's head.
pub(super) fn response(fields: &Fields) -> Result<Facts, Malformed> {
    let mut status = None;
    let facts = section(fields, |field| match field.name {
        b":status" => once(&mut status, field.value),
        _ => Err("an unknown pseudo-header field"),
    })?;
    let status = status.ok_or("no :status")?;
    match *status {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |byte: u8| u16::from(byte - b'0');
            match digit(a) * 100 + digit(b) * 10 + digit(c) {
                101 => Err("101 has no place in HTTP/2"),
                status => Ok(Facts { status, ..facts }),
            }
        }
        _ => Err("a :status that is malformed"),
    }
}

/// Judges trailers.
pub(super) fn trailers(fields: &Fields) -> Result<(), Malformed> {
    section(fields, |_| Err("a pseudo-header field in trailers")).map(drop)
}

/// Judges what all sections have in common, and hands the pseudo-header fields over.
fn section<'f>(
    fields: &'f Fields,
    mut pseudo: impl FnMut(Field<'f>) -> Result<(), Malformed>,
) -> Result<Facts, Malformed> {
    let mut facts = Facts::default();
    let mut in_pseudo = true;
    let mut hosts = 0;
    for field in fields.iter() {
        value(field.value)?;
        if field.name.first() == Some(&b':') {
            if !in_pseudo {
                return Err("a pseudo-header field behind a regular one");
            }
            pseudo(field)?;
            continue;
        }
        in_pseudo = false;
        if !is_token(field.name) || field.name.iter().any(u8::is_ascii_uppercase) {
            return Err("a field name that is no token in lower case");
        }
        match field.name {
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                return Err("a field about the connection");
            }
            b"te" if !field.value.eq_ignore_ascii_case(b"trailers") => return Err("a te other than trailers"),
            b"host" => {
                hosts += 1;
                if hosts > 1 {
                    return Err("more than one host");
                }
            }
            b"content-length" => {
                let length = number(field.value).ok_or("a content-length that is no number")?;
                if facts.length.replace(length).is_some() {
                    return Err("more than one content-length");
                }
            }
            _ => {}
        }
    }
    Ok(facts)
}

fn once<'f>(place: &mut Option<&'f [u8]>, value: &'f [u8]) -> Result<(), Malformed> {
    if place.replace(value).is_some() { Err("a pseudo-header field twice") } else { Ok(()) }
}

/// No control bytes but tabs, no white space at either end (RFC 9113 8.2.1).
fn value(value: &[u8]) -> Result<(), Malformed> {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if blank(value.first()) || blank(value.last()) {
        return Err("white space around a field value");
    }
    if find_control(value, 0).is_some() {
        return Err("a control byte in a field value");
    }
    Ok(())
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Bytes of a host with a port; user information is refused (RFC 9113 8.3.1).
fn is_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        let mut fields = Fields::new();
        for line in text.split('\n') {
            let at = line[1..].find(':').unwrap() + 1;
            fields.push(&line.as_bytes()[..at], &line.as_bytes()[at + 1..]);
        }
        fields
    }

    const GOOD: &str = ":method:POST\n:scheme:https\n:path:/a%2Fb?c=+d\n:authority:ledger:4001";

    #[test]
    fn requests() {
        let check = |text: &str, expect: Result<Option<u64>, Malformed>| {
            assert_eq!(request(&fields(text)).map(|facts| facts.length), expect, "{text}");
        };
        check(GOOD, Ok(None));
        check(&format!("{GOOD}\nte:trailers\ncontent-length:17"), Ok(Some(17)));
        check(":method:GET\n:scheme:http\n:path:/\nhost:a", Ok(None));
        check(&format!("{GOOD}\nhost:LEDGER:4001"), Ok(None));
        check(":method:OPTIONS\n:scheme:http\n:path:*\n:authority:a", Ok(None));
        for (more, fault) in [
            ("host:other", ":authority and host differ"),
            ("Host:ledger:4001", "a field name that is no token in lower case"),
            ("x y:1", "a field name that is no token in lower case"),
            ("connection:close", "a field about the connection"),
            ("transfer-encoding:chunked", "a field about the connection"),
            ("te:gzip", "a te other than trailers"),
            ("content-length:1\ncontent-length:1", "more than one content-length"),
            ("content-length:+1", "a content-length that is no number"),
            ("content-length:", "a content-length that is no number"),
            ("x: 1", "white space around a field value"),
            ("x:1\r2", "a control byte in a field value"),
            ("x:1\x002", "a control byte in a field value"),
            ("x:1\n:path:/", "a pseudo-header field behind a regular one"),
            (":path:/", "a pseudo-header field twice"),
            (":status:200", "an unknown pseudo-header field"),
            (":protocol:websocket", "an unknown pseudo-header field"),
        ] {
            check(&format!("{GOOD}\n{more}"), Err(fault));
        }
        for (text, fault) in [
            (":scheme:http\n:path:/\n:authority:a", "no :method"),
            (":method:GET\n:path:/\n:authority:a", "no :scheme"),
            (":method:GET\n:scheme:http\n:authority:a", "no :path"),
            (":method:GET\n:scheme:http\n:path:/", "no :authority"),
            (":method:GET\n:scheme:http\n:path:\n:authority:a", "a :path that is malformed"),
            (":method:GET\n:scheme:http\n:path:a\n:authority:a", "a :path that is malformed"),
            (":method:GET\n:scheme:http\n:path:*\n:authority:a", "a :path that is malformed"),
            (":method:GET\n:scheme:http\n:path:/#a\n:authority:a", "a :path that is malformed"),
            (":method:GET\n:scheme:ftp\n:path:/\n:authority:a", "a :scheme other than http and https"),
            (":method:GET\n:scheme:http\n:path:/\n:authority:u@a", "an :authority that is malformed"),
            (":method:CONNECT\n:authority:a", "CONNECT is not supported"),
        ] {
            check(text, Err(fault));
        }
    }

    #[test]
    fn responses_and_trailers() {
        assert_eq!(response(&fields(":status:200\ncontent-length:5")), Ok(Facts { length: Some(5), status: 200 }));
        for (text, fault) in [
            (":status:101", "101 has no place in HTTP/2"),
            (":status:20", "a :status that is malformed"),
            (":status:099", "a :status that is malformed"),
            (":status:2000", "a :status that is malformed"),
            ("x:1", "no :status"),
        ] {
            assert_eq!(response(&fields(text)), Err(fault));
        }
        assert_eq!(trailers(&fields("grpc-status:0\ngrpc-message:")), Ok(()));
        assert_eq!(trailers(&fields(":status:200")), Err("a pseudo-header field in trailers"));
    }
}
