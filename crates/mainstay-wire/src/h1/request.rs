//! Request heads.

use super::fault::Fault;
use super::fields::{FieldIter, Fields, Side, keeps_alive};
use super::message::{BodyLength, HeadLimits, MOST_HEAD, Method, Parsed, Version};
use super::start_line::request_line;
use super::target::{Target, target};

/// A request head, read in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    /// Bytes of the head, with the blank line at its end and blank lines overlooked in front of it.
    pub len: usize,
    /// Method.
    pub method: Method,
    /// Method as it came.
    pub method_text: &'b [u8],
    /// Target as it came.
    pub target: &'b [u8],
    /// Path as it came, without query; of an absolute-form target too. `*` of `OPTIONS *`.
    pub path: &'b [u8],
    /// Query as it came, without its question mark.
    pub query: Option<&'b [u8]>,
    /// Path and query in one piece. Of `http://host?query`, which has no path, it is `?query` and `path` is `/`.
    pub origin: &'b [u8],
    /// Version it was sent with.
    pub version: Version,
    /// Host and port the client wants: the authority of an absolute-form target, else `Host` (RFC 9112 3.2.2). Never
    /// empty; `None` only in HTTP/1.0.
    pub host: Option<&'b [u8]>,
    /// How the end of the body is found.
    pub body: BodyLength,
    /// Whether the client would send another request after this one.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body. Not in HTTP/1.0, nor without a body; then
    /// the `Expect` field does not go on either (RFC 9110 10.1.1).
    pub expect_continue: bool,
    /// The protocols the client would rather speak on this connection, where that may be passed on (see the
    /// [module's](crate::h1) documentation).
    pub upgrade: Option<&'b [u8]>,
    /// Authority of an absolute-form target.
    pub(crate) authority: Option<&'b [u8]>,
    /// The head without blank lines in front.
    pub(crate) head: &'b [u8],
    /// Length of the request line with its line end.
    pub(crate) line_len: usize,
    /// Whether the request line can go on as it is.
    pub(crate) is_plain: bool,
    pub(crate) fields: Fields<'b>,
}

/// Reads a request head at the start of `bytes`. A blank line or a few in front of it are overlooked (RFC 9112 2.2).
///
/// # Errors
/// The first fault from left to right. It does not depend on how much of the rest has come: what is refused complete is
/// refused as soon as the fault is there, and a bound as soon as it is passed.
pub fn request<'b>(bytes: &'b [u8], limits: &HeadLimits) -> Result<Parsed<Request<'b>>, Fault> {
    let Some(skipped) = blank_lines(bytes)? else { return Ok(Parsed::More) };
    let rest = bytes.get(skipped..).unwrap_or_default();
    let most = limits.head.min(MOST_HEAD);
    let longest_line = limits.request_line.saturating_add(LINE_END).min(most);
    let window = rest.get(..longest_line).unwrap_or(rest);
    let Some(line) = request_line(window)? else { return more(rest, longest_line, Fault::RequestLineTooLong) };
    let method = Method::from_text(line.method);
    let target = target(line.target, method)?;
    let window = rest.get(..most).unwrap_or(rest);
    let mut fields = Fields::new(Side::Request);
    let Some(end) = fields.read(window, line.len, limits.fields)? else {
        return more(rest, most, Fault::HeadTooLarge);
    };
    let head = rest.get(..end).unwrap_or_default();
    fields.apply_connection(head)?;
    if fields.host.is_none() && line.version == Version::Http11 {
        return Err(Fault::NoHost);
    }
    let body = body_length(&fields, line.version)?;
    Ok(Parsed::Done(Request::new(head, skipped, &line, target, body, fields)))
}

impl<'b> Request<'b> {
    /// Names and values of the fields, in order, as they came.
    pub fn fields(&self) -> FieldIter<'_, 'b> {
        FieldIter::new(self.head, &self.fields)
    }

    /// The value of the first field of this name, in any case.
    pub fn field(&self, name: &[u8]) -> Option<&'b [u8]> {
        FieldIter::first(self.head, &self.fields, name)
    }

    fn new(
        head: &'b [u8],
        skipped: usize,
        line: &super::start_line::RequestLine<'b>,
        target: Target<'b>,
        body: BodyLength,
        fields: Fields<'b>,
    ) -> Self {
        let is_11 = line.version == Version::Http11;
        let has_body = !matches!(body, BodyLength::None | BodyLength::Length(0));
        Self {
            len: skipped + head.len(),
            method: Method::from_text(line.method),
            method_text: line.method,
            target: line.target,
            path: target.path,
            query: target.query,
            origin: target.origin,
            version: line.version,
            host: target.authority.or(fields.host),
            body,
            keep_alive: keeps_alive(line.version, fields.options),
            expect_continue: fields.expects_continue && is_11 && has_body,
            upgrade: fields.upgrade().filter(|_| is_11 && !has_body),
            authority: target.authority,
            head,
            line_len: line.len,
            is_plain: line.is_plain,
            fields,
        }
    }
}

/// `More` while less than `bound` bytes have come, then the fault.
pub(crate) fn more<T>(bytes: &[u8], bound: usize, fault: Fault) -> Result<Parsed<T>, Fault> {
    if bytes.len() < bound { Ok(Parsed::More) } else { Err(fault) }
}

fn body_length(fields: &Fields<'_>, version: Version) -> Result<BodyLength, Fault> {
    match (fields.chunked, fields.length) {
        (true, Some(_)) => Err(Fault::LengthAndCoding),
        (true, None) if version == Version::Http10 => Err(Fault::CodingInHttp10),
        (true, None) => Ok(BodyLength::Chunked),
        (false, Some(length)) => Ok(BodyLength::Length(length)),
        (false, None) => Ok(BodyLength::None),
    }
}

/// Bytes of the blank lines at the start; `None` when nothing else has come yet.
fn blank_lines(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    for line in 0..=MOST_BLANK_LINES {
        let at = line * LINE_END;
        match (bytes.get(at), bytes.get(at + 1)) {
            (None, _) | (Some(b'\r'), None) => return Ok(None),
            (Some(b'\r'), Some(b'\n')) => {}
            (Some(b'\r'), Some(_)) => return Err(Fault::BareCr),
            (Some(b'\n'), _) => return Err(Fault::BareLf),
            _ => return Ok(Some(at)),
        }
    }
    Err(Fault::BlankLines)
}

/// Length of CRLF.
const LINE_END: usize = 2;

/// Old clients sent one blank line after the body of a POST.
const MOST_BLANK_LINES: usize = 4;
