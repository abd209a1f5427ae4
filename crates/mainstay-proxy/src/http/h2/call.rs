//! A request on a connection that others share: to the engine, a connection of its own to the node.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mainstay_core::{Moment, retry};
use mainstay_io::clock;
use mainstay_io::inner::Inner;
use mainstay_io::stream::Stream;
use mainstay_wire::cross::{self, Framing};
use mainstay_wire::h1::{self, BodyLength, Method, Parsed};
use mainstay_wire::h2::{Code, Fields};

use super::OWN_HEADS;
use super::grpc;
use super::inbox::Inbox;
use super::link::{Life, Link, Whose};
use super::writing::{Opened, Writing};
use crate::http::Conn;
use crate::http::attempt::{Aim, Failed};
use crate::http::job::Job;
use crate::http::log::Outcome;
use crate::pool::{Connection, Guard};

/// One request on a link, and its answer.
pub(super) struct Call {
    link: Rc<Link>,
    /// Its stream; 0 before its head was sent, and when it was handed over.
    id: Cell<u32>,
    method: Method,
    scheme: &'static [u8],
    /// When the request came, which its deadline counts from.
    begun: Moment,
    inbox: RefCell<Inbox>,
    writing: RefCell<Writing>,
    waker: RefCell<Option<Waker>>,
    /// Whether it waits for room.
    starved: Cell<bool>,
    fate: Cell<Fate>,
}

/// What became of a request, as far as its link can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing bad.
    Well,
    /// The node has not touched it.
    Untouched,
    /// The node gave it up, and said why.
    Reset(Code),
    /// The link is no more, or the node broke the rules.
    Broken,
}

impl Conn {
    /// A place for a request on a connection to the node that there is already, or the guard again.
    pub(in crate::http) fn place_now(&self, job: &mut Job, aim: &Aim<'_>, guard: Guard) -> Result<Connection, Guard> {
        let Some(link) = aim.node.links.with_room() else { return Err(guard) };
        job.account.connect = None;
        let requests = link.requests.get();
        if requests > 0 {
            aim.node.counters.reused.one();
        }
        let scheme: &[u8] = if aim.pool.params.tls.is_some() { b"https" } else { b"http" };
        Ok(guard.reused(call(&link, job, scheme), requests))
    }

    /// A place for a request on a connection to the node, made if there is none with room.
    pub(in crate::http) async fn place(
        &mut self,
        job: &mut Job,
        aim: &Aim<'_>,
        mut guard: Guard,
    ) -> Result<Connection, Failed> {
        let links = &aim.node.links;
        let failures = links.failures();
        loop {
            guard = match self.place_now(job, aim, guard) {
                Ok(up) => return Ok(up),
                Err(guard) => guard,
            };
            if links.failures() != failures {
                return Err(Failed::before(retry::Failure::Connect, Outcome::Refused));
            }
            let Some(dialing) = links.begin() else {
                self.now = clock::now();
                let news = self.wait_for_node(aim, aim.pool.params.connect_timeout, |cx| links.poll_news(cx, failures));
                if let Err(interrupt) = news.await {
                    return Err(Failed::not_connected(interrupt));
                }
                continue;
            };
            let stream = self.open(job, aim).await?;
            let params = &aim.pool.params;
            let life = Life { idle: params.idle_timeout, requests: params.requests_per_connection };
            let (pool, node, tag) = (params.name.clone(), aim.node.name.clone(), aim.node.tag);
            let whose = Whose { pool, node, tag };
            dialing.done(&Link::start(&self.worker, stream, whose, life));
        }
    }
}

fn call(link: &Rc<Link>, job: &Job, scheme: &'static [u8]) -> Stream {
    let call = Rc::new(Call {
        link: Rc::clone(link),
        id: Cell::new(0),
        method: job.method,
        scheme,
        begun: job.begun,
        inbox: RefCell::new(Inbox::new(Framing::Chunked)),
        writing: RefCell::new(Writing::new()),
        waker: RefCell::default(),
        starved: Cell::new(false),
        fate: Cell::new(Fate::Well),
    });
    Stream::Inner(Box::new(Handle(call)))
}

impl Call {
    /// The head of its answer came.
    pub(super) fn head(&self, fields: &Fields, end: bool, interim: bool) {
        let mut inbox = self.inbox.borrow_mut();
        inbox.head(|out| cross::response_to_h1(fields, end, self.method, out));
        if end && !interim {
            inbox.end(None);
        }
        drop(inbox);
        self.wake();
    }

    /// A piece of its answer came.
    pub(super) fn push(&self, bytes: &[u8], end: bool) {
        let mut inbox = self.inbox.borrow_mut();
        if !bytes.is_empty() {
            inbox.push(bytes);
        }
        if end {
            inbox.end(None);
        }
        drop(inbox);
        self.wake();
    }

    /// Its answer has ended.
    pub(super) fn end(&self, trailers: &Fields) {
        self.inbox.borrow_mut().end(Some(trailers));
        self.wake();
    }

    /// More may be sent.
    pub(super) fn has_room(&self) {
        if self.starved.take() {
            self.wake();
        }
    }

    /// It is no more.
    pub(super) fn leave(&self, fate: Fate) {
        // A node that has answered may say that it does not want the rest.
        if self.fate.get() == Fate::Well && !(self.inbox.borrow().has_ended() && fate == Fate::Reset(Code::NO_ERROR)) {
            self.fate.set(fate);
        }
        self.wake();
    }

    /// The call that the engine has for a connection.
    pub(super) fn of(stream: &Stream) -> Option<&Rc<Self>> {
        let Stream::Inner(inner) = stream else { return None };
        let inner: &dyn Any = &**inner;
        inner.downcast_ref::<Handle>().map(|handle| &handle.0)
    }

    /// The connection it is on.
    pub(super) fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// Whether its answer goes on, all that came of it has been taken, and the request was written in whole chunks, or to
    /// its end, if `sent`.
    pub(super) fn may_relay(&self, sent: bool) -> bool {
        let inbox = self.inbox.borrow();
        let in_request = match &*self.writing.borrow() {
            Writing::Done => sent,
            Writing::Chunked(unchunk) => !sent && unchunk.is_between(),
            Writing::Head(_) | Writing::Length(_) | Writing::UntilEnd => false,
        };
        self.fate.get() == Fate::Well && self.id.get() != 0 && in_request && inbox.is_empty() && !inbox.has_ended()
    }

    /// Gives the stream away; the engine's end of it means nothing from here on.
    pub(super) fn hand_over(&self) -> u32 {
        self.id.take()
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
        if self.fate.get() == Fate::Well { Ok(()) } else { Err(io::ErrorKind::ConnectionReset.into()) }
    }

    /// Reads a head that the engine writes, and sends it.
    fn open(self: &Rc<Self>, bytes: &[u8]) -> io::Result<Option<Opened>> {
        let request = match h1::request(bytes, &OWN_HEADS) {
            Ok(Parsed::Done(request)) => request,
            Ok(Parsed::More) => return Ok(None),
            Err(fault) => return Err(io::Error::other(fault.name())),
        };
        let head = request.len;
        let (then, end) = match request.body {
            BodyLength::None | BodyLength::Length(0) => (Writing::Done, true),
            BodyLength::Length(length) => (Writing::Length(length), false),
            BodyLength::Chunked => (Writing::chunked(), false),
        };
        let opened = self.link.carrier.compose(|connection, fields| {
            cross::request_from_h1(&request, self.scheme, fields);
            let left = fields.get(b"grpc-timeout").and_then(grpc::timeout);
            let left = left.map(|timeout| timeout.saturating_sub(clock::now().since(self.begun)));
            if let Some(left) = left {
                fields.replace(b"grpc-timeout", grpc::write_timeout(left).as_bytes());
            }
            let id = connection.open(self.method == Method::Head)?;
            connection.headers(id, fields.iter(), end);
            Some(id)
        });
        let Some(id) = opened else {
            self.leave(Fate::Untouched);
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        self.id.set(id);
        self.link.add(id, self);
        Ok(Some(Opened { head, then }))
    }
}

/// A call in the hands of the engine.
struct Handle(Rc<Call>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stream {} to a node", self.0.id.get())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let call = &*self.0;
        let id = call.id.get();
        if id == 0 {
            return;
        }
        // Of a stream that has ended both ways nothing is left that could be given up.
        call.link.carrier.with(|connection| {
            let back = call.inbox.borrow_mut().drop_all();
            connection.release(id, back);
            connection.reset(id, Code::CANCEL);
        });
        call.link.forget(id);
    }
}

impl Inner for Handle {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let call = &*self.0;
        if call.inbox.borrow().is_empty() {
            call.check()?;
            if call.inbox.borrow().has_ended() {
                return Poll::Ready(Ok(0));
            }
            call.keep_waker(cx);
            return Poll::Pending;
        }
        let (count, back) = call.inbox.borrow_mut().take(buf);
        if back > 0 {
            call.link.carrier.with(|connection| connection.release(call.id.get(), back));
        }
        Poll::Ready(Ok(count))
    }

    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let call = &self.0;
        call.check()?;
        let carrier = &call.link.carrier;
        let send = |writing: &mut Writing, bytes: &[u8]| {
            let room = carrier.room();
            carrier.compose(|connection, fields| writing.body(connection, fields, call.id.get(), bytes, room))
        };
        call.writing.borrow_mut().write(parts, |bytes| call.open(bytes), send)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let call = &*self.0;
        call.check()?;
        let carrier = &call.link.carrier;
        let waits = call.writing.borrow().needs_room()
            && (carrier.room() == 0 || carrier.with(|connection| connection.room(call.id.get())) == 0);
        if waits {
            call.starved.set(true);
            carrier.starve(call.id.get());
            call.keep_waker(cx);
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

    fn is_untouched(&self) -> bool {
        self.0.fate.get() == Fate::Untouched
    }

    fn code(&self) -> Option<u32> {
        match self.0.fate.get() {
            Fate::Reset(code) => Some(code.0),
            Fate::Well | Fate::Untouched | Fate::Broken => None,
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&self) {}
}
