//! What only shows when everything is known: tables nobody uses, addresses that collide, loops.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mainstay_proxy::params::{Action, Address, At, Plan, PoolId, Service};

use super::Cx;
use super::rules::Rules;
use crate::config::typed::Span;

/// Reports what is wrong with the plan as a whole. `places` are where its listeners were typed.
pub(super) fn check(cx: &mut Cx<'_>, plan: &Plan, places: &[Span], rules: &Rules) {
    unused(cx, rules);
    collisions(cx, plan, places);
    // A plan with faults may lack listeners and pools, so that the ids in it mean nothing.
    if !cx.report.has_faults() {
        loops(cx, plan, places);
    }
}

fn unused(cx: &mut Cx<'_>, rules: &Rules) {
    // What looks unused may be meant where a reference could not be read.
    if cx.unsure || cx.broken.any() {
        return;
    }
    let config = cx.config;
    for (index, (name, _)) in config.pools.iter().enumerate() {
        if !cx.uses.has(index) {
            cx.fault(name.span, format!("nothing uses [pool.{}]", name.value))
                .help(format!("write `to = \"http://{}\"` into a listener or a route, or remove the pool", name.value));
        }
    }
    for (index, (name, _)) in config.tls.iter().enumerate() {
        if !cx.tls.uses(index) {
            cx.fault(name.span, format!("nothing uses [tls.{}]", name.value))
                .help(format!("write `tls = \"{}\"` into a listener or a pool, or remove the table", name.value));
        }
    }
    for (kind, name) in rules.unused() {
        let name_of = &name.value;
        cx.fault(name.span, format!("nothing uses [{kind}.{name_of}]"))
            .help(format!("write `{kind} = \"{name_of}\"` into a listener or a route, or remove the table"));
    }
}

/// Equal addresses were joined before. The kernel also refuses a port on one address and on all of its family.
fn collisions(cx: &mut Cx<'_>, plan: &Plan, places: &[Span]) {
    let tcp: Vec<(SocketAddr, &str, Span)> = plan
        .listeners
        .iter()
        .zip(places)
        .filter_map(|(listener, span)| match listener.at {
            At::Tcp(address) if address.port() != 0 => Some((address, &*listener.name, *span)),
            _ => None,
        })
        .collect();
    for (at, (address, name, span)) in tcp.iter().enumerate() {
        let clash = |(other, _, _): &&(SocketAddr, &str, Span)| {
            other.port() == address.port()
                && other.is_ipv4() == address.is_ipv4()
                && (other.ip().is_unspecified() || address.ip().is_unspecified())
        };
        if let Some((other, other_name, other_span)) = tcp.iter().take(at).find(clash) {
            cx.fault(*span, format!("[listen.{name}] collides with [listen.{other_name}]: {address} and {other} cannot both be listened on"))
                .help("choose another port, or write one of them for both and give each its `names`")
                .see(*other_span, "the other one");
        }
    }
}

fn loops(cx: &mut Cx<'_>, plan: &Plan, places: &[Span]) {
    let next: Vec<Vec<(usize, usize)>> =
        plan.listeners.iter().map(|listener| followers(plan, &listener.service)).collect();
    for (start, span) in places.iter().enumerate() {
        let mut seen = vec![false; next.len()];
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for &(pool, listener) in next.get(at).into_iter().flatten() {
                if listener == start {
                    report_loop(cx, plan, (start, *span), pool);
                    open.clear();
                    break;
                }
                if let Some(seen) = seen.get_mut(listener).filter(|seen| !**seen) {
                    *seen = true;
                    open.push(listener);
                }
            }
        }
    }
}

fn report_loop(cx: &mut Cx<'_>, plan: &Plan, (listener, span): (usize, Span), pool: usize) {
    let name = plan.listeners.get(listener).map_or("", |listener| &listener.name);
    let pool_name = plan.pools.get(pool).map_or("", |pool| &pool.name);
    let id = PoolId(u32::try_from(pool).unwrap_or(u32::MAX));
    let typed = cx.uses.typed(id).and_then(|index| cx.config.pools.get(index)).map(|(name, _)| name.span);
    let fault =
        cx.fault(span, format!("a loop: what comes to [listen.{name}] comes back to it through pool {pool_name}"));
    fault.help("write the nodes' own addresses into the pool, or let Mainstay listen elsewhere");
    if let Some(typed) = typed {
        fault.see(typed, "the pool");
    }
}

/// The listeners of ours that a listener's traffic may reach, each with the pool it goes through.
fn followers(plan: &Plan, service: &Service) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for pool in pools(service) {
        let index = pool.0 as usize;
        let nodes = plan.pools.get(index).map(|pool| pool.nodes.as_slice()).unwrap_or_default();
        for node in nodes {
            let ours = plan.listeners.iter().position(|listener| is_same(&node.address, &listener.at));
            found.extend(ours.map(|listener| (index, listener)));
        }
    }
    found
}

fn pools(service: &Service) -> Vec<PoolId> {
    match service {
        Service::Tcp(tcp) => std::iter::once(tcp.pool).chain(tcp.by_name.iter().map(|(_, pool)| *pool)).collect(),
        Service::Http(http) => {
            let routes = http.sites.iter().flat_map(|site| &site.routes);
            let forwards = routes.filter_map(|route| match &route.action {
                Action::Forward(forward) => Some(forward),
                Action::Reply(_) => None,
            });
            forwards
                .flat_map(|forward| forward.mirrors.iter().map(|mirror| mirror.pool).chain([forward.pool]))
                .collect()
        }
    }
}

/// Whether who connects to the node comes to the listener.
pub(super) fn is_same(node: &Address, listener: &At) -> bool {
    let tcp = |ip: IpAddr, port: u16| match listener {
        At::Tcp(own) => {
            let every =
                own.ip().is_unspecified() && own.is_ipv4() == ip.is_ipv4() && (ip.is_loopback() || ip.is_unspecified());
            own.port() == port && port != 0 && (own.ip() == ip || every)
        }
        At::Unix { .. } => false,
    };
    match (node, listener) {
        (Address::Ip(address), _) => tcp(address.ip(), address.port()),
        (Address::Name { host, port }, _) => &**host == "localhost" && tcp(IpAddr::V4(Ipv4Addr::LOCALHOST), *port),
        (Address::Unix(path), At::Unix { path: own, .. }) => path == own,
        (Address::Unix(_), At::Tcp(_)) => false,
    }
}
