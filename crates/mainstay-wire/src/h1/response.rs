//! Response heads.

use super::fault::Fault;
use super::fields::{FieldIter, Fields, Side, keeps_alive};
use super::message::{HeadLimits, MOST_HEAD, Method, Parsed, ResponseBody, Version};
use super::request::more;
use super::start_line::status_line;

/// A response head, read in place. Interim responses (1xx) are responses too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'b> {
    /// Bytes of the head, with the blank line at its end.
    pub len: usize,
    /// Version it was sent with.
    pub version: Version,
    /// Status code, 100 to 999.
    pub status: u16,
    /// Reason phrase, often empty.
    pub reason: &'b [u8],
    /// How the end of the body is found.
    pub body: ResponseBody,
    /// Whether another request may be sent on this connection after it. False after 101, after a body that lasts until
    /// the connection closes, and after 204 with a `Content-Length` above 0 or a `Transfer-Encoding`: bytes may follow
    /// that are not a response.
    pub keep_alive: bool,
    /// The protocol that is switched to (101), or that is asked for (426).
    pub upgrade: Option<&'b [u8]>,
    pub(crate) head: &'b [u8],
    /// Length of the status line with its line end.
    pub(crate) line_len: usize,
    /// Whether the status line can go on as it is.
    pub(crate) is_plain: bool,
    pub(crate) fields: Fields<'b>,
}

/// Reads the head of a response to a request with the method `asked`, at the start of `bytes`.
///
/// # Errors
/// The first fault from left to right, as in [`request`](super::request()). All of them are the node's fault.
pub fn response<'b>(bytes: &'b [u8], limits: &HeadLimits, asked: Method) -> Result<Parsed<Response<'b>>, Fault> {
    let most = limits.head.min(MOST_HEAD);
    let window = bytes.get(..most).unwrap_or(bytes);
    let Some(line) = status_line(window)? else { return more(bytes, most, Fault::HeadTooLarge) };
    let mut fields = Fields::new(Side::Response);
    let Some(end) = fields.read(window, line.len, limits.fields)? else {
        return more(bytes, most, Fault::HeadTooLarge);
    };
    let head = bytes.get(..end).unwrap_or_default();
    fields.apply_connection(head)?;
    let body = body_length(&fields, line.version, line.status, asked)?;
    let announces = fields.chunked || fields.length.is_some_and(|length| length > 0);
    let ends_cleanly = body != ResponseBody::UntilClose && !(line.status == NO_CONTENT && announces);
    Ok(Parsed::Done(Response {
        len: end,
        version: line.version,
        status: line.status,
        reason: line.reason,
        body,
        keep_alive: keeps_alive(line.version, fields.options) && ends_cleanly && line.status != SWITCHING,
        upgrade: fields.upgrade(),
        head,
        line_len: line.len,
        is_plain: line.is_plain,
        fields,
    }))
}

impl<'b> Response<'b> {
    /// Names and values of the fields, in order, as they came.
    pub fn fields(&self) -> FieldIter<'_, 'b> {
        FieldIter::new(self.head, &self.fields)
    }

    /// The value of the first field of this name, in any case.
    pub fn field(&self, name: &[u8]) -> Option<&'b [u8]> {
        FieldIter::first(self.head, &self.fields, name)
    }

    /// Whether it is an interim response, after which the final one follows. 101 is final.
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != SWITCHING
    }
}

/// Whether responses of this status never have a body (RFC 9112 6.3).
pub(crate) fn is_bodiless(status: u16) -> bool {
    status < 200 || status == NO_CONTENT || status == NOT_MODIFIED
}

fn body_length(fields: &Fields<'_>, version: Version, status: u16, asked: Method) -> Result<ResponseBody, Fault> {
    match (fields.chunked, fields.length) {
        (true, Some(_)) => Err(Fault::LengthAndCoding),
        (true, None) if version == Version::Http10 => Err(Fault::CodingInHttp10),
        (true, None) | (false, Some(1..)) if status < 200 => Err(Fault::BodyOnInterim),
        _ if is_bodiless(status) || asked == Method::Head => Ok(ResponseBody::None),
        (true, None) => Ok(ResponseBody::Chunked),
        (false, Some(length)) => Ok(ResponseBody::Length(length)),
        (false, None) => Ok(ResponseBody::UntilClose),
    }
}

const SWITCHING: u16 = 101;
const NO_CONTENT: u16 = 204;
const NOT_MODIFIED: u16 = 304;
