//! TLS towards a node.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;

use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::tls::Tls;
use mainstay_tls::{Client, Own, Refusal, ServerName};

use super::Node;
use crate::params;
use crate::worker::{Sparing, told};

/// What a node is shown and has to show.
pub(super) struct Secure {
    client: Arc<Client>,
    /// Sessions of this worker's connections to the node.
    own: RefCell<Own>,
    host: Option<ServerName<'static>>,
    said: Sparing,
}

impl Secure {
    pub(super) fn new(client: &Arc<Client>, node: &params::Node) -> Self {
        let host = client.settings.host.clone().or_else(|| node.host());
        Self { client: Arc::clone(client), own: RefCell::default(), host, said: Sparing::default() }
    }

    /// Encrypts a connection that was just opened.
    ///
    /// # Errors
    /// [`NoTls`].
    pub(super) async fn shake(&self, stream: Stream, node: &Node) -> io::Result<Stream> {
        let Some(host) = self.host.clone() else { return Err(NoTls.into()) };
        let config = self.own.borrow_mut().get(&self.client);
        match Tls::connect(stream, config, host).await {
            Ok(stream) => {
                if stream.tls().is_some_and(Tls::is_resumed) {
                    node.counters.resumed.one();
                }
                Ok(stream)
            }
            Err(failed) => {
                let refusal = told(&failed.fault);
                node.counters.handshakes_failed.one(refusal);
                self.say(node, refusal, &failed.fault);
                Err(NoTls.into())
            }
        }
    }

    fn say(&self, node: &Node, refusal: Refusal, fault: &dyn fmt::Display) {
        let Some(unsaid) = self.said.may_say(refusal, clock::now()) else { return };
        let (node, tls) = (&*node.name, &*self.client.settings.name);
        let detail = fault.to_string();
        tracing::warn!(node, tls, reason = refusal.name(), detail, unsaid, "a node {}", refusal.phrase());
    }
}

/// A node took the connection, but there is no TLS with it.
#[derive(Debug)]
pub(crate) struct NoTls;

impl NoTls {
    /// Whether that is what an error says.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl From<NoTls> for io::Error {
    fn from(error: NoTls) -> Self {
        Self::other(error)
    }
}

impl fmt::Display for NoTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no TLS with the node")
    }
}

impl std::error::Error for NoTls {}
