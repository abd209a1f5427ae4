//! Carries bytes between two streams in both directions, as one task: small messages are copied through a lent
//! buffer, large ones go through a pipe without entering the process ([`Pipes`]).
//!
//! A direction reads on only when what it read before has been written, so a slow receiver slows its sender. One
//! that ends is ended towards its receiver, and the other one goes on.

use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;

use crate::pipes::{Pipe, Pipes};
use crate::stream::Stream;

/// What a worker lends to whichever session has something to carry.
#[derive(Debug)]
pub struct Lent<'a> {
    /// Holds nothing between two calls.
    pub buffer: &'a mut [u8],
    /// For large messages.
    pub pipes: &'a Pipes,
}

/// Both directions between two streams.
#[derive(Debug, Default)]
pub struct Pump {
    /// From the first stream to the second.
    pub forth: Flow,
    /// From the second to the first.
    pub back: Flow,
}

/// One direction. Owns no buffer while nothing waits to be written.
#[derive(Debug, Default)]
pub struct Flow {
    came: u64,
    went: u64,
    opening: Opening,
    held: Held,
    large: bool,
    state: State,
}

/// How a direction is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Bytes may come.
    #[default]
    Open,
    /// The sender has ended; what it sent before is not all written yet.
    Ending,
    /// The sender has ended, everything was written, and the receiver was told.
    Ended,
    /// It broke: reading from its sender failed.
    SenderBroke(io::ErrorKind),
    /// It broke: writing to its receiver failed.
    ReceiverBroke(io::ErrorKind),
}

/// What was read and could not be written yet.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    Bytes {
        bytes: Box<[u8]>,
        written: usize,
    },
    Piped(Pipe),
}

#[derive(Debug, Default)]
struct Opening {
    bytes: [u8; OPENING],
    len: usize,
}

impl Pump {
    /// Carries what can be carried. Ready when there is nothing left to do: both directions are through, or one
    /// stream is broken and what it had sent before has been delivered. [`Flow::state`] says how each one ended.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        first: &mut Stream,
        second: &mut Stream,
        lent: &mut Lent<'_>,
    ) -> Poll<()> {
        let forth = self.forth.poll(cx, first, second, lent);
        let back = self.back.poll(cx, second, first, lent);
        if forth.is_ready() && back.is_ready() {
            return Poll::Ready(());
        }
        // A stream that cannot be read cannot be written either; one that cannot be written may still have bytes.
        let broke = |flow: &Flow| matches!(flow.state, State::SenderBroke(_));
        if broke(&self.forth) || broke(&self.back) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Flow {
    /// Bytes read from the sender.
    #[must_use]
    pub fn came(&self) -> u64 {
        self.came
    }

    /// Bytes written to the receiver.
    #[must_use]
    pub fn went(&self) -> u64 {
        self.went
    }

    /// How it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The first bytes the sender sent, as far as they have come.
    #[must_use]
    pub fn opening(&self) -> &[u8] {
        self.opening.bytes.get(..self.opening.len).unwrap_or_default()
    }

    /// Carries what can be carried in this direction; ready when it is through or broken.
    pub fn poll(&mut self, cx: &mut Context<'_>, from: &mut Stream, to: &mut Stream, lent: &mut Lent<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let step = match self.state {
                State::Open | State::Ending => self.poll_step(cx, from, to, lent),
                State::Ended | State::SenderBroke(_) | State::ReceiverBroke(_) => return Poll::Ready(()),
            };
            if let Err(broken) = ready!(step) {
                self.state = broken;
                self.held = Held::Nothing;
            }
        }
        // Others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        lent: &mut Lent<'_>,
    ) -> Poll<Result<(), State>> {
        ready!(self.poll_flush(cx, to))?;
        if self.state == State::Ending {
            to.shutdown_write().map_err(receiver)?;
            self.state = State::Ended;
            return Poll::Ready(Ok(()));
        }
        if self.large
            && from.socket().is_some()
            && to.socket().is_some()
            && let Some(pipe) = lent.pipes.take()
        {
            return self.poll_pipe(cx, from, pipe);
        }
        self.poll_copy(cx, from, to, lent.buffer)
    }

    /// Writes what is held.
    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<Result<(), State>> {
        loop {
            let wrote = match &mut self.held {
                Held::Nothing => return Poll::Ready(Ok(())),
                Held::Bytes { bytes, written } => {
                    let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) else {
                        self.held = Held::Nothing;
                        continue;
                    };
                    let wrote = ready!(to.poll_write(cx, &[IoSlice::new(rest)])).map_err(receiver)?;
                    *written += wrote;
                    wrote
                }
                Held::Piped(pipe) if pipe.held() == 0 => {
                    self.held = Held::Nothing;
                    continue;
                }
                Held::Piped(pipe) => ready!(poll_drain(cx, to, pipe)).map_err(receiver)?,
            };
            if wrote == 0 {
                return Poll::Ready(Err(State::ReceiverBroke(io::ErrorKind::WriteZero)));
            }
            self.went += wrote as u64;
        }
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>, from: &mut Stream, mut pipe: Pipe) -> Poll<Result<(), State>> {
        match ready!(poll_fill(cx, from, &mut pipe, usize::MAX)) {
            Ok(0) => self.state = State::Ending,
            Ok(came) => {
                self.came += came as u64;
                self.large = came >= LARGE;
                self.held = Held::Piped(pipe);
            }
            // A system that does not splice these sockets: nothing was moved, so copying goes on from here.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.large = false,
            Err(error) => return Poll::Ready(Err(sender(error))),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        buffer: &mut [u8],
    ) -> Poll<Result<(), State>> {
        let came = ready!(from.poll_read(cx, buffer)).map_err(sender)?;
        let Some(bytes) = buffer.get(..came).filter(|bytes| !bytes.is_empty()) else {
            self.state = State::Ending;
            return Poll::Ready(Ok(()));
        };
        self.came += came as u64;
        self.opening.add(bytes);
        self.large = came >= LARGE;
        let wrote = match to.poll_write(cx, &[IoSlice::new(bytes)]) {
            Poll::Ready(wrote) => wrote.map_err(receiver)?,
            Poll::Pending => 0,
        };
        self.went += wrote as u64;
        if let Some(rest) = bytes.get(wrote..).filter(|rest| !rest.is_empty()) {
            self.held = Held::Bytes { bytes: rest.into(), written: 0 };
        }
        Poll::Ready(Ok(()))
    }
}

impl Opening {
    fn add(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }
}

pub(crate) fn poll_fill(cx: &mut Context<'_>, from: &Stream, pipe: &mut Pipe, most: usize) -> Poll<io::Result<usize>> {
    loop {
        ready!(from.poll_readable(cx))?;
        let filled = match from {
            Stream::Tcp(stream) => stream.try_io(Interest::READABLE, || pipe.fill(stream.as_fd(), most)),
            Stream::Unix(stream) => stream.try_io(Interest::READABLE, || pipe.fill(stream.as_fd(), most)),
            Stream::Tls(_) | Stream::Inner(_) => Err(io::ErrorKind::InvalidInput.into()),
        };
        match filled {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}

pub(crate) fn poll_drain(cx: &mut Context<'_>, to: &Stream, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
    loop {
        let drained = match to {
            Stream::Tcp(stream) => {
                ready!(stream.poll_write_ready(cx))?;
                stream.try_io(Interest::WRITABLE, || pipe.drain(stream.as_fd()))
            }
            Stream::Unix(stream) => {
                ready!(stream.poll_write_ready(cx))?;
                stream.try_io(Interest::WRITABLE, || pipe.drain(stream.as_fd()))
            }
            Stream::Tls(_) | Stream::Inner(_) => Err(io::ErrorKind::InvalidInput.into()),
        };
        match drained {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}

fn sender(error: io::Error) -> State {
    State::SenderBroke(error.kind())
}

fn receiver(error: io::Error) -> State {
    State::ReceiverBroke(error.kind())
}

/// A read this large makes the next one go through a pipe. For less, copying costs less than the system calls that a
/// pipe adds.
const LARGE: usize = 32 * 1024;
/// Reads in a row before others have their turn.
const ROUNDS: usize = 16;
/// Enough to tell a protocol by.
const OPENING: usize = 16;

#[cfg(test)]
mod tests;
