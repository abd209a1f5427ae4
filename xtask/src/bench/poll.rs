//! A thin layer over epoll and nonblocking sockets: as little as possible between the load and the kernel.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// Where a connection goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// TCP with TLS.
    Tls(SocketAddr, Arc<rustls::ClientConfig>),
}

/// Connects, and makes the socket nonblocking. Blocks for the handshake only, which on loopback is no wait.
pub(super) fn connect(target: &Target) -> Result<OwnedFd> {
    Ok(match target {
        Target::Tcp(address) | Target::Tls(address, _) => {
            let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            stream.into()
        }
        Target::Unix(path) => {
            let stream = UnixStream::connect(path).with_context(|| format!("connect to {}", path.display()))?;
            stream.set_nonblocking(true)?;
            stream.into()
        }
    })
}

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Read,
    /// Reading waits until the writing is done.
    Write,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN | epoll::EventFlags::RDHUP,
            Self::Write => epoll::EventFlags::OUT,
        }
    }
}

/// A set of watched sockets, level-triggered.
pub(super) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(super) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("create an epoll set")?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS) })
    }

    pub(super) fn add(&self, fd: impl AsFd, token: u64) -> Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), Interest::Read.flags()).context("watch a socket")
    }

    /// Waits for events and puts their tokens into `tokens`, which it clears first.
    pub(super) fn wait(&mut self, tokens: &mut Vec<u64>, at_most: Duration) -> Result<()> {
        tokens.clear();
        let timeout = Timespec::try_from(at_most).unwrap_or_default();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for sockets"),
        }
        tokens.extend(self.events.drain(..).map(|event| event.data.u64()));
        Ok(())
    }
}

/// What a read or a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Bytes(usize),
    /// Nothing can be moved at this moment.
    Later,
    /// The other side ended the connection.
    End,
}

/// A nonblocking socket in a set.
pub(super) struct Socket {
    fd: OwnedFd,
    token: u64,
    watched: Interest,
}

impl Socket {
    /// Adds it to the set, watched for reading.
    pub(super) fn new(poll: &Poll, fd: OwnedFd, token: u64) -> Result<Self> {
        poll.add(&fd, token)?;
        Ok(Self { fd, token, watched: Interest::Read })
    }

    pub(super) fn watch(&mut self, poll: &Poll, interest: Interest) -> Result<()> {
        if self.watched != interest {
            let data = epoll::EventData::new_u64(self.token);
            epoll::modify(&poll.epoll, &self.fd, data, interest.flags()).context("watch a socket")?;
            self.watched = interest;
        }
        Ok(())
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Moved {
        moved(rustix::io::read(&self.fd, buffer))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Moved {
        moved(rustix::net::send(&self.fd, bytes, rustix::net::SendFlags::NOSIGNAL))
    }
}

fn moved(result: rustix::io::Result<usize>) -> Moved {
    match result {
        Ok(0) => Moved::End,
        Ok(count) => Moved::Bytes(count),
        Err(Errno::AGAIN | Errno::INTR) => Moved::Later,
        Err(_) => Moved::End,
    }
}

const EVENTS: usize = 1024;
