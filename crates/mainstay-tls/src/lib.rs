//! What listeners show and demand over TLS, and what nodes are asked for: certificates, keys, anchors, revocation
//! lists, names.
//!
//! *Does* read these files, judge them, and judge what a peer shows. *Never* touches a socket, sends a byte, or knows a
//! configuration file.
//!
//! Read first: [`Server`], [`Client`], [`Refusal`].

mod certificate;
mod client;
mod fault;
mod files;
mod live;
mod names;
mod pair;
mod pem;
mod refusal;
mod server;
mod trust;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
pub use rustls::pki_types::ServerName;
pub use rustls::{ClientConfig, Error, ServerConfig};

pub use certificate::Certificate;
pub use client::{Client, ClientMaterial, ClientSettings, Own, Verify};
pub use fault::Fault;
pub use live::{Live, Refreshed, Shown};
pub use names::Pattern;
pub use pair::PairFiles;
pub use refusal::Refusal;
pub use server::{Clients, Server, ServerMaterial, ServerSettings};
pub use trust::{Trust, seconds_now};

/// Versions of TLS to be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// TLS 1.2.
    pub v12: bool,
    /// TLS 1.3.
    pub v13: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Self { v12: true, v13: true }
    }
}

impl Versions {
    fn list(self) -> Vec<&'static rustls::SupportedProtocolVersion> {
        let v12 = self.v12.then_some(&rustls::version::TLS12);
        let v13 = self.v13.then_some(&rustls::version::TLS13);
        v13.into_iter().chain(v12).collect()
    }
}

/// The ciphers, signatures and random numbers of the whole program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
