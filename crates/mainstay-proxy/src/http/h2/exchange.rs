//! A client's stream: to the engine, a connection of one request.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mainstay_core::Moment;
use mainstay_io::inner::Inner;
use mainstay_io::timer::Raiser;
use mainstay_wire::cross::{self, Framing};
use mainstay_wire::h1::{self, Method, Parsed, ResponseBody};
use mainstay_wire::h2::{Code, Fields};

use super::OWN_HEADS;
use super::grpc::{self, Status};
use super::inbox::Inbox;
use super::session::Session;
use super::writing::{Opened, Writing};
use crate::http::job::Job;
use crate::worker::KILL;

/// One request of a client and its answer.
pub(in crate::http) struct Exchange {
    id: u32,
    session: Rc<Session>,
    method: Method,
    /// Whether it is a call of gRPC.
    pub(in crate::http) is_grpc: bool,
    /// When the client gives up waiting, as it said.
    pub(super) deadline: Option<Moment>,
    inbox: RefCell<Inbox>,
    writing: RefCell<Writing>,
    waker: RefCell<Option<Waker>>,
    /// Whether it waits for room.
    starved: Cell<bool>,
    /// Of whoever serves it.
    raiser: Raiser,
    /// Why nobody waits for its answer any more; empty while somebody does.
    gone: Cell<&'static str>,
    /// Whether its end is a failure, and why.
    failed: Cell<Option<&'static str>>,
    /// What a node said when it gave the stream up.
    code: Cell<Option<Code>>,
    /// It is carried without a task from here on.
    handed_over: Cell<bool>,
}

/// What the session knows of a request when its head has come.
pub(super) struct Asked {
    pub(super) id: u32,
    pub(super) method: Method,
    pub(super) framing: Framing,
    pub(super) is_grpc: bool,
    pub(super) deadline: Option<Moment>,
}

impl Exchange {
    pub(super) fn new(session: &Rc<Session>, asked: &Asked, raiser: Raiser) -> Rc<Self> {
        Rc::new(Self {
            id: asked.id,
            session: Rc::clone(session),
            method: asked.method,
            is_grpc: asked.is_grpc,
            deadline: asked.deadline,
            inbox: RefCell::new(Inbox::new(asked.framing)),
            writing: RefCell::new(Writing::new()),
            waker: RefCell::default(),
            starved: Cell::new(false),
            raiser,
            gone: Cell::new(""),
            failed: Cell::new(None),
            code: Cell::new(None),
            handed_over: Cell::new(false),
        })
    }

    /// A piece of its body came, the last one if it is the `end`.
    pub(super) fn push(&self, data: &[u8], end: bool) {
        if !data.is_empty() {
            self.inbox.borrow_mut().push(data);
        }
        if end {
            self.inbox.borrow_mut().end(None);
        }
        self.wake();
    }

    /// The request has ended.
    pub(super) fn end(&self, trailers: Option<&Fields>) {
        self.inbox.borrow_mut().end(trailers);
        self.wake();
    }

    /// More may be sent.
    pub(super) fn has_room(&self) {
        if self.starved.take() {
            self.wake();
        }
    }

    /// Nobody waits for the answer any more: whoever serves it ends at once.
    pub(super) fn leave(&self, why: &'static str) {
        if self.gone.get().is_empty() {
            self.gone.set(why);
            self.raiser.raise(KILL);
            self.wake();
        }
    }

    /// Takes the request's body to the end of `out`, if all of it has come and is no larger than `most`, framing included.
    pub(in crate::http) fn take_whole(&self, most: usize, out: &mut Vec<u8>) {
        let mut inbox = self.inbox.borrow_mut();
        if !inbox.has_ended() || inbox.len() > most {
            return;
        }
        let back = inbox.take_all(out);
        if back > 0 {
            self.session.carrier.with(|connection| connection.release(self.id, back));
        }
    }

    /// The time that the client gave is over.
    pub(super) fn expire(&self) {
        self.fail_call(Status::DEADLINE_EXCEEDED, "the call's deadline is over");
        self.leave("deadline");
    }

    /// Notes how the request went, for how the stream ends and for the log.
    pub(in crate::http) fn settle(&self, job: &mut Job) {
        if !self.gone.get().is_empty() {
            job.account.reason = self.gone.get();
        }
        if !job.account.reason.is_empty() {
            self.failed.set(Some(job.account.reason));
        }
    }

    /// Notes with which code a node gave the stream up.
    pub(in crate::http) fn note_code(&self, code: Option<u32>) {
        self.code.set(code.map(Code));
    }

    /// Its connection.
    pub(super) fn session(&self) -> &Rc<Session> {
        &self.session
    }

    /// Whether all that came has been taken, and of the answer no more than its head and whole chunks were written.
    /// `sent`: the whole request was taken.
    pub(super) fn may_relay(&self, sent: bool) -> bool {
        let inbox = self.inbox.borrow();
        let in_answer = matches!(&*self.writing.borrow(), Writing::Chunked(unchunk) if unchunk.is_between());
        self.gone.get().is_empty() && in_answer && inbox.is_empty() && inbox.has_ended() == sent
    }

    /// Gives the stream away; the engine's end of it means nothing from here on.
    pub(super) fn hand_over(&self) -> u32 {
        self.handed_over.set(true);
        self.id
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn keep_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.gone.get().is_empty() { Ok(()) } else { Err(io::ErrorKind::ConnectionReset.into()) }
    }

    /// Reads a head that the engine writes, and sends it.
    fn open(&self, bytes: &[u8]) -> io::Result<Option<Opened>> {
        let response = match h1::response(bytes, &OWN_HEADS, self.method) {
            Ok(Parsed::Done(response)) => response,
            Ok(Parsed::More) => return Ok(None),
            Err(fault) => return Err(io::Error::other(fault.name())),
        };
        let head = response.len;
        let (then, end) = match response.body {
            _ if response.status < 200 => (Writing::new(), false),
            ResponseBody::None | ResponseBody::Length(0) => (Writing::Done, true),
            ResponseBody::Length(length) => (Writing::Length(length), false),
            ResponseBody::Chunked => (Writing::chunked(), false),
            ResponseBody::UntilClose => (Writing::UntilEnd, false),
        };
        self.session.carrier.compose(|connection, fields| {
            cross::response_from_h1(&response, fields);
            connection.headers(self.id, fields.iter(), end);
        });
        Ok(Some(Opened { head, then }))
    }

    /// Ends a call with a status of ours: as its whole answer, or behind what came of it.
    fn fail_call(&self, status: Status, why: &str) {
        let mut fields = Fields::new();
        if matches!(&*self.writing.borrow(), Writing::Head(_)) {
            fields.push(b":status", b"200");
            fields.push(b"content-type", b"application/grpc");
        }
        grpc::write_status(status, why, &mut fields);
        *self.writing.borrow_mut() = Writing::Done;
        self.session.carrier.with(|connection| {
            connection.headers(self.id, fields.iter(), true);
            if !self.inbox.borrow().has_ended() {
                connection.reset(self.id, Code::NO_ERROR);
            }
        });
    }

    /// Whoever served it is done.
    fn finish(&self) {
        if self.handed_over.get() {
            return;
        }
        self.session.forget(self.id);
        let back = self.inbox.borrow_mut().drop_all();
        if back > 0 {
            self.session.carrier.with(|connection| connection.release(self.id, back));
        }
        if !self.gone.get().is_empty() {
            return;
        }
        let is_done = matches!(&*self.writing.borrow(), Writing::Done);
        let until_end = matches!(&*self.writing.borrow(), Writing::UntilEnd);
        let ended = self.inbox.borrow().has_ended();
        match self.failed.get() {
            _ if is_done => {
                if !ended {
                    // It has its answer, and need not send the rest (RFC 9113 8.1).
                    self.session.carrier.with(|connection| connection.reset(self.id, Code::NO_ERROR));
                }
            }
            None if until_end => {
                self.session.carrier.with(|connection| {
                    connection.data(self.id, &[], true);
                    if !ended {
                        connection.reset(self.id, Code::NO_ERROR);
                    }
                });
            }
            reason if self.is_grpc => {
                let reason = reason.unwrap_or("broken");
                match self.code.get() {
                    Some(code) => self.session.carrier.with(|connection| connection.reset(self.id, code)),
                    None => self.fail_call(Status::of(0, reason), reason),
                }
            }
            _ => {
                let code = self.code.get().unwrap_or(Code::INTERNAL_ERROR);
                self.session.carrier.with(|connection| connection.reset(self.id, code));
            }
        }
    }
}

/// An exchange in the hands of the engine.
pub(super) struct Handle(pub(super) Rc<Exchange>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stream {} of a client", self.0.id)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Inner for Handle {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let exchange = &*self.0;
        exchange.check()?;
        if exchange.inbox.borrow().is_empty() {
            exchange.keep_waker(cx);
            return Poll::Pending;
        }
        let (count, back) = exchange.inbox.borrow_mut().take(buf);
        if back > 0 {
            exchange.session.carrier.with(|connection| connection.release(exchange.id, back));
        }
        Poll::Ready(Ok(count))
    }

    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let exchange = &*self.0;
        exchange.check()?;
        let carrier = &exchange.session.carrier;
        let send = |writing: &mut Writing, bytes: &[u8]| {
            let room = carrier.room();
            carrier.compose(|connection, fields| writing.body(connection, fields, exchange.id, bytes, room))
        };
        exchange.writing.borrow_mut().write(parts, |bytes| exchange.open(bytes), send)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let exchange = &*self.0;
        exchange.check()?;
        let carrier = &exchange.session.carrier;
        let waits = exchange.writing.borrow().needs_room()
            && (carrier.room() == 0 || carrier.with(|connection| connection.room(exchange.id)) == 0);
        if waits {
            exchange.starved.set(true);
            carrier.starve(exchange.id);
            exchange.keep_waker(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.inbox.borrow().is_empty() && self.0.check().is_ok() {
            self.0.keep_waker(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn has_left(&self) -> bool {
        self.0.check().is_err()
    }

    fn identity(&self) -> Option<&str> {
        self.0.session.identity.as_deref()
    }

    fn is_untouched(&self) -> bool {
        false
    }

    fn code(&self) -> Option<u32> {
        None
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&self) {
        if self.0.failed.get().is_none() {
            self.0.failed.set(Some("broken"));
        }
    }
}
