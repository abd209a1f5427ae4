//! Response heads on their way to a client.

use super::fields::{Kind, Line};
use super::message::{Connection, ResponseBody, Version};
use super::request_write::is_ours;
use super::response::Response;
use super::write::{Runs, content_length, decimal, list_field, write_field};

/// What is changed in a response head on its way.
#[derive(Clone, Copy, Debug)]
pub struct ResponseEdit<'a> {
    /// Fields put behind the node's own. Names that belong to framing and connection have no effect.
    pub add: &'a [(&'a [u8], &'a [u8])],
    /// What happens to the client's connection.
    pub connection: Connection,
    /// Version the client speaks. HTTP/1.0 needs to be told that the connection stays, and knows no chunks.
    pub client: Version,
    /// Status in place of the node's. The body is still the node's: a status without a body does not remove it.
    pub status: Option<u16>,
    /// Whether a chunked body is sent without its chunks, to end with the connection (see
    /// [`Chunks::decode`](super::Chunks::decode)). Always so to a client of HTTP/1.0.
    pub dechunk: bool,
}

impl Response<'_> {
    /// Appends the head as the client gets it to `out`: always HTTP/1.1, with the body framed as it came. Interim
    /// responses say nothing about the connection, and must not be sent to a client of HTTP/1.0 (RFC 9110 15.2).
    pub fn write_head(&self, out: &mut Vec<u8>, edit: &ResponseEdit<'_>) {
        out.reserve(self.head.len() + SPARE);
        let dechunks = edit.dechunk || edit.client == Version::Http10;
        let shows_upgrade = edit.connection == Connection::Upgrade || self.status == UPGRADE_REQUIRED;
        let mut runs = Runs::new(self.head, out);
        if edit.status.is_some() || !self.is_plain {
            runs.leave_out(0, self.line_len);
            let out = runs.copy_to(self.line_len);
            match edit.status {
                None => status_line(out, self.status, self.reason),
                Some(status) => status_line(out, status, reason(status).as_bytes()),
            }
        }
        let mut judge = |line: Line<'_>| {
            if !self.is_kept(&line, shows_upgrade, dechunks) {
                runs.leave_out(line.start, line.end);
            }
        };
        if dechunks {
            self.fields.lines(self.head).for_each(&mut judge);
        } else {
            self.fields.special_lines(self.head).for_each(&mut judge);
        }
        let out = runs.copy_to(self.fields.end());
        match self.body {
            ResponseBody::Chunked if !dechunks => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            ResponseBody::Length(length) if !self.fields.plain_length => content_length(out, length),
            _ => {}
        }
        if !self.is_interim() {
            let keeps_10 = edit.connection == Connection::Keep && edit.client == Version::Http10;
            let options: [(bool, &[u8]); 3] = [
                (edit.connection == Connection::Close, b"close"),
                (keeps_10, b"keep-alive"),
                (shows_upgrade && self.upgrade.is_some(), b"upgrade"),
            ];
            list_field(out, b"Connection", &options);
        }
        for (name, value) in edit.add {
            if !is_ours(name) {
                write_field(out, name, value);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn is_kept(&self, line: &Line<'_>, shows_upgrade: bool, dechunks: bool) -> bool {
        match line.kind {
            Kind::ContentLength => self.keeps_length(),
            Kind::Upgrade => shows_upgrade && self.upgrade.is_some(),
            Kind::Other if dechunks && self.body == ResponseBody::Chunked => !line.is_named(b"trailer"),
            Kind::TransferEncoding | Kind::Connection | Kind::Te | Kind::Hop => false,
            _ => true,
        }
    }

    /// A length is told where there is a body of that length, or would be (HEAD, 304), and never with 1xx and 204
    /// (RFC 9110 8.6).
    fn keeps_length(&self) -> bool {
        self.fields.plain_length && self.status >= 200 && self.status != 204
    }
}

/// The reason phrase that goes with a status, as the registry has it; empty for others.
pub fn reason(status: u16) -> &'static str {
    REASONS.iter().find(|(code, _)| *code == status).map_or("", |(_, reason)| reason)
}

fn status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Room for lines that are added, so that the output is enlarged once at most.
const SPARE: usize = 128;

const UPGRADE_REQUIRED: u16 = 426;

const REASONS: &[(u16, &str)] = &[
    (100, "Continue"),
    (101, "Switching Protocols"),
    (102, "Processing"),
    (103, "Early Hints"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (203, "Non-Authoritative Information"),
    (204, "No Content"),
    (205, "Reset Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Content"),
    (423, "Locked"),
    (424, "Failed Dependency"),
    (425, "Too Early"),
    (426, "Upgrade Required"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (451, "Unavailable For Legal Reasons"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
    (507, "Insufficient Storage"),
    (511, "Network Authentication Required"),
];
