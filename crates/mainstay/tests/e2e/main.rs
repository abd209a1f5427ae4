//! End-to-end tests with the real binary: real processes, real sockets, faults for real.

#![expect(clippy::expect_used, reason = "a test that cannot go on must fail")]

mod accounts;
mod kit;
