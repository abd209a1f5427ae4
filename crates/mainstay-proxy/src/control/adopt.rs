//! Another plan: what is the same in both keeps its health, its addresses and an operator's drain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::{Doubt, DoubtRule, Ejection, Health, HealthRule, Moment};
use mainstay_tls::Client;

use super::board::Board;
use super::names::Name;
use super::node::{Node, rule};
use super::probe::{Ask, Life};
use super::prober::{Key, Prober, Schedule};
use super::{MAX_LIFE_TIMEOUT, MIN_LIFE_TIMEOUT};
use crate::params::{self, Address, Checker, Encrypted, Plan, Policy, Role};

impl Board {
    /// Runs `plan` from now on, and publishes it. Probers and names that are new have no task yet.
    pub(super) fn adopt(&mut self, plan: Arc<Plan>, now: Moment) {
        self.add_names(&plan);
        let wanted = names_of(&plan);
        self.names.retain(|host, _| wanted.contains_key(host));
        self.leases.retain(|name, _| plan.pools.iter().any(|pool| pool.follows() == Some(&**name)));
        let old_plan = std::mem::replace(&mut self.plan, Arc::clone(&plan));
        let old_pools = std::mem::take(&mut self.pools);
        let mut old_probers = std::mem::take(&mut self.probers);
        let checkers: Vec<Key> =
            plan.checkers.iter().map(|checker| self.adopt_checker(checker, &mut old_probers, now)).collect();

        self.life = (0..plan.pools.len()).map(|pool| life_of(&plan, pool)).collect();
        let mut old = Old { plan: &old_plan, pools: old_pools.into_iter().map(into_options).collect() };
        for (index, pool) in plan.pools.iter().enumerate() {
            let mut nodes = Vec::with_capacity(pool.nodes.len());
            for (node_index, params) in pool.nodes.iter().enumerate() {
                let (mut node, old_rule) = match old.take(&plan, pool, params) {
                    Some((node, old_params)) => (node, old_params.eject),
                    None => (Node::new(params, self.endpoints(&params.address), now), params.eject),
                };
                // Where one node alone may have the work, putting it out helps nobody.
                let wanted = params.eject.filter(|_| pool.follows().is_none());
                if old_rule != wanted || node.ejection.is_some() != wanted.is_some() {
                    node.ejection = wanted.map(|eject| Ejection::new(rule(eject)));
                    node.awaits_life = false;
                }
                node.checks = params.checks.iter().filter_map(|id| checkers.get(id.0 as usize).copied()).collect();
                let watched = matches!(pool.policy, Policy::Writable { .. });
                let doubtful = node.checks.is_empty() && params.role != Role::Off && !watched;
                node.doubt = doubtful.then(|| self.adopt_doubt(&node, pool, params, &mut old_probers));
                for key in node.probers() {
                    if let Some(prober) = self.probers.get_mut(&key) {
                        prober.places.push((index, node_index));
                    }
                }
                nodes.push(node);
            }
            self.pools.push(nodes);
        }
        self.plan_number += 1;
        self.settle(now);
    }

    /// Adds the names that `plan` has and the board does not, so that they can be looked up before it is adopted.
    pub(super) fn add_names(&mut self, plan: &Plan) {
        for (host, every) in names_of(plan) {
            let name = self.names.entry(host).or_insert_with(|| Name::new(every));
            if name.every != every {
                name.every = every;
                name.wake.notify_one();
            }
        }
    }

    /// Whether every name of `plan` has been looked up at least once.
    pub(super) fn names_tried(&self, plan: &Plan) -> bool {
        names_of(plan).keys().all(|host| self.names.get(host).is_none_or(Name::tried))
    }

    /// Brings all views up to date with the new plan, as one snapshot.
    fn settle(&mut self, now: Moment) {
        for place in self.places() {
            self.refresh(place, now);
        }
        self.changed = true;
        self.publish();
    }

    fn adopt_checker(&mut self, checker: &Checker, old: &mut BTreeMap<Key, Prober>, now: Moment) -> Key {
        let same = old.iter().find(|(_, prober)| prober.checker() == Some(checker)).map(|(key, _)| *key);
        if let Some((key, mut prober)) = same.and_then(|key| old.remove_entry(&key)) {
            prober.places.clear();
            self.probers.insert(key, prober);
            return key;
        }
        let rule = HealthRule {
            every: checker.every.max(MIN_EVERY),
            every_in_doubt: checker.every_in_doubt.max(MIN_EVERY),
            rise: checker.rise,
            fall: checker.fall,
        };
        let schedule = Schedule::Check(Health::new(rule, now, fastrand::f64()));
        let ask = Ask::Configured(Arc::new(checker.clone()));
        let mut prober = Prober::new(schedule, ask, checker.address.clone(), checker.timeout);
        prober.tls.clone_from(&checker.tls);
        self.add(prober)
    }

    fn adopt_doubt(
        &mut self,
        node: &Node,
        pool: &params::Pool,
        params: &params::Node,
        old: &mut BTreeMap<Key, Prober>,
    ) -> Key {
        let host = |client: &Arc<Client>| client.settings.host.clone().or_else(|| params.host());
        let tls = pool.tls.as_ref().and_then(|client| Some(Encrypted { client: client.clone(), host: host(client)? }));
        let timeout = pool.doubt_after.clamp(MIN_LIFE_TIMEOUT, MAX_LIFE_TIMEOUT);
        if let Some((key, mut prober)) = node.doubt.and_then(|key| old.remove_entry(&key)) {
            prober.places.clear();
            prober.tls = tls;
            prober.timeout = timeout;
            self.probers.insert(key, prober);
            return key;
        }
        let schedule = Schedule::Doubt(Doubt::new(DOUBT));
        let mut prober = Prober::new(schedule, Ask::Life(Life::Connect), params.address.clone(), timeout);
        prober.tls = tls;
        self.add(prober)
    }

    fn add(&mut self, prober: Prober) -> Key {
        self.next_key += 1;
        self.probers.insert(self.next_key, prober);
        self.next_key
    }
}

/// What was known under the plan before.
struct Old<'a> {
    plan: &'a Plan,
    pools: Vec<Vec<Option<Node>>>,
}

impl<'a> Old<'a> {
    /// The node of the same name and address: that of the pool of the same name, or else of a pool that is no more (a
    /// pool's name changes when it is used with another port).
    fn take(&mut self, plan: &Plan, pool: &params::Pool, node: &params::Node) -> Option<(Node, &'a params::Node)> {
        let goes_on = |name: &str| plan.pools.iter().any(|pool| *pool.name == *name);
        let candidates = self.plan.pools.iter().enumerate();
        let candidates = candidates.filter(|(_, old)| old.name == pool.name || !goes_on(&old.name));
        for (pool_index, old_pool) in candidates {
            let Some(states) = self.pools.get_mut(pool_index) else { continue };
            let mut nodes = old_pool.nodes.iter().zip(states);
            let same =
                nodes.find(|(old, state)| old.name == node.name && old.address == node.address && state.is_some());
            if let Some((params, state)) = same {
                return state.take().map(|state| (state, params));
            }
        }
        None
    }
}

fn into_options(nodes: Vec<Node>) -> Vec<Option<Node>> {
    nodes.into_iter().map(Some).collect()
}

/// The names of a plan, and how often each is looked up: as often as the most demanding pool wants.
fn names_of(plan: &Plan) -> BTreeMap<Arc<str>, Duration> {
    let mut names = BTreeMap::new();
    let mut add = |address: &Address, every: Duration| {
        if let Address::Name { host, .. } = address {
            let least = names.entry(Arc::clone(host)).or_insert(every);
            *least = every.min(*least);
        }
    };
    for pool in &plan.pools {
        for node in &pool.nodes {
            add(&node.address, pool.resolve_every);
            for checker in node.checks.iter().filter_map(|id| plan.checkers.get(id.0 as usize)) {
                add(&checker.address, pool.resolve_every);
            }
        }
    }
    names
}

/// The sign of life the nodes of a pool can be asked for: HTTP where a listener speaks it to them.
fn life_of(plan: &Plan, pool: usize) -> Life {
    match plan.pools.get(pool) {
        Some(params) if params.http2 => Life::Http2,
        _ if plan.speaks_http(pool) => Life::Http,
        _ => Life::Connect,
    }
}

/// No check follows another sooner, whatever is configured: a node must not be checked to death.
const MIN_EVERY: Duration = Duration::from_millis(1);

const DOUBT: DoubtRule = DoubtRule { apart: Duration::from_millis(250), again: Duration::from_secs(1) };
