//! Pools that follow a lease: `policy = { leader = ... }`, `hold`, and the nodes' `holder`.

use std::sync::Arc;

use mainstay_proxy::params::Hold;

use super::address::{Host, Place};
use super::{Cx, leases, or};
use crate::config::typed::{self, Maybe, Policy, Spanned};
use crate::config::units::show_size;

/// Reports what does not go with a pool's policy.
pub(super) fn check(cx: &mut Cx<'_>, name: &Spanned<String>, pool: &typed::Pool) {
    let Some(lease) = lease(pool) else {
        if let Some(hold) = &pool.hold {
            cx.fault(hold.span, "`hold` does nothing in a pool that follows no lease")
                .help("add `policy = { leader = \"LEASE\" }`, or leave it out");
        }
        if let Some(holder) = pool.nodes.iter().find_map(|node| node.value.holder.as_ref()) {
            cx.fault(holder.span, "`holder` does nothing in a pool that follows no lease")
                .help("add `policy = { leader = \"LEASE\" }`, or leave it out");
        }
        return;
    };
    leases::find(cx, lease);
    for node in &pool.nodes {
        let unused = [
            ("weight", node.value.weight.map(|typed| typed.span)),
            ("backup", node.value.backup.map(|typed| typed.span)),
        ];
        for (key, span) in unused {
            if let Some(span) = span {
                cx.fault(span, format!("`{key}` does nothing where the lease says who leads"))
                    .help("leave it out; a guard's `priority` says who takes over first");
            }
        }
    }
    own_holder(cx, name, pool, lease);
}

/// A guard of this file that none of the pool's nodes belongs to.
fn own_holder(cx: &mut Cx<'_>, name: &Spanned<String>, pool: &typed::Pool, lease: &Spanned<String>) {
    let config = cx.config;
    let own = config.guards.iter().find(|(_, guard)| guard.lease.as_ref() == Some(lease));
    let Some(own) = own.and_then(|(_, guard)| guard.name.as_ref()) else { return };
    let holders = pool.nodes.iter().filter_map(|node| {
        let place = super::address::node(&node.value.at.value).ok();
        node.value.holder.as_ref().map(|holder| holder.value.clone()).or_else(|| host(place.as_ref()?))
    });
    let holders: Vec<String> = holders.collect();
    if !holders.contains(&own.value) {
        let known = holders.iter().map(|holder| format!("\"{holder}\"")).collect::<Vec<_>>().join(", ");
        cx.fault(own.span, format!("no node of [pool.{}] belongs to the holder \"{}\"", name.value, own.value))
            .help(format!(
                "its nodes belong to {known}: add `holder = \"{}\"` to the one that this guard runs",
                own.value
            ))
            .see(name.span, "the pool");
    }
}

/// What waits for the leader.
pub(super) fn hold(cx: &mut Cx<'_>, typed: &Maybe<typed::Hold>, default: Hold) -> Hold {
    let Some(typed) = typed else { return default };
    let typed = &typed.value;
    if let Some(bytes) = typed.bytes.filter(|bytes| bytes.value > MOST_HELD) {
        cx.fault(bytes.span, format!("{} of requests that wait", show_size(bytes.value))).help(format!(
            "write \"{}\" or less: they are kept in memory; a client that is not held can try again",
            show_size(MOST_HELD)
        ));
    }
    if let Some(requests) = typed.requests.filter(|requests| requests.value > MOST_WAITING) {
        cx.fault(requests.span, format!("{} requests that wait", requests.value))
            .help(format!("write {MOST_WAITING} or less: each is a connection, and memory"));
    }
    Hold {
        requests: or(typed.requests, default.requests),
        bytes: cx.positive(typed.bytes, "memory", "\"64KiB\"; `requests = 0` holds nothing", default.bytes),
        time: cx.positive(typed.time, "a wait", "\"1s\"; `requests = 0` holds nothing", default.time),
    }
}

/// Who holds the pool's lease when this node leads.
pub(super) fn holder(
    cx: &mut Cx<'_>,
    pool: &typed::Pool,
    node: &typed::Node,
    place: Option<&Place>,
) -> Option<Arc<str>> {
    lease(pool)?;
    if let Some(holder) = &node.holder {
        return Some(holder.value.as_str().into());
    }
    let host = host(place?);
    if host.is_none() {
        cx.fault(node.at.span, format!("nothing says which holder node \"{}\" belongs to", node.at.value)).help(format!(
            "write {{ at = \"{}\", holder = \"NAME\" }} with the name of the guard that runs it: its `name`, or its host's",
            node.at.value
        ));
    }
    host.map(Into::into)
}

/// The lease a pool follows.
fn lease(pool: &typed::Pool) -> Option<&Spanned<String>> {
    match &pool.policy.as_ref()?.value {
        Policy::Leader(lease) => Some(lease),
        _ => None,
    }
}

/// The host of a node that has a name.
fn host(place: &Place) -> Option<String> {
    match place {
        Place::Host(Host::Name(host), _) => Some(host.to_string()),
        Place::Host(Host::Ip(_), _) | Place::Unix(_) => None,
    }
}

/// More than that, and the machine runs out of memory before clients run out of patience.
const MOST_HELD: u64 = 1 << 30;
const MOST_WAITING: u32 = 1_000_000;
