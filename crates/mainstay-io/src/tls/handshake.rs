//! Getting from a connected socket to an encrypted connection.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, Error, ServerConfig};

use super::Tls;
use super::engine::{Engine, Side, with_incoming};
use crate::stream::Stream;

/// A handshake that came to nothing.
#[derive(Debug)]
pub struct Failed {
    /// The socket, over which the peer was told, where the protocol has a word for it.
    pub socket: Stream,
    /// Why.
    pub fault: Fault,
}

/// Why a handshake came to nothing.
#[derive(Debug)]
pub enum Fault {
    /// What the peer sent, or that it was refused by this side's rules.
    Tls(Error),
    /// What the peer sent is no TLS: its first bytes.
    NotTls([u8; 4]),
    /// The peer ended the connection.
    Ended,
    /// The operating system's.
    Io(io::Error),
}

impl Tls {
    /// Waits for a client's handshake on `socket`. Does not bound the time.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn accept(socket: Stream, config: Arc<ServerConfig>) -> Result<Stream, Box<Failed>> {
        match UnbufferedServerConnection::new(config) {
            Ok(conn) => shake(socket, Side::Server(conn)).await,
            Err(error) => Err(Box::new(Failed { socket, fault: Fault::Tls(error) })),
        }
    }

    /// Begins a connection to the server that `name` is of. Does not bound the time.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(
        socket: Stream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Stream, Box<Failed>> {
        match UnbufferedClientConnection::new(config, name) {
            Ok(conn) => shake(socket, Side::Client(conn)).await,
            Err(error) => Err(Box::new(Failed { socket, fault: Fault::Tls(error) })),
        }
    }
}

async fn shake(mut socket: Stream, side: Side) -> Result<Stream, Box<Failed>> {
    let mut engine = Engine::new(side);
    let mut first = First::default();
    let shaken = poll_fn(|cx| poll(cx, &mut socket, &mut engine, &mut first)).await;
    match shaken {
        Ok(()) => Ok(Stream::Tls(Box::new(Tls { socket, engine: RefCell::new(engine), identity: None }))),
        Err(fault) => {
            let fault = match fault {
                // Whoever speaks no TLS understands no alert.
                Fault::Tls(Error::InvalidMessage(_)) if !first.is_tls() => Fault::NotTls(first.bytes),
                other => {
                    // The alert, if there is room for it.
                    let _ = engine.try_flush(&socket);
                    other
                }
            };
            Err(Box::new(Failed { socket, fault }))
        }
    }
}

/// The first bytes that came.
#[derive(Default)]
struct First {
    bytes: [u8; 4],
    len: usize,
}

impl First {
    fn add(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }

    /// Whether it begins as a record of a handshake does, or of an alert.
    fn is_tls(&self) -> bool {
        matches!(self.bytes, [22 | 21, 3, ..]) || self.len == 0
    }
}

fn poll(cx: &mut Context<'_>, socket: &mut Stream, engine: &mut Engine, first: &mut First) -> Poll<Result<(), Fault>> {
    engine.process_held().map_err(Fault::Tls)?;
    loop {
        ready!(engine.poll_flush(cx, socket)).map_err(Fault::Io)?;
        if !engine.state().is_handshaking() {
            return Poll::Ready(Ok(()));
        }
        let read: Result<(), Fault> = ready!(with_incoming(|space| {
            let held = engine.load(space).map_err(Fault::Io)?;
            let came = ready!(socket.poll_read(cx, space.get_mut(held..).unwrap_or_default())).map_err(Fault::Io)?;
            if came == 0 {
                return Poll::Ready(Err(Fault::Ended));
            }
            let filled = space.get_mut(..held + came).unwrap_or_default();
            first.add(filled.get(held..).unwrap_or_default());
            let (used, _) = engine.process(filled, &mut []).map_err(Fault::Tls)?;
            engine.hold(filled.get(used..).unwrap_or_default());
            Poll::Ready(Ok(()))
        }));
        read?;
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => write!(f, "{error}"),
            Self::NotTls(_) => f.write_str("what came is no TLS"),
            Self::Ended => f.write_str("the connection was ended in the handshake"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}
