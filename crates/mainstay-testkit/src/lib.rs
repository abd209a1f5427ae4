//! What the tests run Mainstay against: protocol-true *models* of Tessera
//! and Canton, a real PostgreSQL, real geth nodes, and
//! network namespaces in which the names of the documents' configurations exist.
//!
//! Everything started here is bounded in time, listens on the loopback interface only and ends with its handle, or with
//! the thread that started it. This crate is never a dependency of the product, and holds no test of the product itself.
//!
//! Read first: [`tessera`], [`canton`], [`Postgres`], [`Process`].

mod cache;
pub mod canton;
pub mod child;
mod geth;
mod installation;
mod netns;
mod peers;
mod postgres;
mod process;
mod program;
mod relay;
pub mod tessera;
mod trouble;

pub use geth::{Geth, geth_binary};
pub use installation::Installation;
pub use netns::Netns;
pub use peers::{
    Database, Grpc, GrpcJava, LedgerClient, LedgerServer, Stack, WebSockets, grpcurl_binary, h2spec_binary,
};
pub use postgres::Postgres;
pub use process::{Launch, Process, free_port, until};
pub use relay::{Relay, Way};
pub use trouble::{Trouble, skipped};
