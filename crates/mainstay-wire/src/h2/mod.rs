//! HTTP/2 (RFC 9113) without I/O.

mod fields;
pub mod hpack;

pub use fields::{Field, Fields};
