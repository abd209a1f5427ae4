//! A worker's own view of the pools: who is in, what is idle, whose turn it is.
//!
//! Every worker has its own; none of it is shared. What control decides arrives as a snapshot and is applied here.

mod connection;
mod limit;
mod node;
mod pick;
mod queue;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use mainstay_core::{Budget, Granted, Moment};
use mainstay_io::timer::Raiser;

use crate::counters::{PoolCounters, Registry};
use crate::params::{self, PoolId};
use crate::view::{Event, NodeView, Report};

pub(crate) use connection::{Connection, Guard};
pub(crate) use limit::{Limit, Limits, Permit};
pub(crate) use node::{NoConnection, Node, connect, share};
pub(crate) use pick::Key;

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
        Self {
            nodes: nodes.collect(),
            counters: maker.registry.pool(maker.worker, &params.name),
            id: Cell::new(PoolId(0)),
            plan_number: Cell::new(0),
            picker: RefCell::new(pick::Picker::new(params, maker.worker)),
            budget: RefCell::new(Budget::new(params.budget.ratio, params.budget.per_second)),
            limit: maker.limits.get(&format!("pool {}", params.name), params.max_connections),
            waiting: queue::Queue::default(),
            params: params.clone(),
        }
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
    pub(crate) fn take_idle(self: &Rc<Self>, index: u32, now: Moment, certain: bool) -> Option<Connection> {
        let node = self.node(index)?;
        if node.idle() == 0 {
            return None;
        }
        let guard = self.begin(index)?;
        let (stream, requests) = node.take_idle(now, self.params.idle_timeout, certain)?;
        node.counters.reused.one();
        Some(guard.reused(stream, requests))
    }

    /// Queues for a connection, behind whoever waits already; false when the queue is full. `tried` are the nodes that
    /// are no use to `who`.
    pub(crate) fn enqueue(&self, who: Raiser, tried: &[u32]) -> bool {
        let most = usize::try_from(self.params.queue.length).unwrap_or(usize::MAX);
        self.waiting.join(who, !tried.is_empty(), most)
    }

    /// Leaves the queue. The next may find that there is more than one connection to be had.
    pub(crate) fn dequeue(&self, who: &Raiser) {
        self.waiting.leave(who);
        self.wake_next();
    }

    /// Whether somebody waits whose turn it is before any newcomer's.
    pub(crate) fn is_line(&self) -> bool {
        self.waiting.is_line()
    }

    /// Whether it is the turn of `who` in the queue, and there is a node for it that is not among `tried`.
    pub(crate) fn is_turn(&self, who: &Raiser, tried: &[u32]) -> bool {
        (!tried.is_empty() || self.waiting.is_next(who)) && self.left(tried) > 0
    }

    /// Wakes the first in the queue, for a connection has become free.
    fn wake_next(&self) {
        self.waiting.wake(crate::worker::QUEUE);
    }

    /// Ends what has idled too long, or has come to its end while it idled.
    pub(crate) fn sweep(&self, now: Moment) {
        for node in &self.nodes {
            node.sweep(now, self.params.idle_timeout);
        }
    }
}
