//! Accepting clients.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mainstay_io::clock;
use mainstay_io::listen::Listener;
use mainstay_io::stream::Stream;
use mainstay_io::timer::{Interrupt, Raiser, Slot};

use super::{DRAIN, KILL, QUEUE, Setup, Worker, by_name, secure};
use crate::counters::ListenerCounters;
use crate::http::route::Table;
use crate::params::{At, PoolId, Service};
use crate::pool::{Limit, Permit, Pool};
use crate::{http, tcp};

/// A listener as one worker serves it. It lives as long as its address is in the plan; what is done there may change.
pub(crate) struct Listening {
    pub(crate) at: At,
    /// The address it is really bound to, and its port (0 for a unix socket).
    pub(crate) address: Arc<str>,
    pub(crate) port: u16,
    /// Whether clients are told to go: the listener is closed, or all of Mainstay is about to end.
    pub(crate) ending: Cell<bool>,
    /// Mark of its clients' slots.
    pub(crate) group: u64,
    /// Wakes whoever accepts its clients.
    porter: RefCell<Option<Raiser>>,
    place: RefCell<Option<Place>>,
}

/// Where a listener stands in the current plan, or stood in the last one that had it.
struct Place {
    setup: Rc<Setup>,
    index: usize,
    name: Arc<str>,
    counters: Arc<ListenerCounters>,
    limit: Option<Arc<Limit>>,
    is_encrypted: bool,
}

/// Who connected.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a unix socket.
    Unix,
}

impl Listening {
    pub(super) fn new(at: At, listener: &Listener, group: u64) -> Self {
        let bound = listener.local_addr();
        let port = bound.map_or(0, |address| address.port());
        let address = bound.map_or_else(|| Arc::from("unix:"), |address| Arc::from(address.ip().to_string()));
        Self {
            at,
            address,
            port,
            ending: Cell::new(false),
            group,
            porter: RefCell::default(),
            place: RefCell::default(),
        }
    }

    /// Finds the listener's place in `setup`'s plan. One that the plan has no longer keeps the place it had, for those
    /// of its clients whose last request is on its way.
    pub(super) fn settle(&self, setup: &Rc<Setup>, worker: &Worker) {
        let found = setup.plan.listeners.iter().enumerate().find(|(_, params)| params.at.is_same_place(&self.at));
        let Some((index, params)) = found else { return };
        self.place.replace(Some(Place {
            setup: Rc::clone(setup),
            index,
            name: Arc::clone(&params.name),
            counters: worker.registry.listener(worker.index, &params.name),
            limit: worker.limits.get(&format!("listener {}", params.name), Some(params.max_connections)),
            is_encrypted: params.tls.is_some(),
        }));
    }

    /// What it runs, and its index in the listeners of that plan; `None` while no plan has had it.
    pub(crate) fn setup(&self) -> Option<(Rc<Setup>, usize)> {
        self.place.borrow().as_ref().map(|place| (Rc::clone(&place.setup), place.index))
    }

    /// Its routes; `None` for TCP.
    pub(crate) fn table(&self) -> Option<Rc<Table>> {
        let place = self.place.borrow();
        let place = place.as_ref()?;
        place.setup.table(place.index).map(Rc::clone)
    }

    /// Its name in the plan.
    pub(crate) fn name(&self) -> Arc<str> {
        self.place.borrow().as_ref().map_or_else(|| Arc::from("closed"), |place| Arc::clone(&place.name))
    }

    /// Whether its clients speak TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.place.borrow().as_ref().is_some_and(|place| place.is_encrypted)
    }

    /// Its counters.
    pub(crate) fn counters(&self) -> Option<Arc<ListenerCounters>> {
        self.place.borrow().as_ref().map(|place| Arc::clone(&place.counters))
    }

    /// The pool whose leader decides whether connections are taken; `None` where they always are.
    fn led(&self) -> Option<Rc<Pool>> {
        let place = self.place.borrow();
        let place = place.as_ref()?;
        match &place.setup.plan.listeners.get(place.index)?.service {
            // One pool without a leader must not close the port to the others.
            Service::Tcp(tcp) if !tcp.by_name.is_empty() => None,
            Service::Tcp(tcp) => place.setup.pool(tcp.pool).filter(|pool| pool.holds()).map(Rc::clone),
            Service::Http(_) => None,
        }
    }

    /// How nodes stand has changed: whoever accepts clients looks whether they can still be taken.
    pub(super) fn look_at_leader(&self) {
        if let Some(porter) = &*self.porter.borrow()
            && self.led().is_some()
        {
            porter.raise(QUEUE);
        }
    }

    /// Connections that the kernel may keep waiting.
    fn backlog(&self) -> u32 {
        let place = self.place.borrow();
        let params = place.as_ref().and_then(|place| place.setup.plan.listeners.get(place.index));
        params.map_or(1, |params| params.backlog)
    }

    /// Whether it has as many clients as it may have.
    fn is_full(&self) -> bool {
        self.place.borrow().as_ref().is_none_or(|place| place.limit.as_ref().is_some_and(|limit| limit.is_full()))
    }

    fn permit(&self) -> Option<Permit> {
        Permit::take(self.place.borrow().as_ref()?.limit.as_ref(), None)
    }
}

impl Worker {
    /// Accepts clients of one listener until it is told to end; then empties the backlog, so that a client whose
    /// connection the kernel took already is served.
    pub(super) async fn accept(self: Rc<Self>, listening: Rc<Listening>, mut listener: Listener, slot: Slot) {
        slot.hear(DRAIN | KILL | QUEUE);
        listening.porter.replace(Some(slot.raiser()));
        while !listening.ending.get() {
            let led = listening.led();
            if let Some(pool) = led.as_ref().filter(|pool| pool.refuses(clock::now())) {
                let Some(opened) = self.refuse(&listening, pool, listener, &slot).await else { return };
                listener = opened;
                continue;
            }
            if !room(&listening, &slot, Some(&listener)).await {
                break;
            }
            if led.is_some_and(|pool| !pool.is_open()) {
                // What other workers hold, and how long nobody has led, changes without a word.
                slot.set(clock::now() + LOOK_AGAIN);
            }
            match slot.wait(|cx| listener.poll_accept(cx)).await {
                Ok(Ok((stream, peer))) => {
                    // Taken only now: a worker whose turn does not come must not keep one from the others.
                    let Some(permit) = permit(&listening, &slot).await else { break };
                    self.admit(&listening, stream, peer, permit);
                }
                Ok(Err(error)) => accept_failed(&listening, &slot, &error).await,
                Err(Interrupt::Signal(signals)) if signals & KILL != 0 => return,
                // Another listener may be the one that ends; the loop's condition tells.
                Err(_) => slot.lower(DRAIN | QUEUE),
            }
        }
        self.empty(&listening, &listener);
    }

    /// Admits whoever waits to be accepted at this moment.
    fn empty(self: &Rc<Self>, listening: &Rc<Listening>, listener: &Listener) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..=listening.backlog() {
            let Some(permit) = listening.permit() else { break };
            let Poll::Ready(Ok((stream, peer))) = listener.poll_accept(&mut cx) else { break };
            self.admit(listening, stream, peer, permit);
        }
    }

    /// Closes a listener whose pool has no leader and holds all it may, until it can take connections again. Whoever is
    /// in the backlog is held beyond the bound, for a connection that is taken and then ended is worse for clients than
    /// one that is refused. `None` when the listener is to end.
    async fn refuse(
        self: &Rc<Self>,
        listening: &Rc<Listening>,
        pool: &Pool,
        listener: Listener,
        slot: &Slot,
    ) -> Option<Listener> {
        self.empty(listening, &listener);
        let closed = match listener.close() {
            Ok(closed) => closed,
            Err(error) => {
                tracing::error!(at = ?listening.at, %error, "close a listener for want of a leader: it is lost");
                return None;
            }
        };
        pool.counters.hold_closed.one();
        tracing::warn!(at = ?listening.at, pool = &*pool.params.name, "no leader: connections are refused");
        while listening.led().is_some_and(|pool| pool.refuses(clock::now())) {
            slot.set(clock::now() + LOOK_AGAIN);
            match slot.interrupted().await {
                Interrupt::Signal(signals) if listening.ending.get() || signals & KILL != 0 => return None,
                Interrupt::Signal(_) => slot.lower(DRAIN | QUEUE),
                Interrupt::Expired => {}
            }
        }
        slot.clear();
        match Listener::reopen(closed, listening.backlog()) {
            Ok(listener) => {
                tracing::info!(at = ?listening.at, "connections are taken again");
                Some(listener)
            }
            Err(error) => {
                tracing::error!(at = ?listening.at, %error, "open a listener again: it is lost; restart Mainstay");
                None
            }
        }
    }

    fn admit(self: &Rc<Self>, listening: &Rc<Listening>, stream: Stream, peer: Option<SocketAddr>, permit: Permit) {
        let Some(counters) = listening.counters() else { return };
        counters.accepted.one();
        let peer = peer.map_or(Peer::Unix, Peer::Tcp);
        let Some((setup, index)) = listening.setup() else { return };
        let Some(params) = setup.plan.listeners.get(index) else { return };
        match &params.service {
            Service::Tcp(tcp) if !tcp.by_name.is_empty() => {
                let (worker, listening) = (Rc::clone(self), Rc::clone(listening));
                tokio::task::spawn_local(by_name::serve(worker, listening, stream, peer, permit, tcp.clone()));
            }
            Service::Http(_) | Service::Tcp(_) => self.admit_to(listening, stream, peer, permit, None),
        }
    }

    /// Admits a client, to this pool where it is not the listener's own.
    pub(super) fn admit_to(
        self: &Rc<Self>,
        listening: &Rc<Listening>,
        stream: Stream,
        peer: Peer,
        permit: Permit,
        pool: Option<PoolId>,
    ) {
        let Some((setup, index)) = listening.setup() else { return };
        let Some(params) = setup.plan.listeners.get(index) else { return };
        let listening = Rc::clone(listening);
        match &params.tls {
            None => self.serve(listening, stream, peer, permit, pool),
            Some(server) => {
                let (worker, server) = (Rc::clone(self), Arc::clone(server));
                tokio::task::spawn_local(secure::serve(worker, listening, stream, peer, permit, server, pool));
            }
        }
    }

    /// Serves a client whose bytes can be read.
    pub(super) fn serve(
        self: &Rc<Self>,
        listening: Rc<Listening>,
        stream: Stream,
        peer: Peer,
        permit: Permit,
        pool: Option<PoolId>,
    ) {
        let Some((setup, index)) = listening.setup() else { return };
        let Some(params) = setup.plan.listeners.get(index) else { return };
        let worker = Rc::clone(self);
        match &params.service {
            Service::Http(_) => {
                tokio::task::spawn_local(http::serve(worker, listening, stream, peer, permit));
            }
            Service::Tcp(_) => {
                tokio::task::spawn_local(tcp::serve(worker, listening, stream, peer, permit, pool));
            }
        }
    }
}

/// Waits for the share of a client that has come; `None` when the listener is to end.
async fn permit(listening: &Listening, slot: &Slot) -> Option<Permit> {
    if let Some(permit) = listening.permit() {
        return Some(permit);
    }
    count_waiting(listening);
    while room(listening, slot, None).await {
        if let Some(permit) = listening.permit() {
            return Some(permit);
        }
    }
    None
}

/// Waits until the listener may have one more client; false when it is to end. A client that waits for it at `door`
/// meanwhile is counted, once.
async fn room(listening: &Listening, slot: &Slot, mut door: Option<&Listener>) -> bool {
    loop {
        if !listening.is_full() {
            slot.clear();
            return true;
        }
        if door.take_if(|door| door.has_waiting()).is_some() {
            count_waiting(listening);
        }
        // Another worker's client may be the one that leaves, so this is looked at again and again.
        slot.set(clock::now() + LOOK_AGAIN);
        match slot.interrupted().await {
            Interrupt::Signal(signals) if listening.ending.get() || signals & KILL != 0 => return false,
            Interrupt::Signal(_) => slot.lower(DRAIN | QUEUE),
            Interrupt::Expired => {}
        }
    }
}

/// Counts a client that has to wait because the listener has as many as it may have.
fn count_waiting(listening: &Listening) {
    if let Some(counters) = listening.counters() {
        counters.limits.one(crate::counters::Limit::Connections);
    }
}

async fn accept_failed(listening: &Listening, slot: &Slot, error: &io::Error) {
    if let Some(counters) = listening.counters() {
        counters.accept_failed.one();
    }
    tracing::warn!(at = ?listening.at, %error, "accept a connection failed; trying again");
    slot.set(clock::now() + AFTER_ERROR);
    slot.interrupted().await;
    slot.clear();
}

/// How often a full listener looks whether there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Wait after a failed accept, e.g. because the process is out of file descriptors.
const AFTER_ERROR: Duration = Duration::from_millis(100);
