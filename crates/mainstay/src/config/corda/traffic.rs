//! Listeners and pools: the load balancer of Corda's document.

use super::guard::{START_WITHIN, WILDCARDS};
use super::node::{Address, Node};
use crate::config::typed::{Config, Hold, Listen, Policy, Pool, Span, Spanned};

/// Adds a listener and a pool for each kind of traffic that the file has an address for.
pub(super) fn read(node: &mut Node<'_>, machine: &Spanned<String>, lease: &Spanned<String>, config: &mut Config) {
    let mut made = Vec::new();
    if let Some((front, own)) = p2p(node) {
        made.push(("p2p", front, own));
    }
    let rpc = node.address(&["rpcSettings", "address"]).or_else(|| node.address(&["rpcAddress"]));
    if let Some(rpc) = rpc.filter(|_| own_broker(node, &["rpcSettings", "standAloneBroker"])) {
        made.push(("rpc", rpc.clone(), rpc));
    }
    if let Some(web) = node.address(&["webAddress"]) {
        made.push(("web", web.clone(), web));
    }
    let Some((_, first, _)) = made.first() else {
        let start = node.start();
        node.note(start, "there is no `p2pAddress` and no `rpcSettings.address`: no listener is made");
        return;
    };
    let message = format!("the pools have one node, {}: the other installation's is not in this file", machine.value);
    node.note(first.span, message).help("add it to `nodes`: { at = \"HOST:PORT\", holder = \"its machineName\" }");
    for (name, front, own) in made {
        if !apart(node, &front, &own) {
            continue;
        }
        let spanned = |value: String| Spanned { value, span: own.span };
        let pool = Pool {
            nodes: vec![Spanned { value: member(&own, machine), span: own.span }],
            policy: Some(Spanned { value: Policy::Leader(lease.clone()), span: own.span }),
            hold: Some(Spanned { value: hold(own.span), span: own.span }),
            ..Pool::default()
        };
        let mut listen = Listen { at: vec![listen_at(&front)], ..Listen::default() };
        listen.action.to = Some(spanned(format!("tcp://{name}")));
        config.pools.push((spanned(name.to_owned()), pool));
        config.listens.push((spanned(name.to_owned()), listen));
    }
}

/// The address that peers are told, and the one the node listens on.
fn p2p(node: &mut Node<'_>) -> Option<(Address, Address)> {
    let own = node.address(&["messagingServerAddress"]);
    let external = node.flag(&["messagingServerExternal"]);
    let is_external = external.map_or(own.is_some(), |flag| flag.value);
    if let Some(own) = own.as_ref().filter(|_| is_external) {
        let span = external.map_or(own.span, |flag| flag.span);
        let message = "the node's broker is another program's, so that its messages are not the node's to take along";
        node.fault(span, message).help("write `messagingServerExternal = false` beside `messagingServerAddress`");
    }
    let front = node.address(&["p2pAddress"])?;
    let own = own.unwrap_or_else(|| Address { host: "0.0.0.0".to_owned(), ..front.clone() });
    Some((front, own))
}

/// Whether the broker is the node's own.
fn own_broker(node: &mut Node<'_>, path: &[&str]) -> bool {
    let Some(flag) = node.flag(path).filter(|flag| flag.value) else { return true };
    node.fault(flag.span, "clients go to a broker that is another program's, which does not move with the lease")
        .help("write `standAloneBroker = false`");
    false
}

/// Tells that a front beside the node cannot have the node's port. False where no front can have it.
fn apart(node: &mut Node<'_>, front: &Address, own: &Address) -> bool {
    if front.port != own.port {
        return true;
    }
    let alone = LOOPBACK.contains(&own.host.as_str());
    let message = match alone {
        true => "the node takes this port for this machine only, so that no listener can be made of it",
        false => "the listener has the node's own port, so that they cannot be on one machine",
    };
    let fault = node.note(own.span, message);
    match alone {
        true => fault.help("have the node listen on 0.0.0.0, or write a pool and a listener on another port by hand"),
        false => fault.help("run the listeners on a machine of their own, or give them other ports: `at`, or --map"),
    };
    !alone
}

/// The node of this installation. It is the holder's, whatever its address says.
fn member(own: &Address, machine: &Spanned<String>) -> crate::config::typed::Node {
    let anywhere = WILDCARDS.contains(&own.host.as_str());
    let host = if anywhere { machine.value.as_str() } else { own.host.as_str() };
    let holder = (host != machine.value).then(|| machine.clone());
    let at = Spanned { value: format!("{host}:{}", own.port), span: own.span };
    crate::config::typed::Node { at, holder, ..Default::default() }
}

/// Clients are held for as long as a start may take: one that is refused tries again after 5, 7.5, 11 s and so on, one that
/// is held is there when the node is.
fn hold(span: Span) -> Hold {
    Hold { time: Some(Spanned { value: START_WITHIN, span }), ..Hold::default() }
}

/// On every address: `p2pAddress` is what the machine with the listener is called.
fn listen_at(front: &Address) -> Spanned<String> {
    let span: Span = front.span;
    let loopback = LOOPBACK.contains(&front.host.as_str());
    let host = if loopback { front.host.as_str() } else { "" };
    Spanned { value: format!("{host}:{}", front.port), span }
}

const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
