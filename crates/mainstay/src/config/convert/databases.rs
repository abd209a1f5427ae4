//! `[listen.NAME]` with `to = "postgres://..."`: the pool of a database's hosts, and what is watched of them.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_proxy::params::{Address, AllOut, Budget, Kind, Node, Policy, Pool, Postgres, Queue, Role, Tcp};
use mainstay_store::{HostAddress, Url};

use super::{Cx, address, leader, leases};
use crate::config::databases::Database;
use crate::config::defaults;
use crate::config::typed::{Listen, OfDatabase, Span, Spanned};

/// Whether a listener leads to a database.
pub(super) fn is_one(listen: &Listen) -> bool {
    listen.action.to.as_ref().is_some_and(|to| SCHEMES.iter().any(|scheme| to.value.starts_with(scheme)))
}

/// Converts such a listener.
pub(super) fn convert(cx: &mut Cx<'_>, name: &Spanned<String>, listen: &Listen) -> Option<Tcp> {
    if let Some(retry) = &listen.action.retry {
        cx.fault(retry.span, "`retry` does nothing here: only the primary takes a connection")
            .help("leave it out; `hold` says how long connections wait for it");
    }
    let typed = &listen.database;
    let idle_timeout = cx.positive(listen.idle, "a time", "\"1h\"", defaults::DATABASE_IDLE);
    let handshake = cx.positive(typed.handshake, "a time", "\"1s\"", defaults::HANDSHAKE);
    let every = cx.positive(typed.ask_every, "questions with a pause", "\"100ms\"", defaults::ASK_EVERY);
    let timeout = cx.positive(typed.ask_timeout, "a timeout", "\"100ms\"", defaults::ASK_TIMEOUT);
    let hold = leader::hold(cx, &typed.hold, defaults::DATABASE_HOLD);
    let lease = lease(cx, name, typed);
    exposed(cx, listen);
    let to = listen.action.to.as_ref()?;
    let url = url(cx, to)?;
    let database = Database {
        // With a blank, which no pool's or lease's name has.
        name: format!("database {}", name.value),
        password_file: typed.password_file.as_ref().map(|path| PathBuf::from(&path.value)),
        ca: typed.ca.as_ref().map(|path| PathBuf::from(&path.value)),
        every,
        timeout,
        lease,
        url,
    };
    let mut pool = pool(&database, nodes(cx, to.span, &database.url));
    pool.hold = hold;
    let pool = cx.uses.add_whole(pool, to.span);
    cx.databases.push(database);
    let postgres = Some(Postgres { handshake });
    let by_name = Vec::new();
    Some(Tcp { pool, by_name, idle_timeout, tries: 0, tries_within: Duration::ZERO, access_log: true, postgres })
}

/// Reports what only goes with a database.
pub(super) fn not_one(cx: &mut Cx<'_>, listen: &Listen) {
    let OfDatabase { lease, hold, handshake, password_file, ca, ask_every, ask_timeout } = &listen.database;
    let typed = [
        ("lease", lease.as_ref().map(|typed| typed.span)),
        ("hold", hold.as_ref().map(|typed| typed.span)),
        ("handshake", handshake.map(|typed| typed.span)),
        ("password_file", password_file.as_ref().map(|typed| typed.span)),
        ("ca", ca.as_ref().map(|typed| typed.span)),
        ("ask_every", ask_every.map(|typed| typed.span)),
        ("ask_timeout", ask_timeout.map(|typed| typed.span)),
    ];
    for (key, span) in typed {
        if let Some(span) = span {
            let help = match key {
                "lease" => "leave it out; a pool follows a lease with `policy = { leader = \"LEASE\" }`",
                "hold" => "write it into the [pool.NAME] that follows a lease",
                _ => "leave it out, or write `to = \"postgres://...\"`",
            };
            cx.fault(span, format!("`{key}` is of listeners that lead to a database")).help(help);
        }
    }
}

fn url(cx: &mut Cx<'_>, to: &Spanned<String>) -> Option<Url> {
    let url = match to.value.parse::<Url>() {
        Ok(url) => url,
        Err(wrong) => {
            cx.fault(to.span, "this is no database").help(wrong.to_string());
            return None;
        }
    };
    if url.user().is_none() {
        cx.fault(to.span, "nobody is named who asks the hosts which of them is the primary").help(
            "write \"postgres://USER@HOST,HOST/DATABASE\": any user that may log in will do, and only after a login does \
             a server say what it is",
        );
    }
    let hosts = url.hosts();
    let twice = hosts.iter().enumerate().find(|(at, host)| hosts.iter().take(*at).any(|other| other.1 == host.1));
    if let Some((_, (host, _))) = twice {
        cx.fault(to.span, format!("{host} is named twice")).help("name each server once");
    }
    Some(url)
}

/// The lease in whose tenures the database can be reached.
fn lease(cx: &mut Cx<'_>, name: &Spanned<String>, typed: &OfDatabase) -> Option<String> {
    let config = cx.config;
    if let Some(lease) = &typed.lease {
        leases::find(cx, lease)?;
        if !config.guards.iter().any(|(_, guard)| guard.lease.as_ref() == Some(lease)) {
            cx.fault(lease.span, format!("no guard of this file holds [lease.{}]", lease.value)).help(
                "a tenure is good only where it is held: add the [guard.NAME] that runs the node, or leave `lease` out to \
                 follow the primary alone",
            );
        }
        return Some(lease.value.clone());
    }
    match config.guards.as_slice() {
        [] => None,
        [(_, guard)] => guard.lease.as_ref().map(|lease| lease.value.clone()),
        [_, _, ..] => {
            cx.fault(
                name.span,
                format!("nothing says in whose tenure [listen.{}] lets connections through", name.value),
            )
            .help("add `lease = \"NAME\"`: the lease of the guard that runs the node");
            None
        }
    }
}

/// Whoever reaches the listener reaches the database, from an address that its own rules trust.
fn exposed(cx: &mut Cx<'_>, listen: &Listen) {
    for at in &listen.at {
        if let Ok(Ok(address)) = address::listen(&at.value)
            && !address.ip().is_loopback()
        {
            cx.report
                .note(at.span, "other machines can reach the database through this listener, as if they were this one")
                .help("write \"127.0.0.1:PORT\" or \"unix:/path\", unless the node runs elsewhere");
        }
    }
}

fn nodes(cx: &mut Cx<'_>, span: Span, url: &Url) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (name, address) in url.hosts() {
        let address = match address {
            HostAddress::Ip(address) => Address::Ip(address),
            HostAddress::Unix(path) => Address::Unix(path),
            HostAddress::Name(host, port) => match address::node(&format!("{host}:{port}")) {
                Ok(_) => Address::Name { host: host.into(), port },
                Err(wrong) => {
                    cx.fault(span, wrong.message).help("name the hosts as \"HOST:PORT,HOST:PORT\"");
                    continue;
                }
            },
        };
        nodes.push(Node {
            holder: Some(name.as_str().into()),
            name: name.into(),
            address,
            weight: 1,
            role: Role::Active,
            max_connections: None,
            eject: None,
            checks: Vec::new(),
        });
    }
    nodes
}

/// A pool whose hosts nothing judges but who watches the database.
fn pool(database: &Database, nodes: Vec<Node>) -> Pool {
    Pool {
        name: database.name.as_str().into(),
        nodes,
        kind: Kind::Any,
        policy: Policy::Writable { database: database.name.as_str().into() },
        all_out: AllOut::Refuse,
        connect_timeout: defaults::CONNECT,
        http2: false,
        keep_idle: 0,
        idle_timeout: defaults::NODE_IDLE,
        requests_per_connection: 1,
        max_connections: None,
        queue: Queue { length: 0, wait: defaults::QUEUE_WAIT },
        hold: defaults::DATABASE_HOLD,
        budget: Budget { ratio: 0.0, per_second: 0 },
        slow_start: Duration::ZERO,
        resolve_every: defaults::RESOLVE,
        // A statement may run for hours, and says nothing meanwhile.
        doubt_after: defaults::DATABASE_IDLE,
        tls: None,
    }
}

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
