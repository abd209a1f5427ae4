//! The stores, each against the same suite, and each against its own hazards.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod keeper;
mod postgres;
mod sqlite;
mod suite;
