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
    /// `spread`, `least`, `primary` or `hash`.
    pub policy: String,
    /// Requests waiting for a connection.
    pub waiting: u64,
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
}
