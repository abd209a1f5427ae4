//! The processes of a rehearsal, and what is done to them.
//!
//! Everything here ends with whoever started it: processes are killed when their handle is dropped, and by the kernel
//! should the starting thread end in any other way.

mod clock;
mod dir;
mod front;
mod node;
mod process;
mod server;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) use clock::Clock;
pub use dir::Dir;
pub use front::Front;
pub use node::{Fault, Node};
pub(crate) use process::Launch;
pub use process::Process;
pub(crate) use server::{Making, Server};

use tokio::net::{TcpSocket, TcpStream};

/// Something did not go as it must for a rehearsal to mean anything.
#[derive(Debug)]
pub struct Mishap(String);

impl Mishap {
    /// `what` is a sentence without its end, as "could not start node a".
    pub fn new(what: impl Into<String>, source: impl fmt::Display) -> Self {
        Self(format!("{}: {source}", what.into()))
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mishap {}

/// Waits until `condition` holds, for at most `bound`.
pub async fn until(what: &str, bound: Duration, mut condition: impl AsyncFnMut() -> bool) -> Result<(), Mishap> {
    let start = Instant::now();
    while !condition().await {
        if start.elapsed() > bound {
            return Err(Mishap::new(what, format_args!("not within {bound:?}")));
        }
        tokio::time::sleep(GRAIN).await;
    }
    Ok(())
}

/// A port of the loopback interface that the system will give to nobody else while this lives. Who is told the number
/// can listen on it (with `SO_REUSEADDR`, as servers do), again and again.
pub struct Port {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    /// Takes one the system chooses.
    pub fn take() -> Result<Self, Mishap> {
        let take = || {
            let held = TcpSocket::new_v4()?;
            held.set_reuseaddr(true)?;
            held.set_reuseport(true)?;
            held.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            Ok(Self { address: held.local_addr()?, _held: held })
        };
        take().map_err(|error: std::io::Error| Mishap::new("could not take a port", error))
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until somebody listens there.
    pub async fn open(&self, who: &str) -> Result<(), Mishap> {
        let what = format!("{who} does not listen on {}", self.address);
        until(&what, STARTING, async || TcpStream::connect(self.address).await.is_ok()).await
    }
}

/// How often a condition is looked at.
const GRAIN: Duration = Duration::from_millis(2);
/// Longest time for a process to start.
const STARTING: Duration = Duration::from_secs(20);
