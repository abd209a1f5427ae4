//! A connection of the load, with TLS or without.

use anyhow::Result;

use super::poll::{Interest, Moved, Poll, Socket, Target, connect};
use super::tls::{Secure, Terms};

/// What requests go out and answers come in by.
pub(super) enum Link {
    Plain(Socket),
    Secure(Box<Secure>),
}

impl Link {
    pub(super) fn open(poll: &Poll, target: &Target, token: u64) -> Result<Self> {
        let socket = Socket::new(poll, connect(target)?, token)?;
        Ok(match target {
            Target::Tcp(_) | Target::Unix(_) => Self::Plain(socket),
            Target::Tls(_, config) => Self::Secure(Box::new(Secure::new(socket, config)?)),
        })
    }

    pub(super) fn read(&mut self, poll: &Poll, buffer: &mut [u8]) -> Result<Moved> {
        match self {
            Self::Plain(socket) => Ok(socket.read(buffer)),
            Self::Secure(secure) => secure.read(poll, buffer),
        }
    }

    pub(super) fn write(&mut self, poll: &Poll, bytes: &[u8]) -> Result<Moved> {
        match self {
            Self::Plain(socket) => Ok(socket.write(bytes)),
            Self::Secure(secure) => secure.write(poll, bytes),
        }
    }

    /// TLS sees to it itself.
    pub(super) fn watch(&mut self, poll: &Poll, interest: Interest) -> Result<()> {
        match self {
            Self::Plain(socket) => socket.watch(poll, interest),
            Self::Secure(_) => Ok(()),
        }
    }

    /// Whether the other side has said, in what was read already, that it sends no more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Secure(secure) if secure.is_over())
    }

    /// What the two ends agreed on, with TLS.
    pub(super) fn terms(&self) -> Option<Terms> {
        match self {
            Self::Plain(_) => None,
            Self::Secure(secure) => Some(secure.terms()),
        }
    }
}
