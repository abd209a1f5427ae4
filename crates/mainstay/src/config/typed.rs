//! What an operator typed, whichever language it was typed in. The TOML reader and the nginx importer both produce
//! these types; [`super::convert`] turns them into what the program runs, and [`super::print`] back into TOML.
//! `None` means "not typed": defaults are filled in by the conversion, in one place.

mod lease;
mod tls;

use std::time::Duration;

use mainstay_proxy::params::Http2;

pub use self::lease::{Guard, Hold, Hook, Lease, Progress, Ready, Restart, Store};
pub use self::tls::Tls;

/// A place in one of the files read (a configuration may include others).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Index into the list of files.
    pub file: u16,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value and where it was typed. Equality looks at the value alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spanned<T> {
    /// What was typed.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A typed value that may be absent.
pub type Maybe<T> = Option<Spanned<T>>;

/// A whole configuration. Tables are in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[run]`
    pub run: Run,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[pool.NAME]`
    pub pools: Vec<(Spanned<String>, Pool)>,
    /// `[listen.NAME]`
    pub listens: Vec<(Spanned<String>, Listen)>,
    /// `[retry.NAME]`; `default` holds where none is named.
    pub retries: Vec<(Spanned<String>, Retry)>,
    /// `[limit.NAME]`; `default` holds where none is named.
    pub limits: Vec<(Spanned<String>, Limit)>,
    /// `[tls.NAME]`
    pub tls: Vec<(Spanned<String>, Tls)>,
    /// `[store]`
    pub store: Store,
    /// `[lease.NAME]`
    pub leases: Vec<(Spanned<String>, Lease)>,
    /// `[guard.NAME]`
    pub guards: Vec<(Spanned<String>, Guard)>,
}

/// `[run]`: the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Worker threads; default: one per core.
    pub workers: Maybe<u32>,
    /// Longest time to finish what is under way when stopping or reloading.
    pub drain: Maybe<Duration>,
}

/// `[admin]`: the listener for operators.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admin {
    /// `unix:/path`, `host:port` or `off`.
    pub at: Maybe<String>,
}

/// `[log]`: what is written where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub level: Maybe<String>,
    /// `text` or `json`, for both logs.
    pub format: Maybe<String>,
    /// `stderr` or a path.
    pub to: Maybe<String>,
    /// Access log: `off`, `stdout`, `stderr` or a path.
    pub access: Maybe<String>,
}

/// `[pool.NAME]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    /// The nodes, in order of preference.
    pub nodes: Vec<Spanned<Node>>,
    /// What they are: `canton`.
    pub kind: Maybe<String>,
    /// How one is picked.
    pub policy: Maybe<Policy>,
    /// Active checks, all of which must pass.
    pub checks: Vec<Spanned<Check>>,
    /// Passive removal, where a node says nothing of its own.
    pub eject: Maybe<Eject>,
    /// Name of a `[tls.NAME]`.
    pub tls: Maybe<String>,
    /// Longest time for a connection attempt.
    pub connect: Maybe<Duration>,
    /// Idle connections kept per node and worker.
    pub keep_idle: Maybe<u32>,
    /// Longest time a connection is kept idle.
    pub idle: Maybe<Duration>,
    /// Requests over one connection.
    pub requests_per_connection: Maybe<u64>,
    /// Most connections to all nodes together.
    pub max_connections: Maybe<u32>,
    /// Requests that may wait for a connection.
    pub queue: Maybe<u32>,
    /// How long they may.
    pub queue_wait: Maybe<Duration>,
    /// What waits while there is no leader.
    pub hold: Maybe<Hold>,
    /// `refuse` or `try`.
    pub all_out: Maybe<String>,
    /// Time in which a returning node gets back to its full share.
    pub slow_start: Maybe<Duration>,
    /// How often names are looked up again.
    pub resolve: Maybe<Duration>,
    /// A request that has waited this long makes its node suspect.
    pub doubt_after: Maybe<Duration>,
    /// Retries allowed per request, e.g. 0.2.
    pub retry_ratio: Maybe<f64>,
    /// Retries allowed per second whatever the traffic.
    pub retry_per_second: Maybe<u32>,
}

/// An entry of `nodes`: a string, or a table with `at` and more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// `host`, `host:port`, `[v6]:port` or `unix:/path`.
    pub at: Spanned<String>,
    /// Share of traffic; default 1.
    pub weight: Maybe<u32>,
    /// Used only while no other is in.
    pub backup: Maybe<bool>,
    /// Never used.
    pub down: Maybe<bool>,
    /// Most connections to it.
    pub max_connections: Maybe<u32>,
    /// Its own rule of passive removal.
    pub eject: Maybe<Eject>,
    /// Who holds the pool's lease when this node leads.
    pub holder: Maybe<String>,
}

/// `policy`: a string, or a table with one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// `"spread"`
    Spread,
    /// `"least"`
    Least,
    /// `"primary"`, or `{ primary = "30s" }` / `{ primary = "never" }` for its failback.
    Primary(Maybe<String>),
    /// `{ hash = "client" }`, `"target"` or `"field:NAME"`
    Hash(Spanned<String>),
    /// `{ leader = "LEASE" }`
    Leader(Spanned<String>),
}

/// `eject`: `"off"`, or a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Eject {
    /// Never by live traffic.
    Off,
    /// After failures.
    After {
        /// Consecutive failures.
        failures: Maybe<u32>,
        /// In this window.
        within: Maybe<Duration>,
        /// For how long.
        out_for: Maybe<Duration>,
    },
}

/// An entry of `check`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// HTTP check: its target. One of `http`, `grpc` and `tcp` must be there.
    pub http: Maybe<String>,
    /// gRPC health check: the service asked for.
    pub grpc: Maybe<String>,
    /// Whether it is watched, too.
    pub watch: Maybe<bool>,
    /// TCP check: `true`.
    pub tcp: Maybe<bool>,
    /// Another port than the node's.
    pub port: Maybe<u16>,
    /// Name of a `[tls.NAME]`, or `off`.
    pub tls: Maybe<String>,
    /// HTTP method.
    pub method: Maybe<String>,
    /// Host field.
    pub host: Maybe<String>,
    /// Good statuses: `200`, `"200-399"`, or a list.
    pub status: Vec<Spanned<String>>,
    /// Text the body must contain; `/.../` is a regular expression, a leading `!` negates.
    pub body: Maybe<String>,
    /// Fields the answer must have: `"Name: text"`, with text as in `body`.
    pub fields: Vec<Spanned<String>>,
    /// TCP: bytes to send, with `\r`, `\n`, `\t`, `\\` and `\xHH`.
    pub send: Maybe<String>,
    /// TCP: text to expect, as in `body`.
    pub expect: Maybe<String>,
    /// Time between checks.
    pub every: Maybe<Duration>,
    /// The same while in doubt.
    pub every_in_doubt: Maybe<Duration>,
    /// Longest time for one.
    pub timeout: Maybe<Duration>,
    /// Good ones to come in.
    pub rise: Maybe<u32>,
    /// Bad ones to go out.
    pub fall: Maybe<u32>,
}

/// `[listen.NAME]`. Several may share one `at` when their `names` differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listen {
    /// Addresses: `host:port`, `:port`, `[v6]:port` or `unix:/path`. A string or a list.
    pub at: Vec<Spanned<String>>,
    /// Name of a `[tls.NAME]`.
    pub tls: Maybe<String>,
    /// Host names of this virtual server; none: every name.
    pub names: Vec<Spanned<String>>,
    /// Whether it answers for names no other listener of the address has.
    pub default: Maybe<bool>,
    /// What is done with every path (`routes` come first), or for TCP: where to.
    pub action: Act,
    /// What is done with some paths.
    pub routes: Vec<Spanned<Route>>,
    /// Name of a `[limit.NAME]`.
    pub limit: Maybe<String>,
    /// Kernel backlog.
    pub backlog: Maybe<u32>,
    /// Permission bits of a unix socket, as "0660".
    pub mode: Maybe<String>,
    /// `user`, `user:group` or `:group` of a unix socket.
    pub owner: Maybe<String>,
    /// Whether requests go to the access log.
    pub access_log: Maybe<bool>,
    /// Whether clients may speak HTTP/2.
    pub http2: Maybe<Http2>,
    /// TCP: end a session that is silent both ways for this long.
    pub idle: Maybe<Duration>,
    /// What is said where `to` is a database.
    pub database: OfDatabase,
}

/// The keys of a listener whose `to` is a database; they stand directly in its table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfDatabase {
    /// The lease in whose tenures it can be reached.
    pub lease: Maybe<String>,
    /// What waits while there is no primary.
    pub hold: Maybe<Hold>,
    /// Longest time to a client's first byte.
    pub handshake: Maybe<Duration>,
    /// File with the password of the url's user.
    pub password_file: Maybe<String>,
    /// File of certificates that the hosts' own are signed by.
    pub ca: Maybe<String>,
    /// How often each host is asked.
    pub ask_every: Maybe<Duration>,
    /// Longest time for its answer.
    pub ask_timeout: Maybe<Duration>,
}

/// An entry of `routes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// `"/push"` is a prefix, `"=/push"` exact.
    pub path: Spanned<String>,
    /// Only from inside.
    pub internal: Maybe<bool>,
    /// What is done.
    pub action: Act,
}

/// What a listener or a route does; the keys stand directly in its table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Act {
    /// `http://POOL[:PORT][/prefix]` or `tcp://POOL[:PORT]`.
    pub to: Maybe<String>,
    /// A fixed answer: status. With `body`, `location` and `content_type`.
    pub reply: Maybe<u16>,
    /// Its text.
    pub body: Maybe<String>,
    /// Where a redirect goes.
    pub location: Maybe<String>,
    /// Its content type.
    pub content_type: Maybe<String>,
    /// Name of a `[retry.NAME]`.
    pub retry: Maybe<String>,
    /// Host seen by the node: `keep`, `node`, or a text with `${...}`.
    pub host: Maybe<String>,
    /// `append`, `replace` or `pass`.
    pub forwarded: Maybe<String>,
    /// Request fields set: `"Name: value"`; an empty value removes the field.
    pub set: Vec<Spanned<String>>,
    /// Answer fields added: `"Name: value"`; behind a `!` before the name, to error answers too.
    pub add: Vec<Spanned<String>>,
    /// Copies: `http://POOL[:PORT][/path]`.
    pub mirror: Vec<Spanned<Mirror>>,
    /// Longest time to the first byte of an answer and between two reads.
    pub read_timeout: Maybe<Duration>,
    /// Longest time between two writes to the node.
    pub send_timeout: Maybe<Duration>,
    /// Whether upgrades (WebSocket) pass.
    pub upgrade: Maybe<bool>,
    /// Largest request body in bytes; 0 is no bound.
    pub body_max: Maybe<u64>,
    /// Other answers for statuses.
    pub error_pages: Vec<Spanned<ErrorPage>>,
    /// Whether `error_pages` replace the nodes' answers too.
    pub intercept: Maybe<bool>,
}

/// An entry of `mirror`: a string, or a table with `to` and more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mirror {
    /// `http://POOL[:PORT][/path]`
    pub to: Spanned<String>,
    /// As in [`Act::host`].
    pub host: Maybe<String>,
    /// As in [`Act::set`].
    pub set: Vec<Spanned<String>>,
    /// Largest body copied.
    pub body_max: Maybe<u64>,
    /// Most copies under way per worker.
    pub at_once: Maybe<u32>,
    /// Longest time for one.
    pub timeout: Maybe<Duration>,
}

/// An entry of `error_pages`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorPage {
    /// Statuses it replaces.
    pub status: Vec<Spanned<u16>>,
    /// The one the client sees.
    pub answer: Maybe<u16>,
    /// A path of the same listener, or a URL.
    pub to: Spanned<String>,
}

/// `[retry.NAME]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retry {
    /// Most tries, the first included.
    pub tries: Maybe<u32>,
    /// No try starts after this time.
    pub within: Maybe<Duration>,
    /// Largest body kept for repeating.
    pub buffer: Maybe<u64>,
    /// `error`, `timeout`, `invalid`, statuses as `404` or `http_404`.
    pub on: Option<Vec<Spanned<String>>>,
    /// Also for methods that are not safe to repeat.
    pub non_idempotent: Maybe<bool>,
    /// Also for commands that Canton recognises.
    pub commands: Maybe<bool>,
}

/// `[limit.NAME]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limit {
    /// Longest request line.
    pub request_line: Maybe<u64>,
    /// Longest head.
    pub head: Maybe<u64>,
    /// Most fields.
    pub fields: Maybe<u32>,
    /// Longest time for a head.
    pub head_timeout: Maybe<Duration>,
    /// Longest time between two reads of a body.
    pub body_timeout: Maybe<Duration>,
    /// Longest time between two writes to the client.
    pub send_timeout: Maybe<Duration>,
    /// Longest time between requests.
    pub idle: Maybe<Duration>,
    /// Requests over one connection.
    pub requests: Maybe<u64>,
    /// Requests at a time on one connection of HTTP/2.
    pub streams: Maybe<u32>,
    /// Most client connections.
    pub connections: Maybe<u32>,
}
