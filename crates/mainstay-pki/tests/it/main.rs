//! Certificates, tokens and key sets, judged by programs that others wrote.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it stands")]

mod authority;
mod bad;
mod rig;
mod scenario;
mod tokens;
