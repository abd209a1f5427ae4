//! Reading, printing and converting TOML, from outside.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says by failing what is wrong")]

use mainstay::config;

mod check;
mod corpus;
mod defaults;
mod made;
mod maps;
mod roundtrip;
