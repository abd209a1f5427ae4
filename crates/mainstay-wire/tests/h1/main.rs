//! HTTP/1 as a whole: what is accepted, what is refused, and what goes on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod chunked;
mod corpus;
mod differential;
mod forwarding;
mod limits;
mod refused_requests;
mod refused_responses;
mod requests;
mod responses;
