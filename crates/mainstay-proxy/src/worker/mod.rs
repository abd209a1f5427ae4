//! One worker: a thread with its own runtime, listeners, pools, timers and counters.
//!
//! It shares nothing on the request path. It is told what to do by [`Command`]s and by snapshots, and tells news about
//! nodes as reports.

mod accept;
mod by_name;
mod secure;
mod setup;
mod thread;
mod tide;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::Pipes;
use mainstay_io::clock;
use mainstay_io::timer::Timers;
use tokio::sync::{mpsc, watch};

use crate::access::AccessBuffer;
use crate::counters::{Registry, WorkerCounters};
use crate::http::Spares;
use crate::params::AllOut;
use crate::pool::{Limits, Node, Pool};
use crate::view::{Event, OutReason, Report, Snapshot, Standing};
use tide::Tide;

pub(crate) use accept::{Listening, Peer};
pub(crate) use secure::{Sparing, told};
pub(crate) use setup::Setup;
pub(crate) use thread::{Birth, Command, Handle, spawn};

/// What waits on a node must end: the node is out. What it has begun to say may come.
pub(crate) const NODE_OUT: u8 = 1;
/// Finish what is under way, then end.
pub(crate) const DRAIN: u8 = 2;
/// End at once.
pub(crate) const KILL: u8 = 4;
/// A connection of the pool waited for may be free.
pub(crate) const QUEUE: u8 = 8;
/// All that runs on a node must end at once: the tenure it runs in is over.
pub(crate) const DEMOTED: u8 = 16;
/// What is heard by whoever has work on a node.
pub(crate) const ON_NODE: u8 = NODE_OUT | DEMOTED | KILL;
/// What ends such work without another word.
pub(crate) const CUT: u8 = DEMOTED | KILL;

/// What all tasks of one worker share.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) timers: Timers,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) access: RefCell<Option<AccessBuffer>>,
    /// The read buffer, lent to whoever is readable. Never held across an await: its content is gone then.
    pub(crate) lent: RefCell<Box<[u8]>>,
    pub(crate) spares: Spares,
    /// For bytes that go from socket to socket.
    pub(crate) pipes: Pipes,
    /// Copies under way to mirrors.
    pub(crate) mirrors: Cell<u32>,
    /// Streams of HTTP/2 whose tasks have not had their first turn.
    pub(crate) unstarted: Cell<usize>,
    /// Lines in the log about handshakes that came to nothing.
    pub(crate) refusals: Sparing,
    registry: Arc<Registry>,
    limits: Arc<Limits>,
    reports: mpsc::Sender<Report>,
    snapshots: RefCell<watch::Receiver<Arc<Snapshot>>>,
    setup: RefCell<Rc<Setup>>,
    tide: Tide,
    listening: RefCell<Vec<Rc<Listening>>>,
    /// Closed, with clients that may still be there.
    closing: RefCell<Vec<Rc<Listening>>>,
    tags: Cell<u64>,
    /// Whether it is about to end: shared connections to nodes end with the last request on them.
    pub(crate) draining: Cell<bool>,
    /// How long what runs on a plan that is gone may go on.
    patience: Cell<Duration>,
    /// Pools that are gone or have another form now, and when what still runs on them ends.
    retired: RefCell<Vec<(Moment, Rc<Pool>)>>,
}

impl Worker {
    /// What is run at this moment.
    pub(crate) fn setup(&self) -> Rc<Setup> {
        Rc::clone(&self.setup.borrow())
    }

    /// Tells control what live traffic saw of a node. A full channel drops it: the next request brings the same news.
    pub(crate) fn report(&self, pool: &Pool, node: u32, event: Event) {
        if self.reports.try_send(pool.report(node, event)).is_err() {
            self.counters.reports_dropped.one();
        }
    }

    fn flush_log(&self) {
        if let Some(access) = self.access.borrow_mut().as_mut() {
            access.flush();
        }
    }

    /// A mark no slot of this worker has yet.
    fn next_tag(&self) -> u64 {
        self.tags.set(self.tags.get() + 1);
        self.tags.get()
    }

    /// Takes over the newest snapshot.
    fn apply(&self) {
        let snapshot = Arc::clone(&self.snapshots.borrow_mut().borrow_and_update());
        let setup = self.setup();
        if Arc::ptr_eq(&setup.plan, &snapshot.plan) {
            for (pool, views) in setup.pools.iter().zip(&snapshot.pools) {
                self.apply_views(pool, views);
            }
            self.apply_to_retired(&snapshot);
        } else {
            let next = Rc::new(setup.next(&snapshot, self));
            self.retire(&setup, &next);
            self.setup.replace(Rc::clone(&next));
            self.apply_to_retired(&snapshot);
            for listening in self.listening.borrow().iter() {
                listening.settle(&next, self);
            }
        }
        for listening in self.listening.borrow().iter() {
            listening.look_at_leader();
        }
        self.counters.snapshot.set(snapshot.number);
    }

    /// What runs on the old form of a pool hears how the nodes of the same name are now.
    fn apply_to_retired(&self, snapshot: &Snapshot) {
        for (_, pool) in self.retired.borrow().iter() {
            let plan = snapshot.plan.pools.iter().zip(&snapshot.pools);
            let Some((params, views)) = plan.into_iter().find(|(params, _)| params.name == pool.params.name) else {
                continue;
            };
            let known = |node: &Node| {
                let found = params.nodes.iter().zip(views).find(|(params, _)| params.name == node.name);
                found.map_or_else(|| node.view(), |(_, view)| view.clone())
            };
            let views: Vec<_> = pool.nodes.iter().map(known).collect();
            self.apply_views(pool, &views);
        }
    }

    /// Another worker has seen that somebody may be next who waits here.
    fn wake_waiting(&self) {
        self.setup().pools.iter().for_each(|pool| pool.wake_here());
        self.retired.borrow().iter().for_each(|(_, pool)| pool.wake_here());
    }

    fn apply_views(&self, pool: &Pool, views: &[crate::view::NodeView]) {
        for (node, view) in pool.nodes.iter().zip(views) {
            node.apply(view);
        }
        for node in pool.nodes.iter().filter(|node| node.demoted.take()) {
            self.timers.raise_tagged(node.tag, DEMOTED);
        }
        pool.settle_leader();
        // Where all nodes are tried when all are out, nothing is gained by ending what waits on one of them before
        // another is in. Nor ever where a node answers its checks: what it has may still come to a good end.
        let is_in = |node: &Node| matches!(node.standing(), Standing::In | Standing::Trial);
        let another = pool.nodes.iter().any(is_in);
        let refuse = pool.params.all_out == AllOut::Refuse;
        let is_time = |node: &&Node| another || (refuse && node.standing() != Standing::Out(OutReason::Unwell));
        for node in pool.nodes.iter().filter(is_time).filter(|node| node.to_be_left.take()) {
            self.timers.raise_tagged(node.tag, NODE_OUT);
        }
    }

    /// Gives what runs on pools that `next` has no longer a while to end.
    fn retire(&self, setup: &Setup, next: &Setup) {
        let gone = |pool: &&Rc<Pool>| !next.pools.iter().any(|kept| Rc::ptr_eq(kept, pool));
        let until = clock::now() + self.patience.get();
        for pool in setup.pools.iter().filter(gone) {
            pool.nodes.iter().for_each(Node::retire);
            self.retired.borrow_mut().push((until, Rc::clone(pool)));
        }
    }

    /// Regular upkeep, off the request path: idle connections, gauges, the access log, memory.
    fn upkeep(&self) {
        let now = clock::now();
        let setup = self.setup();
        for pool in &setup.pools {
            pool.sweep(now);
            for node in &pool.nodes {
                node.counters.idle.set(u64::try_from(node.idle()).unwrap_or(u64::MAX));
            }
        }
        self.retired.borrow_mut().retain(|(deadline, pool)| {
            let over = *deadline <= now;
            if over {
                pool.nodes.iter().for_each(|node| self.timers.raise_tagged(node.tag, KILL));
            }
            !over
        });
        self.counters.pipes.set(u64::try_from(self.pipes.in_use()).unwrap_or(u64::MAX));
        self.flush_log();
        if self.tide.is_out(now, self.timers.take_most()) {
            mainstay_io::memory::give_back();
        }
        self.counters.ticks.one();
    }
}
