//! Guards beside the listeners and pools of the same file: what looks right in each, and is wrong together.

use std::time::Duration;

use mainstay_proxy::params::{Address, Plan};

use super::{Cx, cross, or};
use crate::config::defaults;
use crate::config::typed::{self, Policy, Span};
use crate::config::units::show_time;

/// Reports it. `places` are where the plan's listeners were typed.
pub(super) fn check(cx: &mut Cx<'_>, plan: &Plan, places: &[Span]) {
    for (_, guard) in &cx.config.guards {
        own_listener(cx, guard, plan, places);
        impatient(cx, guard);
    }
    same_holder(cx, plan);
}

/// A ready check that asks this front, which has nothing to answer with before the child is ready.
fn own_listener(cx: &mut Cx<'_>, guard: &typed::Guard, plan: &Plan, places: &[Span]) {
    let Some(ready) = guard.ready.as_ref().map(|ready| &ready.value) else { return };
    let Some(typed) = ready.tcp.as_ref().or(ready.http.as_ref()) else { return };
    let rest = typed.value.strip_prefix("http://").unwrap_or(&typed.value);
    let host = rest.split('/').next().unwrap_or_default();
    let at = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let asked = match (at.parse(), at.rsplit_once(':')) {
        (Ok(address), _) => Address::Ip(address),
        (_, Some((host, port))) => Address::Name { host: host.into(), port: port.parse().unwrap_or(0) },
        _ => return,
    };
    let own = plan.listeners.iter().zip(places).find(|(listener, _)| cross::is_same(&asked, &listener.at));
    if let Some((listener, place)) = own {
        cx.report
            .note(typed.span, format!("this asks [listen.{}], not the guarded child", listener.name))
            .help("write an address of the child's own: they cannot share this one, and the front leads nowhere before it is ready")
            .see(*place, "the listener");
    }
}

/// A child that is killed before the store could have been asked again.
fn impatient(cx: &mut Cx<'_>, guard: &typed::Guard) {
    let Some(after) = guard.kill_after else { return };
    let lease = guard.lease.as_ref().and_then(|name| cx.config.leases.iter().find(|(lease, _)| lease == name));
    let renew = lease.map_or(defaults::RENEW, |(_, lease)| or(lease.renew, defaults::RENEW));
    let timeout = or(cx.config.store.timeout, defaults::STORE_TIMEOUT.min(renew));
    if Duration::ZERO < after.value && after.value < timeout {
        cx.report
            .note(
                after.span,
                format!(
                    "a child that is frozen for want of the store is killed after {}, before one request to the store has run \
                     out of time ({})",
                    show_time(after.value),
                    show_time(timeout)
                ),
            )
            .help("a store that comes back a moment later finds no child to go on: write a longer time");
    }
}

/// Two nodes that one holder has: both would lead.
fn same_holder(cx: &mut Cx<'_>, plan: &Plan) {
    for (name, pool) in &cx.config.pools {
        if !matches!(pool.policy.as_ref().map(|policy| &policy.value), Some(Policy::Leader(_))) {
            continue;
        }
        let params = plan.pools.iter().find(|params| *params.name == *name.value);
        let nodes = params.map(|params| params.nodes.as_slice()).unwrap_or_default();
        let twice = nodes.iter().enumerate().find_map(|(at, node)| {
            let holder = node.holder.as_ref()?;
            let first = nodes.iter().take(at).position(|other| other.holder.as_ref() == Some(holder))?;
            Some((first, at, holder))
        });
        let Some((first, second, holder)) = twice else { continue };
        let span = |at: usize| pool.nodes.get(at).map_or(name.span, |node| node.value.at.span);
        cx.fault(span(second), format!("two nodes of [pool.{}] belong to the holder \"{holder}\"", name.value))
            .help("leave one out, or give it the `holder` of the guard that runs it: a holder runs one node")
            .see(span(first), "the first one");
    }
}
