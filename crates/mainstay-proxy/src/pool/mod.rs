//! A worker's own view of the pools: who is in, what is idle, whose turn it is.
//!
//! Every worker has its own; none of it is shared. What control decides arrives as a snapshot and is applied here.

mod connection;
mod leader;
mod limit;
mod line;
mod node;
mod pick;
mod queue;
mod secure;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use mainstay_core::{Budget, Granted, Moment};
use mainstay_io::timer::Raiser;

use crate::counters::{PoolCounters, Registry};
use crate::params::{self, PoolId};
use crate::view::{Event, NodeView, Report};

pub(crate) use connection::{Connection, Guard};
pub(crate) use leader::Wait;
pub(crate) use limit::{Limit, Limits, Permit};
pub(crate) use line::Held;
pub(crate) use node::{NoConnection, Node, share};
pub(crate) use pick::Key;
pub(crate) use secure::NoTls;

/// One pool as one worker sees it.
pub(crate) struct Pool {
    pub(crate) params: params::Pool,
    pub(crate) nodes: Box<[Node]>,
    pub(crate) counters: Arc<PoolCounters>,
    /// Where the pool stands in the current plan; a reload may move it.
    id: Cell<PoolId>,
    plan_number: Cell<u64>,
    picker: RefCell<pick::Picker>,
    budget: RefCell<Budget>,
    limit: Option<Arc<Limit>>,
    waiting: queue::Queue,
    worker: usize,
    /// Shared by all workers; only where a limit or a leader can make requests wait.
    line: Option<Arc<line::Line>>,
    /// Only in a pool that follows a lease.
    leader: Option<leader::Leader>,
}

/// What a pool is made with besides its parameters.
pub(crate) struct Maker<'a> {
    /// Index of the worker, so that workers do not all begin with the same node.
    pub(crate) worker: usize,
    /// Limits shared by all workers.
    pub(crate) limits: &'a Limits,
    /// Where counters are found.
    pub(crate) registry: &'a Registry,
    /// Hands out the marks by which waiting requests are found again.
    pub(crate) tags: &'a Cell<u64>,
}

impl Pool {
    /// A pool whose nodes stand as `views` says.
    pub(crate) fn new(params: &params::Pool, views: &[NodeView], maker: &Maker<'_>) -> Self {
        let nodes = params.nodes.iter().zip(views).map(|(node, view)| Node::new(params, node, view, maker));
        let limited =
            params.max_connections.is_some() || params.nodes.iter().any(|node| node.max_connections.is_some());
        let follows = params.follows().is_some();
        let pool = Self {
            nodes: nodes.collect(),
            counters: maker.registry.pool(maker.worker, &params.name),
            id: Cell::new(PoolId(0)),
            plan_number: Cell::new(0),
            picker: RefCell::new(pick::Picker::new(params, maker.worker)),
            budget: RefCell::new(Budget::new(params.budget.ratio, params.budget.per_second)),
            limit: maker.limits.get(&format!("pool {}", params.name), params.max_connections),
            waiting: queue::Queue::default(),
            worker: maker.worker,
            line: (limited || follows).then(|| maker.limits.line(&params.name)),
            leader: follows.then(leader::Leader::default),
            params: params.clone(),
        };
        pool.settle_leader();
        pool
    }

    /// Says where the pool stands in the plan with this number.
    pub(crate) fn place(&self, id: PoolId, plan_number: u64) {
        self.id.set(id);
        self.plan_number.set(plan_number);
    }

    /// The next node for `key` that is not among `tried`, or `None` when there is none left.
    pub(crate) fn pick(&self, key: Key<'_>, tried: &[u32], now: Moment) -> Option<u32> {
        self.picker.borrow_mut().pick(self, key, tried, now)
    }

    /// How many nodes [`Pool::pick`] could still choose from.
    pub(crate) fn left(&self, tried: &[u32]) -> u32 {
        pick::left(self, tried)
    }

    /// Whether [`Pool::pick`] finds none only because every connection there may be is in use.
    pub(crate) fn is_busy(&self, tried: &[u32]) -> bool {
        pick::busy(self, tried)
    }

    /// The node with this index.
    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(index).ok()?)
    }

    /// The news `event` about one of the nodes, as control takes it.
    pub(crate) fn report(&self, node: u32, event: Event) -> Report {
        Report { plan_number: self.plan_number.get(), pool: self.id.get(), node, event }
    }

    /// Counts a request towards the retry budget.
    pub(crate) fn count_request(&self, now: Moment) {
        self.budget.borrow_mut().request(now);
    }

    /// Takes one retry from the budget.
    pub(crate) fn take_retry(&self, now: Moment) -> bool {
        let granted = self.budget.borrow_mut().take(now) == Granted::Yes;
        if !granted {
            self.counters.budget_spent.one();
        }
        granted
    }

    /// Begins work on a node: counts it in flight and against the limits. `None` when a limit is used up.
    pub(crate) fn begin(self: &Rc<Self>, index: u32) -> Option<Guard> {
        let node = self.node(index)?;
        let permit = Permit::take(self.limit.as_ref(), node.limit.as_ref())?;
        Some(Guard::new(Rc::clone(self), index, permit))
    }

    /// An idle connection to a node, with work begun on it. With `certain` the operating system is asked once more
    /// whether it still lives, for what must not ride on a connection that is about to end.
    ///
    /// Work that was begun on the node already is in `begun`, and stays there when there is no such connection.
    pub(crate) fn take_idle(
        self: &Rc<Self>,
        index: u32,
        now: Moment,
        certain: bool,
        begun: &mut Option<Guard>,
    ) -> Option<Connection> {
        let node = self.node(index)?;
        if node.idle() == 0 {
            return None;
        }
        if begun.is_none() {
            *begun = self.begin(index);
        }
        let guard = begun.take()?;
        match node.take_idle(now, self.params.idle_timeout, certain) {
            Some((stream, requests)) => {
                node.counters.reused.one();
                Some(guard.reused(stream, requests))
            }
            None => {
                *begun = Some(guard);
                None
            }
        }
    }

    /// A place in the line of whoever waits for a connection, behind everybody who has one.
    pub(crate) fn ticket(&self) -> u64 {
        self.line.as_ref().map_or(0, |line| line.ticket())
    }

    /// Whether as many wait with this worker as may wait for a connection.
    pub(crate) fn is_queue_full(&self) -> bool {
        self.waiting.len() >= usize::try_from(self.params.queue.length).unwrap_or(usize::MAX)
    }

    /// Queues for a connection, at the place of `ticket`. `tried` are the nodes that are no use to `who`.
    pub(crate) fn enqueue(&self, who: Raiser, tried: &[u32], ticket: u64) {
        self.waiting.join(who, !tried.is_empty(), ticket);
        self.tell_line();
    }

    /// Leaves the queue. The next may find that there is more than one connection to be had.
    pub(crate) fn dequeue(&self, who: &Raiser) {
        self.waiting.leave(who);
        self.tell_line();
        self.wake_next();
    }

    fn tell_line(&self) {
        if let Some(line) = &self.line {
            line.tell(self.worker, self.waiting.first());
        }
    }

    /// Whether somebody waits whose turn it is before any newcomer's, with whatever worker.
    pub(crate) fn is_line(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.is_there()) || self.is_stalled()
    }

    /// Whether it is the turn of `who` in the queue, and there is a node for it that is not among `tried`.
    fn is_turn(&self, who: &Raiser, tried: &[u32]) -> bool {
        let first = |ticket| self.line.as_ref().is_none_or(|line| line.is_first(self.worker, ticket));
        let next = !tried.is_empty() || self.waiting.next(who).is_some_and(first);
        next && !self.is_stalled() && self.left(tried) > 0
    }

    /// Takes the turn of `who` if it has come: picks a node, and begins work on it before another can.
    pub(crate) fn take_turn(
        self: &Rc<Self>,
        who: &Raiser,
        key: Key<'_>,
        tried: &[u32],
        now: Moment,
    ) -> Option<(u32, Guard)> {
        if !self.is_turn(who, tried) {
            return None;
        }
        let index = self.pick(key, tried, now)?;
        Some((index, self.begin(index)?))
    }

    /// Wakes the first in the queue, for a connection may be free; if it waits with another worker, that one is told.
    pub(crate) fn wake_next(&self) {
        self.wake_here();
        if let Some(line) = &self.line {
            line.ring(self.worker);
        }
    }

    /// Wakes the first of this worker.
    pub(crate) fn wake_here(&self) {
        self.waiting.wake(crate::worker::QUEUE);
    }

    /// Ends what has idled too long, or has come to its end while it idled.
    pub(crate) fn sweep(&self, now: Moment) {
        for node in &self.nodes {
            node.sweep(now, self.params.idle_timeout);
        }
    }
}
