//! Request lines and status lines (RFC 9112 3 and 4).

use super::fault::Fault;
use super::message::Version;
use super::scan::{find_control, find_target_end, is_token_byte};

/// A request line that was read.
pub(crate) struct RequestLine<'b> {
    pub(crate) method: &'b [u8],
    pub(crate) target: &'b [u8],
    pub(crate) version: Version,
    /// Whether the version is written `HTTP/1.1`.
    pub(crate) is_plain: bool,
    /// Length with its line end.
    pub(crate) len: usize,
}

/// A status line that was read.
pub(crate) struct StatusLine<'b> {
    pub(crate) version: Version,
    pub(crate) status: u16,
    pub(crate) reason: &'b [u8],
    /// Whether it can go on as it is.
    pub(crate) is_plain: bool,
    /// Length with its line end.
    pub(crate) len: usize,
}

/// Reads a request line; `None` when `bytes` end before it does.
pub(crate) fn request_line(bytes: &[u8]) -> Result<Option<RequestLine<'_>>, Fault> {
    let Some(method_end) = bytes.iter().position(|&byte| !is_token_byte(byte)) else { return Ok(None) };
    let (method, _) = bytes.split_at(method_end);
    match (method, bytes.get(method_end)) {
        ([], Some(&TLS_HANDSHAKE)) => return Err(Fault::TlsHandshake),
        ([], _) => return Err(Fault::BadMethod),
        (b"CONNECT", Some(b' ')) => return Err(Fault::ConnectMethod),
        (b"TRACE", Some(b' ')) => return Err(Fault::TraceMethod),
        (_, Some(b' ')) => {}
        (_, Some(b'\r' | b'\n')) => return Err(Fault::BadRequestLine),
        _ => return Err(Fault::BadMethod),
    }
    let start = method_end + 1;
    let Some(stop) = find_target_end(bytes, start) else { return Ok(None) };
    let target = bytes.get(start..stop).unwrap_or_default();
    match bytes.get(stop) {
        Some(b' ') if target.is_empty() => return Err(Fault::BadRequestLine),
        Some(b' ') => {}
        Some(b'\r' | b'\n') => return Err(Fault::BadRequestLine),
        Some(b'#') => return Err(Fault::FragmentInTarget),
        _ => return Err(Fault::BadTarget),
    }
    let rest = bytes.get(stop + 1..).unwrap_or_default();
    let Some((version, minor)) = version(rest, method == b"PRI" && target == b"*")? else { return Ok(None) };
    let Some(()) = line_end(rest, VERSION_LENGTH)? else { return Ok(None) };
    let len = stop + 1 + VERSION_LENGTH + 2;
    Ok(Some(RequestLine { method, target, version, is_plain: minor == b'1', len }))
}

/// Reads a status line; `None` when `bytes` end before it does. The space before an absent reason may be missing too:
/// there is only one way to read that.
pub(crate) fn status_line(bytes: &[u8]) -> Result<Option<StatusLine<'_>>, Fault> {
    let (version, minor) = match version(bytes, false) {
        Ok(Some(version)) => version,
        Ok(None) => return Ok(None),
        Err(Fault::UnsupportedVersion) => return Err(Fault::UnsupportedVersion),
        Err(_) => return Err(Fault::BadStatusLine),
    };
    let mut status = 0;
    for (offset, expected) in b" 000".iter().enumerate() {
        let Some(&byte) = bytes.get(VERSION_LENGTH + offset) else { return Ok(None) };
        match (expected, byte) {
            (b' ', b' ') => {}
            (b'0', b'0'..=b'9') => status = status * 10 + u16::from(byte - b'0'),
            _ => return Err(Fault::BadStatusLine),
        }
    }
    if status < 100 {
        return Err(Fault::BadStatusLine);
    }
    let code_end = VERSION_LENGTH + 4;
    let Some(stop) = find_control(bytes, code_end) else { return Ok(None) };
    let Some(()) = line_end(bytes, stop)? else { return Ok(None) };
    let (reason, has_space) = match bytes.get(code_end..stop).unwrap_or_default() {
        [] => (&b""[..], false),
        [b' ', reason @ ..] => (reason, true),
        _ => return Err(Fault::BadStatusLine),
    };
    Ok(Some(StatusLine { version, status, reason, is_plain: minor == b'1' && has_space, len: stop + 2 }))
}

/// The version at the start of `bytes` and the digit of its minor number.
fn version(bytes: &[u8], is_preface: bool) -> Result<Option<(Version, u8)>, Fault> {
    for (offset, expected) in b"HTTP/0.0".iter().enumerate() {
        match (expected, bytes.get(offset)) {
            (_, None) => return Ok(None),
            (b'0', Some(b'0'..=b'9')) => {}
            (expected, Some(byte)) if expected == byte => {}
            _ => return Err(Fault::BadVersion),
        }
    }
    match (bytes.get(5), bytes.get(7)) {
        (Some(b'1'), Some(b'0')) => Ok(Some((Version::Http10, b'0'))),
        (Some(b'1'), Some(&minor)) => Ok(Some((Version::Http11, minor))),
        (Some(b'2'), Some(b'0')) if is_preface => Err(Fault::Http2Preface),
        _ => Err(Fault::UnsupportedVersion),
    }
}

/// CRLF at `at`, and nothing else.
fn line_end(bytes: &[u8], at: usize) -> Result<Option<()>, Fault> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(())),
        (None, _) | (Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), Some(_)) => Err(Fault::BareCr),
        (Some(b'\n'), _) => Err(Fault::BareLf),
        (Some(b' '), _) => Err(Fault::BadRequestLine),
        (Some(byte), _) if super::scan::is_control(*byte) => Err(Fault::ControlByte),
        _ => Err(Fault::BadVersion),
    }
}

/// Content type of the first record a TLS client sends.
const TLS_HANDSHAKE: u8 = 22;

const VERSION_LENGTH: usize = b"HTTP/1.1".len();
