//! The two halves of one connection's records: what came and is not read yet, what is to go and is not gone yet.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error};

use crate::stream::Stream;

/// Which end of the connection this is.
pub(super) enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// One connection's records.
pub(super) struct Engine {
    side: Side,
    /// Ciphertext that came and is no whole record yet.
    held: Vec<u8>,
    /// What was decrypted while nobody was there to take it.
    plain: Vec<u8>,
    /// Ciphertext that is to go.
    wire: Vec<u8>,
    /// How much of it has gone.
    sent: usize,
    /// Bytes whose ciphertext is in `wire`: whoever wrote them is told that they went once it has gone.
    owed: usize,
    end: End,
    /// What came broke the protocol. The machinery may still look for messages in what is not kept any more, so it is
    /// never given input again.
    is_broken: bool,
}

/// Whether more may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The peer has said that it sends no more.
    Closed,
    /// It broke, or broke the protocol.
    Failed(io::ErrorKind),
}

/// What a turn of the machinery found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Again,
    /// More has to come first.
    Blocked,
    /// Nothing to be done.
    Ready,
    PeerClosed,
    Over,
}

/// Where decrypted bytes go: into a buffer, and what that has no room for behind it.
struct Sink<'a> {
    buf: &'a mut [u8],
    filled: usize,
    behind: &'a mut Vec<u8>,
}

impl Sink<'_> {
    fn take(&mut self, bytes: &[u8]) {
        let room = self.buf.get_mut(self.filled..).unwrap_or_default();
        let fits = if self.behind.is_empty() { room.len().min(bytes.len()) } else { 0 };
        let (now, later) = bytes.split_at_checked(fits).unwrap_or((bytes, &[]));
        if let Some(room) = room.get_mut(..now.len()) {
            room.copy_from_slice(now);
            self.filled += now.len();
        }
        self.behind.extend_from_slice(later);
    }
}

impl Engine {
    pub(super) fn new(side: Side) -> Self {
        let (held, plain, wire) = Default::default();
        Self { side, held, plain, wire, sent: 0, owed: 0, end: End::Open, is_broken: false }
    }

    pub(super) fn state(&self) -> &CommonState {
        match &self.side {
            Side::Server(conn) => conn,
            Side::Client(conn) => conn,
        }
    }

    /// Whether a read has something to say at once: bytes, the end, or an error.
    pub(super) fn has_news(&self) -> bool {
        !self.plain.is_empty() || self.end != End::Open
    }

    /// What a read gets without asking the socket.
    pub(super) fn give(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if !self.plain.is_empty() {
            let count = buf.len().min(self.plain.len());
            let (now, _) = self.plain.split_at_checked(count)?;
            buf.get_mut(..count)?.copy_from_slice(now);
            if count == self.plain.len() {
                self.plain = Vec::new();
            } else {
                self.plain.drain(..count);
            }
            return Some(Ok(count));
        }
        match self.end {
            End::Open => None,
            End::Closed => Some(Ok(0)),
            End::Failed(kind) => Some(Err(kind.into())),
        }
    }

    /// Puts what is held at the front of `space` and says how much that is.
    ///
    /// # Errors
    /// What is held leaves no room for more, which no peer that keeps to the protocol brings about.
    pub(super) fn load(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.held.len() + ROOM > space.len() {
            self.fail(io::ErrorKind::InvalidData);
            return Err(io::ErrorKind::InvalidData.into());
        }
        if let Some(front) = space.get_mut(..self.held.len()) {
            front.copy_from_slice(&self.held);
        }
        Ok(self.held.len())
    }

    /// Takes in what lies in `space`: `held` bytes from before, `came` fresh ones, none of which is the end of the
    /// stream. Gives how many decrypted bytes are in `buf`; 0 is the peer's word that no more comes, or that there is
    /// nothing to read yet.
    pub(super) fn take(&mut self, space: &mut [u8], held: usize, came: usize, buf: &mut [u8]) -> io::Result<usize> {
        if came == 0 {
            // Without a word of farewell the end may be somebody else's doing.
            self.fail(io::ErrorKind::UnexpectedEof);
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let filled = space.get_mut(..held + came).unwrap_or_default();
        let result = self.process(filled, buf);
        let (used, count) = match result {
            Ok(done) => done,
            Err(_) => {
                self.fail(io::ErrorKind::InvalidData);
                return Err(io::ErrorKind::InvalidData.into());
            }
        };
        self.hold(filled.get(used..).unwrap_or_default());
        Ok(count)
    }

    /// Keeps what is no whole record yet, in place of what was held.
    pub(super) fn hold(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.held = Vec::new();
        } else {
            self.held.clear();
            self.held.extend_from_slice(rest);
        }
    }

    /// Runs the records in `input`. Gives how many bytes of it are done with, and how many were decrypted into `buf`.
    ///
    /// # Errors
    /// What is wrong with them. The alert for the peer is in `wire` then.
    pub(super) fn process(&mut self, input: &mut [u8], buf: &mut [u8]) -> Result<(usize, usize), Error> {
        if self.is_broken {
            return Err(Error::General("the connection is broken".to_owned()));
        }
        let Self { side, plain, wire, end, .. } = self;
        let mut sink = Sink { buf, filled: 0, behind: plain };
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let (discard, turn) = match side {
                Side::Server(conn) => turn(conn.process_tls_records(rest), &mut sink, wire),
                Side::Client(conn) => turn(conn.process_tls_records(rest), &mut sink, wire),
            };
            used += discard;
            match turn {
                Ok(Turn::Again) => {}
                Ok(Turn::PeerClosed) => *end = End::Closed,
                Ok(Turn::Blocked | Turn::Ready | Turn::Over) => return Ok((used, sink.filled)),
                Err(error) => {
                    self.give_up();
                    return Err(error);
                }
            }
        }
    }

    /// Runs what is held, to get on with a handshake that has not begun to read.
    pub(super) fn process_held(&mut self) -> Result<(), Error> {
        let mut held = std::mem::take(&mut self.held);
        let (used, _) = self.process(&mut held, &mut [])?;
        held.drain(..used);
        self.held = held;
        Ok(())
    }

    /// Ends the work on what comes, and gets the alert that an error has left behind.
    ///
    /// An error leaves messages behind too, of which the machinery knows only where in the input they lie. It looks for
    /// them as soon as nothing is to be sent, whatever input it is given, so it must not be asked any further than that.
    fn give_up(&mut self) {
        self.is_broken = true;
        self.fail(io::ErrorKind::InvalidData);
        while self.state().wants_write() {
            let Self { side, wire, plain, .. } = self;
            let mut sink = Sink { buf: &mut [], filled: 0, behind: plain };
            let (_, turn) = match side {
                Side::Server(conn) => turn(conn.process_tls_records(&mut []), &mut sink, wire),
                Side::Client(conn) => turn(conn.process_tls_records(&mut []), &mut sink, wire),
            };
            if !matches!(turn, Ok(Turn::Again)) {
                return;
            }
        }
    }

    /// Encrypts what fits of `parts` into `space`. Gives how many bytes that were, and how many they have become.
    pub(super) fn seal(&mut self, parts: &[IoSlice<'_>], space: &mut Outgoing) -> io::Result<(usize, usize)> {
        let Outgoing { gathered, sealed } = space;
        let (mut plain, mut cipher) = (0, 0);
        let all: usize = parts.iter().map(|part| part.len()).sum();
        if parts.len() > 1 && all <= RECORD {
            gathered.clear();
            parts.iter().for_each(|part| gathered.extend_from_slice(part));
            let cipher = self.encrypt(gathered, sealed)?;
            return Ok((all, cipher));
        }
        for part in parts {
            let piece = part.get(..part.len().min(AT_ONCE - plain)).unwrap_or_default();
            cipher += self.encrypt(piece, sealed.get_mut(cipher..).unwrap_or_default())?;
            plain += piece.len();
        }
        Ok((plain, cipher))
    }

    fn encrypt(&mut self, plain: &[u8], space: &mut [u8]) -> io::Result<usize> {
        let mut held = std::mem::take(&mut self.held);
        let sealed = self.with_traffic(&mut held, Write::Plain(plain), space);
        self.held = held;
        sealed
    }

    /// Writes in the state in which that can be done.
    fn with_traffic(&mut self, held: &mut Vec<u8>, write: Write<'_>, space: &mut [u8]) -> io::Result<usize> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let Self { side, plain, wire, end, .. } = self;
        let mut sink = Sink { buf: &mut [], filled: 0, behind: plain };
        loop {
            let (discard, done) = match side {
                Side::Server(conn) => write_turn(conn.process_tls_records(held), write, space, &mut sink, wire),
                Side::Client(conn) => write_turn(conn.process_tls_records(held), write, space, &mut sink, wire),
            };
            held.drain(..discard);
            match done {
                Ok(Wrote::Bytes(count)) => return Ok(count),
                Ok(Wrote::Not(Turn::Again)) => {}
                Ok(Wrote::Not(Turn::PeerClosed)) => *end = End::Closed,
                Ok(Wrote::Not(_)) => return Err(io::ErrorKind::NotConnected.into()),
                Err(error) => {
                    self.give_up();
                    return Err(error);
                }
            }
        }
    }

    /// Puts off what of some ciphertext did not go; `plain` bytes are in it.
    pub(super) fn owe(&mut self, rest: &[u8], plain: usize) {
        self.wire.extend_from_slice(rest);
        self.owed = plain;
    }

    /// Bytes whose ciphertext has gone since the writer was told to wait. To be asked when nothing waits any more.
    pub(super) fn settle(&mut self) -> usize {
        std::mem::take(&mut self.owed)
    }

    /// Whether there is ciphertext that has not gone.
    pub(super) fn waits(&self) -> bool {
        self.sent < self.wire.len()
    }

    /// Writes what there is. False when some of it has to wait.
    pub(super) fn try_flush(&mut self, socket: &Stream) -> io::Result<bool> {
        while self.waits() {
            match self.push(socket) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The same, until all of it has gone.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, socket: &Stream) -> Poll<io::Result<()>> {
        while self.waits() {
            ready!(self.poll_push(cx, socket))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes some of it.
    pub(super) fn poll_push(&mut self, cx: &mut Context<'_>, socket: &Stream) -> Poll<io::Result<()>> {
        loop {
            ready!(socket.poll_writable(cx))?;
            match self.push(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn push(&mut self, socket: &Stream) -> io::Result<()> {
        let rest = self.wire.get(self.sent..).unwrap_or_default();
        let wrote = socket.try_write(&[IoSlice::new(rest)])?;
        if wrote == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sent += wrote;
        if !self.waits() {
            self.wire = Vec::new();
            self.sent = 0;
        }
        Ok(())
    }

    /// Nobody takes what is to go.
    pub(super) fn forget_wire(&mut self) {
        self.wire = Vec::new();
        self.sent = 0;
    }

    /// The connection is of no use any more.
    pub(super) fn fail(&mut self, kind: io::ErrorKind) {
        if self.end == End::Open {
            self.end = End::Failed(kind);
        }
    }

    /// Whether the peer is to get no farewell.
    pub(super) fn part_silently(&mut self) {
        self.end = End::Failed(io::ErrorKind::ConnectionAborted);
    }

    /// Says, as far as there is room, that no more comes; once.
    pub(super) fn say_goodbye(&mut self, socket: &Stream) {
        if matches!(self.end, End::Failed(_)) || self.state().is_handshaking() {
            return;
        }
        let mut space = [0; ALERT];
        let mut held = std::mem::take(&mut self.held);
        let sealed = self.with_traffic(&mut held, Write::Goodbye, &mut space);
        self.held = held;
        if let Ok(sealed) = sealed {
            self.wire.extend_from_slice(space.get(..sealed).unwrap_or_default());
            // Whoever does not read gets no farewell.
            let _ = self.try_flush(socket);
        }
    }
}

/// What is to be written.
#[derive(Clone, Copy)]
enum Write<'a> {
    Plain(&'a [u8]),
    Goodbye,
}

enum Wrote {
    Bytes(usize),
    Not(Turn),
}

fn write_turn<D>(
    status: UnbufferedStatus<'_, '_, D>,
    write: Write<'_>,
    space: &mut [u8],
    sink: &mut Sink<'_>,
    wire: &mut Vec<u8>,
) -> (usize, io::Result<Wrote>) {
    match status {
        UnbufferedStatus { discard, state: Ok(ConnectionState::WriteTraffic(mut traffic)), .. } => {
            let wrote = match write {
                Write::Plain(bytes) => traffic.encrypt(bytes, space),
                Write::Goodbye => traffic.queue_close_notify(space),
            };
            (discard, wrote.map(Wrote::Bytes).map_err(broken))
        }
        other => {
            let (discard, turned) = turn(other, sink, wire);
            (discard, turned.map(Wrote::Not).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
        }
    }
}

fn broken(error: EncryptError) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}

/// Acts on one state of the connection. Gives how many bytes of the input are done with.
fn turn<D>(
    status: UnbufferedStatus<'_, '_, D>,
    sink: &mut Sink<'_>,
    wire: &mut Vec<u8>,
) -> (usize, Result<Turn, Error>) {
    let UnbufferedStatus { mut discard, state, .. } = status;
    let turned = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink.take(record.payload);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Turn::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let at = wire.len();
            let mut encoded = data.encode(&mut []);
            if let Err(EncodeError::InsufficientSize(size)) = &encoded {
                wire.resize(at + size.required_size, 0);
                encoded = data.encode(wire.get_mut(at..).unwrap_or_default());
            }
            encoded.map(|_| Turn::Again).map_err(|error| Error::General(error.to_string()))
        }
        // It stays in `wire`, ahead of whatever is written next.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Turn::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Turn::Blocked),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Turn::Ready),
        Ok(ConnectionState::PeerClosed) => Ok(Turn::PeerClosed),
        Ok(ConnectionState::Closed) => Ok(Turn::Over),
        // Nobody is offered to send early.
        Ok(_) => Err(Error::General("early data that was not offered".to_owned())),
    };
    (discard, turned)
}

/// What all connections of a thread encrypt into.
pub(super) struct Outgoing {
    gathered: Vec<u8>,
    sealed: Box<[u8]>,
}

impl Outgoing {
    pub(super) fn get(&self, range: std::ops::RangeTo<usize>) -> Option<&[u8]> {
        self.sealed.get(range)
    }
}

thread_local! {
    /// Holds nothing between two calls.
    static INCOMING: RefCell<Box<[u8]>> = RefCell::new(vec![0; INCOMING_LEN].into());
    /// Holds nothing between two calls.
    static OUTGOING: RefCell<Outgoing> =
        RefCell::new(Outgoing { gathered: Vec::new(), sealed: vec![0; SEALED_LEN].into() });
}

/// Lends the buffer that ciphertext is read into.
pub(super) fn with_incoming<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    INCOMING.with(|space| work(&mut space.borrow_mut()))
}

/// Lends the buffer that ciphertext is written from.
pub(super) fn with_outgoing<T>(work: impl FnOnce(&mut Outgoing) -> T) -> T {
    OUTGOING.with(|space| work(&mut space.borrow_mut()))
}

/// Most plain bytes in a record (RFC 8446 5.1).
const RECORD: usize = 16 * 1024;
/// Most bytes encrypted for one write.
const AT_ONCE: usize = 4 * RECORD;
/// Their ciphertext, and what of the protocol's own may go before them.
const SEALED_LEN: usize = AT_ONCE + 8 * 256 + 2048;
/// Room for a handshake message of the largest size and its records' heads, and for a read behind it.
const INCOMING_LEN: usize = 160 * 1024;
/// A read's room.
const ROOM: usize = 64 * 1024;
/// A farewell in a record.
const ALERT: usize = 2048;

#[cfg(test)]
mod hostile;
