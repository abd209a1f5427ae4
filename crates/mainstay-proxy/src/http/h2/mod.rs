//! HTTP/2 on either side of the HTTP/1 engine.
//!
//! One task carries a connection: it reads frames, hands them to the streams, and writes what has piled up since, many
//! frames at a time. A stream is served as if it were a connection of one request: to the engine it is a
//! [`Stream`] on which HTTP/1 is spoken, so that routes, pools, retries, holding, copies
//! and logs are the same for both. What a stream's reader has not taken is bounded by the stream's window, which opens
//! as it is taken.
//!
//! A call of gRPC may be silent for days. Once its answer has begun and nothing is left to be decided, its task ends, and
//! the two connections' tasks pass its frames on: see [`relay`].

mod call;
mod carrier;
mod exchange;
mod grpc;
mod inbox;
mod lane;
mod link;
mod relay;
mod session;
mod writing;

pub(super) use exchange::Exchange;
pub(super) use grpc::{Status, write_message};
pub(crate) use link::Links;
pub(super) use session::{Session, serve};

use std::rc::Rc;

use mainstay_io::stream::Stream;
use mainstay_wire::h1::{self, ChunkLimits, HeadLimits};

/// A client's stream as the engine sees it.
pub(super) fn stream(exchange: &Rc<Exchange>) -> Stream {
    Stream::Inner(Box::new(exchange::Handle(Rc::clone(exchange))))
}

/// Bounds on heads that were written here.
const OWN_HEADS: HeadLimits = HeadLimits { request_line: h1::MOST_HEAD, head: h1::MOST_HEAD, fields: h1::MOST_FIELDS };
/// Bounds on chunks that were written or checked here.
const OWN_CHUNKS: ChunkLimits = ChunkLimits { extensions: 1024, trailers: 32 * 1024 };
