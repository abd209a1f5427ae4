//! Bytes of protocols, both ways, without I/O.
//!
//! What it decides: whether the bytes that came are one message in exactly one reading, how long its head and body
//! are, what of it goes on, and in which bytes.
//!
//! What it never does: read a socket, ask a clock, wait, log, or guess. It keeps no bytes of a body. A message that two
//! implementations could read differently is refused; it is never repaired and passed on.
//!
//! Read first: [`h1::Request`], [`h1::Response`], [`h1::Chunks`]; [`h2::Connection`];
//! [`cross`] between the two.

pub mod client_hello;
pub mod cross;
pub mod h1;
pub mod h2;
