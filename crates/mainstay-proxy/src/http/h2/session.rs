//! A client's connection over HTTP/2: one task, from its preface to its end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::{Interrupt, Slot};
use mainstay_wire::cross;
use mainstay_wire::h1::Method;
use mainstay_wire::h2::hpack::ListLimits;
use mainstay_wire::h2::{ById, Code, Connection, Ended, Event, Field, Fields, Limits, Role};

use super::carrier::{Carrier, Over};
use super::exchange::{Asked, Exchange};
use super::grpc;
use super::lane::End;
use super::relay::Relay;
use crate::counters::Limit;
use crate::http::route::Table;
use crate::http::{Conn, serve_exchange};
use crate::worker::{DRAIN, KILL, Listening, Peer, Worker};

/// What a connection and its streams share.
pub(in crate::http) struct Session {
    pub(in crate::http) worker: Rc<Worker>,
    pub(in crate::http) listening: Rc<Listening>,
    pub(in crate::http) peer: Peer,
    /// Whom the client's certificate names.
    pub(super) identity: Option<String>,
    pub(super) carrier: Carrier,
    streams: RefCell<ById<Served>>,
    /// Requests so far.
    served: Cell<u64>,
    leaving: Cell<Leaving>,
    /// When bytes came last.
    heard: Cell<Moment>,
    /// When the last stream ended, or the connection began.
    idle_since: Cell<Moment>,
    /// When the wire was last told that a second went by.
    second: Cell<Moment>,
    /// When the first of the streams' deadlines is over; no later than that.
    soonest: Cell<Option<Moment>>,
}

/// How a stream is served.
#[derive(Clone)]
enum Served {
    /// By a task of its own.
    Exchange(Rc<Exchange>),
    /// By those of the two connections.
    Relay(Rc<Relay>),
}

/// How far a connection is on its way to its end (RFC 9113 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// It is not.
    No,
    /// The client has been told, and what it sent before it knew is still taken, until then.
    Announced(Moment),
    /// Streams end, and no new ones are taken.
    Last,
}

/// Carries a client's connection whose first bytes said that it speaks HTTP/2. They are in its input.
pub(in crate::http) async fn serve(client: Conn) {
    let Conn { worker, listening, stream, peer, slot, input, open, now, _permit, .. } = client;
    let Some(table) = listening.table() else { return };
    let session = Rc::new(Session {
        carrier: Carrier::new(Connection::new(Role::Server, limits(&table))),
        worker,
        listening,
        peer,
        identity: stream.identity().map(str::to_owned),
        streams: RefCell::default(),
        served: Cell::new(0),
        leaving: Cell::new(Leaving::No),
        heard: Cell::new(now),
        idle_since: Cell::new(now),
        second: Cell::new(now),
        soonest: Cell::new(None),
    });
    drop(table);
    let mut task = Task { session: Rc::clone(&session), stream, slot, pending: input, pinged: None };
    task.run().await;
    session.take_all().iter().for_each(|served| served.leave("client_gone"));
    session.worker.spares.give_bytes(task.pending);
    drop((open, _permit));
}

fn limits(table: &Table) -> Limits {
    let limits = &table.limits;
    Limits {
        streams: limits.streams,
        list: ListLimits { size: limits.head, fields: limits.fields },
        block: limits.head,
        connection_window: CONNECTION_WINDOW,
        ..Limits::default()
    }
}

/// The task's own part of a connection.
struct Task {
    session: Rc<Session>,
    stream: Stream,
    slot: Slot,
    pending: Vec<u8>,
    /// When a PING was sent that was not answered yet.
    pinged: Option<Moment>,
}

impl Task {
    async fn run(&mut self) {
        self.slot.tag(0);
        self.slot.hear(DRAIN | KILL);
        if self.session.listening.ending.get() {
            self.session.announce();
        }
        loop {
            let Self { session, stream, slot, pending, .. } = self;
            let mut armed = None;
            let carry = |cx: &mut Context<'_>| {
                let polled = session.poll(cx, stream, pending);
                // Set anew only when it moved: a deadline that has passed must stay so until it is heard.
                let next = session.next();
                if armed.replace(next) != Some(next) {
                    slot.set(next);
                }
                polled
            };
            let over = slot.wait(carry).await;
            match over {
                Ok(Some(Over::Ended(ended))) => {
                    session.note_end(&ended);
                    // What the client still sends must not take the GOAWAY away from it.
                    return self.linger().await;
                }
                Ok(Some(Over::Closed)) => return,
                // The client may still be saying something, and must get to read the last of its answers.
                Ok(None) => return self.linger().await,
                Err(Interrupt::Signal(signals)) if signals & KILL != 0 => return self.stream.reset_on_close(),
                Err(Interrupt::Signal(_)) => {
                    slot.lower(DRAIN);
                    session.announce();
                }
                Err(Interrupt::Expired) => {
                    if !self.tick() {
                        session_over(&self.session, &self.stream);
                        return self.linger().await;
                    }
                }
            }
        }
    }

    /// Does what is due; false when the connection is to end.
    fn tick(&mut self) -> bool {
        let now = clock::now();
        let session = &self.session;
        if now >= session.second.get() + SECOND {
            session.carrier.second();
            session.second.set(now);
        }
        session.expire(now);
        match session.leaving.get() {
            Leaving::Announced(until) if now >= until => session.leave(),
            _ => {}
        }
        if session.streams.borrow().is_empty() {
            let idle = now.since(session.idle_since.get()) >= session.idle_timeout();
            if idle {
                session.limit(Limit::Idle);
            }
            return !idle;
        }
        self.ask(now)
    }

    /// Asks a client that is silent while it waits whether it is there; false when it did not say.
    fn ask(&mut self, now: Moment) -> bool {
        let session = &self.session;
        match self.pinged {
            Some(at) if session.heard.get() > at => self.pinged = None,
            Some(at) if now.since(at) >= PING_WITHIN => {
                session.limit(Limit::PingTimeout);
                return false;
            }
            Some(_) => {}
            None if now.since(session.heard.get()) >= PING_AFTER => {
                session.carrier.with(|connection| connection.ping(*b"mainstay"));
                self.pinged = Some(now);
            }
            None => {}
        }
        true
    }

    /// Lets a client that was told to go read that.
    async fn linger(&mut self) {
        if self.stream.shutdown_write().is_err() {
            return;
        }
        self.slot.hear(KILL);
        self.slot.set(clock::now() + LINGER);
        let mut left = LINGER_BYTES;
        while left > 0 {
            let (worker, stream) = (&self.session.worker, &mut self.stream);
            match self.slot.wait(|cx| stream.poll_read(cx, &mut worker.lent.borrow_mut())).await {
                Ok(Ok(count)) if count > 0 => left = left.saturating_sub(count),
                _ => return,
            }
        }
    }
}

fn session_over(session: &Session, stream: &Stream) {
    session.carrier.with(|connection| connection.go_away(Code::NO_ERROR));
    session.carrier.send_now(stream);
}

impl Session {
    /// Carries what can be carried; ready with `None` when all is done.
    fn poll(self: &Rc<Self>, cx: &mut Context<'_>, stream: &mut Stream, pending: &mut Vec<u8>) -> Poll<Option<Over>> {
        let lent = &self.worker.lent;
        // What waits in a socket costs less than what waits as a task.
        let is_late = self.worker.unstarted.get() >= MOST_UNSTARTED;
        self.carrier.hold_back(is_late);
        if is_late {
            cx.waker().wake_by_ref();
        }
        let mut is_news = true;
        let event = |event: Event<'_>| {
            // One look at the clock for all that came together.
            if std::mem::take(&mut is_news) {
                self.heard.set(clock::now());
            }
            self.event(event);
        };
        let polled = self.carrier.poll(cx, stream, lent, pending, event, || self.feed());
        match polled {
            Poll::Ready(over) => Poll::Ready(Some(over)),
            Poll::Pending if self.is_done() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    /// When to look again, as far as nothing else happens.
    fn next(&self) -> Moment {
        if self.streams.borrow().is_empty() && self.leaving.get() == Leaving::No {
            return self.idle_since.get() + self.idle_timeout();
        }
        let second = self.second.get() + SECOND;
        self.soonest.get().map_or(second, |soonest| soonest.min(second))
    }

    /// Ends the calls whose time is over.
    fn expire(&self, now: Moment) {
        if self.soonest.get().is_none_or(|soonest| soonest > now) {
            return;
        }
        // Whoever ends may set it anew.
        self.soonest.set(None);
        for served in self.all() {
            match served.until() {
                Some(until) if until <= now => served.expire(now),
                Some(until) => self.soonest.set(Some(self.soonest.get().map_or(until, |soonest| soonest.min(until)))),
                None => {}
            }
        }
    }

    fn is_done(&self) -> bool {
        self.leaving.get() == Leaving::Last && self.streams.borrow().is_empty() && self.carrier.is_flushed()
    }

    fn event(self: &Rc<Self>, event: Event<'_>) {
        match event {
            Event::Head { stream, end, .. } => self.begin(stream, end),
            Event::TooLarge { stream, end } => self.refuse_large(stream, end),
            Event::Data { stream, bytes, end } => match self.find(stream) {
                Some(Served::Exchange(exchange)) => exchange.push(bytes, end),
                Some(Served::Relay(relay)) => relay.client_said(bytes, end),
                None => {}
            },
            Event::Trailers { stream } => match self.find(stream) {
                Some(Served::Exchange(exchange)) => {
                    self.carrier.with(|connection| exchange.end(Some(connection.fields())));
                }
                Some(Served::Relay(relay)) => {
                    let end = self.carrier.with(|connection| End::read(connection.fields()));
                    relay.client_ended(end);
                }
                None => {}
            },
            Event::Reset { stream, .. } => self.end_stream(stream, "client_gone"),
            Event::Broken { stream, code, .. } => {
                self.fault(code.name());
                self.end_stream(stream, "request_invalid");
            }
            Event::Window { stream: 0 } | Event::Settings => self.feed(),
            Event::Window { stream } => {
                if let Some(served) = self.find(stream) {
                    served.has_room();
                }
            }
            Event::GoAway { .. } => self.leave(),
            Event::Pong { payload } => {
                if payload == *DRAINED && matches!(self.leaving.get(), Leaving::Announced(_)) {
                    self.leave();
                }
            }
        }
    }

    /// A request came: it is served as a connection of one request would be.
    fn begin(self: &Rc<Self>, id: u32, end: bool) {
        let now = self.heard.get();
        let Some(table) = self.listening.table() else {
            return self.carrier.with(|connection| connection.reset(id, Code::REFUSED_STREAM));
        };
        let mut head = self.worker.spares.take_bytes();
        let asked = self.carrier.with(|connection| {
            let fields = connection.fields();
            let get = |name: &[u8]| fields.get(name).unwrap_or_default();
            let is_grpc = grpc::is_grpc(get(b"content-type"));
            let deadline = fields.get(b"grpc-timeout").filter(|_| is_grpc).and_then(grpc::timeout);
            Asked {
                id,
                method: Method::from_text(get(b":method")),
                framing: cross::request_to_h1(fields, end, &mut head),
                is_grpc,
                deadline: deadline.map(|deadline| now + deadline),
            }
        });
        let slot = self.worker.timers.slot(self.listening.group);
        let exchange = Exchange::new(self, &asked, slot.raiser());
        if let Some(deadline) = asked.deadline {
            self.soonest.set(Some(self.soonest.get().map_or(deadline, |soonest| soonest.min(deadline))));
        }
        self.streams.borrow_mut().insert(id, Served::Exchange(Rc::clone(&exchange)));
        let served = self.served.get() + 1;
        self.served.set(served);
        tokio::task::spawn_local(serve_exchange(self, exchange, slot, head, now));
        if served >= table.limits.requests && self.leaving.get() == Leaving::No {
            self.limit(Limit::Requests);
            self.announce();
        }
    }

    /// Answers a request whose fields are beyond the bounds.
    fn refuse_large(&self, id: u32, end: bool) {
        self.limit(Limit::HeadTooLarge);
        let mut fields = Fields::new();
        fields.push(b":status", b"431");
        fields.push(b"content-length", b"0");
        self.carrier.with(|connection| {
            connection.headers(id, fields.iter().collect::<Vec<Field<'_>>>(), true);
            if !end {
                connection.reset(id, Code::NO_ERROR);
            }
        });
        if let Some(counters) = self.listening.counters() {
            counters.requests.one();
            counters.answers.one(crate::counters::Class::of(431));
        }
    }

    /// Tells the client that the connection will end, once.
    fn announce(&self) {
        if self.leaving.get() == Leaving::No {
            self.leaving.set(Leaving::Announced(clock::now() + SECOND));
            self.carrier.with(|connection| {
                connection.announce_end();
                connection.ping(*DRAINED);
            });
            self.carrier.wake();
        }
    }

    /// Takes no further streams.
    fn leave(&self) {
        if self.leaving.get() != Leaving::Last {
            self.leaving.set(Leaving::Last);
            self.carrier.with(|connection| connection.go_away(Code::NO_ERROR));
            self.carrier.wake();
        }
    }

    /// A stream is no more.
    pub(super) fn forget(&self, id: u32) {
        self.carrier.forget(id);
        let mut streams = self.streams.borrow_mut();
        if streams.remove(&id).is_some() && streams.is_empty() {
            self.idle_since.set(clock::now());
            if self.leaving.get() != Leaving::No {
                self.carrier.wake();
            }
        }
    }

    /// A stream is carried without its task from here on.
    pub(super) fn relay(&self, id: u32, relay: &Rc<Relay>) {
        self.streams.borrow_mut().insert(id, Served::Relay(Rc::clone(relay)));
    }

    /// A stream is to be looked at then.
    pub(super) fn look_at(&self, then: Moment) {
        if self.soonest.get().is_none_or(|soonest| then < soonest) {
            self.soonest.set(Some(then));
            self.carrier.wake();
        }
    }

    fn find(&self, id: u32) -> Option<Served> {
        self.streams.borrow().get(&id).cloned()
    }

    fn all(&self) -> Vec<Served> {
        self.streams.borrow().values().cloned().collect()
    }

    fn take_all(&self) -> Vec<Served> {
        self.streams.take().into_values().collect()
    }

    /// The client has ended a stream before its time.
    fn end_stream(&self, id: u32, why: &'static str) {
        if let Some(served) = self.find(id) {
            served.leave(why);
            self.forget(id);
        }
    }

    /// There may be room again for whoever waits for it.
    fn feed(&self) {
        for id in self.carrier.starved() {
            if let Some(served) = self.find(id) {
                served.has_room();
            }
        }
    }

    fn idle_timeout(&self) -> Duration {
        self.listening.table().map_or(Duration::ZERO, |table| table.limits.idle_timeout.max(LEAST_IDLE))
    }

    /// Counts what breaks the rules.
    pub(super) fn fault(&self, name: &'static str) {
        if let Some(counters) = self.listening.counters() {
            counters.faults.one(name);
        }
    }

    pub(super) fn limit(&self, limit: Limit) {
        if let Some(counters) = self.listening.counters() {
            counters.limits.one(limit);
        }
    }

    /// Counts a client that broke the rules.
    fn note_end(&self, ended: &Ended) {
        self.fault(ended.flood.map_or(ended.code.name(), |flood| flood.name()));
        if let Some(flood) = ended.flood {
            tracing::warn!(
                listener = &*self.listening.name(),
                client = ?self.peer,
                kind = flood.name(),
                "a client's HTTP/2 connection was ended: it flooded"
            );
        }
    }
}

impl Served {
    fn has_room(&self) {
        match self {
            Self::Exchange(exchange) => exchange.has_room(),
            Self::Relay(relay) => relay.client_has_room(),
        }
    }

    fn leave(&self, why: &'static str) {
        match self {
            Self::Exchange(exchange) => exchange.leave(why),
            Self::Relay(relay) => relay.client_left(why),
        }
    }

    fn until(&self) -> Option<Moment> {
        match self {
            Self::Exchange(exchange) => exchange.deadline,
            Self::Relay(relay) => relay.until(),
        }
    }

    fn expire(&self, now: Moment) {
        match self {
            Self::Exchange(exchange) => exchange.expire(),
            Self::Relay(relay) => relay.expire(now),
        }
    }
}

/// What all streams of a connection together may have sent that no node has taken yet, in bytes.
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// Requests of a worker that have been read and not begun; beyond that, no more are read until those had their turn.
const MOST_UNSTARTED: usize = 64;
/// How often what passes with time is looked at while there are streams.
const SECOND: Duration = Duration::from_secs(1);
/// A client that waits for an answer and was not heard for so long is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(60);
/// How long its answer may take.
const PING_WITHIN: Duration = Duration::from_secs(20);
/// A connection may be without streams for as long as this whatever the limits say, so that its first may come.
const LEAST_IDLE: Duration = Duration::from_secs(1);
/// The PING whose answer says that a client has heard of the end.
const DRAINED: &[u8; 8] = b"drained?";
/// How long a connection that ends waits for the client to read the last of it.
const LINGER: Duration = Duration::from_secs(1);
/// How much a client may still send meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;
