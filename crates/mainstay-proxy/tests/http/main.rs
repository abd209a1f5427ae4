//! The HTTP engine over real sockets: a front in this process, with clients and nodes whose every byte is the test's.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests; a failure is the result"
)]

mod carry;
mod duplex;
mod hold;
#[path = "../common/lease.rs"]
mod lease;
mod limits;
mod pages;
mod reload;
mod rig;
mod two;
