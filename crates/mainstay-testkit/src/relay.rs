//! A TCP relay that loses connections at a chosen byte, or lets nothing through.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Trouble;

/// Stands between a client and a server of this machine. Ends, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    /// What may still pass each way before all connections are cut; negative is no limit.
    left: [AtomicI64; 2],
    /// Grows with each cut: connections of an older number end.
    cuts: watch::Sender<u64>,
    /// Whether nothing passes, though connections stay.
    stalled: watch::Sender<bool>,
    /// Whether connections are held rather than ended when so much has passed.
    holds: AtomicBool,
}

impl Relay {
    /// Listens on a port of its own, for a server on this one.
    pub async fn start(target: u16) -> Result<Self, Trouble> {
        let failed = |error: io::Error| Trouble::failed("start a relay", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let shared = Arc::new(Shared {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target)),
            left: [AtomicI64::new(-1), AtomicI64::new(-1)],
            cuts: watch::Sender::new(0),
            stalled: watch::Sender::new(false),
            holds: AtomicBool::new(false),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, task })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections. New ones are let through.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Lets so many more bytes through one way, over all connections, and then ends them all.
    pub fn cut_after(&self, bytes: u32, way: Way) {
        self.shared.left[way as usize].store(i64::from(bytes), Ordering::Release);
    }

    /// Lets so many more bytes through one way, over all connections, and then nothing until it is no longer stalled.
    pub fn hold_after(&self, bytes: u32, way: Way) {
        self.shared.holds.store(true, Ordering::Release);
        self.cut_after(bytes, way);
    }

    /// Waits until nothing is let through.
    pub async fn held(&self) {
        let mut stalled = self.shared.stalled.subscribe();
        // The sender lives as long as what is shared.
        drop(stalled.wait_for(|stalled| *stalled).await);
    }

    /// Lets nothing through, or all again. Nothing is lost.
    pub fn stall(&self, stalled: bool) {
        self.shared.stalled.send_replace(stalled);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.cut();
    }
}

impl Shared {
    fn cut(&self) {
        self.left.iter().for_each(|left| left.store(-1, Ordering::Release));
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many of `wanted` bytes may pass, and whether that is the end.
    fn take(&self, way: Way, wanted: usize) -> (usize, bool) {
        let left = self.left[way as usize].load(Ordering::Acquire);
        let Ok(left) = usize::try_from(left) else { return (wanted, false) };
        if wanted < left {
            self.left[way as usize].store(i64::try_from(left - wanted).unwrap_or(-1), Ordering::Release);
            return (wanted, false);
        }
        (left, true)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, Arc::clone(&shared)));
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.target).await else { return };
    let mut cuts = shared.cuts.subscribe();
    cuts.mark_unchanged();
    let ((client_read, client_write), (server_read, server_write)) = (client.into_split(), server.into_split());
    tokio::select! {
        _cut = cuts.changed() => {}
        _ended = pump(client_read, server_write, Way::Up, &shared) => {}
        _ended = pump(server_read, client_write, Way::Down, &shared) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut stalled = shared.stalled.subscribe();
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        // The sender lives as long as what is shared.
        drop(stalled.wait_for(|stalled| !stalled).await);
        let (pass, is_end) = shared.take(way, read);
        to.write_all(&buffer[..pass]).await?;
        if is_end && shared.holds.swap(false, Ordering::AcqRel) {
            shared.left[way as usize].store(-1, Ordering::Release);
            shared.stalled.send_replace(true);
            drop(stalled.wait_for(|stalled| !stalled).await);
            to.write_all(&buffer[pass..read]).await?;
            continue;
        }
        if is_end {
            to.flush().await?;
            shared.cut();
            return Ok(());
        }
    }
}
