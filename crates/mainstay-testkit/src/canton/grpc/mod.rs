//! As much of gRPC as a model and its clients need, over the `h2` crate.

mod client;
mod frame;
mod server;
mod status;

pub use client::{Channel, Endpoint, Incoming};
pub(super) use server::{Call, Port, Reply, Service};
pub use status::{Code, Status};
