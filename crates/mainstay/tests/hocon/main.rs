//! Reading HOCON, from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use mainstay::config;

mod check;
mod corpus;
mod same;
