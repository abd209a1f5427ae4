//! `[pool.NAME]` and the tables in it.

use super::guarding::Holding;
use super::kinds::{BigCount, Checks, Count, Ejection, Flag, Nodes, PolicyKind, Ratio, Required, Text, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::{Maybe, Node, Pool};

/// `[pool.NAME]`
pub(in crate::config) static POOL: &[Setting<Pool>] = &[
    Setting {
        key: "nodes",
        field: &Of(|pool: &mut Pool| &mut pool.nodes, Nodes),
        default: Standard::Required,
        example: r#"["10.0.1.11", "10.0.1.12:9101", { at = "node-3", backup = true }]"#,
        doc: "The nodes, in order of preference. A node without a port takes the one that `to` names.",
    },
    Setting {
        key: "kind",
        field: &Of(|pool: &mut Pool| &mut pool.kind, Text("`\"canton\"`")),
        default: Standard::Words("none: nothing is known of the nodes"),
        example: r#""canton""#,
        doc: "What the nodes are. `\"canton\"`: replicas of one participant of Canton, which share a database. Calls of gRPC \
              that a replica answers by UNAVAILABLE and nothing else, or that it breaks off before an answer, are then \
              repeated on another where that is safe: those that only read, and with `commands` of `[retry.NAME]` those that \
              Canton recognises. See [HTTP/2 and gRPC](../http2.md#canton).",
    },
    Setting {
        key: "policy",
        field: &Of(|pool: &mut Pool| &mut pool.policy, PolicyKind),
        default: Standard::Words("`\"spread\"`"),
        example: r#""primary""#,
        doc: "How a node is picked among those that are in. `\"spread\"`: in turn, by weight. `\"least\"`: the one with \
              the fewest requests under way for its weight. `\"primary\"`: the first in order, the rest are backups; \
              `{ primary = \"30s\" }` goes back to a better node once that has been in for so long, \
              `{ primary = \"never\" }` only when the current one goes out. `{ hash = \"client\" }`: the same node for \
              the same client address; `\"target\"`: for the same request target; `\"field:NAME\"`: for the same value \
              of a request field. `{ leader = \"LEASE\" }`: the node whose holder has that lease, and none but that one; \
              while there is none, requests wait (`hold`).",
    },
    Setting {
        key: "check",
        field: &Of(|pool: &mut Pool| &mut pool.checks, Checks),
        default: Standard::Words("none: a node is probed only while a request waits on it for long, see `doubt_after`"),
        example: r#"{ http = "/upcheck", port = 9000, every = "1s" }"#,
        doc: "Active checks of every node, all of which must pass. A table, or a list of tables.",
    },
    Setting {
        key: "eject",
        field: &Of(|pool: &mut Pool| &mut pool.eject, Ejection),
        default: Standard::Words(
            "`{ failures = 3, within = \"5s\", out_for = \"5s\" }`; `\"off\"` in a pool with a single node",
        ),
        example: r#"{ failures = 5, within = "10s", out_for = "5s" }"#,
        doc: "Takes a node out after consecutive failures of live traffic, for a while. `\"off\"`: never.",
    },
    Setting {
        key: "tls",
        field: &Of(|pool: &mut Pool| &mut pool.tls, Text("a name")),
        default: Standard::Words("none: bytes go as they are"),
        example: r#""node""#,
        doc: "The `[tls.NAME]` that says what nodes have to show, and are shown.",
    },
    Setting {
        key: "connect",
        field: &Of(|pool: &mut Pool| &mut pool.connect, Time),
        default: Standard::Time(defaults::CONNECT),
        example: r#""500ms""#,
        doc: "Longest time for one connection attempt.",
    },
    Setting {
        key: "keep_idle",
        field: &Of(|pool: &mut Pool| &mut pool.keep_idle, Count),
        default: Standard::Count(defaults::KEEP_IDLE as u64),
        example: "32",
        doc: "Idle connections kept for each node and worker. 0 opens a new one for each request.",
    },
    Setting {
        key: "idle",
        field: &Of(|pool: &mut Pool| &mut pool.idle, Time),
        default: Standard::Time(defaults::NODE_IDLE),
        example: r#""10s""#,
        doc: "Longest time a connection is kept idle. Keep it below the node's own limit (Tessera: 30 s).",
    },
    Setting {
        key: "requests_per_connection",
        field: &Of(|pool: &mut Pool| &mut pool.requests_per_connection, BigCount),
        default: Standard::Count(defaults::NODE_REQUESTS),
        example: "1000",
        doc: "Requests over one connection to a node before it is closed.",
    },
    Setting {
        key: "max_connections",
        field: &Of(|pool: &mut Pool| &mut pool.max_connections, Count),
        default: Standard::Words("no limit"),
        example: "200",
        doc: "Most connections to all nodes of the pool together.",
    },
    Setting {
        key: "queue",
        field: &Of(|pool: &mut Pool| &mut pool.queue, Count),
        default: Standard::Count(defaults::QUEUE as u64),
        example: "100",
        doc: "Most requests of one worker that may wait while every allowed connection is in use. Further ones are \
              answered 503 at once.",
    },
    Setting {
        key: "queue_wait",
        field: &Of(|pool: &mut Pool| &mut pool.queue_wait, Time),
        default: Standard::Time(defaults::QUEUE_WAIT),
        example: r#""500ms""#,
        doc: "How long they may wait before they are answered 503.",
    },
    Setting {
        key: "hold",
        field: &Of(|pool: &mut Pool| &mut pool.hold, Holding),
        default: Standard::Words("`{ requests = 1000, bytes = \"16MiB\", time = \"30s\" }`"),
        example: r#"{ requests = 200, time = "10s" }"#,
        doc: "What waits while a pool with the policy `leader` has none, instead of failing.",
    },
    Setting {
        key: "all_out",
        field: &Of(|pool: &mut Pool| &mut pool.all_out, Text("`\"refuse\"` or `\"try\"`")),
        default: Standard::Words("`\"refuse\"`"),
        example: r#""try""#,
        doc: "What a request gets when every node is out. `\"refuse\"`: 503, over TCP a reset. `\"try\"`: the nodes are \
              tried all the same.",
    },
    Setting {
        key: "slow_start",
        field: &Of(|pool: &mut Pool| &mut pool.slow_start, Time),
        default: Standard::Time(defaults::SLOW_START),
        example: r#""30s""#,
        doc: "How long a node that comes back takes to get its full share; `\"0s\"` gives it at once.",
    },
    Setting {
        key: "resolve",
        field: &Of(|pool: &mut Pool| &mut pool.resolve, Time),
        default: Standard::Time(defaults::RESOLVE),
        example: r#""30s""#,
        doc: "How often the nodes' names are looked up again. The last good answer is kept when that fails.",
    },
    Setting {
        key: "doubt_after",
        field: &Of(|pool: &mut Pool| &mut pool.doubt_after, Time),
        default: Standard::Words("`\"1s\"`, or half the shortest `read_timeout` of the pool's traffic if that is less"),
        example: r#""300ms""#,
        doc: "A request that has waited this long for its answer puts its node in doubt: it is checked at once, and \
              taken out if it does not answer the checks.",
    },
    Setting {
        key: "retry_ratio",
        field: &Of(|pool: &mut Pool| &mut pool.retry_ratio, Ratio),
        default: Standard::Ratio(defaults::RETRY_RATIO),
        example: "0.1",
        doc: "Retries allowed for each request, so that they cannot become a storm. For each worker, beside \
              `retry_per_second`.",
    },
    Setting {
        key: "retry_per_second",
        field: &Of(|pool: &mut Pool| &mut pool.retry_per_second, Count),
        default: Standard::Count(defaults::RETRY_PER_SECOND as u64),
        example: "50",
        doc: "Retries allowed each second whatever the traffic, for each worker.",
    },
];

/// An entry of `nodes`.
pub(in crate::config) static NODE: &[Setting<Node>] = &[
    Setting {
        key: "at",
        field: &Of(
            |node: &mut Node| &mut node.at,
            Required("`\"host\"`, `\"host:port\"`, `\"[v6]:port\"` or `\"unix:/path\"`"),
        ),
        default: Standard::Required,
        example: r#""10.0.1.11:9101""#,
        doc: "Where it listens. Names are looked up again and again; one that does not resolve yet does no harm.",
    },
    Setting {
        key: "weight",
        field: &Of(|node: &mut Node| &mut node.weight, Count),
        default: Standard::Count(1),
        example: "3",
        doc: "Its share of the traffic relative to the other nodes.",
    },
    Setting {
        key: "backup",
        field: &Of(|node: &mut Node| &mut node.backup, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "Whether it is used only while no other node is in.",
    },
    Setting {
        key: "down",
        field: &Of(|node: &mut Node| &mut node.down, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "Whether it is never used.",
    },
    Setting {
        key: "max_connections",
        field: &Of(|node: &mut Node| &mut node.max_connections, Count),
        default: Standard::Words("no limit"),
        example: "100",
        doc: "Most connections to it.",
    },
    Setting {
        key: "eject",
        field: &Of(|node: &mut Node| &mut node.eject, Ejection),
        default: Standard::Words("the pool's"),
        example: r#""off""#,
        doc: "Its own rule of passive removal.",
    },
    Setting {
        key: "holder",
        field: &Of(|node: &mut Node| &mut node.holder, Text("a name")),
        default: Standard::Words("the host of `at`"),
        example: r#""corda-1""#,
        doc: "The name of the guard that runs the node, where the policy is `leader`.",
    },
];

/// The values of an `eject` table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::config) struct EjectAfter {
    /// Consecutive failures.
    pub(in crate::config) failures: Maybe<u32>,
    /// In this window.
    pub(in crate::config) within: Maybe<std::time::Duration>,
    /// For how long.
    pub(in crate::config) out_for: Maybe<std::time::Duration>,
}

/// `eject`
pub(in crate::config) static EJECT: &[Setting<EjectAfter>] = &[
    Setting {
        key: "failures",
        field: &Of(|eject: &mut EjectAfter| &mut eject.failures, Count),
        default: Standard::Count(defaults::EJECT_FAILURES as u64),
        example: "5",
        doc: "Consecutive failures that take a node out.",
    },
    Setting {
        key: "within",
        field: &Of(|eject: &mut EjectAfter| &mut eject.within, Time),
        default: Standard::Time(defaults::EJECT_WITHIN),
        example: r#""10s""#,
        doc: "The time in which they must fall.",
    },
    Setting {
        key: "out_for",
        field: &Of(|eject: &mut EjectAfter| &mut eject.out_for, Time),
        default: Standard::Time(defaults::EJECT_OUT_FOR),
        example: r#""5s""#,
        doc: "How long it stays out before one request may try it again.",
    },
];
