//! The TCP engine over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod carry;
mod database;
mod hold;
#[path = "../common/lease.rs"]
mod lease;
mod limits;
mod nodes;
mod rig;
