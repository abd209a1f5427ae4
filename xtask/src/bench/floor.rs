//! The floor under a proxy: the leanest relay there can be over epoll, to learn what the kernel alone costs.
//!
//! It knows the messages of this benchmark and nothing else: no routes, no checks, no time-outs, no limits, no errors
//! but to give up. What is dearer than this is a proxy's own work; what is not cannot be saved by working less, but
//! only by asking the kernel for something else.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, sockopt};

use super::head;
use super::poll::{Target, connect};

/// Runs the floor, as `cargo xtask bench` starts it.
#[derive(Args, Debug)]
#[command(hide = true)]
pub(crate) struct Floor {
    /// Where HTTP clients connect.
    #[arg(long)]
    http: SocketAddr,
    /// The same, over a unix socket.
    #[arg(long)]
    unix: PathBuf,
    /// Where TCP clients connect.
    #[arg(long)]
    echo: SocketAddr,
    /// The HTTP nodes.
    #[arg(long, num_args = 2)]
    nodes: Vec<SocketAddr>,
    /// The TCP node.
    #[arg(long)]
    echo_node: SocketAddr,
}

impl Floor {
    /// Relays until it is killed.
    pub(crate) fn run(self) -> Result<()> {
        let http = TcpListener::bind(self.http).context("listen for HTTP")?;
        // Left behind by the one before, which was killed.
        let _ = std::fs::remove_file(&self.unix);
        let unix = UnixListener::bind(&self.unix).context("listen on the unix socket")?;
        let echo = TcpListener::bind(self.echo).context("listen for TCP")?;
        let mut relay = Relay {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ends: Vec::new(),
            free: Vec::new(),
            idle: [Vec::new(), Vec::new()],
            turn: 0,
            nodes: self.nodes,
            echo_node: self.echo_node,
            buffer: vec![0; 64 << 10],
        };
        for (socket, kind) in [
            (OwnedFd::from(http), Kind::Door(Speaks::Http)),
            (OwnedFd::from(unix), Kind::Door(Speaks::Http)),
            (OwnedFd::from(echo), Kind::Door(Speaks::Bytes)),
        ] {
            if !matches!(rustix::net::getsockname(&socket)?.address_family(), rustix::net::AddressFamily::UNIX) {
                sockopt::set_tcp_nodelay(&socket, true)?;
            }
            rustix::net::listen(&socket, 4096)?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            relay.add(socket, kind)?;
        }
        relay.turn_for_ever()
    }
}

struct Relay {
    epoll: OwnedFd,
    ends: Vec<Option<End>>,
    free: Vec<usize>,
    /// Connections to each HTTP node that carry nothing.
    idle: [Vec<usize>; 2],
    turn: usize,
    nodes: Vec<SocketAddr>,
    echo_node: SocketAddr,
    buffer: Vec<u8>,
}

struct End {
    socket: OwnedFd,
    kind: Kind,
    /// The end that gets what comes here.
    other: Option<usize>,
}

#[derive(Clone, Copy)]
enum Kind {
    Door(Speaks),
    /// Whether it ends with its answer.
    Client {
        speaks: Speaks,
        closes: bool,
    },
    /// Of which node, and how much of the answer is to come.
    Node {
        speaks: Speaks,
        node: usize,
        left: Option<usize>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http,
    Bytes,
}

impl Relay {
    fn turn_for_ever(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(1024);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                self.handle(event.data.u64() as usize)?;
            }
        }
    }

    fn add(&mut self, socket: OwnedFd, kind: Kind) -> Result<usize> {
        let index = self.free.pop().unwrap_or(self.ends.len());
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), flags)?;
        if index == self.ends.len() {
            self.ends.push(None);
        }
        self.ends[index] = Some(End { socket, kind, other: None });
        Ok(index)
    }

    fn handle(&mut self, index: usize) -> Result<()> {
        let Some(end) = self.ends.get(index).and_then(Option::as_ref) else { return Ok(()) };
        if let Kind::Door(speaks) = end.kind {
            return self.accept(index, speaks);
        }
        loop {
            let Some(end) = self.ends[index].as_ref() else { return Ok(()) };
            let count = match rustix::io::read(&end.socket, &mut self.buffer) {
                Ok(0) => return self.close(index),
                Ok(count) => count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => return self.close(index),
            };
            match end.kind {
                Kind::Client { speaks, .. } => self.client_sent(index, speaks, count)?,
                Kind::Node { speaks, node, left } => self.node_sent(index, (speaks, node, left), count)?,
                Kind::Door(_) => {}
            }
            if count < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn accept(&mut self, door: usize, speaks: Speaks) -> Result<()> {
        loop {
            let Some(end) = self.ends[door].as_ref() else { return Ok(()) };
            let client = match accept_with(&end.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(client) => self.add(client, Kind::Client { speaks, closes: false })?,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if speaks == Speaks::Bytes {
                self.pair(client, Speaks::Bytes)?;
            }
        }
    }

    /// Gives a client a connection to a node.
    fn pair(&mut self, client: usize, speaks: Speaks) -> Result<usize> {
        let node = match speaks {
            Speaks::Http => {
                self.turn ^= 1;
                let turn = self.turn;
                match self.idle[turn].pop() {
                    Some(node) => node,
                    None => {
                        let socket = connect(&Target::Tcp(self.nodes[turn]))?;
                        self.add(socket, Kind::Node { speaks, node: turn, left: None })?
                    }
                }
            }
            Speaks::Bytes => {
                let socket = connect(&Target::Tcp(self.echo_node))?;
                self.add(socket, Kind::Node { speaks, node: 0, left: None })?
            }
        };
        for (one, other) in [(client, node), (node, client)] {
            if let Some(end) = self.ends[one].as_mut() {
                end.other = Some(other);
            }
        }
        Ok(node)
    }

    fn client_sent(&mut self, client: usize, speaks: Speaks, count: usize) -> Result<()> {
        let Some(end) = self.ends[client].as_mut() else { return Ok(()) };
        let node = match end.other {
            Some(node) => node,
            None => {
                let closes = self.buffer[..count].windows(19).any(|bytes| bytes == b"\r\nConnection: close");
                end.kind = Kind::Client { speaks, closes };
                self.pair(client, speaks)?
            }
        };
        self.send(node, count)
    }

    fn node_sent(&mut self, index: usize, kind: (Speaks, usize, Option<usize>), count: usize) -> Result<()> {
        let (speaks, node, left) = kind;
        let Some(client) = self.ends[index].as_ref().and_then(|end| end.other) else { return self.close(index) };
        self.send(client, count)?;
        if speaks == Speaks::Bytes {
            return Ok(());
        }
        let bytes = &self.buffer[..count];
        let left = match left {
            Some(left) => left - count,
            None => {
                let end = head::end(bytes).context("a head in pieces")?;
                end + head::length(&bytes[..end]).context("no length")? - count
            }
        };
        let done = left == 0;
        if let Some(end) = self.ends[index].as_mut() {
            end.kind = Kind::Node { speaks, node, left: (!done).then_some(left) };
            if done {
                end.other = None;
                self.idle[node].push(index);
            }
        }
        let Some(end) = self.ends[client].as_mut().filter(|_| done) else { return Ok(()) };
        end.other = None;
        if matches!(end.kind, Kind::Client { closes: true, .. }) {
            return self.close(client);
        }
        Ok(())
    }

    fn send(&self, to: usize, count: usize) -> Result<()> {
        let Some(end) = self.ends[to].as_ref() else { return Ok(()) };
        match rustix::net::send(&end.socket, &self.buffer[..count], SendFlags::NOSIGNAL) {
            Ok(sent) if sent == count => Ok(()),
            Ok(_) | Err(Errno::AGAIN) => bail!("a message that does not fit at once"),
            // Its end is seen when it is read.
            Err(_) => Ok(()),
        }
    }

    /// Closes an end and what it is paired with.
    fn close(&mut self, index: usize) -> Result<()> {
        let Some(end) = self.ends[index].take() else { return Ok(()) };
        self.free.push(index);
        for idle in &mut self.idle {
            idle.retain(|one| *one != index);
        }
        if let Some(other) = end.other {
            if let Some(other) = self.ends[other].as_mut() {
                other.other = None;
            }
            return self.close(other);
        }
        Ok(())
    }
}
