//! What a worker runs: a plan, the pools as the worker sees them, and the routes made ready for look-ups.

use std::rc::Rc;
use std::sync::Arc;

use super::Worker;
use crate::http::route::Table;
use crate::params::{Plan, PoolId, Service};
use crate::pool::{Maker, Pool};
use crate::view::Snapshot;

/// What a worker runs. Replaced as a whole by a reload; requests under way keep the one they began with.
pub(crate) struct Setup {
    pub(crate) plan: Arc<Plan>,
    pub(crate) pools: Vec<Rc<Pool>>,
    /// By index of [`Plan::listeners`]; `None` for TCP.
    routes: Vec<Option<Rc<Table>>>,
}

impl Setup {
    /// Nothing at all, before the first snapshot.
    pub(crate) fn empty() -> Self {
        Self { plan: Arc::default(), pools: Vec::new(), routes: Vec::new() }
    }

    /// The routes of the listener with this index.
    pub(crate) fn table(&self, listener: usize) -> Option<&Rc<Table>> {
        self.routes.get(listener)?.as_ref()
    }

    /// The pool with this id.
    pub(crate) fn pool(&self, id: PoolId) -> Option<&Rc<Pool>> {
        self.pools.get(usize::try_from(id.0).ok()?)
    }

    /// What `snapshot` asks for. Pools that stay as they were keep their idle connections and their turn.
    pub(super) fn next(&self, snapshot: &Snapshot, worker: &Worker) -> Self {
        let maker =
            Maker { worker: worker.index, limits: &worker.limits, registry: &worker.registry, tags: &worker.tags };
        let mut pools = Vec::with_capacity(snapshot.plan.pools.len());
        for ((number, params), views) in (0..).zip(&snapshot.plan.pools).zip(&snapshot.pools) {
            let kept = self.pools.iter().find(|pool| pool.params == *params);
            let pool = match kept {
                Some(pool) => {
                    worker.apply_views(pool, views);
                    Rc::clone(pool)
                }
                None => Rc::new(Pool::new(params, views, &maker)),
            };
            pool.place(PoolId(number), snapshot.plan_number);
            pools.push(pool);
        }
        let find = |id: PoolId| pools.get(usize::try_from(id.0).ok()?).map(Rc::clone);
        let routes = snapshot.plan.listeners.iter().map(|listener| match &listener.service {
            Service::Http(http) => Some(Rc::new(Table::new(http, find))),
            Service::Tcp(_) => None,
        });
        let routes = routes.collect();
        Self { plan: Arc::clone(&snapshot.plan), routes, pools }
    }
}
