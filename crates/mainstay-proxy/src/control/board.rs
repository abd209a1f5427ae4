//! Everything control knows, and what follows from each piece of news. No I/O and no waiting happens here: tasks bring
//! the news, and what changes for the workers leaves as a new snapshot before the call returns.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{self, Part};
use mainstay_core::{Ejected, Ejection, Moment, Others, Transition};
use tokio::sync::{Notify, watch};

use super::leases::Lease;
use super::names::{Answer, Moved, Name};
use super::node::Node;
use super::probe::{Ask, Job, Life};
use super::prober::{Ended, Key, Place, Prober};
use super::status::{ControlCounts, NodeStatus, PoolStatus};
use crate::counters::Registry;
use crate::params::{self, Address, Plan};
use crate::view::{Endpoint, Event, OutReason, Report, Snapshot, Standing};

/// Everything control knows.
pub(super) struct Board {
    pub(super) plan: Arc<Plan>,
    pub(super) plan_number: u64,
    /// Same indices as the plan's.
    pub(super) pools: Vec<Vec<Node>>,
    /// For each pool, the sign of life its nodes can be asked for.
    pub(super) life: Vec<Life>,
    pub(super) probers: BTreeMap<Key, Prober>,
    pub(super) names: BTreeMap<Arc<str>, Name>,
    /// The leases that pools follow.
    pub(super) leases: BTreeMap<lease::Name, Lease>,
    pub(super) next_key: Key,
    pub(super) counts: ControlCounts,
    /// What live traffic has of the nodes.
    pub(super) traffic: Arc<Registry>,
    /// Tells the timer's task that an ejection may be due sooner.
    pub(super) timer: Arc<Notify>,
    out: watch::Sender<Arc<Snapshot>>,
    /// Whether the workers have yet to be told of something.
    pub(super) changed: bool,
    /// Nodes whose standing has changed, which the log has yet to be told.
    news: Vec<Place>,
}

impl Board {
    /// A board with an empty plan.
    pub(super) fn new(traffic: Arc<Registry>) -> Self {
        let plan = Arc::new(Plan::default());
        let first = Snapshot { plan: Arc::clone(&plan), pools: Vec::new(), plan_number: 0, number: 0 };
        Self {
            plan,
            plan_number: 0,
            pools: Vec::new(),
            life: Vec::new(),
            probers: BTreeMap::new(),
            names: BTreeMap::new(),
            leases: BTreeMap::new(),
            next_key: 0,
            counts: ControlCounts::default(),
            traffic,
            timer: Arc::default(),
            out: watch::Sender::new(Arc::new(first)),
            changed: false,
            news: Vec::new(),
        }
    }

    /// Where snapshots are published. The receiver finds the latest one as news.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        let mut receiver = self.out.subscribe();
        receiver.mark_changed();
        receiver
    }

    /// What a prober is up to; `None` when the plan no longer has it.
    pub(super) fn prober(&self, key: Key) -> Option<&Prober> {
        self.probers.get(&key)
    }

    /// A check begins.
    pub(super) fn begin(&mut self, key: Key, now: Moment) -> Option<Job> {
        let prober = self.probers.get_mut(&key)?;
        prober.begin(now);
        let (ask, timeout, address) = (prober.ask.clone(), prober.timeout, prober.address.clone());
        let tls = prober.tls.clone();
        let endpoints = self.endpoints(&address).into();
        Some(Job { ask, endpoints, host: host_field(&address), tls, timeout })
    }

    /// A connection over which a service is watched, and which; `None` when it is no more.
    pub(super) fn watch(&self, key: Key) -> Option<(Job, Arc<str>)> {
        let prober = self.probers.get(&key)?;
        let endpoints = self.endpoints(&prober.address).into();
        let (ask, tls, host) = (prober.ask.clone(), prober.tls.clone(), host_field(&prober.address));
        Some((Job { ask, endpoints, host, tls, timeout: prober.timeout }, prober.watched()?))
    }

    /// A watched service tells how it is, or (`None`) its stream was lost.
    pub(super) fn told(&mut self, key: Key, serves: Option<bool>, now: Moment) {
        if let Some(prober) = self.probers.get_mut(&key) {
            prober.told(serves, now);
        }
    }

    /// A check has ended.
    pub(super) fn ended(&mut self, key: Key, ended: Ended) {
        let now = ended.now;
        let good = ended.fault.is_none();
        let Some(place) = self.probers.get(&key).and_then(|prober| prober.places.first().copied()) else { return };
        let others = self.others(place);
        let heard = self.heard(key, now);
        let Some(prober) = self.probers.get_mut(&key) else { return };
        let was_bad = prober.bad();
        let transition = prober.end(ended, heard, others, fastrand::f64());
        let is_bad = prober.bad();
        let places = prober.places.clone();
        for place in places {
            let Some(node) = self.node_mut(place) else { continue };
            if was_bad && transition == Some(Transition::Up) {
                node.forgive();
            }
            if good {
                node.shows_life(now);
            }
            self.refresh(place, now);
            if is_bad && !self.any_in(place.0) {
                self.look_for_life(place.0, now);
            }
        }
        self.publish();
    }

    /// How long ago live traffic last had a good answer from what this prober checks.
    fn heard(&self, key: Key, now: Moment) -> Option<Duration> {
        let places = self.probers.get(&key)?.places.iter();
        let params = places.filter_map(|place| params_of(&self.plan, *place));
        let heard = params.filter_map(|(pool, node)| self.traffic.answered(&pool.name, &node.name)).max();
        heard.map(|heard| now.since(heard))
    }

    /// News of live traffic, in the order it came.
    pub(super) fn reports(&mut self, reports: &[Report], now: Moment) {
        for report in reports {
            if report.plan_number == self.plan_number {
                self.counts.reports += 1;
                self.report(report, now);
            } else {
                self.counts.reports_stale += 1;
            }
        }
        self.publish();
    }

    fn report(&mut self, report: &Report, now: Moment) {
        let place = (report.pool.0 as usize, report.node as usize);
        let others = self.others(place);
        let spoken = self.life.get(place.0).copied().unwrap_or(Life::Connect);
        let Some(node) = self.node_mut(place) else { return };
        // Whoever asks a node that is out learns nothing new of it.
        if matches!(node.view.standing, Standing::Out(_)) {
            return;
        }
        let counted = node.view.standing != Standing::Draining;
        let life = match report.event {
            Event::Answered => {
                node.answered(now);
                self.refresh(place, now);
                return;
            }
            Event::Failed | Event::TimedOut => {
                if counted {
                    node.failed(now, others, report.event);
                }
                spoken
            }
            Event::Slow => Life::Http,
            Event::SlowOpaque => Life::Connect,
        };
        self.refresh(place, now);
        self.doubt(place, life, now);
        if others == Others::NoneIn {
            self.look_for_life(place.0, now);
        }
    }

    /// Lets the time of ejections pass. A node without checks is probed before a request has to find out.
    pub(super) fn tick(&mut self, now: Moment) {
        for place in self.places() {
            let life = self.life.get(place.0).copied().unwrap_or(Life::Connect);
            let Some(node) = self.node_mut(place) else { continue };
            let Some(ejection) = &mut node.ejection else { continue };
            if node.awaits_life || ejection.due().is_none_or(|due| due > now) {
                continue;
            }
            if node.doubt.is_some() && ejection.state() == Ejected::Yes {
                node.awaits_life = true;
                self.doubt(place, life, now);
            } else {
                ejection.tick(now);
                self.refresh(place, now);
            }
        }
        self.publish();
    }

    /// When [`Board::tick`] has something to do.
    pub(super) fn tick_due(&self) -> Option<Moment> {
        let waiting = self.pools.iter().flatten().filter(|node| !node.awaits_life);
        waiting.filter_map(|node| node.ejection.as_ref()?.due()).min()
    }

    /// A look-up has ended; the answer is the time to the next one, `None` when the plan no longer has the name.
    pub(super) fn resolved(&mut self, host: &str, answer: Answer, now: Moment) -> Option<Duration> {
        let name = self.names.get_mut(host)?;
        self.counts.lookups += 1;
        if let Err(error) = &answer {
            self.counts.lookup_failures += 1;
            if name.error().is_none() {
                tracing::warn!(name = host, error, kept = name.addresses().len(), "name did not resolve");
            }
        }
        let moved = name.take(answer) == Moved::Yes;
        let pause = name.pause();
        for place in self.places().into_iter().filter(|_| moved) {
            self.refresh(place, now);
        }
        self.publish();
        let at_host = |address: &Address| matches!(address, Address::Name { host: its, .. } if **its == *host);
        for prober in self.probers.values_mut().filter(|prober| moved && prober.bad() && at_host(&prober.address)) {
            prober.nudge(now);
        }
        Some(pause)
    }

    /// Time from one look-up of a name to the next.
    pub(super) fn pause_of(&self, host: &str) -> Option<Duration> {
        self.names.get(host).map(Name::pause)
    }

    /// Drains the nodes called `name` (or `pool/name`), or admits them again; how many there are.
    pub(super) fn set_drained(&mut self, name: &str, drained: bool, now: Moment) -> usize {
        let plan = Arc::clone(&self.plan);
        let mut found = 0;
        for place in self.places() {
            let Some((pool, params)) = params_of(&plan, place) else { continue };
            let called = *params.name == *name
                || name.strip_prefix(&*pool.name).and_then(|rest| rest.strip_prefix('/')) == Some(&*params.name);
            let Some(node) = self.node_mut(place).filter(|_| called) else { continue };
            node.drained = drained;
            if !drained {
                node.forgive();
            }
            found += 1;
            self.refresh(place, now);
        }
        self.publish();
        found
    }

    /// What operators are shown.
    pub(super) fn status(&self) -> Vec<PoolStatus> {
        let pools = self.plan.pools.iter().zip(&self.pools).enumerate();
        pools
            .map(|(pool, (params, nodes))| {
                let nodes = params.nodes.iter().zip(nodes).enumerate();
                let nodes = nodes.map(|(index, (params, node))| self.node_status((pool, index), params, node));
                PoolStatus { name: Arc::clone(&params.name), nodes: nodes.collect(), lease: self.lease_status(pool) }
            })
            .collect()
    }

    fn node_status(&self, place: Place, params: &params::Node, node: &Node) -> NodeStatus {
        NodeStatus {
            name: Arc::clone(&params.name),
            role: params.role,
            standing: node.view.standing,
            reason: self.reason(place),
            since: node.view.since,
            endpoints: Arc::clone(&node.view.endpoints),
            checks: node.probers().filter_map(|key| self.probers.get(&key)?.status()).collect(),
            transitions: node.transitions,
            ejections: node.ejections,
        }
    }

    /// Brings a node's view up to date, to be published.
    pub(super) fn refresh(&mut self, place: Place, now: Moment) {
        let plan = Arc::clone(&self.plan);
        let Some((pool, params)) = params_of(&plan, place) else { return };
        let endpoints = self.endpoints(&params.address);
        let Some(node) = self.node(place) else { return };
        let lease = pool.follows().and_then(|name| self.leases.get(name));
        let counts = |prober: &&Prober| lease.is_none_or(|lease| lease.is_denied_by(prober));
        let found = node.probers().filter_map(|key| self.probers.get(&key).filter(counts)?.out_reason());
        let found = found.reduce(|one, other| if one == OutReason::Check { one } else { other });
        let part = self.part(pool, params, node, found);
        let tenure = part.and_then(Part::tenure);
        let until = lease.and_then(Lease::until);
        let standing = node.judge(params.role, &endpoints, found, part);
        let suspect =
            matches!(standing, Standing::In | Standing::Trial) && node.ejection.as_ref().is_some_and(Ejection::suspect);
        let was = node.view.standing;
        let Some(node) = self.node_mut(place) else { return };
        if standing != was {
            node.view.standing = standing;
            node.view.since = now;
            node.transitions += 1;
        }
        let same = standing == was
            && suspect == node.view.suspect
            && tenure == node.view.tenure
            && until == node.view.until
            && *endpoints == *node.view.endpoints;
        node.view.suspect = suspect;
        node.view.tenure = tenure;
        node.view.until = until;
        if *endpoints != *node.view.endpoints {
            node.view.endpoints = endpoints.into();
        }
        self.changed |= !same;
        if standing != was {
            self.counts.transitions += 1;
            self.news.push(place);
            if was == Standing::In && !self.any_in(place.0) {
                self.look_for_life(place.0, now);
            }
        }
    }

    fn log(&self, place: Place) {
        let Some((node, (pool, params))) = self.node(place).zip(params_of(&self.plan, place)) else { return };
        let (standing, pool, node, reason) = (node.view.standing, &*pool.name, &*params.name, self.reason(place));
        let reason = reason.as_deref();
        match standing {
            Standing::In => tracing::info!(pool, node, reason, "node is in"),
            Standing::Trial => tracing::info!(pool, node, reason, "node is on trial"),
            Standing::Draining => tracing::info!(pool, node, reason, "node is draining"),
            Standing::Out(OutReason::NotLeader) => tracing::info!(pool, node, reason, "node does not lead"),
            // A step of a takeover or a switch-over; that nobody holds the lease is worth a warning.
            Standing::Out(OutReason::NotReady) if !self.is_vacant(place) => {
                tracing::info!(pool, node, reason, "node takes no new work");
            }
            Standing::Out(_) => tracing::warn!(pool, node, reason, "node is out"),
        }
    }

    /// Why a node stands as it does, or what speaks against it while it is in.
    fn reason(&self, place: Place) -> Option<String> {
        let node = self.node(place)?;
        let (_, params) = params_of(&self.plan, place)?;
        let complaint = |only_bad: bool| {
            let mut probers = node.probers().filter_map(|key| self.probers.get(&key));
            probers.find_map(|prober| prober.complaint().filter(|_| prober.bad() || !only_bad))
        };
        match node.view.standing {
            Standing::Out(OutReason::Off) => Some("off by configuration".to_owned()),
            Standing::Out(OutReason::Unresolved) => Some(match self.name_of(&params.address) {
                Some((host, Some(error))) => format!("{host} does not resolve: {error}"),
                Some((host, None)) => format!("{host} is being looked up"),
                None => "no address".to_owned(),
            }),
            Standing::Out(OutReason::Check | OutReason::Unwell) => complaint(true),
            Standing::Out(OutReason::Ejected) => Some(node.traffic_complaint().to_owned()),
            Standing::Out(OutReason::NotLeader | OutReason::NotReady) => self.lease_reason(place),
            Standing::Trial => Some(format!("{}; one request may try it", node.traffic_complaint())),
            Standing::Draining => Some("drained by an operator".to_owned()),
            Standing::In => complaint(false).or_else(|| {
                let (host, error) = self.name_of(&params.address)?;
                Some(format!("{host} no longer resolves ({}); its last addresses are kept", error?))
            }),
        }
    }

    /// Whether another node of the pool is in.
    fn others(&self, (pool, node): Place) -> Others {
        let nodes = self.pools.get(pool).map_or(&[][..], Vec::as_slice).iter().enumerate();
        let mut others = nodes.filter(|(index, _)| *index != node);
        if others.any(|(_, other)| other.is_in()) { Others::SomeIn } else { Others::NoneIn }
    }

    fn any_in(&self, pool: usize) -> bool {
        self.pools.get(pool).is_some_and(|nodes| nodes.iter().any(Node::is_in))
    }

    /// Live traffic doubts a node: its checks run now. A node without any is asked for a sign of life.
    fn doubt(&mut self, place: Place, life: Life, now: Moment) {
        let keys: Vec<Key> = self.node(place).map(|node| node.probers().collect()).unwrap_or_default();
        for key in keys {
            let Some(prober) = self.probers.get_mut(&key) else { continue };
            if matches!(prober.ask, Ask::Life(_)) && !prober.bad() {
                prober.ask = Ask::Life(life);
            }
            prober.nudge(now);
        }
    }

    /// A pool is down to its last node or has none: those that are out are checked sooner, as one may be back.
    fn look_for_life(&mut self, pool: usize, now: Moment) {
        let keys: Vec<Key> = self.pools.get(pool).into_iter().flatten().flat_map(Node::probers).collect();
        for key in keys {
            if let Some(prober) = self.probers.get_mut(&key).filter(|prober| prober.bad()) {
                prober.nudge(now);
            }
        }
    }

    /// Tells the workers, if there is anything to tell, and then the log.
    pub(super) fn publish(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let views = |nodes: &Vec<Node>| nodes.iter().map(|node| node.view.clone()).collect();
        let pools = self.pools.iter().map(views).collect();
        self.counts.snapshots += 1;
        let (plan, plan_number, number) = (Arc::clone(&self.plan), self.plan_number, self.counts.snapshots);
        let snapshot = Snapshot { plan, pools, plan_number, number };
        self.out.send_replace(Arc::new(snapshot));
        self.timer.notify_one();
        for place in std::mem::take(&mut self.news) {
            self.log(place);
        }
    }

    /// Where an address is just now.
    pub(super) fn endpoints(&self, address: &Address) -> Vec<Endpoint> {
        match address {
            Address::Ip(address) => vec![Endpoint::Tcp(*address)],
            Address::Unix(path) => vec![Endpoint::Unix(path.clone())],
            Address::Name { host, port } => {
                let addresses = self.names.get(host).map_or(&[][..], Name::addresses);
                addresses.iter().map(|ip| Endpoint::Tcp(SocketAddr::new(*ip, *port))).collect()
            }
        }
    }

    fn name_of<'a>(&'a self, address: &'a Address) -> Option<(&'a str, Option<&'a str>)> {
        let Address::Name { host, .. } = address else { return None };
        Some((host, self.names.get(host).and_then(Name::error)))
    }

    fn node(&self, (pool, node): Place) -> Option<&Node> {
        self.pools.get(pool)?.get(node)
    }

    fn node_mut(&mut self, (pool, node): Place) -> Option<&mut Node> {
        self.pools.get_mut(pool)?.get_mut(node)
    }

    /// Every node of the plan.
    pub(super) fn places(&self) -> Vec<Place> {
        let pools = self.pools.iter().enumerate();
        pools.flat_map(|(pool, nodes)| (0..nodes.len()).map(move |node| (pool, node))).collect()
    }
}

/// What the plan says of a node.
pub(super) fn params_of(plan: &Plan, (pool, node): Place) -> Option<(&params::Pool, &params::Node)> {
    let pool = plan.pools.get(pool)?;
    Some((pool, pool.nodes.get(node)?))
}

fn host_field(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Name { host, port } => format!("{host}:{port}"),
        Address::Unix(_) => "localhost".to_owned(),
    }
}
