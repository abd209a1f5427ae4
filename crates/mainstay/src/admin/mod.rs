//! The admin listener, through which operators see and steer a running Mainstay, and its client.
//!
//! Read first: [`Face`], [`document::Status`].

pub mod client;
mod database_metrics;
pub mod document;
mod face;
mod lease_metrics;
mod leases;
mod members;
mod metrics;
mod place;
mod process;
mod samples;
mod server;
mod text;
mod tls_metrics;
mod view;

#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod tests;

pub use face::{Face, Parts, Phase, ReloadOrder};
pub use place::Place;
pub use server::{bind, serve};
pub(crate) use view::place;
