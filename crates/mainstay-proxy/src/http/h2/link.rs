//! Connections to nodes over HTTP/2, shared by requests: one task each.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::{Interrupt, Slot};
use mainstay_wire::h1;
use mainstay_wire::h2::hpack::ListLimits;
use mainstay_wire::h2::{ById, Code, Connection, Event, Limits, Opens, Role};

use super::call::{Call, Fate};
use super::carrier::{Carrier, Over};
use super::lane::End;
use super::relay::Relay;
use crate::worker::{DEMOTED, DRAIN, KILL, NODE_OUT, Worker};

/// A connection to a node, as requests share it.
pub(crate) struct Link {
    pub(super) carrier: Carrier,
    calls: RefCell<ById<Carried>>,
    state: Cell<State>,
    /// Whether the node has said what it allows.
    settled: Cell<bool>,
    /// Requests sent over it.
    pub(super) requests: Cell<u64>,
    heard: Cell<Moment>,
    idle_since: Cell<Moment>,
    /// When the wire was last told that a second went by.
    second: Cell<Moment>,
}

/// How a request on it is carried.
#[derive(Clone)]
enum Carried {
    /// By a task of its own.
    Call(Rc<Call>),
    /// By those of the two connections.
    Relay(Rc<Relay>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Requests may be put on it.
    Open,
    /// Those it has end, and no new ones come.
    Leaving,
    /// It has ended.
    Over,
}

/// A node's links, and whoever waits for one.
#[derive(Default)]
pub(crate) struct Links {
    open: RefCell<Vec<Rc<Link>>>,
    /// Whether somebody connects.
    dialing: Cell<bool>,
    /// Times that connecting has failed.
    failures: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Links {
    /// A link with room for one more request.
    pub(super) fn with_room(&self) -> Option<Rc<Link>> {
        let mut open = self.open.borrow_mut();
        open.retain(|link| link.state.get() == State::Open);
        open.iter().find(|link| link.has_room()).map(Rc::clone)
    }

    /// Whether there are as many as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.open.borrow().len() >= MOST_LINKS
    }

    /// Ready when there is room on a link, or somebody has to connect, or whoever did has failed since `failures`.
    pub(super) fn poll_news(&self, cx: &Context<'_>, failures: u64) -> Poll<()> {
        let may_dial = !self.dialing.get() && !self.is_full();
        if may_dial || self.failures.get() != failures || self.with_room().is_some() {
            return Poll::Ready(());
        }
        self.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.get()
    }

    /// Begins to connect; `None` when somebody does already, or there are enough.
    pub(super) fn begin(&self) -> Option<Dialing<'_>> {
        if self.is_full() || self.dialing.replace(true) {
            return None;
        }
        Some(Dialing { links: self, done: false })
    }

    /// Puts no further request on them: the node is to be left.
    pub(crate) fn leave(&self) {
        for link in self.open.borrow_mut().drain(..) {
            link.leave();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// There may be room on one, or for another.
    fn wake(&self) {
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

/// Somebody connects, for all who wait.
pub(super) struct Dialing<'a> {
    links: &'a Links,
    done: bool,
}

impl Dialing<'_> {
    /// There is a connection.
    pub(super) fn done(mut self, link: &Rc<Link>) {
        self.done = true;
        self.links.open.borrow_mut().push(Rc::clone(link));
    }
}

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.links.dialing.set(false);
        if !self.done {
            self.links.failures.set(self.links.failures.get() + 1);
        }
        self.links.wake();
    }
}

impl Link {
    /// Carries a connection that was just made to this node.
    pub(super) fn start(worker: &Rc<Worker>, stream: Stream, whose: Whose, life: Life) -> Rc<Self> {
        let now = clock::now();
        let limits = Limits {
            list: ListLimits { size: h1::MOST_HEAD, fields: h1::MOST_FIELDS },
            block: h1::MOST_HEAD,
            connection_window: CONNECTION_WINDOW,
            connection_opens: Opens::OnReceipt,
            ..Limits::default()
        };
        let link = Rc::new(Self {
            carrier: Carrier::new(Connection::new(Role::Client, limits)),
            calls: RefCell::default(),
            state: Cell::new(State::Open),
            settled: Cell::new(false),
            requests: Cell::new(0),
            heard: Cell::new(now),
            idle_since: Cell::new(now),
            second: Cell::new(now),
        });
        let slot = worker.timers.slot(0);
        slot.tag(whose.tag);
        slot.hear(NODE_OUT | DEMOTED | DRAIN | KILL);
        let task = Task { link: Rc::clone(&link), worker: Rc::clone(worker), stream, slot, whose, life, pinged: None };
        tokio::task::spawn_local(task.run());
        link
    }

    fn has_room(&self) -> bool {
        let calls = self.calls.borrow().len();
        let allowed = self.settled.get() || calls < ASSUMED;
        self.state.get() == State::Open && allowed && self.carrier.with(|connection| connection.has_room())
    }

    /// A request is on it.
    pub(super) fn add(&self, id: u32, call: &Rc<Call>) {
        self.requests.set(self.requests.get() + 1);
        self.calls.borrow_mut().insert(id, Carried::Call(Rc::clone(call)));
    }

    /// A request is carried without its task from here on.
    pub(super) fn relay(&self, id: u32, relay: &Rc<Relay>) {
        self.calls.borrow_mut().insert(id, Carried::Relay(Rc::clone(relay)));
    }

    /// A request is no more.
    pub(super) fn forget(&self, id: u32) {
        self.carrier.forget(id);
        let mut calls = self.calls.borrow_mut();
        if calls.remove(&id).is_some() && calls.is_empty() {
            self.idle_since.set(clock::now());
            self.carrier.wake();
        }
    }

    fn leave(&self) {
        if self.state.get() == State::Open {
            self.state.set(State::Leaving);
            self.carrier.wake();
        }
    }

    fn event(&self, event: Event<'_>) {
        match event {
            Event::Head { stream, end, interim } => {
                if let Some(Carried::Call(call)) = self.find(stream) {
                    self.carrier.with(|connection| call.head(connection.fields(), end, interim));
                }
            }
            Event::Data { stream, bytes, end } => match self.find(stream) {
                Some(Carried::Call(call)) => call.push(bytes, end),
                Some(Carried::Relay(relay)) => relay.node_said(bytes, end),
                None => {}
            },
            Event::Trailers { stream } => match self.find(stream) {
                Some(Carried::Call(call)) => self.carrier.with(|connection| call.end(connection.fields())),
                Some(Carried::Relay(relay)) => {
                    let end = self.carrier.with(|connection| End::read(connection.fields()));
                    relay.node_ended(end);
                }
                None => {}
            },
            Event::Reset { stream, code: Code::REFUSED_STREAM } => self.end_stream(stream, Fate::Untouched),
            Event::Reset { stream, code } => self.end_stream(stream, Fate::Reset(code)),
            Event::Broken { stream, .. } => self.end_stream(stream, Fate::Broken),
            Event::Window { stream: 0 } => self.feed(),
            Event::Window { stream } => {
                if let Some(carried) = self.find(stream) {
                    carried.has_room();
                }
            }
            Event::Settings => {
                self.settled.set(true);
                self.feed();
            }
            Event::GoAway { last, .. } => {
                self.leave();
                let above: Vec<u32> = self.calls.borrow().keys().copied().filter(|id| *id > last).collect();
                above.into_iter().for_each(|id| self.end_stream(id, Fate::Untouched));
            }
            Event::TooLarge { .. } | Event::Pong { .. } => {}
        }
    }

    fn find(&self, id: u32) -> Option<Carried> {
        self.calls.borrow().get(&id).cloned()
    }

    fn all(&self) -> Vec<Carried> {
        self.calls.borrow().values().cloned().collect()
    }

    /// The node has ended a stream before its time.
    fn end_stream(&self, id: u32, fate: Fate) {
        if let Some(carried) = self.find(id) {
            carried.leave(fate);
            self.forget(id);
        }
    }

    /// There may be room again for whoever waits for it.
    fn feed(&self) {
        for id in self.carrier.starved() {
            if let Some(carried) = self.find(id) {
                carried.has_room();
            }
        }
    }

    /// What runs on the node hears these signals; tasks hear them by themselves.
    fn hear(&self, signals: u8) {
        for carried in self.all() {
            if let Carried::Relay(relay) = carried {
                relay.hear(signals);
            }
        }
    }
}

impl Carried {
    fn has_room(&self) {
        match self {
            Self::Call(call) => call.has_room(),
            Self::Relay(relay) => relay.node_has_room(),
        }
    }

    fn leave(&self, fate: Fate) {
        match self {
            Self::Call(call) => call.leave(fate),
            Self::Relay(relay) => relay.node_left(fate),
        }
    }
}

/// How long a link lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// Without a request on it.
    pub(super) idle: Duration,
    /// Requests on it, after which others go elsewhere.
    pub(super) requests: u64,
}

/// The node at the other end.
#[derive(Clone, Debug)]
pub(super) struct Whose {
    pub(super) pool: Arc<str>,
    pub(super) node: Arc<str>,
    /// Mark of the slots that wait on it.
    pub(super) tag: u64,
}

struct Task {
    link: Rc<Link>,
    worker: Rc<Worker>,
    stream: Stream,
    slot: Slot,
    whose: Whose,
    life: Life,
    /// When a PING was sent that was not answered yet.
    pinged: Option<Moment>,
}

impl Task {
    async fn run(mut self) {
        let mut pending = Vec::new();
        loop {
            let Self { link, worker, stream, slot, whose, life, .. } = &mut self;
            let mut armed = None;
            let carry = |cx: &mut Context<'_>| {
                let polled = link.poll(cx, stream, worker, &mut pending);
                // Set anew only when it moved: a deadline that has passed must stay so until it is heard.
                let next = link.next(*life);
                if armed.replace(next) != Some(next) {
                    slot.set(next);
                }
                polled
            };
            match slot.wait(carry).await {
                Ok(over) => {
                    if let Some(Over::Ended(ended)) = over {
                        let (pool, node) = (&*whose.pool, &*whose.node);
                        tracing::warn!(
                            pool,
                            node,
                            why = ended.why,
                            "a node broke the rules of HTTP/2: its connection was ended"
                        );
                    }
                    break;
                }
                Err(Interrupt::Signal(signals)) => {
                    // Whoever has a request on it hears the same, and decides what becomes of that.
                    slot.lower(signals);
                    if signals & !DRAIN != 0 {
                        link.leave();
                        link.hear(signals);
                    }
                }
                Err(Interrupt::Expired) => {
                    if !self.tick() {
                        break;
                    }
                }
            }
        }
        // What came together with its end says why.
        self.link.hear(self.slot.raised());
        self.link.end();
        self.link.carrier.with(|connection| connection.go_away(Code::NO_ERROR));
        self.link.carrier.send_now(&self.stream);
    }

    /// Does what is due; false when the node does not say that it is there.
    fn tick(&mut self) -> bool {
        let (now, link) = (clock::now(), &self.link);
        link.carrier.second();
        link.second.set(now);
        let worn = link.requests.get() >= self.life.requests;
        let idle = link.calls.borrow().is_empty() && now.since(link.idle_since.get()) >= self.life.idle;
        if worn || idle {
            link.leave();
        }
        match self.pinged {
            Some(at) if link.heard.get() > at => self.pinged = None,
            Some(at) if now.since(at) >= PING_WITHIN => return false,
            Some(_) => {}
            None if !link.calls.borrow().is_empty() && now.since(link.heard.get()) >= PING_AFTER => {
                link.carrier.with(|connection| connection.ping(*b"mainstay"));
                self.pinged = Some(now);
            }
            None => {}
        }
        true
    }
}

impl Link {
    /// Carries what can be carried; ready with `None` when all is done.
    fn poll(
        &self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        worker: &Worker,
        pending: &mut Vec<u8>,
    ) -> Poll<Option<Over>> {
        let mut is_news = true;
        let event = |event: Event<'_>| {
            // One look at the clock for all that came together.
            if std::mem::take(&mut is_news) {
                self.heard.set(clock::now());
            }
            self.event(event);
        };
        let polled = self.carrier.poll(cx, stream, &worker.lent, pending, event, || self.feed());
        let leaves = || worker.draining.get() || self.state.get() == State::Leaving;
        let done = || leaves() && self.calls.borrow().is_empty() && self.carrier.is_flushed();
        match polled {
            Poll::Ready(over) => Poll::Ready(Some(over)),
            Poll::Pending if done() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    /// When to look again, as far as nothing else happens.
    fn next(&self, life: Life) -> Moment {
        if self.calls.borrow().is_empty() && self.state.get() == State::Open {
            return self.idle_since.get() + life.idle;
        }
        self.second.get() + SECOND
    }

    /// The connection is no more, and what was on it broke with it.
    fn end(&self) {
        self.state.set(State::Over);
        self.calls.take().values().for_each(|carried| carried.leave(Fate::Broken));
    }
}

/// Most connections to a node per worker.
const MOST_LINKS: usize = 64;
/// Requests put on a connection before its node has said how many it allows.
const ASSUMED: usize = 100;
/// What all answers of a connection together may have sent that no client has taken yet, in bytes.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// How often what passes with time is looked at while there are requests.
const SECOND: Duration = Duration::from_secs(1);
/// A node that was not heard for so long while it has requests is asked whether it is there. Servers of gRPC end
/// connections on which they are asked more often than every five minutes.
const PING_AFTER: Duration = Duration::from_secs(330);
/// How long its answer may take.
const PING_WITHIN: Duration = Duration::from_secs(20);
