//! From HTTP/2 to HTTP/1 and back (RFC 9113 8, RFC 9112): heads, bodies and trailers.
//!
//! What is written as HTTP/1 is read again by [`h1`](crate::h1) before anything is done with it, so what has two readings
//! there is refused there. Fields about one connection end here in both directions; `cookie` fields that were taken apart
//! are put together (RFC 9113 8.2.3).

mod body;
mod request;
mod response;

pub use body::{Unchunk, chunk, last_chunk};
pub use request::{request_from_h1, request_to_h1};
pub use response::{response_from_h1, response_to_h1};

use crate::h2::Fields;

/// How a body is framed in HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// By its length, which its fields say.
    Length,
    /// In chunks.
    Chunked,
}

/// Adds a field of HTTP/1, its name in lower case. A secret is marked so that it enters no table on the way
/// (RFC 7541 7.1.3).
fn push_lower(out: &mut Fields, name: &[u8], value: &[u8]) {
    let secret = [&b"authorization"[..], b"proxy-authorization", b"cookie", b"set-cookie"];
    out.push_lower(name, value, secret.iter().any(|secret| name.eq_ignore_ascii_case(secret)));
}

/// Fields that have no place in HTTP/2 (RFC 9113 8.2.2), or are written anew.
fn is_hop(name: &[u8]) -> bool {
    HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop))
}

const HOP: &[&[u8]] =
    &[b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings"];
