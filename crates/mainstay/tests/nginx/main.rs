//! Reading nginx files, from outside.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use mainstay::config;

mod check;
mod corpus;
mod golden;
