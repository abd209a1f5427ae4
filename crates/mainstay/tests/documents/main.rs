//! The documents' configurations, run by the real binary in front of model Tessera instances on a real PostgreSQL and
//! real geth nodes, while these are killed, frozen and restarted. docs/testing.md says what is real.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod canton;
mod client;
mod drill;
mod front;
mod instance;
mod quorum;
mod rpc;
mod tessera;
mod world;
