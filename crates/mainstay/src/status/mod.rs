//! `mainstay status`: a running Mainstay on one screen.

mod leases;
mod table;

use std::fmt::Write as _;
use std::time::Duration;

use mainstay_core::Span;

use crate::admin::document::{Ending, Lately, Listener, Node, Pool, Status};
use table::{Cell, Table};

/// The status as text for people; `colours` for a terminal.
#[must_use]
pub fn render(status: &Status, colours: bool) -> String {
    let mut text = String::new();
    head(&mut text, status);
    if !status.listeners.is_empty() {
        let mut table = Table::new(&["LISTENER", "AT", "CONNS", "UNDER WAY", "REQ/S", "P50", "P99", "REQUESTS", "5XX"]);
        status.listeners.iter().for_each(|one| table.row(listener(one)));
        put(&mut text, format_args!("\n{}", table.render(colours)));
    }
    if !status.pools.is_empty() {
        let mut table =
            Table::new(&["POOL", "STANDING", "FOR", "UNDER WAY", "REQ/S", "P50", "P99", "REQUESTS", "FAILED", "WHY"]);
        for pool in &status.pools {
            table.row(head_of(pool));
            pool.nodes.iter().for_each(|one| table.row(node(one)));
        }
        put(&mut text, format_args!("\n{}", table.render(colours)));
    }
    if !status.leases.is_empty() {
        put(&mut text, format_args!("\n{}", leases::table(&status.leases).render(colours)));
    }
    if !status.tls.is_empty() {
        let mut table = Table::new(&["TLS", "OF", "DAYS LEFT", "FILE", "WHY"]);
        status.tls.iter().for_each(|one| table.row(ending(one)));
        put(&mut text, format_args!("\n{}", table.render(colours)));
    }
    text
}

fn head(text: &mut String, status: &Status) {
    let Status { version, pid, phase, file, .. } = status;
    let time = span(status.uptime_s);
    let workers = match status.workers {
        1 => "1 worker".to_owned(),
        many => format!("{many} workers"),
    };
    put(
        text,
        format_args!("Mainstay {version}, process {pid}, {phase}, up for {time}, {workers}, {}\n", table::clean(file)),
    );
    if let Some(reload) = &status.reload {
        let result = if reload.ok { "taken" } else { "REFUSED, the old configuration is kept" };
        put(text, format_args!("Last reload at {}: {result}\n", table::clean(&reload.at)));
        if !reload.ok {
            reload.message.lines().for_each(|line| put(text, format_args!("  {}\n", table::clean(line))));
        }
    }
}

fn listener(one: &Listener) -> Vec<Cell> {
    let failed = one.answers.get("5xx").copied().unwrap_or(0);
    let mut cells =
        vec![Cell::left(&one.name), Cell::left(&one.at), Cell::right(one.connections), Cell::right(one.in_flight)];
    cells.extend(lately(&one.lately));
    cells.extend([Cell::right(one.requests), if failed > 0 { Cell::right(failed).bad() } else { Cell::right(failed) }]);
    cells
}

fn head_of(pool: &Pool) -> Vec<Cell> {
    let usable = pool.nodes.iter().filter(|node| matches!(node.standing.as_str(), "in" | "trial")).count();
    let mut why = vec![pool.policy.clone()];
    if pool.waiting > 0 {
        why.push(format!("{} waiting", pool.waiting));
    }
    if pool.no_node > 0 {
        why.push(format!("{} found no node", pool.no_node));
    }
    let count = Cell::left(&format!("{usable} of {} in", pool.nodes.len()));
    let count = if usable == 0 { count.bad() } else { count };
    let mut cells = vec![Cell::left(&pool.name), count];
    cells.extend((0..7).map(|_| Cell::left("")));
    cells.push(Cell::left(&why.join(", ")));
    cells
}

fn node(one: &Node) -> Vec<Cell> {
    let standing = Cell::left(&one.standing);
    let standing = match one.standing.as_str() {
        "in" => standing.good(),
        "out" => standing.bad(),
        _ => standing.fair(),
    };
    let mut cells = vec![Cell::left(&format!("  {}", one.name)), standing, Cell::left(&span(one.for_s))];
    cells.push(Cell::right(one.in_flight));
    cells.extend(lately(&one.lately));
    cells.extend([Cell::right(one.requests), Cell::right(one.failures)]);
    let role = (one.role != "active").then(|| one.role.clone());
    let why: Vec<_> = role.into_iter().chain(one.reason.clone()).collect();
    cells.push(Cell::left(&why.join(": ")));
    cells
}

fn ending(one: &Ending) -> Vec<Cell> {
    let days = match one.hours_left.filter(|hours| (0..48).contains(hours)) {
        Some(hours) => Cell::right(format!("{hours} h")),
        None => Cell::right(one.days_left),
    };
    let days = match one.days_left {
        ..SOON => days.bad(),
        SOON..LATER => days.fair(),
        _ => days,
    };
    let why = if one.behind {
        let files = if one.bad_files.is_empty() { "a file".to_owned() } else { one.bad_files.join(", ") };
        Cell::left(&format!("not good: {files}; what was read before is used")).bad()
    } else {
        Cell::left("")
    };
    vec![Cell::left(&one.name), Cell::left(&one.subject), days, Cell::left(&one.file), why]
}

fn lately(lately: &Lately) -> [Cell; 3] {
    let time = |millis: Option<f64>| Cell::right(millis.map_or_else(|| "-".to_owned(), |millis| span(millis / 1e3)));
    [Cell::right(format!("{:.1}", lately.rps)), time(lately.p50_ms), time(lately.p99_ms)]
}

/// A time as people say it.
fn span(seconds: f64) -> String {
    Span(Duration::try_from_secs_f64(seconds).unwrap_or_default()).to_string()
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(what);
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// Days before the end of a certificate from which on it is marked as bad, and as worth a look.
const SOON: i64 = 7;
const LATER: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{
        "version": "0.1.0", "pid": 7, "file": "/etc/mainstay.toml", "started": "2026-11-21T10:00:00.000Z",
        "uptime_s": 4000.5, "phase": "serving", "workers": 2,
        "reload": { "at": "2026-11-21T10:30:00.000Z", "ok": false, "message": "mainstay.toml:3:1: unknown key\nanother" },
        "listeners": [{ "name": "tm", "at": "unix:/qdata/tm.ipc", "kind": "http", "connections": 3, "requests": 4012,
            "in_flight": 1, "answers": { "2xx": 4000, "5xx": 12 }, "lately": { "rps": 401.5, "p50_ms": 1.24, "p99_ms": 38.0 } }],
        "pools": [{ "name": "tessera", "policy": "spread", "waiting": 0, "no_node": 2, "nodes": [
            { "name": "10.0.1.11:9101", "role": "active", "standing": "out",
              "reason": "check /upcheck: no answer in 1s (3 of 3)\u001b[2J", "since": "2026-11-21T11:06:00.000Z", "for_s": 42.0,
              "in_flight": 0, "idle_connections": 0, "requests": 2000, "failures": 12, "lately": { "rps": 0 },
              "addresses": ["10.0.1.11:9101"], "checks": [] },
            { "name": "10.0.1.12:9101", "role": "backup", "standing": "in", "since": "2026-11-21T10:00:00.000Z",
              "for_s": 300000.0, "in_flight": 1, "idle_connections": 4, "requests": 2012, "failures": 0,
              "lately": { "rps": 401.5, "p50_ms": 1.2, "p99_ms": 1250.0 }, "addresses": [], "checks": [], "later": 1 }
        ] }],
        "tls": [{ "name": "edge", "subject": "bank-a", "file": "edge.crt", "days_left": -1, "behind": true, "bad_files": ["edge.crl"] },
            { "name": "edge", "subject": "bank-b", "file": "b.crt", "days_left": 0, "hours_left": 23 },
            { "name": "edge", "subject": "root", "file": "ca.crt", "days_left": 3650 }]
    }"#;

    #[test]
    fn a_failure_on_one_screen() {
        let status: Status = serde_json::from_str(STATUS).unwrap();
        let expect = "\
Mainstay 0.1.0, process 7, serving, up for 66 min 41 s, 2 workers, /etc/mainstay.toml
Last reload at 2026-11-21T10:30:00.000Z: REFUSED, the old configuration is kept
  mainstay.toml:3:1: unknown key
  another

LISTENER  AT                  CONNS  UNDER WAY  REQ/S     P50    P99  REQUESTS  5XX
tm        unix:/qdata/tm.ipc      3          1  401.5  1.2 ms  38 ms      4012   12

POOL              STANDING   FOR       UNDER WAY  REQ/S     P50     P99  REQUESTS  FAILED  WHY
tessera           1 of 2 in                                                                spread, 2 found no node
  10.0.1.11:9101  out        42 s              0    0.0       -       -      2000      12  check /upcheck: no answer in 1s (3 of 3)?[2J
  10.0.1.12:9101  in         3 d 11 h          1  401.5  1.2 ms  1.25 s      2012       0  backup

TLS   OF      DAYS LEFT  FILE      WHY
edge  bank-a         -1  edge.crt  not good: edge.crl; what was read before is used
edge  bank-b       23 h  b.crt
edge  root         3650  ca.crt
";
        assert_eq!(render(&status, false), expect);
        let coloured = render(&status, true);
        assert!(
            coloured.contains("\u{1b}[31mout\u{1b}[0m") && coloured.contains("\u{1b}[32min\u{1b}[0m"),
            "{coloured}"
        );
        assert!(!coloured.contains("\u{1b}[2J"), "what nodes say cannot steer the terminal");
    }
}
