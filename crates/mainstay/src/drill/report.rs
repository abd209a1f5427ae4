//! What is told in the end.

use std::fmt;

use serde::Serialize;

use super::Args;
use super::kind::Kind;
use super::play::{Played, Run};
use crate::demo::guarded::Set;

/// A drill's verdict with what it rests on.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    drill: Kind,
    pub(super) passed: bool,
    store: String,
    ttl_ms: u128,
    /// From the failure until the successor was fenced and active, in milliseconds.
    active_ms: Option<Spread>,
    /// The same without what a planned switch-over's previous holder needed to drain, and its node to stop.
    control_ms: Option<Spread>,
    /// From the failure until the successor's node was ready.
    ready_ms: Option<Spread>,
    /// From when the database could be written to again until a client's write was confirmed.
    resumed_ms: Option<Spread>,
    /// Longest time without a good answer, in each run.
    longest_gap_ms: Option<Spread>,
    requests: usize,
    lost: usize,
    /// Rows that the nodes wrote, over all runs.
    rows: usize,
    /// Rows of a replaced holder behind one of its successor, in the database's own order.
    stale_writes: usize,
    /// How often a replaced holder wrote on.
    overlaps: usize,
    /// Confirmed writes that the database does not have.
    missing: usize,
    /// Rows of a node that remembered a write which the database does not have.
    written_back: usize,
    /// What was not as it must be.
    broken: Vec<String>,
    runs: Vec<Run>,
}

/// The middle and the worst of some figures.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Spread {
    median: f64,
    p99: f64,
    worst: f64,
}

impl Spread {
    pub(super) fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at =
            |share: usize| figures.get((figures.len() * share / 100).min(figures.len().saturating_sub(1))).copied();
        Some(Self { median: at(50)?, p99: at(99)?, worst: figures.last().copied()? })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, p99, worst } = self;
        write!(f, "median {median:>7.0} ms   p99 {p99:>7.0} ms   worst {worst:>7.0} ms")
    }
}

impl Report {
    /// Of all runs of a drill, and of what the database holds.
    pub(super) fn of(kind: Kind, args: &Args, set: &Set, played: Played) -> Self {
        let Played { runs, order, written_back } = played;
        let mut broken: Vec<String> = Vec::new();
        for (number, run) in runs.iter().enumerate() {
            broken.extend(run.broken.iter().map(|what| format!("run {}: {what}", number + 1)));
        }
        if order.stale > 0 {
            broken.push(format!("{} stale writes in {} overlaps", order.stale, order.overlaps));
        }
        if written_back > 0 {
            broken.push(format!("{written_back} rows written by a node that remembered more than its database"));
        }
        if order.rows == 0 {
            broken.push("the nodes wrote nothing, so that nothing is shown".to_owned());
        }
        Self {
            drill: kind,
            passed: broken.is_empty(),
            store: set.store(),
            ttl_ms: (args.renew * 3).as_millis(),
            active_ms: Spread::of(runs.iter().filter_map(|run| run.active_ms)),
            control_ms: Spread::of(runs.iter().filter_map(|run| run.control_ms)),
            ready_ms: Spread::of(runs.iter().filter_map(|run| run.ready_ms)),
            resumed_ms: Spread::of(runs.iter().filter_map(|run| run.resumed_ms)),
            longest_gap_ms: Spread::of(runs.iter().map(|run| run.longest_gap_ms)),
            requests: runs.iter().map(|run| run.requests).sum(),
            lost: runs.iter().map(|run| run.lost).sum(),
            rows: order.rows,
            stale_writes: order.stale,
            overlaps: order.overlaps,
            missing: runs.iter().map(|run| run.missing).sum(),
            written_back,
            broken,
            runs,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.runs.len();
        let times = if runs == 1 { "once".to_owned() } else { format!("{runs} times") };
        writeln!(f, "{}: {}, {times}, on {}", self.drill.name(), self.drill.what(), self.store)?;
        for (what, spread) in [
            ("successor fenced and active", self.active_ms),
            ("  without drain and stop", self.control_ms),
            ("successor's node ready", self.ready_ms),
            ("writes resumed", self.resumed_ms),
            ("longest gap for clients", self.longest_gap_ms),
        ] {
            spread.map_or(Ok(()), |spread| writeln!(f, "  {what:<30}{spread}"))?;
        }
        writeln!(f, "  {:<30}{} of {}", "requests lost", self.lost, self.requests)?;
        writeln!(f, "  {:<30}{} of {} rows, {} overlaps", "stale writes", self.stale_writes, self.rows, self.overlaps)?;
        if self.missing > 0 {
            writeln!(f, "  {:<30}{}", "confirmed writes lost", self.missing)?;
        }
        for broken in &self.broken {
            writeln!(f, "  broken: {broken}")?;
        }
        writeln!(f, "{}", if self.passed { "passed" } else { "failed" })
    }
}
