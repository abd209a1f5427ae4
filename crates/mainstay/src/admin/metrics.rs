//! `/metrics`: every counter, every limit, and the process.

use std::sync::Arc;

use mainstay_core::Verdict;
use mainstay_io::Pipes;
use mainstay_proxy::access;
use mainstay_proxy::control::{CheckStatus, ControlCounts, MAX_REPORTS, NodeStatus, PoolStatus};
use mainstay_proxy::counters::{
    Class, Close, Counter, Durations, Failure, Gauge, Kind, Limit, ListenerCounters, NodeCounters, PoolCounters,
    Reading, Repeated,
};
use mainstay_proxy::params::{Listener, Plan, Pool, Service};
use mainstay_proxy::view::Standing;

use super::database_metrics;
use super::lease_metrics;
use super::process::Usage;
use super::text::Text;
use super::tls_metrics;
use crate::run::databases::Watched;
use crate::run::leases::Kept;

/// Everything there is to tell.
pub(super) struct Facts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) reading: &'a Reading,
    pub(super) pools: &'a [PoolStatus],
    pub(super) control: ControlCounts,
    pub(super) process: Process,
    pub(super) kept: Option<&'a Kept>,
    pub(super) databases: &'a [Arc<Watched>],
}

/// What concerns the process and its logs.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) usage: Usage,
    pub(super) started_s: f64,
    pub(super) workers: u64,
    pub(super) draining: bool,
    pub(super) reloads_ok: u64,
    pub(super) reloads_refused: u64,
    pub(super) last_reload_ok: bool,
    pub(super) last_reload_s: f64,
    pub(super) log_dropped: u64,
    pub(super) log_failed: u64,
    pub(super) access_failed: u64,
    pub(super) admin_requests: u64,
}

/// All of it as text.
pub(super) fn render(facts: &Facts<'_>) -> String {
    let mut text = Text::default();
    process(&mut text, &facts.process);
    workers(&mut text, facts.reading);
    listeners(&mut text, facts.reading);
    listener_limits(&mut text, facts.plan);
    tls_metrics::render(&mut text, facts.plan, facts.reading);
    pools(&mut text, facts.reading);
    pool_limits(&mut text, facts.plan);
    nodes(&mut text, facts.reading);
    standings(&mut text, facts.pools);
    checks(&mut text, facts.pools);
    control(&mut text, facts.control);
    if let Some(kept) = facts.kept {
        lease_metrics::render(&mut text, kept);
    }
    database_metrics::render(&mut text, facts.databases);
    text.finish()
}

fn process(text: &mut Text, it: &Process) {
    text.gauge("mainstay_build_info", "1; the version is a label.").int(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.gauge("process_start_time_seconds", "When the process started (Unix time).").float(&[], it.started_s);
    text.gauge("process_resident_memory_bytes", "Memory in use.").int(&[], it.usage.resident_bytes);
    text.gauge("process_open_fds", "File descriptors in use.").int(&[], it.usage.open_files);
    text.gauge("process_max_fds", "File descriptors the process may have.").int(&[], it.usage.most_open_files);
    text.counter("process_cpu_seconds_total", "Processor time used.").float(&[], it.usage.cpu_seconds);
    text.gauge("mainstay_workers", "Worker threads.").int(&[], it.workers);
    text.gauge("mainstay_draining", "1 while Mainstay stops and finishes what is under way.")
        .int(&[], it.draining.into());
    let mut reloads = text.counter("mainstay_reloads_total", "Reloads, by result.");
    reloads.int(&[("result", "ok")], it.reloads_ok);
    reloads.int(&[("result", "refused")], it.reloads_refused);
    let help = "0 when the configuration on disk was refused the last time it was read.";
    text.gauge("mainstay_last_reload_ok", help).int(&[], it.last_reload_ok.into());
    let help = "When the configuration was last read (Unix time).";
    text.gauge("mainstay_last_reload_time_seconds", help).float(&[], it.last_reload_s);
    let help = "Log lines lost because the writer did not keep up.";
    text.counter("mainstay_log_dropped_total", help).int(&[], it.log_dropped);
    let mut failed = text.counter("mainstay_log_write_failures_total", "Writes to a log that failed, by log.");
    failed.int(&[("log", "main")], it.log_failed);
    failed.int(&[("log", "access")], it.access_failed);
    text.counter("mainstay_admin_requests_total", "Requests to the admin listener.").int(&[], it.admin_requests);
    let mut limits = text.gauge("mainstay_limit", "Limits that hold for the whole process.");
    for (name, value) in PROCESS_LIMITS {
        limits.int(&[("limit", name)], value as u64);
    }
}

const PROCESS_LIMITS: [(&str, usize); 7] = [
    ("log_lines_waiting", crate::run::LOG_WAITING),
    ("access_buffer_bytes", access::BUFFER),
    ("access_buffers_waiting", access::WAITING),
    ("pipes_per_worker", Pipes::AT_ONCE),
    ("reports_waiting", MAX_REPORTS),
    ("admin_connections", super::server::CONNECTIONS),
    ("admin_request_bytes", super::server::REQUEST),
];

fn workers(text: &mut Text, reading: &Reading) {
    let it = &reading.workers;
    text.gauge("mainstay_mirrors_in_flight", "Copies of requests under way.").int(&[], it.mirrors.get());
    let mut mirrors = text.counter("mainstay_mirrors_total", "Copies of requests, by what became of them.");
    mirrors.int(&[("result", "done")], it.mirrors_done.get());
    mirrors.int(&[("result", "failed")], it.mirrors_failed.get());
    mirrors.int(&[("result", "dropped")], it.mirrors_dropped.get());
    let mut records =
        text.counter("mainstay_access_records_total", "Records of the access log, by what became of them.");
    records.int(&[("result", "sent")], it.access_written.get());
    records.int(&[("result", "dropped")], it.access_dropped.get());
    let help =
        "News about nodes that found no room on its way to the control side; the next request brings them again.";
    text.counter("mainstay_reports_dropped_total", help).int(&[], it.reports_dropped.get());
    let help = "Bytes held for connections: heads, bodies kept for a retry, what slow readers have yet to take.";
    text.gauge("mainstay_buffered_bytes", help).int(&[], it.buffered.get());
    let help = "Pipes in use to carry large messages from socket to socket; beyond the limit they are copied.";
    text.gauge("mainstay_pipes_in_use", help).int(&[], it.pipes.get());
    text.counter("mainstay_worker_ticks_total", "Turns of the workers' timers.").int(&[], it.ticks.get());
}

fn listeners(text: &mut Text, reading: &Reading) {
    let counter = |text: &mut Text, name, help, of: fn(&ListenerCounters) -> &Counter| {
        let mut metric = text.counter(name, help);
        reading.listeners.iter().for_each(|(name, one)| metric.int(&[("listener", name)], of(one).get()));
    };
    counter(text, "mainstay_listener_accepted_total", "Client connections accepted.", |one| &one.accepted);
    let help = "Client connections that could not be accepted, for want of file descriptors for instance.";
    counter(text, "mainstay_listener_accept_failures_total", help, |one| &one.accept_failed);
    counter(text, "mainstay_listener_requests_total", "Requests; on a TCP listener: sessions.", |one| &one.requests);
    counter(text, "mainstay_listener_received_bytes_total", "Bytes from clients.", |one| &one.bytes_in);
    counter(text, "mainstay_listener_sent_bytes_total", "Bytes to clients.", |one| &one.bytes_out);
    let mut open = text.gauge("mainstay_listener_connections", "Client connections open.");
    reading.listeners.iter().for_each(|(name, one)| open.int(&[("listener", name)], one.active.get()));
    let mut flight = text.gauge("mainstay_listener_in_flight", "Requests (sessions) under way.");
    reading.listeners.iter().for_each(|(name, one)| flight.int(&[("listener", name)], one.in_flight.get()));

    let help = "Client connections closed, by what ended them.";
    let mut closed = text.counter("mainstay_listener_closed_total", help);
    by_kind(reading, |name, one, kind: Close| {
        closed.int(&[("listener", name), ("reason", kind.name())], one.closed.get(kind))
    });
    let mut answers = text.counter("mainstay_listener_answers_total", "Requests ended, by the class of their answer.");
    by_kind(reading, |name, one, kind: Class| {
        answers.int(&[("listener", name), ("class", kind.name())], one.answers.get(kind))
    });
    let mut limits = text.counter("mainstay_listener_limit_hits_total", "Limits that were reached.");
    by_kind(reading, |name, one, kind: Limit| {
        limits.int(&[("listener", name), ("limit", kind.name())], one.limits.get(kind))
    });
    let mut faults = text.counter("mainstay_listener_faults_total", "Refusals of what broke the protocol, by fault.");
    for (name, one) in &reading.listeners {
        one.faults.each().for_each(|(fault, count)| faults.int(&[("listener", name), ("fault", fault)], count));
    }
    let help = "From the first byte of a request to the last of its answer; on a TCP listener: of a session.";
    let mut durations = text.histogram("mainstay_listener_request_duration_seconds", help);
    for (name, one) in &reading.listeners {
        durations.durations(&[("listener", name)], &one.duration.read());
    }
}

fn by_kind<K: Kind>(reading: &Reading, mut put: impl FnMut(&str, &ListenerCounters, K)) {
    for (name, one) in &reading.listeners {
        K::ALL.iter().for_each(|kind| put(name, one, *kind));
    }
}

fn listener_limits(text: &mut Text, plan: &Plan) {
    let mut metric = text.gauge("mainstay_listener_limit", "Limits of listeners, as configured.");
    for listener in &plan.listeners {
        for (limit, value) in limits_of(listener) {
            metric.float(&[("listener", &listener.name), ("limit", limit)], value);
        }
    }
}

fn limits_of(listener: &Listener) -> Vec<(&'static str, f64)> {
    let mut limits = vec![("connections", listener.max_connections.into()), ("backlog", listener.backlog.into())];
    match &listener.service {
        Service::Tcp(tcp) => limits.push(("idle_seconds", tcp.idle_timeout.as_secs_f64())),
        Service::Http(http) => {
            let it = &http.limits;
            limits.extend([
                ("request_line_bytes", it.request_line as f64),
                ("head_bytes", it.head as f64),
                ("fields", it.fields as f64),
                ("head_seconds", it.head_timeout.as_secs_f64()),
                ("body_seconds", it.body_timeout.as_secs_f64()),
                ("send_seconds", it.send_timeout.as_secs_f64()),
                ("idle_seconds", it.idle_timeout.as_secs_f64()),
                ("requests_per_connection", it.requests as f64),
            ]);
        }
    }
    limits
}

fn pools(text: &mut Text, reading: &Reading) {
    let mut waiting = text.gauge("mainstay_pool_waiting", "Requests waiting for a connection to a node.");
    reading.pools.iter().for_each(|(name, one)| waiting.int(&[("pool", name)], one.waiting.get()));
    let counter = |text: &mut Text, name, help, of: fn(&PoolCounters) -> &Counter| {
        let mut metric = text.counter(name, help);
        reading.pools.iter().for_each(|(name, one)| metric.int(&[("pool", name)], of(one).get()));
    };
    counter(text, "mainstay_pool_no_node_total", "Requests that found every node out.", |one| &one.no_node);
    let help = "Retries not made because the pool's budget of retries was spent.";
    counter(text, "mainstay_pool_budget_spent_total", help, |one| &one.budget_spent);
    let help = "Clients that left while they waited for a connection to a node; what they asked was never sent.";
    counter(text, "mainstay_pool_queue_left_total", help, |one| &one.queue_left);
    let help = "Calls to Canton that were repeated though they may have been done, by what makes that safe.";
    let mut repeated = text.counter("mainstay_pool_calls_repeated_total", help);
    for (name, one) in &reading.pools {
        for call in Repeated::ALL {
            repeated.int(&[("pool", name), ("call", call.name())], one.repeated.get(*call));
        }
    }
    held(text, reading);
}

/// What waits while a pool has no leader.
fn held(text: &mut Text, reading: &Reading) {
    let gauge = |text: &mut Text, name, help, of: fn(&PoolCounters) -> &Gauge| {
        let mut metric = text.gauge(name, help);
        reading.pools.iter().for_each(|(name, one)| metric.int(&[("pool", name)], of(one).get()));
    };
    let help = "Requests and connections held while there is no leader, or it has no connection free.";
    gauge(text, "mainstay_pool_held", help, |one| &one.held);
    gauge(text, "mainstay_pool_held_bytes", "Bytes of what is held that are kept in memory.", |one| &one.held_bytes);
    let counter = |text: &mut Text, name, help, of: fn(&PoolCounters) -> &Counter| {
        let mut metric = text.counter(name, help);
        reading.pools.iter().for_each(|(name, one)| metric.int(&[("pool", name)], of(one).get()));
    };
    counter(text, "mainstay_pool_held_total", "Requests and connections that were held.", |one| &one.held_total);
    let help = "Those of them that went on to a leader.";
    counter(text, "mainstay_pool_hold_released_total", help, |one| &one.hold_released);
    let help = "Those of them that were held for too long (503; a connection was reset).";
    counter(text, "mainstay_pool_hold_timed_out_total", help, |one| &one.hold_timed_out);
    let help = "Those of them whose client left first; they were never sent.";
    counter(text, "mainstay_pool_hold_left_total", help, |one| &one.hold_left);
    let help = "Requests refused because as much was held as may be (503).";
    counter(text, "mainstay_pool_hold_refused_total", help, |one| &one.hold_refused);
    let help = "How often a worker closed a listener, so that connections are refused.";
    counter(text, "mainstay_pool_hold_closed_total", help, |one| &one.hold_closed);
}

fn pool_limits(text: &mut Text, plan: &Plan) {
    let mut metric = text.gauge("mainstay_pool_limit", "Limits of pools, as configured.");
    for pool in &plan.pools {
        for (limit, value) in pool_limits_of(pool) {
            metric.float(&[("pool", &pool.name), ("limit", limit)], value);
        }
    }
    let mut metric = text.gauge("mainstay_node_limit", "Limits of nodes, as configured.");
    for pool in &plan.pools {
        for node in &pool.nodes {
            if let Some(most) = node.max_connections {
                metric.int(&[("pool", &pool.name), ("node", &node.name), ("limit", "connections")], most.into());
            }
        }
    }
}

fn pool_limits_of(pool: &Pool) -> Vec<(&'static str, f64)> {
    let mut limits = vec![
        ("queue", pool.queue.length.into()),
        ("queue_seconds", pool.queue.wait.as_secs_f64()),
        ("connect_seconds", pool.connect_timeout.as_secs_f64()),
        ("idle_connections", pool.keep_idle.into()),
        ("idle_seconds", pool.idle_timeout.as_secs_f64()),
        ("requests_per_connection", pool.requests_per_connection as f64),
        ("retry_ratio", pool.budget.ratio),
        ("retries_per_second", pool.budget.per_second.into()),
    ];
    if pool.follows().is_some() {
        limits.extend([
            ("hold_requests", pool.hold.requests.into()),
            ("hold_bytes", pool.hold.bytes as f64),
            ("hold_seconds", pool.hold.time.as_secs_f64()),
        ]);
    }
    limits.extend(pool.max_connections.map(|most| ("connections", most.into())));
    limits
}

fn nodes(text: &mut Text, reading: &Reading) {
    let counter = |text: &mut Text, name, help, of: fn(&NodeCounters) -> &Counter| {
        let mut metric = text.counter(name, help);
        each_node(reading, |labels, one| metric.int(labels, of(one).get()));
    };
    counter(text, "mainstay_node_requests_total", "Requests (sessions) sent to the node.", |one| &one.requests);
    let help = "Requests that were tried on another node after this one.";
    counter(text, "mainstay_node_retries_away_total", help, |one| &one.retries_away);
    counter(text, "mainstay_node_connects_total", "Connections opened to the node.", |one| &one.connects);
    counter(text, "mainstay_node_reused_total", "Requests sent over a connection that was idle.", |one| &one.reused);
    counter(text, "mainstay_node_sent_bytes_total", "Bytes sent to the node.", |one| &one.bytes_sent);
    counter(text, "mainstay_node_received_bytes_total", "Bytes received from the node.", |one| &one.bytes_received);
    let mut flight = text.gauge("mainstay_node_in_flight", "Requests (sessions) under way on the node.");
    each_node(reading, |labels, one| flight.int(labels, one.in_flight.get()));
    let mut idle = text.gauge("mainstay_node_idle_connections", "Idle connections kept to the node.");
    each_node(reading, |labels, one| idle.int(labels, one.idle.get()));
    let mut failures = text.counter("mainstay_node_failures_total", "Tries that failed on the node, by kind.");
    each_node(reading, |labels, one| {
        for kind in Failure::ALL {
            let labels = [labels, &[("kind", kind.name())]].concat();
            failures.int(&labels, one.failures.get(*kind));
        }
    });
    let histogram = |text: &mut Text, name, help, of: fn(&NodeCounters) -> Durations| {
        let mut metric = text.histogram(name, help);
        each_node(reading, |labels, one| metric.durations(labels, &of(one)));
    };
    let help = "Time to open a connection to the node.";
    histogram(text, "mainstay_node_connect_duration_seconds", help, |one| one.connect.read());
    let help = "From a request sent to the first byte of the node's answer.";
    histogram(text, "mainstay_node_first_byte_duration_seconds", help, |one| one.first_byte.read());
}

fn each_node(reading: &Reading, mut put: impl FnMut(&[(&str, &str)], &NodeCounters)) {
    for ((pool, node), one) in &reading.nodes {
        put(&[("pool", pool), ("node", node)], one);
    }
}

fn standings(text: &mut Text, pools: &[PoolStatus]) {
    let mut up = text.gauge("mainstay_node_up", "1 while the node gets new work.");
    each_status(pools, |labels, node| {
        up.int(labels, matches!(node.standing, Standing::In | Standing::Trial).into());
    });
    let mut draining = text.gauge("mainstay_node_draining", "1 while an operator drains the node.");
    each_status(pools, |labels, node| draining.int(labels, (node.standing == Standing::Draining).into()));
    let help = "How often the node's standing has changed.";
    let mut transitions = text.counter("mainstay_node_transitions_total", help);
    each_status(pools, |labels, node| transitions.int(labels, node.transitions));
    let mut ejections = text.counter("mainstay_node_ejections_total", "How often live traffic has put the node out.");
    each_status(pools, |labels, node| ejections.int(labels, node.ejections));
}

fn each_status(pools: &[PoolStatus], mut put: impl FnMut(&[(&str, &str)], &NodeStatus)) {
    for pool in pools {
        pool.nodes.iter().for_each(|node| put(&[("pool", &pool.name), ("node", &node.name)], node));
    }
}

fn checks(text: &mut Text, pools: &[PoolStatus]) {
    let mut good = text.gauge("mainstay_check_good", "1 while the check finds the node well.");
    each_check(pools, |labels, check| good.int(labels, (check.verdict == Verdict::Good).into()));
    let mut runs = text.counter("mainstay_check_runs_total", "Checks that have ended.");
    each_check(pools, |labels, check| runs.int(labels, check.counts.checks));
    let mut failures = text.counter("mainstay_check_failures_total", "Checks that were bad.");
    each_check(pools, |labels, check| failures.int(labels, check.counts.failures));
    let mut seconds = text.counter("mainstay_check_seconds_total", "Time that checks took.");
    each_check(pools, |labels, check| seconds.float(labels, check.counts.took.as_secs_f64()));
    let help = "Times that a watched node told of a change, or its stream was lost, so that it was checked at once.";
    let mut told = text.counter("mainstay_check_told_total", help);
    each_check(pools, |labels, check| told.int(labels, check.counts.told));
}

fn each_check(pools: &[PoolStatus], mut put: impl FnMut(&[(&str, &str)], &CheckStatus)) {
    each_status(pools, |labels, node| {
        for check in &node.checks {
            put(&[labels, &[("check", &check.name)]].concat(), check);
        }
    });
}

fn control(text: &mut Text, it: ControlCounts) {
    let mut counter = |name, help, value| text.counter(name, help).int(&[], value);
    counter("mainstay_control_snapshots_total", "Times workers were told that something has changed.", it.snapshots);
    counter("mainstay_control_transitions_total", "Changes of any node's standing.", it.transitions);
    counter("mainstay_control_reports_total", "News from live traffic that were taken in.", it.reports);
    let help = "News from live traffic about a configuration that is no more.";
    counter("mainstay_control_stale_reports_total", help, it.reports_stale);
    counter("mainstay_lookups_total", "Look-ups of node names.", it.lookups);
    counter("mainstay_lookup_failures_total", "Look-ups of node names that gave no address.", it.lookup_failures);
}
