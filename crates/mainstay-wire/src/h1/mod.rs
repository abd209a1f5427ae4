//! HTTP/1.0 and HTTP/1.1: heads both ways and chunked bodies (RFC 9110, RFC 9112).
//!
//! A head is read in place: what is known about it are offsets into the caller's bytes. It is written by copying the
//! runs of lines that are kept, so that a line that is not edited goes on byte for byte.
//!
//! # What goes on and what does not
//! * Hop-by-hop fields end here: `Connection` and every field it lists, `Keep-Alive`, `Proxy-Connection`, `TE` (but for
//!   `trailers`, which is passed on), `Transfer-Encoding` (written anew as `chunked` where the body is chunked), and
//!   `Upgrade` unless the caller passes it on. `Trailer` is kept, since trailers are.
//! * `Proxy-Authorization`, `Proxy-Authenticate` and `Proxy-Authentication-Info` end here too: they are words between a
//!   client and a proxy that asked for them (RFC 9110 11.7), and Mainstay never asks. Credentials meant for a proxy do
//!   not leak to a node.
//! * A `Connection` field of a request that lists `Host`, `Content-Length`, `Transfer-Encoding` or `Expect` is refused: it
//!   asks for the framing to be taken off on the way. In a response such an entry has no effect.
//! * `Upgrade` counts only in HTTP/1.1, without a body, when `Connection` lists it, and never for `h2c`: a tunnel of that
//!   kind would carry requests past every rule of the listener. Elsewhere it is dropped, as any server may (RFC 9110 7.8).
//! * `Max-Forwards` and `Via` have no meaning here: they go on as they came.
//! * Everything else, `Date` and `Server` included, goes on as it came.

mod chunked;
mod connection;
mod fault;
mod fields;
mod message;
mod request;
mod request_write;
mod response;
mod response_write;
pub(crate) mod scan;
mod start_line;
mod target;
mod write;

pub use chunked::{ChunkLimits, Chunks, Scan};
pub use fault::Fault;
pub use fields::FieldIter;
pub use message::{BodyLength, Connection, HeadLimits, MOST_FIELDS, MOST_HEAD, Method, Parsed, ResponseBody, Version};
pub use request::{Request, request};
pub use request_write::{ForwardedEdit, HostEdit, RequestEdit};
pub use response::{Response, response};
pub use response_write::{ResponseEdit, reason};
pub use target::host_name;
pub use write::write_field;
