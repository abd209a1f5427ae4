//! An attacker: one connection that sends as fast as it is let, and another soon after it was cut.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::kind::Kind;

/// It shares the thread of load and backend, a write at each turn, so that it takes no time from them that could be
/// taken for the proxy's.
pub(super) struct Attacker {
    kind: Kind,
    at: SocketAddr,
    connection: Option<Connection>,
    next: Instant,
    scratch: Vec<u8>,
    pub(super) told: Told,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Connections that were cut, each with what it had sent in bytes and how long it lasted.
    pub(super) cut: Vec<(u64, Duration)>,
    /// The one that was not, and since when it was there.
    pub(super) uncut: Option<Duration>,
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    turn: u32,
    sent: u64,
    begun: Instant,
    pinged: Instant,
}

impl Attacker {
    pub(super) fn new(kind: Kind, at: SocketAddr) -> Self {
        let now = Instant::now();
        Self { kind, at, connection: None, next: now, scratch: vec![0; 64 << 10], told: Told::default() }
    }

    /// A turn.
    pub(super) fn step(&mut self) -> Result<()> {
        let now = Instant::now();
        let Some(connection) = &mut self.connection else {
            if now >= self.next {
                self.connection = Some(Connection::open(self.kind, self.at, now)?);
            }
            return Ok(());
        };
        if !connection.turn(self.kind, &mut self.scratch, now) {
            self.told.cut.push((connection.sent, now.duration_since(connection.begun)));
            self.connection = None;
            self.next = now + PAUSE;
        }
        Ok(())
    }

    /// It ends.
    pub(super) fn end(mut self) -> Told {
        self.told.uncut = self.connection.map(|connection| connection.begun.elapsed());
        self.told
    }
}

impl Connection {
    fn open(kind: Kind, at: SocketAddr, now: Instant) -> Result<Self> {
        let stream = TcpStream::connect(at).with_context(|| format!("connect to {at}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, out: kind.begin(), written: 0, turn: 0, sent: 0, begun: now, pinged: now })
    }

    /// Reads and writes once; false when it was cut.
    fn turn(&mut self, kind: Kind, scratch: &mut [u8], now: Instant) -> bool {
        let read = if kind.reads() { self.stream.read(scratch) } else { Ok(1) };
        match read {
            Ok(0) => return false,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return false,
            _ => {}
        }
        if self.written == self.out.len() {
            self.written = 0;
            self.out.clear();
            if !kind.waits() {
                while self.out.len() < CHUNK {
                    self.out.extend(kind.frames(self.turn));
                    self.turn += 1;
                }
            } else if now.duration_since(self.pinged) > PING_EVERY {
                self.pinged = now;
                self.out = kind.frames(0);
            }
        }
        if self.written == self.out.len() {
            return true;
        }
        match self.stream.write(&self.out[self.written..]) {
            Ok(count) => {
                self.written += count;
                self.sent += count as u64;
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// From the end of a connection to the next one.
const PAUSE: Duration = Duration::from_millis(10);
/// What is written at a time.
const CHUNK: usize = 16 << 10;
/// How often one that waits says that it is there.
const PING_EVERY: Duration = Duration::from_millis(100);
