//! One `upstream` block.

use std::time::Duration;

use super::ast::Directive;
use super::lex::Word;
use super::pools::Kind;
use super::scope::{number, own, time, typed};
use super::units;
use crate::config::fault::{Report, did_you_mean};
use crate::config::typed::{Eject, Maybe, Node, Policy, Pool, Spanned};

/// What an `upstream` block says; its servers keep nginx's `max_fails=1 fail_timeout=10s` where they say nothing.
pub(super) fn pool(directive: &Directive, kind: Kind, report: &mut Report) -> Pool {
    let block = directive.children();
    let servers: Vec<Server> = own(block, "server").filter_map(|server| read(server, kind, report)).collect();
    if servers.is_empty() && own(block, "server").next().is_none() {
        report.fault(directive.span(), "an `upstream` needs a `server`").help("as in `server host:port;`");
    }
    let policy = policy(block, report);
    let balanced_by_key = policy.as_ref().is_some_and(|policy| matches!(policy.value, Policy::Hash(_)));
    if let Some(backup) = servers.iter().find_map(|server| server.node.value.backup).filter(|_| balanced_by_key) {
        report.fault(backup.span, "a pool that picks by a key has no backups, in nginx neither");
    }
    let mut pool = Pool { policy, slow_start: slow_start(&servers, report), ..Pool::default() };
    if kind == Kind::Http {
        pool.retry_ratio = every_retry(servers.len(), directive);
    }
    eject(&mut pool, servers);
    connections(&mut pool, block, report);
    pool
}

struct Server {
    node: Spanned<Node>,
    eject: Spanned<Eject>,
    slow_start: Maybe<Duration>,
}

fn read(directive: &Directive, kind: Kind, report: &mut Report) -> Option<Server> {
    let at = address(&directive.args.first()?.text, kind);
    let mut node = Node { at: typed(at, directive.arg_span(0)), ..Node::default() };
    let (mut max_fails, mut fail_timeout, mut slow_start) = (None, None, None);
    for word in directive.args.iter().skip(1) {
        let (name, value) = word.text.split_once('=').unwrap_or((word.text.as_str(), ""));
        match name {
            "weight" => node.weight = parameter(word, units::number(value).filter(|weight| *weight > 0), report),
            "max_fails" => max_fails = parameter(word, units::number::<u32>(value), report),
            "fail_timeout" => fail_timeout = parameter(word, units::time(value), report),
            "max_conns" => {
                node.max_connections = parameter(word, units::number::<u32>(value), report).filter(|max| max.value > 0);
            }
            "slow_start" => slow_start = parameter(word, units::time(value), report),
            "backup" if value.is_empty() => node.backup = Some(typed(true, word.span)),
            "down" if value.is_empty() => node.down = Some(typed(true, word.span)),
            "resolve" if value.is_empty() => {}
            "service" | "route" | "drain" => {
                report.fault(word.span, format!("`{name}` of a server is not supported"));
            }
            _ => unknown(word, name, &SERVER_PARAMETERS, report),
        }
    }
    let failures = max_fails.map_or(1, |failures| failures.value);
    let within = fail_timeout.map_or(FAIL_TIMEOUT, |within| within.value);
    let span = directive.span();
    let eject = if failures == 0 || within.is_zero() {
        Eject::Off
    } else {
        let span_of = |span_typed: Option<_>| span_typed.unwrap_or(span);
        Eject::After {
            failures: Some(typed(failures, span_of(max_fails.map(|typed| typed.span)))),
            within: Some(typed(within, span_of(fail_timeout.map(|typed| typed.span)))),
            out_for: Some(typed(within, span_of(fail_timeout.map(|typed| typed.span)))),
        }
    };
    Some(Server { node: typed(node, span), eject: typed(eject, span), slow_start })
}

/// An address with its port: `http` has a default, `stream` none.
pub(super) fn address(text: &str, kind: Kind) -> String {
    if lacks_port(text) && kind == Kind::Http { format!("{text}:80") } else { text.to_owned() }
}

/// Whether an address has no port, and should have one.
pub(super) fn lacks_port(text: &str) -> bool {
    if text.starts_with('[') { !text.contains("]:") } else { !text.contains(':') }
}

/// A fault for a `name=value` that is not known there.
pub(super) fn unknown(word: &Word, name: &str, known: &[&str], report: &mut Report) {
    let fault = report.fault(word.span, format!("`{}` is not known here", word.text));
    match did_you_mean(name, known.iter().copied()) {
        Some(near) if near != name => fault.help(format!("did you mean `{near}`?")),
        _ => fault.help(format!("known are {}", known.join(", "))),
    };
}

/// The value of a `name=value`, or a fault.
pub(super) fn parameter<T>(word: &Word, value: Option<T>, report: &mut Report) -> Maybe<T> {
    if value.is_none() {
        report.fault(word.span, format!("`{}` has no good value", word.text));
    }
    Some(typed(value?, word.span))
}

/// nginx bounds the tries of one request, not those of all: a budget that each request's tries fit into.
fn every_retry(servers: usize, directive: &Directive) -> Maybe<f64> {
    let others = u32::try_from(servers.saturating_sub(1)).unwrap_or(u32::MAX);
    (others > 0).then(|| typed(f64::from(others), directive.span()))
}

fn slow_start(servers: &[Server], report: &mut Report) -> Maybe<Duration> {
    let longest = servers.iter().filter_map(|server| server.slow_start).max_by_key(|time| time.value)?;
    let differs = |server: &&Server| server.slow_start.is_none_or(|time| time.value != longest.value);
    if servers.iter().any(|server| differs(&server)) {
        report.note(longest.span, "the longest `slow_start` holds for every server of the pool");
    }
    Some(longest)
}

/// A lone server is never put out by failures, in nginx as here: there would be nobody else. Mainstay's default says so.
fn eject(pool: &mut Pool, servers: Vec<Server>) {
    let lone = servers.len() == 1;
    let shared = servers.first().map(|server| server.eject.clone());
    let same = servers.iter().all(|server| Some(&server.eject) == shared.as_ref());
    pool.nodes = servers
        .into_iter()
        .map(|Server { mut node, eject, .. }| {
            if !same {
                node.value.eject = Some(eject);
            }
            node
        })
        .collect();
    if same && !lone {
        pool.eject = shared;
    }
}

fn policy(block: &[Directive], report: &mut Report) -> Maybe<Policy> {
    let methods: Vec<&Directive> =
        block.iter().filter(|directive| METHODS.contains(&directive.name.text.as_str())).collect();
    if let [first, second, ..] = methods.as_slice() {
        report.fault(second.span(), "a pool picks in one way").see(first.span(), "the first one");
    }
    let directive = methods.first()?;
    let span = directive.span();
    let policy = match directive.name.text.as_str() {
        "least_conn" => Policy::Least,
        "ip_hash" => Policy::Hash(typed("client".to_owned(), span)),
        "hash" => Policy::Hash(typed(hash_key(directive, report)?, directive.arg_span(0))),
        "random" => return random(directive, report),
        _ => return None,
    };
    Some(typed(policy, span))
}

fn hash_key(directive: &Directive, report: &mut Report) -> Option<String> {
    match directive.arg(1) {
        "" | "consistent" => {}
        other => {
            report.fault(directive.arg_span(1), format!("`hash` takes `consistent`, not `{other}`"));
        }
    }
    let key = directive.arg(0);
    let key = key.strip_prefix("${").and_then(|key| key.strip_suffix('}')).or_else(|| key.strip_prefix('$'));
    let field = key.and_then(|key| key.strip_prefix("http_")).filter(|field| !field.is_empty());
    match (key, field) {
        (Some("remote_addr" | "binary_remote_addr"), _) => Some("client".to_owned()),
        (Some("request_uri"), _) => Some("target".to_owned()),
        (_, Some(field)) if field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            Some(format!("field:{}", field.replace('_', "-")))
        }
        _ => {
            let message = format!("`{}` cannot be hashed", directive.arg(0));
            report.fault(directive.arg_span(0), message).help("known are $remote_addr $request_uri $http_NAME");
            None
        }
    }
}

fn random(directive: &Directive, report: &mut Report) -> Maybe<Policy> {
    let span = directive.span();
    match (directive.arg(0), directive.arg(1)) {
        ("", "") => {
            report.note(span, "nodes are picked in turn, which spreads as evenly as chance");
            None
        }
        ("two", "" | "least_conn") => {
            report.note(span, "the least busy of all nodes is picked, not of two");
            Some(typed(Policy::Least, span))
        }
        _ => {
            report.fault(span, "`random` takes nothing, or `two least_conn`");
            None
        }
    }
}

fn connections(pool: &mut Pool, block: &[Directive], report: &mut Report) {
    if let Some(keepalive) = own(block, "keepalive").next() {
        pool.keep_idle = number(keepalive, 0, report);
        if keepalive.args.len() > 1 {
            report.fault(keepalive.arg_span(1), "`keepalive` takes a number only");
        }
    }
    pool.requests_per_connection =
        own(block, "keepalive_requests").next().and_then(|directive| number(directive, 0, report));
    pool.idle = own(block, "keepalive_timeout").next().and_then(|directive| time(directive, 0, report));
    let Some(queue) = own(block, "queue").next() else { return };
    pool.queue = number(queue, 0, report);
    pool.queue_wait = match queue.args.get(1) {
        None => Some(typed(QUEUE_WAIT, queue.span())),
        Some(word) => {
            let wait = word.text.strip_prefix("timeout=").and_then(units::time);
            parameter(word, wait, report)
        }
    };
    if pool.nodes.iter().all(|node| node.value.max_connections.is_none()) {
        report.note(queue.span(), "nothing waits in this queue: no server has a `max_conns`");
        (pool.queue, pool.queue_wait) = (None, None);
    }
}

const SERVER_PARAMETERS: [&str; 8] =
    ["weight=", "max_fails=", "fail_timeout=", "max_conns=", "slow_start=", "backup", "down", "resolve"];
const METHODS: [&str; 4] = ["least_conn", "ip_hash", "hash", "random"];
/// nginx's `fail_timeout` where a server says none.
const FAIL_TIMEOUT: Duration = Duration::from_secs(10);
/// nginx's wait where `queue` says none.
const QUEUE_WAIT: Duration = Duration::from_secs(60);
