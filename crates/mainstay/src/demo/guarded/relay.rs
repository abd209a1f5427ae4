//! A TCP relay that can be cut: whoever talks through it then hears nothing more, as on a network that drops packets.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Mishap;

/// A relay on the loopback interface.
pub(super) struct Relay {
    at: SocketAddr,
    open: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Starts one to `to`, which is `host:port`.
    pub(super) async fn start(to: String) -> Result<Self, Mishap> {
        let failed = |error| Mishap::new("could not start a relay", error);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        let open = Arc::new(watch::Sender::new(true));
        let gate = Arc::clone(&open);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(session(client, to.clone(), gate.subscribe()));
            }
        });
        Ok(Self { at, open, task })
    }

    /// Where it listens.
    pub(super) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Nothing passes any more, in either direction; nobody is told.
    pub(super) fn cut(&self) {
        self.open.send_replace(false);
    }

    /// What was held back goes on.
    pub(super) fn mend(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn session(client: TcpStream, to: String, gate: watch::Receiver<bool>) {
    let mut opened = gate.clone();
    if opened.wait_for(|open| *open).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(&to).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(pass(from_client, to_server, gate.clone()), pass(from_server, to_client, gate));
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if gate.wait_for(|open| *open).await.is_err() {
            return;
        }
        if to.write_all(bytes.get(..read).unwrap_or_default()).await.is_err() {
            return;
        }
    }
    // An end that comes while the relay is cut is held back too.
    if gate.wait_for(|open| *open).await.is_ok() {
        // The other side may have ended first.
        let _ended = to.shutdown().await;
    }
}
