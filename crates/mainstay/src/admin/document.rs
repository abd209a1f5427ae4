//! The shape of `/status`, as the server writes it and `mainstay status` reads it. Fields are only ever added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A running Mainstay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The configuration file.
    pub file: String,
    /// When it started (RFC 3339).
    pub started: String,
    /// For how long it has run.
    pub uptime_s: f64,
    /// `serving` or `draining`.
    pub phase: String,
    /// Its worker threads.
    pub workers: usize,
    /// The last reload; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Where they are served.
    pub pools: Vec<Pool>,
    /// What is kept or followed here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<Lease>,
    /// Certificates, anchors and revocation lists, the one that ends first at the top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<Ending>,
}

/// Something that TLS is spoken with, and that ends on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Name of its `[tls.NAME]`.
    pub name: String,
    /// Whose it is.
    pub subject: String,
    /// The file it was read from.
    pub file: String,
    /// Whole days until it ends; negative once it has.
    pub days_left: i64,
    /// Whole hours until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_left: Option<i64>,
    /// Whether the files now hold something that is not good, so that this is used instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind: bool,
    /// Which files those are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bad_files: Vec<String>,
}

/// A lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Where it is kept.
    pub store: String,
    /// `fenced`, `exclusive` or `advisory`.
    pub tier: String,
    /// Who holds it, or held it last; absent when nobody ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// `vacant`, `fencing`, `starting`, `ready` or `yielding`.
    pub phase: String,
    /// Timeline and number of the tenure.
    pub token: String,
    /// Whether the store answered lately; if not, the rest is the last that was known.
    pub fresh: bool,
    /// Who paused takeovers; absent while they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// What this program waits for before it may take the lease, as a sentence; absent once it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// This program's name among the members.
    pub me: String,
    /// `without`, `prepare`, `held`, `frozen` or `yield`: what this program's child may do.
    pub standing: String,
    /// How long this program's tenure is good without further news; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_s: Option<f64>,
    /// How long the lease lasts without a renewal.
    pub ttl_s: f64,
    /// A switch-over that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<Switchover>,
    /// Whoever looked lately.
    pub members: Vec<Member>,
    /// What is guarded here; absent when the lease is only followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Child>,
}

/// A switch-over that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Switchover {
    /// Its id.
    pub id: String,
    /// To whom, if to somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A member of a lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The higher, the sooner it takes over; 0: never.
    pub priority: u32,
    /// `holder`, `standby`, `prepared`, `unfit`, or `gone` when it has not looked for too long.
    pub state: String,
    /// How long ago it looked.
    pub ago_s: f64,
    /// It is this program itself. Another may have its name by mistake.
    #[serde(default)]
    pub own: bool,
}

/// A guarded child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Child {
    /// The guard's name.
    pub guard: String,
    /// `gone`, `unknown`, `starting`, `ready`, `unwell`, `frozen` or `stopping`.
    pub state: String,
    /// For how long.
    pub for_s: f64,
    /// Its process id, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u64,
    /// What holds its processes together: `cgroup` or `descent`.
    pub containment: String,
    /// Why it is not well, or why another is to take over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What last went wrong in guarding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Something that happened to a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When (RFC 3339), by the clock of whoever wrote it.
    pub at: String,
    /// To which lease.
    pub lease: String,
    /// Who wrote it.
    pub by: String,
    /// Number of the tenure.
    pub epoch: u64,
    /// In one word.
    pub what: String,
    /// As a sentence.
    pub text: String,
}

/// What `/history` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    /// Oldest first.
    pub events: Vec<Event>,
}

/// How far a switch-over is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// `waiting`, `done`, `refused`, `failed`, or `unknown` when the lease knows of no such switch-over.
    pub state: String,
    /// Why, or who holds the lease now.
    pub message: String,
    /// Who holds the lease, if anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

/// A reload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reload {
    /// When (RFC 3339).
    pub at: String,
    /// Whether the configuration was taken.
    pub ok: bool,
    /// Its faults when it was not, or notes when it was.
    pub message: String,
}

/// A listener.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Its address.
    pub at: String,
    /// `http` or `tcp`.
    pub kind: String,
    /// Client connections open.
    pub connections: u64,
    /// Requests (sessions) since the start.
    pub requests: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Answers since the start, by class.
    pub answers: BTreeMap<String, u64>,
    /// What the last seconds were like.
    pub lately: Lately,
}

/// The last seconds (10, or fewer just after the start).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lately {
    /// Requests per second.
    pub rps: f64,
    /// Half of them took no longer; absent without requests. For a node: to the first byte of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99 in 100 of them took no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
}

/// A pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// `spread`, `least`, `primary`, `hash`, `leader` or `writable`.
    pub policy: String,
    /// Requests waiting for a connection.
    pub waiting: u64,
    /// Requests and connections held for want of a leader.
    #[serde(default)]
    pub held: u64,
    /// The lease it follows; absent if it follows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The node that new work goes to; absent while there is none, and without a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Requests that found every node out, since the start.
    pub no_node: u64,
    /// Its nodes in the order of the configuration.
    pub nodes: Vec<Node>,
}

/// A node of a pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `active`, `backup` or `off`.
    pub role: String,
    /// `in`, `trial`, `out` or `draining`.
    pub standing: String,
    /// Why, as a sentence; absent when there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when (RFC 3339).
    pub since: String,
    /// For how long.
    pub for_s: f64,
    /// Requests under way on it.
    pub in_flight: u64,
    /// Idle connections to it.
    pub idle_connections: u64,
    /// Requests sent to it since the start.
    pub requests: u64,
    /// Tries that failed on it since the start.
    pub failures: u64,
    /// What the last seconds were like.
    pub lately: Lately,
    /// Where it is connected to.
    pub addresses: Vec<String>,
    /// Its checks.
    pub checks: Vec<Check>,
}

/// A check of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// `good`, `bad` or `unknown`.
    pub verdict: String,
    /// How long ago the last one ended; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ago_s: Option<f64>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
    /// What was wrong with it; absent when it was good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What `/reload`, `/drain`, `/admit` and `/health` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Said {
    /// Whether it was done; of `/health`: whether all is well.
    pub ok: bool,
    /// What was done, or why not.
    pub message: String,
    /// Of a switch-over: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Said {
    /// What was done, or why not.
    pub fn new(ok: bool, message: impl Into<String>) -> Self {
        Self { ok, message: message.into(), id: None }
    }
}
