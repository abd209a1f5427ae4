//! Pools and their nodes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstay_tls::{Client, ServerName};

use super::CheckerId;

/// Nodes that serve the same thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// As shown to operators: the configured name, with `:PORT` behind it where the pool is used with several.
    pub name: Arc<str>,
    /// In the order of the configuration, which is the order of preference for [`Policy::Primary`].
    pub nodes: Vec<Node>,
    /// What its nodes are, as far as that matters to what may be repeated.
    pub kind: Kind,
    /// How a node is picked.
    pub policy: Policy,
    /// What happens to a request when every node is out.
    pub all_out: AllOut,
    /// What nodes are shown and have to show; `None` where bytes go as they are.
    pub tls: Option<Arc<Client>>,
    /// Longest time for one connection attempt, its TLS included.
    pub connect_timeout: Duration,
    /// Whether its nodes speak HTTP/2, which is known before the first byte. Requests then share connections, and limits
    /// on connections count requests.
    pub http2: bool,
    /// Idle connections kept per node and worker; 0 opens a new connection for each request.
    pub keep_idle: u32,
    /// Longest time an idle connection to a node is kept. Keep it below the node's own (Tessera: 30 s).
    pub idle_timeout: Duration,
    /// Requests over one connection to a node before it is closed.
    pub requests_per_connection: u64,
    /// Most connections to all nodes together, over all workers.
    pub max_connections: Option<u32>,
    /// Where requests wait when every allowed connection is in use.
    pub queue: Queue,
    /// Where requests and connections wait while there is no leader. Only with [`Policy::Leader`] and
    /// [`Policy::Writable`].
    pub hold: Hold,
    /// Bound on retries, so that they cannot become a storm.
    pub budget: Budget,
    /// How long a node that comes back takes to get its full share; zero gives it at once.
    pub slow_start: Duration,
    /// How often node names are looked up again.
    pub resolve_every: Duration,
    /// When live traffic alone makes a node suspect: a request has waited this long for its first byte.
    pub doubt_after: Duration,
}

impl Pool {
    /// The lease it follows, or the database.
    #[must_use]
    pub fn follows(&self) -> Option<&str> {
        match &self.policy {
            Policy::Leader { lease } => Some(lease),
            Policy::Writable { database } => Some(database),
            Policy::Spread | Policy::Least | Policy::Primary { .. } | Policy::Hash(_) => None,
        }
    }
}

impl Node {
    /// The name its certificate must have: its host, as it is configured. `None` for a unix socket.
    #[must_use]
    pub fn host(&self) -> Option<ServerName<'static>> {
        let (host, _) = self.name.rsplit_once(':').filter(|_| !self.name.starts_with("unix:"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host.to_owned()).ok()
    }
}

/// One process or instance that serves a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// As shown to operators: `host:port`, or `unix:/path`.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Share of traffic relative to the other nodes; at least 1.
    pub weight: u32,
    /// When it is used.
    pub role: Role,
    /// Most connections to this node, over all workers.
    pub max_connections: Option<u32>,
    /// Passive removal after failures of live traffic; `None` switches it off.
    pub eject: Option<Eject>,
    /// Checks that must all pass for the node to be in. Empty: the node is checked only while traffic doubts it
    /// ([`Pool::doubt_after`]), with a probe any living node of the pool's protocol answers.
    pub checks: Vec<CheckerId>,
    /// Who holds what [`Pool::follows`] names when this node leads; `None` for a node that never does.
    pub holder: Option<Arc<str>>,
}

/// Where something listens, before names are resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A fixed address.
    Ip(SocketAddr),
    /// A name that is looked up again and again.
    Name {
        /// Host name as the resolver takes it.
        host: Arc<str>,
        /// TCP port.
        port: u16,
    },
    /// A stream socket in the file system.
    Unix(PathBuf),
}

/// What the nodes of a pool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing is known of them.
    Any,
    /// Replicas of one participant (or mediator, or sequencer) of Canton: they share a database, and one of them is active.
    /// Calls that [`mainstay_core::retry::canton`] knows to be safe are repeated on another.
    Canton,
}

/// When a node is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Always.
    Active,
    /// Only while no active node is in.
    Backup,
    /// Never, until the configuration changes.
    Off,
}

/// How a pool picks among the nodes that are in.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// In turn, by weight, smoothly mixed.
    Spread,
    /// The one with the fewest requests in flight relative to its weight.
    Least,
    /// The first in order; the rest are backups.
    Primary {
        /// Whether and when traffic goes back to a better node that has returned.
        failback: Failback,
    },
    /// The same node for the same key, moving as few keys as can be when nodes come and go.
    Hash(HashKey),
    /// The node whose holder has a lease, and none but that one.
    Leader {
        /// Name of the lease.
        lease: Arc<str>,
    },
    /// The host of a database that may be written to, and none but that one. Who watches the database says which that is,
    /// as the holder of a lease, so nothing else judges its hosts.
    Writable {
        /// Name of the database among what is followed.
        database: Arc<str>,
    },
}

/// Rule for going back to a better node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// Once it has been in for this long; zero is at once.
    After(Duration),
    /// Only when the current one goes out.
    Never,
}

/// What a hash policy looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address without its port.
    Client,
    /// The request target as it came.
    Target,
    /// The value of a request field; requests without it are spread.
    Field(Arc<str>),
}

/// What a request gets when every node is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllOut {
    /// 503 (TCP: the connection is reset).
    Refuse,
    /// The nodes are tried all the same.
    TryAll,
}

/// Requests waiting for a free connection of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Most requests waiting per worker; 0 means none ever waits.
    pub length: u32,
    /// Longest wait, after which the answer is 503.
    pub wait: Duration,
}

/// What waits for a leader. The bounds on number and bytes are over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Most requests and connections held; 0 means none ever is.
    pub requests: u32,
    /// Most bytes of them kept in memory. What a client sends beyond its request's head and what came with it is not
    /// read while the request is held.
    pub bytes: u64,
    /// Longest time one is held: then a request is answered 503, and a connection is reset.
    pub time: Duration,
}

/// A pool's allowance of retries, per worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Retries allowed per request seen, e.g. 0.2.
    pub ratio: f64,
    /// Retries allowed per second whatever the traffic.
    pub per_second: u32,
}

/// Passive removal: `failures` consecutive failures within `within` put a node out for `out_for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eject {
    /// Consecutive failures that eject; at least 1.
    pub failures: u32,
    /// Window in which they must fall.
    pub within: Duration,
    /// How long the node stays out before one request may try it again.
    pub out_for: Duration,
}
