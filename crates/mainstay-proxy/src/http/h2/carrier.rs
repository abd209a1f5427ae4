//! What carries one end of a connection: its frames in, its frames out.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::IoSlice;
use std::task::{Context, Poll, Waker};

use mainstay_io::stream::Stream;
use mainstay_wire::h2::{Connection, Ended, Event, Fields};

/// The state of an end, which its task and its streams share.
pub(super) struct Carrier {
    connection: RefCell<Connection>,
    waker: RefCell<Option<Waker>>,
    /// Whether the task has its turn just now.
    busy: Cell<bool>,
    /// Streams that wait for room.
    starved: RefCell<Starved>,
    /// Whether nothing is read for the moment.
    holds_back: Cell<bool>,
    /// Where heads are composed.
    scratch: RefCell<Fields>,
}

/// Why a connection is carried no further.
#[derive(Debug)]
pub(super) enum Over {
    /// The peer closed it, or it broke.
    Closed,
    /// The peer broke the rules. It has been told, as far as the system took that at once.
    Ended(Ended),
}

/// Streams that wait for room, each once.
#[derive(Default)]
struct Starved {
    order: Vec<u32>,
    /// Those that still do.
    known: HashSet<u32>,
}

impl Starved {
    fn add(&mut self, id: u32) {
        if self.order.len() > 2 * self.known.len() + SPARE {
            self.order.retain(|id| self.known.contains(id));
        }
        if self.known.insert(id) {
            self.order.push(id);
        }
    }

    fn take(&mut self) -> Vec<u32> {
        let mut order = std::mem::take(&mut self.order);
        order.retain(|id| self.known.remove(id));
        if !order.is_empty() {
            order.rotate_left(1);
        }
        order
    }
}

impl Carrier {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: RefCell::new(connection),
            waker: RefCell::default(),
            busy: Cell::new(false),
            starved: RefCell::default(),
            holds_back: Cell::new(false),
            scratch: RefCell::default(),
        }
    }

    /// Looks at the connection or changes it. What that gives to be sent is sent when the task has its turn.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Connection) -> T) -> T {
        let mut connection = self.connection.borrow_mut();
        let before = connection.out().len();
        let value = change(&mut connection);
        let is_first = before == 0 && !connection.out().is_empty();
        drop(connection);
        if is_first && !self.busy.get() {
            self.wake();
        }
        value
    }

    /// The same, with fields that are empty, to compose a head in.
    pub(super) fn compose<T>(&self, change: impl FnOnce(&mut Connection, &mut Fields) -> T) -> T {
        let mut fields = self.scratch.borrow_mut();
        fields.clear();
        self.with(|connection| change(connection, &mut fields))
    }

    /// Reads nothing for the moment, or goes on.
    pub(super) fn hold_back(&self, whether: bool) {
        self.holds_back.set(whether);
    }

    /// Notes that a stream waits for room.
    pub(super) fn starve(&self, id: u32) {
        self.starved.borrow_mut().add(id);
    }

    /// A stream is gone, and waits for nothing any more.
    pub(super) fn forget(&self, id: u32) {
        self.starved.borrow_mut().known.remove(&id);
    }

    /// Streams that wait for room. They are to be told in this order that there may be some, and to say so again if it was not
    /// enough: who was first comes last the next time, since the first may take all.
    pub(super) fn starved(&self) -> Vec<u32> {
        self.starved.borrow_mut().take()
    }

    /// Gives the task a turn.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// How many bytes of data may be put to what is to be sent.
    pub(super) fn room(&self) -> usize {
        MOST_OUT.saturating_sub(self.connection.borrow_mut().out().len())
    }

    /// Sends what there is and reads what came, which goes to `event` in order. Ready when it is over. `pending` are
    /// bytes that have come and are not done with.
    pub(super) fn poll(
        &self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        lent: &RefCell<Box<[u8]>>,
        pending: &mut Vec<u8>,
        event: impl FnMut(Event<'_>),
        drained: impl Fn(),
    ) -> Poll<Over> {
        self.busy.set(true);
        let polled = self.turn(cx, stream, lent, pending, event, drained);
        self.busy.set(false);
        polled
    }

    fn turn(
        &self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        lent: &RefCell<Box<[u8]>>,
        pending: &mut Vec<u8>,
        mut event: impl FnMut(Event<'_>),
        drained: impl Fn(),
    ) -> Poll<Over> {
        {
            let mut waker = self.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        for _ in 0..ROUNDS {
            if !pending.is_empty() && self.may_read() {
                let bytes = std::mem::take(pending);
                if let Err(ended) = self.take(&bytes, pending, &mut event) {
                    return self.end(stream, ended);
                }
            }
            match self.flush(cx, stream) {
                Ok(true) => {
                    drained();
                    if !self.is_flushed() {
                        // What that brought goes out in another turn: nothing else may come to ask for one.
                        cx.waker().wake_by_ref();
                    }
                }
                Ok(false) => {}
                Err(()) => return Poll::Ready(Over::Closed),
            }
            if !self.may_read() {
                // Who does not read what it asked for is not read either.
                return Poll::Pending;
            }
            let mut lent = lent.borrow_mut();
            let count = match stream.poll_read(cx, &mut lent) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) if count > 0 => count,
                Poll::Ready(_) => return Poll::Ready(Over::Closed),
            };
            let came = lent.get(..count).unwrap_or_default();
            let taken = if pending.is_empty() {
                self.take(came, pending, &mut event)
            } else {
                let mut bytes = std::mem::take(pending);
                bytes.extend_from_slice(came);
                self.take(&bytes, pending, &mut event)
            };
            drop(lent);
            if let Err(ended) = taken {
                return self.end(stream, ended);
            }
        }
        // Others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether there is nothing to be sent.
    pub(super) fn is_flushed(&self) -> bool {
        self.connection.borrow_mut().out().is_empty()
    }

    /// A second went by: what passes with time is looked at, and a connection that has nothing to say owns no room for it.
    pub(super) fn second(&self) {
        self.with(|connection| {
            connection.second();
            if connection.out().is_empty() {
                *connection.out() = Vec::new();
            }
        });
    }

    /// Sends what the system takes at once.
    pub(super) fn send_now(&self, stream: &Stream) {
        let mut connection = self.connection.borrow_mut();
        // A peer that is gone shows itself when it is read.
        let _ = stream.try_write(&[IoSlice::new(connection.out())]);
        connection.out().clear();
    }

    fn may_read(&self) -> bool {
        !self.holds_back.get() && self.connection.borrow_mut().out().len() < MOST_OUT
    }

    fn end(&self, stream: &Stream, ended: Ended) -> Poll<Over> {
        self.send_now(stream);
        Poll::Ready(Over::Ended(ended))
    }

    /// Reads `bytes`; those that are not done with are put into `pending`.
    fn take(&self, bytes: &[u8], pending: &mut Vec<u8>, event: &mut impl FnMut(Event<'_>)) -> Result<(), Ended> {
        let mut rest = bytes;
        loop {
            let step = self.connection.borrow_mut().next(rest)?;
            rest = rest.get(step.used..).unwrap_or_default();
            match step.event {
                Some(what) => event(what),
                None => {
                    pending.clear();
                    pending.extend_from_slice(rest);
                    return Ok(());
                }
            }
        }
    }

    /// Sends what the peer takes: `true` when that made room for more.
    fn flush(&self, cx: &mut Context<'_>, stream: &mut Stream) -> Result<bool, ()> {
        let mut connection = self.connection.borrow_mut();
        let out = connection.out();
        let mut moved = false;
        while !out.is_empty() {
            match stream.poll_write(cx, &[IoSlice::new(out)]) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    moved = true;
                    if count == out.len() {
                        out.clear();
                    } else {
                        out.drain(..count);
                    }
                }
                Poll::Ready(_) => return Err(()),
                Poll::Pending => break,
            }
        }
        if out.is_empty() && out.capacity() > LARGEST_IDLE {
            *out = Vec::new();
        }
        Ok(moved)
    }
}

/// What may pile up to be sent on one connection before nothing more is taken from it or put to it. A head or an answer
/// to a frame may still come on top.
const MOST_OUT: usize = 64 * 1024;
/// Reads in a row before others have their turn.
const ROUNDS: usize = 4;
/// Streams that may be noted and gone before the note is cleared.
const SPARE: usize = 64;
/// A connection whose peer has taken everything owns no more than this.
const LARGEST_IDLE: usize = 16 * 1024;
