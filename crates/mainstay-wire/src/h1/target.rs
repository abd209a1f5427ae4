//! Request targets (RFC 9112 3.2) and hosts (RFC 3986 3.2.2).

use super::fault::Fault;
use super::message::Method;

/// A request target taken apart, every part as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'b> {
    /// Of the absolute form only.
    pub(crate) authority: Option<&'b [u8]>,
    pub(crate) path: &'b [u8],
    pub(crate) query: Option<&'b [u8]>,
    /// Path and query in one piece; without the path where it is absent and there is a query.
    pub(crate) origin: &'b [u8],
}

/// Takes a target apart whose bytes are allowed ones.
pub(crate) fn target<'b>(target: &'b [u8], method: Method) -> Result<Target<'b>, Fault> {
    match target {
        [b'/', ..] => Ok(origin_form(None, target)),
        b"*" if method == Method::Options => Ok(asterisk(None)),
        b"*" => Err(Fault::BadAsterisk),
        _ => {
            let rest = strip_scheme(target).ok_or(Fault::BadTarget)?;
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            let (authority, origin) = rest.split_at(end);
            if !is_host(authority) {
                return Err(Fault::BadAuthority);
            }
            if origin.is_empty() && method == Method::Options {
                return Ok(asterisk(Some(authority)));
            }
            Ok(origin_form(Some(authority), origin))
        }
    }
}

/// Whether this is a host that is not empty, with or without a port, as `Host` and the authority of a target have it.
/// User information is none; a comma, which RFC 3986 allows in names, looks like two hosts and is refused.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let Some((name, port)) = split_host(value) else { return false };
    let port_fits =
        port.len() <= 5 && port.iter().fold(0u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65535;
    if !port_fits {
        return false;
    }
    match name {
        [] => false,
        [b'[', address @ .., b']'] => {
            address.contains(&b':')
                && address.iter().all(|&byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        _ => is_registered_name(name),
    }
}

/// The host of a `Host` value or authority without its port, e.g. `[::1]` of `[::1]:80`.
pub fn host_name(host: &[u8]) -> &[u8] {
    split_host(host).map_or(host, |(name, _)| name)
}

/// Name and port; the port is empty where there is none. `None` when what follows the last colon is no number.
fn split_host(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let name_end = match value.first() {
        Some(b'[') => value.iter().position(|&byte| byte == b']')? + 1,
        _ => value.iter().position(|&byte| byte == b':').unwrap_or(value.len()),
    };
    let (name, rest) = value.split_at(name_end);
    match rest {
        [] => Some((name, rest)),
        [b':', port @ ..] if port.iter().all(u8::is_ascii_digit) => Some((name, port)),
        _ => None,
    }
}

fn is_registered_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => tail,
            (b'-' | b'.' | b'_' | b'~', _) => tail,
            (b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=', _) => tail,
            _ if byte.is_ascii_alphanumeric() => tail,
            _ => return false,
        };
    }
    true
}

fn origin_form<'b>(authority: Option<&'b [u8]>, origin: &'b [u8]) -> Target<'b> {
    let (path, query) = match memchr::memchr(b'?', origin) {
        Some(mark) => (origin.get(..mark).unwrap_or_default(), origin.get(mark + 1..)),
        None => (origin, None),
    };
    match (path, query) {
        ([], None) => Target { authority, path: b"/", query, origin: b"/" },
        ([], Some(_)) => Target { authority, path: b"/", query, origin },
        _ => Target { authority, path, query, origin },
    }
}

fn asterisk(authority: Option<&[u8]>) -> Target<'_> {
    Target { authority, path: b"*", query: None, origin: b"*" }
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = target.split_at(target.iter().position(|&byte| byte == b':')?);
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    rest.strip_prefix(b"://").filter(|_| known)
}
