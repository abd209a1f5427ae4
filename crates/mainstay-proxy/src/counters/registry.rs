//! Where counters are found by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainstay_core::Moment;

use super::{ListenerCounters, NodeCounters, PoolCounters, WorkerCounters};
use crate::params::Plan;

/// All counters of a front, by worker and by name. Workers look theirs up when a plan comes, never on the request path.
#[derive(Debug, Default)]
pub struct Registry {
    // Held only to look names up; every set of counters in it has one writer, the worker it was made for.
    sets: Mutex<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    workers: BTreeMap<usize, Arc<WorkerCounters>>,
    listeners: PerWorker<Arc<str>, ListenerCounters>,
    pools: PerWorker<Arc<str>, PoolCounters>,
    nodes: PerWorker<(Arc<str>, Arc<str>), NodeCounters>,
}

type PerWorker<K, C> = BTreeMap<K, BTreeMap<usize, Arc<C>>>;

/// A sum over the workers.
#[derive(Debug, Default)]
pub struct Reading {
    /// Of all workers.
    pub workers: WorkerCounters,
    /// By listener.
    pub listeners: BTreeMap<Arc<str>, ListenerCounters>,
    /// By pool.
    pub pools: BTreeMap<Arc<str>, PoolCounters>,
    /// By pool and node.
    pub nodes: BTreeMap<(Arc<str>, Arc<str>), NodeCounters>,
}

impl Registry {
    /// The counters of this worker itself.
    pub fn worker(&self, worker: usize) -> Arc<WorkerCounters> {
        self.lock().workers.entry(worker).or_default().clone()
    }

    /// What this worker counts for a listener.
    pub fn listener(&self, worker: usize, name: &Arc<str>) -> Arc<ListenerCounters> {
        self.lock().listeners.entry(name.clone()).or_default().entry(worker).or_default().clone()
    }

    /// What this worker counts for a pool.
    pub fn pool(&self, worker: usize, name: &Arc<str>) -> Arc<PoolCounters> {
        self.lock().pools.entry(name.clone()).or_default().entry(worker).or_default().clone()
    }

    /// What this worker counts for a node of a pool.
    pub fn node(&self, worker: usize, pool: &Arc<str>, node: &Arc<str>) -> Arc<NodeCounters> {
        let key = (pool.clone(), node.clone());
        self.lock().nodes.entry(key).or_default().entry(worker).or_default().clone()
    }

    /// Sums over the workers.
    pub fn read(&self) -> Reading {
        let sets = self.lock();
        let workers = WorkerCounters::default();
        sets.workers.values().for_each(|one| workers.absorb(one));
        Reading {
            workers,
            listeners: sum(&sets.listeners, ListenerCounters::absorb),
            pools: sum(&sets.pools, PoolCounters::absorb),
            nodes: sum(&sets.nodes, NodeCounters::absorb),
        }
    }

    /// When a node last gave live traffic of any worker a good answer.
    pub fn answered(&self, pool: &Arc<str>, node: &Arc<str>) -> Option<Moment> {
        let sets = self.lock();
        let workers = sets.nodes.get(&(pool.clone(), node.clone()))?;
        workers.values().filter_map(|one| one.answered.get()).max()
    }

    /// The oldest snapshot that a worker has taken up last.
    pub fn snapshot(&self) -> u64 {
        self.lock().workers.values().map(|one| one.snapshot.get()).min().unwrap_or(0)
    }

    /// How often each worker's timer has turned.
    pub fn ticks(&self) -> Vec<u64> {
        self.lock().workers.values().map(|one| one.ticks.get()).collect()
    }

    /// Forgets what neither `plan` names nor any worker holds, so that reloads with ever new names cost nothing.
    pub fn prune(&self, plan: &Plan) {
        let mut sets = self.lock();
        let named = |pool: &Arc<str>| plan.pools.iter().find(|one| one.name == *pool);
        retain(&mut sets.listeners, |name| plan.listeners.iter().any(|one| one.name == *name));
        retain(&mut sets.pools, |name| named(name).is_some());
        retain(&mut sets.nodes, |(pool, node)| {
            named(pool).is_some_and(|pool| pool.nodes.iter().any(|one| one.name == *node))
        });
    }

    fn lock(&self) -> MutexGuard<'_, Sets> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum<K: Ord + Clone, C: Default>(sets: &PerWorker<K, C>, absorb: fn(&C, &C)) -> BTreeMap<K, C> {
    let add = |workers: &BTreeMap<usize, Arc<C>>| {
        let sum = C::default();
        workers.values().for_each(|one| absorb(&sum, one));
        sum
    };
    sets.iter().map(|(key, workers)| (key.clone(), add(workers))).collect()
}

fn retain<K: Ord, C>(sets: &mut PerWorker<K, C>, named: impl Fn(&K) -> bool) {
    sets.retain(|key, workers| named(key) || workers.values().any(|one| Arc::strong_count(one) > 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_counters() {
        let registry = Registry::default();
        let (pool, node) = (Arc::from("tessera"), Arc::from("10.0.1.11:9101"));
        registry.node(0, &pool, &node).requests.add(2);
        registry.node(1, &pool, &node).requests.add(3);
        registry.node(0, &pool, &node).requests.add(4);
        registry.worker(1).reports_dropped.one();
        registry.listener(0, &Arc::from("tm")).in_flight.add(1);
        registry.pool(0, &pool).waiting.add(1);
        let reading = registry.read();
        assert_eq!(reading.nodes[&(pool.clone(), node)].requests.get(), 9);
        assert_eq!(reading.workers.reports_dropped.get(), 1);
        assert_eq!(reading.listeners["tm"].in_flight.get(), 1);
        assert_eq!(reading.pools[&pool].waiting.get(), 1);
    }

    #[test]
    fn names_are_forgotten_once_nobody_holds_them() {
        let registry = Registry::default();
        let held = registry.listener(0, &Arc::from("tm"));
        registry.pool(0, &Arc::from("tessera"));
        registry.prune(&Plan::default());
        let reading = registry.read();
        assert!(reading.listeners.contains_key("tm"), "a connection of it may still be open");
        assert!(reading.pools.is_empty());
        drop(held);
        registry.prune(&Plan::default());
        assert!(registry.read().listeners.is_empty());
    }
}
