//! What the program runs: parameters that are valid by construction. Nothing here goes through serde; the binary
//! converts what an operator typed (TOML or an nginx.conf) into these types in one place.

mod pool;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstay_tls::{Client, Server, ServerName};

pub use self::pool::{Address, AllOut, Budget, Eject, Failback, HashKey, Hold, Kind, Node, Policy, Pool, Queue, Role};

/// Everything one run of the front is made of. Ids are indices into the vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Active checks. Equal checks of one address are one entry, however many pools refer to it.
    pub checkers: Vec<Checker>,
    /// Pools of nodes, one entry for each port a pool is used with.
    pub pools: Vec<Pool>,
    /// Where clients connect; one entry per address.
    pub listeners: Vec<Listener>,
}

impl Plan {
    /// Whether a listener speaks HTTP to the nodes of the pool with this index, mirrors included.
    #[must_use]
    pub fn speaks_http(&self, pool: usize) -> bool {
        let is_it = |id: PoolId| id.0 as usize == pool;
        let http = self.listeners.iter().filter_map(|listener| match &listener.service {
            Service::Http(http) => Some(http),
            Service::Tcp(_) => None,
        });
        let routes = http.flat_map(|http| &http.sites).flat_map(|site| &site.routes);
        let mut forwards = routes.filter_map(|route| match &route.action {
            Action::Forward(forward) => Some(forward),
            Action::Reply(_) => None,
        });
        forwards.any(|forward| is_it(forward.pool) || forward.mirrors.iter().any(|mirror| is_it(mirror.pool)))
    }
}

/// Index into [`Plan::pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u32);

/// Index into [`Plan::checkers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckerId(pub u32);

/// One active check of one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Checker {
    /// As shown to operators.
    pub name: Arc<str>,
    /// What is connected to: the node's host with the check's port.
    pub address: Address,
    /// What it has to show first; `None` where bytes come as they are.
    pub tls: Option<Encrypted>,
    /// What is asked and what answer is good.
    pub probe: Probe,
    /// Time from one check to the next while the verdict is clear.
    pub every: Duration,
    /// The same while the verdict is in doubt; at most `every`.
    pub every_in_doubt: Duration,
    /// Longest time one check may take.
    pub timeout: Duration,
    /// Consecutive good checks that bring a node in.
    pub rise: u32,
    /// Consecutive bad checks that put a node out.
    pub fall: u32,
}

/// What is spoken below the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Encrypted {
    /// What the other side is shown and has to show.
    pub client: Arc<Client>,
    /// The name it must have.
    pub host: ServerName<'static>,
}

/// What a check asks.
#[derive(Clone, Debug)]
pub enum Probe {
    /// A request whose answer is judged.
    Http(HttpProbe),
    /// A call of `grpc.health.v1.Health/Check`, over HTTP/2.
    Grpc {
        /// The service asked for; empty for the server as a whole.
        service: Arc<str>,
        /// Whether `Health/Watch` is kept open beside it, so that a change is checked when it is told.
        watch: bool,
    },
    /// A connection, and optionally bytes sent and bytes expected.
    Tcp {
        /// Sent once connected.
        send: Vec<u8>,
        /// What the answer must contain; `None`: connecting is enough.
        expect: Option<Pattern>,
    },
}

/// An HTTP check.
#[derive(Clone, Debug)]
pub struct HttpProbe {
    /// `GET`, `HEAD`, ...
    pub method: Arc<str>,
    /// Target in origin form.
    pub target: Arc<str>,
    /// Value of the Host field; `None`: the node's own name and port.
    pub host: Option<Arc<str>>,
    /// Good status codes, as inclusive ranges.
    pub statuses: Vec<(u16, u16)>,
    /// Fields the answer must have: name and pattern.
    pub fields: Vec<(Arc<str>, Pattern)>,
    /// What the body must contain.
    pub body: Option<Pattern>,
}

/// Text to look for.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// These bytes, anywhere.
    Text(Vec<u8>),
    /// A match of this expression, anywhere.
    Regex(regex::bytes::Regex),
    /// Neither these bytes nor a match may be there.
    Not(Box<Pattern>),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            (Self::Not(a), Self::Not(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for HttpProbe {
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method
            && self.target == other.target
            && self.host == other.host
            && self.statuses == other.statuses
            && self.fields == other.fields
            && self.body == other.body
    }
}

impl PartialEq for Probe {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(a), Self::Http(b)) => a == b,
            (Self::Grpc { service: a, watch: x }, Self::Grpc { service: b, watch: y }) => a == b && x == y,
            (Self::Tcp { send: a, expect: x }, Self::Tcp { send: b, expect: y }) => a == b && x == y,
            _ => false,
        }
    }
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// As shown to operators.
    pub name: Arc<str>,
    /// The address.
    pub at: At,
    /// Connections the kernel may keep waiting to be accepted.
    pub backlog: u32,
    /// Most client connections at a time, over all workers; further ones wait in the backlog.
    pub max_connections: u32,
    /// What clients are shown and have to show; `None` where bytes come as they are.
    pub tls: Option<Arc<Server>>,
    /// What is spoken there.
    pub service: Service,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A stream socket in the file system.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Permission bits of the file, e.g. 0o660.
        mode: Option<u32>,
        /// Owner of the file, as user and group ids.
        owner: Option<(Option<u32>, Option<u32>)>,
    },
}

impl At {
    /// Whether both are the same address; whom a unix socket lets in may differ.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one == other,
            (Self::Unix { path: one, .. }, Self::Unix { path: other, .. }) => one == other,
            _ => false,
        }
    }
}

/// What a listener speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Service {
    /// HTTP/1.0 and 1.1, and HTTP/2 where [`Http::http2`] says so.
    Http(Box<Http>),
    /// Bytes.
    Tcp(Tcp),
}

/// A TCP listener's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Where connections go.
    pub pool: PoolId,
    /// Where those go whose TLS asks for such a name instead. Where there is any, what is no TLS is refused.
    pub by_name: Vec<(Vec<HostName>, PoolId)>,
    /// A session without a byte in either direction for this long is ended.
    pub idle_timeout: Duration,
    /// Nodes tried for one connection; 0: as many as the pool has.
    pub tries: u32,
    /// No further node is tried after this time; zero: no bound of its own.
    pub tries_within: Duration,
    /// Whether sessions go to the access log.
    pub access_log: bool,
    /// What is known of the bytes; `None`: nothing.
    pub postgres: Option<Postgres>,
}

/// A TCP listener whose clients speak PostgreSQL's protocol, in which the client speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Longest time to the client's first byte, before which no node is connected to.
    pub handshake: Duration,
}

/// Longest time for a client's first message where [`Tcp::by_name`] waits for it.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// An HTTP listener's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Virtual servers; the first is used when no name fits.
    pub sites: Vec<Site>,
    /// What a client may send and how long it may take.
    pub limits: ClientLimits,
    /// Whether requests go to the access log.
    pub access_log: bool,
    /// Whether clients may speak HTTP/2 from their first byte on.
    pub http2: Http2,
}

/// Whether the clients of a listener may speak HTTP/2 from their first byte on (RFC 9113 3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http2 {
    /// They may not.
    Refused,
    /// Their first bytes say which version they speak.
    #[default]
    Taken,
    /// They speak nothing else.
    Only,
}

/// Bounds on what a client may send and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Longest request line, in bytes; beyond: 414.
    pub request_line: usize,
    /// Longest head with its request line, in bytes; beyond: 431.
    pub head: usize,
    /// Most fields in a head; beyond: 431.
    pub fields: usize,
    /// Longest time from the first byte of a head to its end; beyond: 408.
    pub head_timeout: Duration,
    /// Longest time between two reads of a body; beyond: 408.
    pub body_timeout: Duration,
    /// Longest time between two writes to a client that does not read; then it is closed.
    pub send_timeout: Duration,
    /// How long a connection may be idle between requests; zero: closed after each answer.
    pub idle_timeout: Duration,
    /// Requests over one connection before it is closed.
    pub requests: u64,
    /// Most requests of a client at a time on one connection of HTTP/2.
    pub streams: u32,
}

/// One virtual server.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Host names it answers to, in lower case; see [`HostName`].
    pub names: Vec<HostName>,
    /// Tried as nginx does: an exact path first, else the longest prefix.
    pub routes: Vec<Route>,
}

/// A host name of a [`Site`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// This name.
    Exact(Arc<str>),
    /// Any name that ends in this, which starts with a dot.
    Suffix(Arc<str>),
    /// Any name that starts with this, which ends in a dot.
    Prefix(Arc<str>),
}

/// What is done with the requests for some paths.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Which paths, compared byte for byte with the path as it came (no decoding, no merging).
    pub path: PathMatch,
    /// Only reached from inside (an error page, a mirror); clients get 404.
    pub internal: bool,
    /// What is done.
    pub action: Action,
    /// Largest request body; `None`: no bound. Beyond: 413.
    pub body_max: Option<u64>,
    /// Fields added to the answer.
    pub add_fields: Vec<AddField>,
    /// Answers to use instead of Mainstay's own (and of the node's, where `intercept` says so).
    pub error_pages: Vec<ErrorPage>,
    /// Whether `error_pages` replace the node's answers too.
    pub intercept: bool,
}

/// Which paths a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// Exactly this path.
    Exact(Vec<u8>),
    /// Every path that starts with this.
    Prefix(Vec<u8>),
}

/// A field added to answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddField {
    /// Field name.
    pub name: Arc<str>,
    /// Field value.
    pub value: Template,
    /// Also to answers other than 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308.
    pub always: bool,
}

/// Another answer for some statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// Statuses it replaces.
    pub statuses: Vec<u16>,
    /// Status the client sees; `None`: the one it replaces.
    pub status: Option<u16>,
    /// A path of the same site that is asked instead, or an absolute URL the client is sent to.
    pub to: Arc<str>,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It goes to a node.
    Forward(Box<Forward>),
    /// It is answered here.
    Reply(Reply),
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code; 444 closes the connection without an answer.
    pub status: u16,
    /// Content type of the body.
    pub content_type: Arc<str>,
    /// Body text, or for 301, 302, 303, 307 and 308 the place to go to.
    pub body: Template,
}

/// How a request is carried to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// Where to.
    pub pool: PoolId,
    /// Replaces the matched prefix of the target; the rest goes on as it came.
    pub prefix: Option<Arc<str>>,
    /// What the node sees as Host.
    pub host: HostRule,
    /// Whether `X-Forwarded-For`, `-Proto` and `-Host` are added.
    pub forwarded: Forwarded,
    /// Request fields set (or, with an empty template, removed) on the way.
    pub set_fields: Vec<(Arc<str>, Template)>,
    /// When a second node may be tried.
    pub retry: Retry,
    /// Longest time between two writes to the node.
    pub send_timeout: Duration,
    /// Longest time to the first byte of the answer, and between two reads of it.
    pub read_timeout: Duration,
    /// Whether an `Upgrade` is passed on and the connection becomes a tunnel.
    pub upgrade: bool,
    /// Copies of the request.
    pub mirrors: Vec<Mirror>,
}

/// What the node sees as Host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// The client's.
    Keep,
    /// This.
    Set(Template),
    /// The node's own name and port.
    Node,
}

/// What is told to the node about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Fields pass as the client sent them.
    Pass,
    /// The client's address is appended to what came.
    Append,
    /// What came is dropped and only Mainstay's own word is sent.
    Replace,
}

/// Text with values filled in per request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(Arc<str>),
    /// The request's Host without its port, in lower case; the site's first name where there is none.
    Host,
    /// The value of a request field; empty when it is absent.
    Field(Arc<str>),
    /// The client's address.
    ClientAddress,
    /// The client's port.
    ClientPort,
    /// `X-Forwarded-For` as it came with the client's address appended.
    ForwardedFor,
    /// `http`, or `https` where the client's connection is encrypted.
    Scheme,
    /// Whom the client's certificate names; empty without one.
    ClientIdentity,
    /// The method.
    Method,
    /// The request target as it came.
    Target,
    /// The path as it came, without the query.
    Path,
    /// The query, without its question mark.
    Query,
    /// The name of the pool, as `proxy_pass` would give it.
    PoolName,
    /// The address Mainstay listens on.
    ServerAddress,
    /// The port Mainstay listens on.
    ServerPort,
    /// The status of the answer.
    Status,
}

/// When and how often a request may be tried again on another node.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Most tries of one request, the first included; 0: as many as the pool has nodes.
    pub tries: u32,
    /// No try starts after this time; zero: no bound of its own.
    pub within: Duration,
    /// Largest request body kept for repeating, in bytes.
    pub buffer: usize,
    /// After a connection that failed or broke. A connection that could not be made is always tried elsewhere
    /// while `tries` allows, because nothing was sent.
    pub on_error: bool,
    /// After no answer in time.
    pub on_timeout: bool,
    /// After an answer that breaks the protocol.
    pub on_invalid: bool,
    /// After these statuses.
    pub statuses: Vec<u16>,
    /// Also for methods that are not safe to repeat, once sent. A payment may be done twice: the operator says so.
    pub non_idempotent: bool,
    /// Also for commands that a participant of Canton recognises when they come again. Only in a pool of [`Kind::Canton`].
    pub commands: bool,
}

/// A copy of requests, whose fate never touches the request itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Where to.
    pub pool: PoolId,
    /// The copy's path; `None`: the request's own target. The query is kept.
    pub path: Option<Arc<str>>,
    /// What the mirror's node sees as Host.
    pub host: HostRule,
    /// Request fields set on the copy.
    pub set_fields: Vec<(Arc<str>, Template)>,
    /// Largest body copied; requests with a larger one are not mirrored.
    pub body_max: usize,
    /// Most copies under way per worker; further ones are dropped and counted.
    pub at_once: u32,
    /// Longest time for one copy.
    pub timeout: Duration,
}
