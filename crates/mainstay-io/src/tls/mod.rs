//! TLS on a stream socket. A connection owns no buffer while nothing of it is under way: what is read is decrypted in a
//! buffer that all connections of a thread share, and what is written is encrypted in another.
//!
//! A write counts as done when the operating system has all of its ciphertext, so that whoever waits for room waits for
//! the same thing as on a plain socket.

mod engine;
mod handshake;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::pki_types::CertificateDer;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use self::engine::{Engine, with_incoming, with_outgoing};
pub use self::handshake::{Failed, Fault};
use crate::stream::Stream;

/// A connection whose handshake is done.
pub struct Tls {
    /// Never one with TLS itself.
    socket: Stream,
    // Waiting for room, and looking whether a connection is quiet, go through shared references and may both have to
    // move ciphertext.
    engine: RefCell<Engine>,
    identity: Option<Arc<str>>,
}

impl Tls {
    /// What was agreed to speak by ALPN, if anything.
    #[must_use]
    pub fn protocol(&self) -> Option<Vec<u8>> {
        self.about(|state| state.alpn_protocol().map(<[u8]>::to_vec))
    }

    /// The version of TLS.
    #[must_use]
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.about(|state| state.protocol_version())
    }

    /// Whether it goes on with a session of an earlier connection.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.about(|state| state.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// The certificates that the peer has shown, its own first.
    #[must_use]
    pub fn peer_chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        let owned = |chain: &[CertificateDer<'static>]| chain.to_vec();
        self.about(|state| state.peer_certificates().map(owned))
    }

    /// Who the peer is, as whoever judged its certificates has said.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<str>> {
        self.identity.as_ref()
    }

    /// Says who the peer is.
    pub fn set_identity(&mut self, identity: Option<Arc<str>>) {
        self.identity = identity;
    }

    pub(crate) fn has_left(&self) -> bool {
        self.socket.has_left()
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { socket, engine, .. } = self;
        let engine = engine.get_mut();
        // What the peer waits for before it says more may be waiting here. A peer that takes nothing any more may have
        // said something before.
        if let Poll::Ready(Err(_)) = engine.poll_flush(cx, socket) {
            engine.forget_wire();
        }
        loop {
            if let Some(read) = engine.give(buf) {
                return Poll::Ready(read);
            }
            let came = ready!(with_incoming(|space| {
                let held = engine.load(space)?;
                let room = space.get_mut(held..).unwrap_or_default();
                let came = ready!(socket.poll_read(cx, room))?;
                Poll::Ready(engine.take(space, held, came, buf))
            }));
            // Also after a fault: the peer is to hear of it.
            if engine.try_flush(socket).is_err() {
                engine.forget_wire();
            }
            let came = came?;
            if came > 0 {
                return Poll::Ready(Ok(came));
            }
        }
    }

    pub(crate) fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut engine = self.engine.borrow_mut();
        if !engine.try_flush(&self.socket)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let owed = engine.settle();
        if owed > 0 {
            return Ok(owed);
        }
        with_outgoing(|space| {
            let (plain, sealed) = engine.seal(parts, space)?;
            let sealed = space.get(..sealed).unwrap_or_default();
            if engine.waits() {
                // Something of the protocol's own goes first.
                engine.owe(sealed, plain);
                let flushed = engine.try_flush(&self.socket)?;
                return if flushed { Ok(engine.settle()) } else { Err(io::ErrorKind::WouldBlock.into()) };
            }
            let sent = match self.socket.try_write(&[IoSlice::new(sealed)]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                other => other?,
            };
            match sealed.get(sent..).filter(|rest| !rest.is_empty()) {
                None => Ok(plain),
                Some(rest) => {
                    engine.owe(rest, plain);
                    Err(io::ErrorKind::WouldBlock.into())
                }
            }
        })
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(parts) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_writable(cx))?,
                other => return Poll::Ready(other),
            }
        }
    }

    /// Ready too when some ciphertext went but not all: the peer does take what it is sent.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut engine = self.engine.borrow_mut();
        if !engine.waits() {
            return self.socket.poll_writable(cx);
        }
        engine.poll_push(cx, &self.socket)
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut engine = self.engine.borrow_mut();
        while !engine.has_news() {
            ready!(self.socket.poll_readable(cx))?;
            self.look(&mut engine);
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn is_quiet_now(&self) -> bool {
        // What is there may be no more than a ticket for the next session.
        let is_quiet = self.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending();
        is_quiet && self.socket.is_quiet_now()
    }

    /// Says, with what room there is, that nothing more will be written.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        self.engine.borrow_mut().say_goodbye(&self.socket);
        self.socket.shutdown_write()
    }

    /// Makes the close that follows a reset, without a farewell.
    pub fn reset_on_close(&self) {
        self.engine.borrow_mut().part_silently();
        self.socket.reset_on_close();
    }

    /// Takes in what the socket has. What is wrong with it is told by the next read.
    fn look(&self, engine: &mut Engine) {
        with_incoming(|space| {
            let Ok(held) = engine.load(space) else { return };
            match self.socket.try_read(space.get_mut(held..).unwrap_or_default()) {
                Ok(came) => {
                    // Kept in the engine, for there is no buffer to give it to.
                    let _ = engine.take(space, held, came, &mut []);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => engine.fail(error.kind()),
            }
        });
        if engine.try_flush(&self.socket).is_err() {
            engine.forget_wire();
        }
    }

    fn about<T>(&self, ask: impl FnOnce(&CommonState) -> T) -> T {
        ask(self.engine.borrow().state())
    }
}

impl Drop for Tls {
    /// A peer that is not told takes the end for an attack.
    fn drop(&mut self) {
        self.engine.get_mut().say_goodbye(&self.socket);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("socket", &self.socket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
