//! `[pool.NAME]`: one pool of the plan for each port and protocol it is used with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_proxy::params::{
    Address, AllOut, Budget, Checker, CheckerId, Eject, Encrypted, Failback, HashKey, Kind, Node, Policy, Pool, PoolId,
    Queue, Role,
};
use mainstay_tls::{Client, ServerName};

use super::address::{self, Host, Place};
use super::checks::{self, Checking};
use super::{Cx, leader, or, template, tls};
use crate::config::typed::{self, Maybe, Span, Spanned};
use crate::config::{defaults, units};

/// The pools that listeners use, each with the port it is used with.
#[derive(Default)]
pub(super) struct Uses {
    uses: Vec<Use>,
}

struct Use {
    /// Index of the typed pool; that of none where the pool is `whole`.
    pool: usize,
    port: Option<u16>,
    http2: bool,
    span: Span,
    read_timeout: Option<Spanned<Duration>>,
    /// The pool itself, where no table describes it.
    whole: Option<Pool>,
}

impl Use {
    /// What its nodes are spoken to over TLS.
    fn protocols(&self) -> &'static [&'static str] {
        match (self.http2, self.read_timeout) {
            (true, _) => &["h2"],
            (false, Some(_)) => &["http/1.1"],
            (false, None) => &[],
        }
    }
}

impl Uses {
    /// Notes a pool that no table describes, and returns its id in the plan.
    pub(super) fn add_whole(&mut self, pool: Pool, span: Span) -> PoolId {
        self.uses.push(Use { pool: usize::MAX, port: None, http2: false, span, read_timeout: None, whole: Some(pool) });
        PoolId(u32::try_from(self.uses.len() - 1).unwrap_or(u32::MAX))
    }

    /// Notes that a pool is used with a port, over HTTP/2 or not, and returns its id in the plan.
    pub(super) fn add(&mut self, pool: usize, port: Option<u16>, http2: bool, span: Span) -> PoolId {
        let found = self.uses.iter().position(|used| used.pool == pool && used.port == port && used.http2 == http2);
        let at = found.unwrap_or_else(|| {
            self.uses.push(Use { pool, port, http2, span, read_timeout: None, whole: None });
            self.uses.len() - 1
        });
        PoolId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Notes how long requests wait for an answer there.
    pub(super) fn waits(&mut self, id: PoolId, read_timeout: Spanned<Duration>) {
        if let Some(used) = self.uses.get_mut(id.0 as usize)
            && used.read_timeout.is_none_or(|shortest| read_timeout.value < shortest.value)
        {
            used.read_timeout = Some(read_timeout);
        }
    }

    /// Whether a pool is used.
    pub(super) fn has(&self, pool: usize) -> bool {
        self.uses.iter().any(|used| used.pool == pool)
    }

    /// The index of the typed pool that became one of the plan.
    pub(super) fn typed(&self, id: PoolId) -> Option<usize> {
        self.uses.get(id.0 as usize).map(|used| used.pool)
    }
}

/// Converts every pool; those that nobody uses only to find their faults.
pub(super) fn convert(cx: &mut Cx<'_>) -> (Vec<Pool>, Vec<Checker>) {
    let config = cx.config;
    let mut uses = std::mem::take(&mut cx.uses);
    let mut checkers = Checkers::default();
    let whole = uses.uses.iter_mut().enumerate().filter_map(|(at, used)| Some((at, used.whole.take()?)));
    let mut built: HashMap<usize, Pool> = whole.collect();
    for (index, (name, typed)) in config.pools.iter().enumerate() {
        let mut own = uses.uses.iter().enumerate().filter(|(_, used)| used.pool == index).peekable();
        let several = own.clone().count() > 1;
        leader::check(cx, name, typed);
        let common = common(cx, name, typed);
        let checking: Vec<Checking> = typed.checks.iter().filter_map(|check| checks::check(cx, check)).collect();
        let nodes = nodes(cx, name, typed);
        if own.peek().is_none() {
            nodes.iter().for_each(|node| drop(node.place(cx, name, None)));
        }
        for (at, used) in own {
            let mut pool = common.clone();
            if let (true, Some(port)) = (several, used.port) {
                pool.name = format!("{}:{port}", name.value).into();
            }
            let is_twin = |other: &Use| other.pool == index && other.port == used.port && !other.http2;
            if used.http2 && uses.uses.iter().any(is_twin) {
                pool.name = format!("{}+http2", pool.name).into();
            }
            pool.http2 = used.http2;
            pool.tls = typed.tls.as_ref().and_then(|tls| tls::client(cx, tls, used.protocols()));
            pool.doubt_after = doubt_after(cx, typed, used);
            pool.nodes = nodes
                .iter()
                .filter_map(|node| node.build(cx, name, used, &checking, pool.tls.as_ref(), &mut checkers))
                .collect();
            unneeded_port(cx, &nodes, used);
            built.insert(at, pool);
        }
        unneeded_kind(cx, name, typed, uses.uses.iter().filter(|used| used.pool == index));
    }
    let pools = (0..uses.uses.len()).filter_map(|at| built.remove(&at)).collect();
    cx.uses = uses;
    (pools, checkers.all)
}

/// A node as far as it does not depend on how its pool is used.
struct Parsed {
    at: Spanned<String>,
    place: Option<Place>,
    weight: u32,
    role: Role,
    max_connections: Option<u32>,
    eject: Option<Eject>,
    holder: Option<Arc<str>>,
}

/// A node's address for one port, and its name.
struct Resolved {
    name: String,
    address: Address,
}

impl Parsed {
    /// Where the node is when its pool is used with `port`.
    fn place(&self, cx: &mut Cx<'_>, pool: &Spanned<String>, used: Option<&Use>) -> Option<Resolved> {
        let port = used.and_then(|used| used.port);
        let whole = match &self.place {
            Some(Place::Host(host, own)) => own.or(port).map(|port| format!("{host}:{port}")),
            _ => None,
        };
        let mut known = vec![self.at.value.as_str()];
        known.extend(whole.as_deref().filter(|whole| *whole != self.at.value));
        if let Some(to) = cx.maps.node(&pool.value, &known) {
            let name = whole.clone().unwrap_or_else(|| to.clone());
            return mapped(cx, &to, port).map(|address| Resolved { name, address });
        }
        match self.place.clone() {
            Some(Place::Unix(path)) => Some(Resolved { name: self.at.value.clone(), address: Address::Unix(path) }),
            Some(Place::Host(host, own)) => match own.or(port) {
                Some(port) => Some(Resolved { name: format!("{host}:{port}"), address: host.at(port) }),
                None => {
                    let used = used?;
                    cx.fault(self.at.span, format!("node \"{}\" has no port", self.at.value))
                        .help(format!(
                            "write \"{}:PORT\", or the port for all of them into `to`: \"...://{}:PORT\"",
                            self.at.value, pool.value
                        ))
                        .see(used.span, "used without a port");
                    None
                }
            },
            None => {
                if let Err(wrong) = address::node(&self.at.value) {
                    cx.fault(self.at.span, wrong.message).help(wrong.help);
                }
                None
            }
        }
    }

    fn build(
        &self,
        cx: &mut Cx<'_>,
        pool: &Spanned<String>,
        used: &Use,
        checking: &[Checking],
        tls: Option<&Arc<Client>>,
        all: &mut Checkers,
    ) -> Option<Node> {
        let Resolved { name, address } = self.place(cx, pool, Some(used))?;
        let checks = if self.role == Role::Off { &[] } else { checking };
        let checks = checks.iter().filter_map(|check| {
            let address = match check.port {
                None => address.clone(),
                Some(port) => self.check_address(cx, pool, &address, port, check.span)?,
            };
            let tls = self.check_tls(cx, &name, check, tls);
            Some(all.id(check, address, tls))
        });
        let checks = checks.collect();
        Some(Node {
            name: name.into(),
            address,
            weight: self.weight,
            role: self.role,
            max_connections: self.max_connections,
            eject: self.eject,
            checks,
            holder: self.holder.clone(),
        })
    }

    /// What is spoken below a check: what the pool speaks, unless it says otherwise or is on another port.
    fn check_tls(&self, cx: &mut Cx<'_>, node: &str, check: &Checking, own: Option<&Arc<Client>>) -> Option<Encrypted> {
        let client = match &check.tls {
            Some(typed) if typed.value == "off" => None,
            Some(typed) => tls::client(cx, typed, check.protocols()),
            None if check.port.is_some() => None,
            None => own.cloned(),
        }?;
        let host = client.settings.host.clone().or_else(|| tls_host(node));
        if host.is_none() {
            cx.fault(self.at.span, format!("\"{}\" has no name that a certificate could have", self.at.value))
                .help("add `name` to the [tls.NAME]");
        }
        Some(Encrypted { host: host?, client })
    }

    /// The host with the check's port: what that is mapped to, or that port where the node is mapped to.
    fn check_address(
        &self,
        cx: &mut Cx<'_>,
        pool: &Spanned<String>,
        node: &Address,
        port: u16,
        span: Span,
    ) -> Option<Address> {
        if let Some(Place::Host(host, _)) = &self.place
            && let Some(to) = cx.maps.node(&pool.value, &[&format!("{host}:{port}")])
        {
            return mapped(cx, &to, None);
        }
        match node {
            Address::Ip(address) => Some(Host::Ip(address.ip()).at(port)),
            Address::Name { host, .. } => Some(Host::Name(Arc::clone(host)).at(port)),
            Address::Unix(_) => {
                cx.fault(span, format!("this check has a port, but \"{}\" is a unix socket", self.at.value))
                    .help("leave `port` out, or write the node as host and port");
                None
            }
        }
    }
}

/// The name that a node's certificate must have.
fn tls_host(node: &str) -> Option<ServerName<'static>> {
    let (host, _) = node.rsplit_once(':').filter(|_| !node.starts_with("unix:"))?;
    ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned()).ok()
}

fn mapped(cx: &mut Cx<'_>, to: &str, port: Option<u16>) -> Option<Address> {
    match address::node(to) {
        Ok(Place::Unix(path)) => Some(Address::Unix(path)),
        Ok(Place::Host(host, own)) => match own.or(port) {
            Some(port) => Some(host.at(port)),
            None => {
                cx.report
                    .fault_anywhere(format!("--map ...={to}: \"{to}\" has no port"))
                    .help(format!("write {to}:PORT"));
                None
            }
        },
        Err(wrong) => {
            cx.report.fault_anywhere(format!("--map ...={to}: {}", wrong.message)).help(wrong.help);
            None
        }
    }
}

/// Checkers, each only once.
#[derive(Default)]
struct Checkers {
    all: Vec<Checker>,
}

impl Checkers {
    fn id(&mut self, check: &Checking, address: Address, tls: Option<Encrypted>) -> CheckerId {
        let name = checks::name(&check.probe, &address::show(&address)).into();
        let Checking { every, every_in_doubt, timeout, rise, fall, .. } = *check;
        let checker =
            Checker { name, address, tls, probe: check.probe.clone(), every, every_in_doubt, timeout, rise, fall };
        let found = self.all.iter().position(|known| *known == checker);
        let at = found.unwrap_or_else(|| {
            self.all.push(checker);
            self.all.len() - 1
        });
        CheckerId(u32::try_from(at).unwrap_or(u32::MAX))
    }
}

fn nodes(cx: &mut Cx<'_>, name: &Spanned<String>, pool: &typed::Pool) -> Vec<Parsed> {
    let usable = pool.nodes.iter().filter(|node| !or(node.value.down, false)).count();
    let usual = (usable > 1).then(|| eject(cx, &typed::Eject::After { failures: None, within: None, out_for: None }));
    let own = pool.eject.as_ref().map(|typed| eject(cx, &typed.value)).or(usual).flatten();
    let mut parsed: Vec<Parsed> = Vec::new();
    for node in &pool.nodes {
        let at = node.value.at.clone();
        if let Some(first) = parsed.iter().find(|first| first.at == at && !at.value.contains("port")) {
            cx.fault(at.span, format!("node \"{}\" is there twice", at.value))
                .help("remove one; `weight` gives a node a larger share")
                .see(first.at.span, "the first one");
        }
        let role = match (or(node.value.down, false), or(node.value.backup, false)) {
            (true, _) => Role::Off,
            (false, true) => Role::Backup,
            (false, false) => Role::Active,
        };
        if let Some(weight) = node.value.weight.filter(|weight| weight.value == 0) {
            cx.fault(weight.span, "a weight of zero")
                .help("write 1 or more, or `down = true` for a node that is not used");
        }
        let place = address::node(&at.value).ok();
        parsed.push(Parsed {
            holder: leader::holder(cx, pool, &node.value, place.as_ref()),
            place,
            at,
            weight: or(node.value.weight, 1),
            role,
            max_connections: limit(cx, node.value.max_connections),
            eject: node.value.eject.as_ref().map_or(own, |typed| eject(cx, &typed.value)),
        });
    }
    roles(cx, name, pool, &parsed);
    parsed
}

fn roles(cx: &mut Cx<'_>, name: &Spanned<String>, pool: &typed::Pool, nodes: &[Parsed]) {
    if nodes.is_empty() {
        if !cx.broken.table(name.span) {
            cx.fault(name.span, format!("[pool.{}] has no nodes", name.value))
                .help("add `nodes = [\"HOST:PORT\", ...]`");
        }
    } else if nodes.iter().all(|node| node.role == Role::Off) {
        cx.fault(name.span, format!("every node of [pool.{}] is down", name.value))
            .help("leave `down` out for at least one");
    } else if nodes.iter().all(|node| node.role != Role::Active) {
        cx.fault(name.span, format!("[pool.{}] has backups of nothing", name.value))
            .help("leave `backup` out for at least one node");
    }
    if let Some(Policy::Primary { .. }) = pool.policy.as_ref().map(|typed| policy(cx, &typed.value, false))
        && let Some(weight) = pool.nodes.iter().find_map(|node| node.value.weight)
    {
        cx.fault(weight.span, "a weight does nothing under the policy \"primary\", which goes by order")
            .help("leave it out, or write policy = \"spread\"");
    }
}

fn common(cx: &mut Cx<'_>, name: &Spanned<String>, pool: &typed::Pool) -> Pool {
    let failing = |cx: &mut Cx<'_>, typed: &Spanned<String>| match typed.value.as_str() {
        "refuse" => AllOut::Refuse,
        "try" => AllOut::TryAll,
        other => {
            cx.fault(typed.span, format!("\"{other}\" is nothing that can be done when all nodes are out"))
                .help("write \"refuse\" or \"try\"");
            AllOut::Refuse
        }
    };
    Pool {
        name: name.value.as_str().into(),
        nodes: Vec::new(),
        kind: pool.kind.as_ref().map_or(Kind::Any, |typed| kind(cx, typed)),
        policy: pool.policy.as_ref().map_or(Policy::Spread, |typed| policy(cx, &typed.value, true)),
        all_out: pool.all_out.as_ref().map_or(AllOut::Refuse, |typed| failing(cx, typed)),
        tls: None,
        connect_timeout: cx.positive(pool.connect, "a time to connect", "\"10ms\"", defaults::CONNECT),
        http2: false,
        keep_idle: or(pool.keep_idle, defaults::KEEP_IDLE),
        idle_timeout: cx.positive(
            pool.idle,
            "a time",
            "\"1s\"; `keep_idle = 0` keeps no connection",
            defaults::NODE_IDLE,
        ),
        requests_per_connection: cx.positive(
            pool.requests_per_connection,
            "a number of requests",
            "1",
            defaults::NODE_REQUESTS,
        ),
        max_connections: limit(cx, pool.max_connections),
        queue: queue(cx, pool),
        hold: leader::hold(cx, &pool.hold, defaults::HOLD),
        budget: Budget {
            ratio: or(pool.retry_ratio, defaults::RETRY_RATIO),
            per_second: or(pool.retry_per_second, defaults::RETRY_PER_SECOND),
        },
        slow_start: or(pool.slow_start, defaults::SLOW_START),
        resolve_every: cx.positive(pool.resolve, "a time", "\"1s\"", defaults::RESOLVE),
        doubt_after: defaults::DOUBT_AFTER,
    }
}

fn kind(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Kind {
    if typed.value != "canton" {
        cx.fault(typed.span, format!("\"{}\" is no kind of nodes that is known", typed.value))
            .help("write \"canton\", or leave it out");
        return Kind::Any;
    }
    Kind::Canton
}

fn limit(cx: &mut Cx<'_>, typed: Maybe<u32>) -> Option<u32> {
    typed.map(|most| cx.positive(Some(most), "a number of connections", "1", most.value))
}

fn queue(cx: &mut Cx<'_>, pool: &typed::Pool) -> Queue {
    let limited = pool.max_connections.is_some() || pool.nodes.iter().any(|node| node.value.max_connections.is_some());
    let typed =
        [("queue", pool.queue.map(|typed| typed.span)), ("queue_wait", pool.queue_wait.map(|typed| typed.span))];
    for (key, span) in typed.into_iter().filter_map(|(key, span)| span.map(|span| (key, span))) {
        if !limited {
            cx.fault(span, format!("`{key}` does nothing, since no number of connections is set"))
                .help("add `max_connections`, or leave it out");
        }
    }
    Queue {
        length: or(pool.queue, defaults::QUEUE),
        wait: cx.positive(pool.queue_wait, "a wait", "\"1ms\"; `queue = 0` lets nobody wait", defaults::QUEUE_WAIT),
    }
}

fn eject(cx: &mut Cx<'_>, typed: &typed::Eject) -> Option<Eject> {
    match typed {
        typed::Eject::Off => None,
        typed::Eject::After { failures, within, out_for } => Some(Eject {
            failures: cx.positive(
                *failures,
                "a number of failures",
                "1; `eject = \"off\"` switches it off",
                defaults::EJECT_FAILURES,
            ),
            within: cx.positive(*within, "a window", "\"1s\"", defaults::EJECT_WITHIN),
            out_for: cx.positive(
                *out_for,
                "a time",
                "\"1s\"; `eject = \"off\"` switches it off",
                defaults::EJECT_OUT_FOR,
            ),
        }),
    }
}

/// `told`: whether what is wrong is reported.
fn policy(cx: &mut Cx<'_>, typed: &typed::Policy, told: bool) -> Policy {
    match typed {
        typed::Policy::Spread => Policy::Spread,
        typed::Policy::Least => Policy::Least,
        typed::Policy::Primary(None) => Policy::Primary { failback: Failback::After(Duration::ZERO) },
        typed::Policy::Primary(Some(text)) if text.value == "never" => Policy::Primary { failback: Failback::Never },
        typed::Policy::Primary(Some(text)) => {
            let after = units::time(&text.value).unwrap_or_else(|what| {
                if told {
                    cx.fault(text.span, what).help("write a time such as \"30s\", or \"never\"");
                }
                Duration::ZERO
            });
            Policy::Primary { failback: Failback::After(after) }
        }
        typed::Policy::Hash(text) => Policy::Hash(hash_key(cx, text, told)),
        typed::Policy::Leader(lease) => Policy::Leader { lease: lease.value.as_str().into() },
    }
}

fn hash_key(cx: &mut Cx<'_>, text: &Spanned<String>, told: bool) -> HashKey {
    match text.value.as_str() {
        "client" => HashKey::Client,
        "target" => HashKey::Target,
        other => match other.strip_prefix("field:").filter(|name| template::is_token(name)) {
            Some(name) => HashKey::Field(name.into()),
            None => {
                if told {
                    cx.fault(text.span, format!("\"{other}\" is nothing a node can be picked by"))
                        .help("write \"client\", \"target\" or \"field:NAME\"");
                }
                HashKey::Client
            }
        },
    }
}

fn doubt_after(cx: &mut Cx<'_>, pool: &typed::Pool, used: &Use) -> Duration {
    let longest = used.read_timeout.map(|read| read.value);
    match (pool.doubt_after, used.read_timeout) {
        (Some(typed), Some(read)) if typed.value >= read.value => {
            cx.fault(typed.span, "no request waits this long, so no node is ever in doubt")
                .help(format!("write a time below the `read_timeout` of {}", units::show_time(read.value)))
                .see(read.span, "`read_timeout`");
            typed.value
        }
        (Some(_), _) => cx.positive(pool.doubt_after, "a time", "\"10ms\"", defaults::DOUBT_AFTER),
        (None, _) => longest.map_or(defaults::DOUBT_AFTER, |read| defaults::DOUBT_AFTER.min(read / 2)),
    }
}

/// A kind that matters to calls alone, in a pool that gets none.
fn unneeded_kind<'u>(
    cx: &mut Cx<'_>,
    name: &Spanned<String>,
    pool: &typed::Pool,
    mut uses: impl Iterator<Item = &'u Use>,
) {
    let Some(kind) = &pool.kind else { return };
    let first = uses.next();
    if first.is_some_and(|used| !used.http2) && !uses.any(|used| used.http2) {
        cx.fault(kind.span, "`kind` is of calls of gRPC, and none go to this pool")
            .help(format!("write `to = \"grpc://{}\"` where they come in, or leave it out", name.value));
    }
}

/// A port in `to` that no node takes.
fn unneeded_port(cx: &mut Cx<'_>, nodes: &[Parsed], used: &Use) {
    let Some(port) = used.port else { return };
    let takes = |node: &Parsed| match &node.place {
        Some(Place::Host(_, own)) => own.is_none_or(|own| own == port),
        Some(Place::Unix(_)) => false,
        None => true,
    };
    if let Some(node) = nodes.iter().find(|node| matches!(node.place, Some(Place::Host(_, Some(own))) if own != port)) {
        cx.fault(used.span, format!("port {port} is not that of node \"{}\", which has its own", node.at.value))
            .help("leave the port out here, or there")
            .see(node.at.span, "the node");
    } else if !nodes.is_empty() && !nodes.iter().any(takes) {
        cx.fault(used.span, format!("no node takes port {port}")).help("leave the port out");
    }
}
