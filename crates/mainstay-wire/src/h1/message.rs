//! Words that requests and responses share.

/// Most bytes of a head that can be read, whatever the limits say.
pub const MOST_HEAD: usize = u16::MAX as usize;

/// Most fields of a head that can be read, whatever the limits say.
pub const MOST_FIELDS: usize = 128;

/// Bounds on a head. They hold as soon as they are passed, also while the head is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest request line in bytes, without its line end. Responses have no bound of their own on the status line.
    pub request_line: usize,
    /// Longest head in bytes: start line, fields and the blank line, without blank lines in front. At most
    /// [`MOST_HEAD`] counts.
    pub head: usize,
    /// Most fields. At most [`MOST_FIELDS`] counts.
    pub fields: usize,
}

/// The result of reading bytes that may still be coming in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// All of it was there.
    Done(T),
    /// Nothing is wrong so far, and more bytes are needed.
    More,
}

/// Version of HTTP/1 a message was sent with. A later minor version counts as 1.1 (RFC 9110 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Request method. `CONNECT` and `TRACE` have no entry: they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`.
    Options,
    /// `PATCH`.
    Patch,
    /// Any other; see [`method_text`](crate::h1::Request::method_text).
    Other,
}

impl Method {
    /// The method written like this. Methods are case-sensitive (RFC 9110 9.1).
    pub fn from_text(text: &[u8]) -> Self {
        match text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// Whether it only reads (RFC 9110 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    /// Whether doing it twice is the same as doing it once (RFC 9110 9.2.2).
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }
}

/// How the end of a request body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    None,
    /// So many bytes; 0 where `Content-Length: 0` was sent.
    Length(u64),
    /// Chunked: read it with [`Chunks`](crate::h1::Chunks).
    Chunked,
}

/// How the end of a response body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// There is none, whatever the fields say: 1xx, 204, 304, answers to HEAD.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunked: read it with [`Chunks`](crate::h1::Chunks).
    Chunked,
    /// It lasts until the node closes the connection.
    UntilClose,
}

/// What a response says about the connection it is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It stays open.
    Keep,
    /// It is closed after this response.
    Close,
    /// It becomes a tunnel of the protocol the node's `Upgrade` names.
    Upgrade,
}
