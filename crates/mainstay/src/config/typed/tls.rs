//! `[tls.NAME]` as it was typed.

use std::time::Duration;

use super::{Maybe, Spanned};

/// `[tls.NAME]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// Files of certificates, each with its chain.
    pub cert: Vec<Spanned<String>>,
    /// Files of their keys, in the same order.
    pub key: Vec<Spanned<String>>,
    /// Listeners: files of anchors of clients.
    pub client_ca: Vec<Spanned<String>>,
    /// Listeners: `required` or `optional`.
    pub client: Maybe<String>,
    /// Listeners: names of which a client's certificate must have one.
    pub client_names: Vec<Spanned<String>>,
    /// Listeners: the request field that tells nodes who the client is.
    pub identity: Maybe<String>,
    /// Listeners: longest time for a handshake.
    pub handshake: Maybe<Duration>,
    /// Nodes: files of their anchors.
    pub ca: Vec<Spanned<String>>,
    /// Nodes: `off` or `full`.
    pub verify: Maybe<String>,
    /// Nodes: the name their certificates must have.
    pub name: Maybe<String>,
    /// Nodes: whether they are told that name.
    pub sni: Maybe<bool>,
    /// Files of revocation lists.
    pub crl: Vec<Spanned<String>>,
    /// `1.2`, `1.3`.
    pub versions: Vec<Spanned<String>>,
}
