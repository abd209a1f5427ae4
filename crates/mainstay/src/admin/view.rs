//! The parts of `/status`, put together.

use std::time::SystemTime;

use mainstay_core::{Moment, Verdict};
use mainstay_io::clock;
use mainstay_proxy::access::Stamp;
use mainstay_proxy::control::{CheckStatus, NodeStatus, PoolStatus};
use mainstay_proxy::counters::{Class, Kind, Reading};
use mainstay_proxy::params::{self, At, Plan, Policy, Role, Service};
use mainstay_proxy::view::{Endpoint, Standing};

use super::document::{Check, Listener, Node, Pool};
use super::samples::{Sample, Samples};

/// What the parts are made of.
pub(super) struct View<'a> {
    pub(super) plan: &'a Plan,
    pub(super) reading: &'a Reading,
    pub(super) samples: &'a Samples,
    pub(super) sample: &'a Sample,
}

impl View<'_> {
    pub(super) fn listeners(&self) -> Vec<Listener> {
        self.plan.listeners.iter().map(|listener| self.listener(listener)).collect()
    }

    pub(super) fn pools(&self, pools: &[PoolStatus]) -> Vec<Pool> {
        pools.iter().map(|pool| self.pool(pool)).collect()
    }

    fn listener(&self, listener: &params::Listener) -> Listener {
        let counted = self.reading.listeners.get(&listener.name);
        let answers = Class::ALL
            .iter()
            .map(|class| (class.name().to_owned(), counted.map_or(0, |counted| counted.answers.get(*class))));
        Listener {
            name: listener.name.to_string(),
            at: place(&listener.at),
            kind: match listener.service {
                Service::Http(_) => "http".to_owned(),
                Service::Tcp(_) => "tcp".to_owned(),
            },
            connections: counted.map_or(0, |counted| counted.active.get()),
            requests: counted.map_or(0, |counted| counted.requests.get()),
            in_flight: counted.map_or(0, |counted| counted.in_flight.get()),
            answers: answers.collect(),
            lately: self.samples.listener(self.sample, &listener.name),
        }
    }

    fn pool(&self, pool: &PoolStatus) -> Pool {
        let counted = self.reading.pools.get(&pool.name);
        let plan = self.plan.pools.iter().find(|one| one.name == pool.name);
        Pool {
            name: pool.name.to_string(),
            policy: plan.map_or("", |plan| policy(&plan.policy)).to_owned(),
            waiting: counted.map_or(0, |counted| counted.waiting.get()),
            held: counted.map_or(0, |counted| counted.held.get()),
            lease: pool.lease.as_ref().filter(|_| plan.is_none_or(follows_lease)).map(|lease| lease.name.to_string()),
            leader: pool.lease.as_ref().and_then(|lease| lease.leader.as_ref()).map(ToString::to_string),
            no_node: counted.map_or(0, |counted| counted.no_node.get()),
            nodes: pool.nodes.iter().map(|node| self.node(pool, node)).collect(),
        }
    }

    fn node(&self, pool: &PoolStatus, node: &NodeStatus) -> Node {
        let counted = self.reading.nodes.get(&(pool.name.clone(), node.name.clone()));
        let passed = clock::now().since(node.since);
        Node {
            name: node.name.to_string(),
            role: role(node.role).to_owned(),
            standing: standing(node.standing).to_owned(),
            reason: node.reason.clone(),
            since: Stamp(SystemTime::now().checked_sub(passed).unwrap_or(SystemTime::UNIX_EPOCH)).to_string(),
            for_s: passed.as_secs_f64(),
            in_flight: counted.map_or(0, |counted| counted.in_flight.get()),
            idle_connections: counted.map_or(0, |counted| counted.idle.get()),
            requests: counted.map_or(0, |counted| counted.requests.get()),
            failures: counted.map_or(0, |counted| counted.failures.total()),
            lately: self.samples.node(self.sample, &pool.name, &node.name),
            addresses: node.endpoints.iter().map(endpoint).collect(),
            checks: node.checks.iter().map(|one| check(one, clock::now())).collect(),
        }
    }
}

fn check(check: &CheckStatus, now: Moment) -> Check {
    let last = check.last.as_ref();
    Check {
        name: check.name.to_string(),
        verdict: match check.verdict {
            Verdict::Unknown => "unknown",
            Verdict::Good => "good",
            Verdict::Bad => "bad",
        }
        .to_owned(),
        ago_s: last.map(|last| now.since(last.at).as_secs_f64()),
        took_ms: last.map(|last| last.took.as_secs_f64() * 1e3),
        fault: last.and_then(|last| last.fault.clone()),
    }
}

/// An address as it is written in a configuration.
pub(crate) fn place(at: &At) -> String {
    match at {
        At::Tcp(address) => address.to_string(),
        At::Unix { path, .. } => format!("unix:{}", path.display()),
    }
}

fn endpoint(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address) => address.to_string(),
        Endpoint::Unix(path) => format!("unix:{}", path.display()),
    }
}

const fn follows_lease(pool: &params::Pool) -> bool {
    !matches!(pool.policy, Policy::Writable { .. })
}

const fn policy(policy: &Policy) -> &'static str {
    match policy {
        Policy::Spread => "spread",
        Policy::Least => "least",
        Policy::Primary { .. } => "primary",
        Policy::Hash(_) => "hash",
        Policy::Leader { .. } => "leader",
        Policy::Writable { .. } => "writable",
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Active => "active",
        Role::Backup => "backup",
        Role::Off => "off",
    }
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::In => "in",
        Standing::Trial => "trial",
        Standing::Out(_) => "out",
        Standing::Draining => "draining",
    }
}
