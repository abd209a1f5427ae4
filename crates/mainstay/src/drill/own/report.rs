//! What is told in the end.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::super::kind::Kind;
use super::super::report::Spread;
use super::crew::Target;
use crate::demo::load::Order;

/// A drill's verdict with what it rests on.
#[derive(Clone, Debug, Serialize)]
pub(in crate::drill) struct Report {
    drill: Kind,
    pub(in crate::drill) passed: bool,
    files: Vec<PathBuf>,
    lease: String,
    tier: String,
    ttl_ms: f64,
    active_ms: Option<Spread>,
    ready_ms: Option<Spread>,
    /// Absent without `--probe`, like what follows.
    longest_gap_ms: Option<Spread>,
    requests: Option<usize>,
    lost: Option<usize>,
    /// Absent without `--audit`, like what follows.
    rows: Option<usize>,
    stale_writes: Option<usize>,
    overlaps: Option<usize>,
    /// What was not as it must be.
    broken: Vec<String>,
    /// What the operator is to do.
    notes: Vec<String>,
    runs: Vec<Run>,
}

/// What came of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    pub(super) active_ms: Option<f64>,
    pub(super) ready_ms: Option<f64>,
    pub(super) longest_gap_ms: Option<f64>,
    pub(super) requests: Option<usize>,
    pub(super) lost: Option<usize>,
    pub(super) takeovers: usize,
    pub(super) broken: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Run {
    /// In one line.
    pub(super) fn told(&self) -> String {
        let mut said =
            vec![self.ready_ms.map_or("the lease stayed".to_owned(), |ready| format!("ready after {ready:.0} ms"))];
        if let (Some(lost), Some(requests)) = (self.lost, self.requests) {
            said.push(format!("{lost} of {requests} requests lost"));
        }
        said.extend(self.broken.iter().map(|what| format!("broken: {what}")));
        said.extend(self.notes.iter().cloned());
        said.join(", ")
    }
}

impl Report {
    pub(super) fn new(kind: Kind, target: &Target, files: &[PathBuf]) -> Self {
        Self {
            drill: kind,
            passed: true,
            files: files.to_owned(),
            lease: target.lease.name.clone(),
            tier: target.lease.tier.clone(),
            ttl_ms: target.lease.ttl_s * 1000.0,
            active_ms: None,
            ready_ms: None,
            longest_gap_ms: None,
            requests: None,
            lost: None,
            rows: None,
            stale_writes: None,
            overlaps: None,
            broken: Vec::new(),
            notes: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Adds a run.
    pub(super) fn add(&mut self, run: Run) {
        self.runs.push(run.clone());
        let number = self.runs.len();
        self.broken.extend(run.broken.into_iter().map(|what| format!("run {number}: {what}")));
        self.notes.extend(run.notes);
        let sum = |of: fn(&Run) -> Option<usize>| self.runs.iter().filter_map(of).reduce(|all, one| all + one);
        (self.requests, self.lost) = (sum(|run| run.requests), sum(|run| run.lost));
        let spread = |of: fn(&Run) -> Option<f64>| Spread::of(self.runs.iter().filter_map(of));
        self.active_ms = spread(|run| run.active_ms);
        self.ready_ms = spread(|run| run.ready_ms);
        self.longest_gap_ms = spread(|run| run.longest_gap_ms);
        self.passed = self.broken.is_empty();
    }

    /// Adds what the nodes wrote meanwhile.
    pub(super) fn audit(&mut self, order: Order) {
        (self.rows, self.stale_writes, self.overlaps) = (Some(order.rows), Some(order.stale), Some(order.overlaps));
        if order.stale > 0 {
            self.broken.push(format!("{} stale writes in {} overlaps", order.stale, order.overlaps));
        }
        if order.rows == 0 {
            self.broken.push("the nodes wrote nothing with a token, so that nothing is shown".to_owned());
        }
        self.passed = self.broken.is_empty();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.runs.len();
        let times = if runs == 1 { "once".to_owned() } else { format!("{runs} times") };
        writeln!(
            f,
            "{}: {}, {times}, on lease `{}` ({})",
            self.drill.name(),
            self.drill.what(),
            self.lease,
            self.tier
        )?;
        for (what, spread) in [
            ("successor active", self.active_ms),
            ("successor's node ready", self.ready_ms),
            ("longest gap for clients", self.longest_gap_ms),
        ] {
            spread.map_or(Ok(()), |spread| writeln!(f, "  {what:<30}{spread}"))?;
        }
        match (self.lost, self.requests) {
            (Some(lost), Some(requests)) => writeln!(f, "  {:<30}{lost} of {requests}", "requests lost")?,
            _ => writeln!(f, "  {:<30}not counted (--probe)", "requests lost")?,
        }
        match (self.stale_writes, self.rows, self.overlaps) {
            (Some(stale), Some(rows), Some(overlaps)) => {
                writeln!(f, "  {:<30}{stale} of {rows} rows, {overlaps} overlaps", "stale writes")?;
            }
            _ => writeln!(f, "  {:<30}not counted (--audit)", "stale writes")?,
        }
        self.broken.iter().try_for_each(|broken| writeln!(f, "  broken: {broken}"))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))?;
        writeln!(f, "{}", if self.passed { "passed" } else { "failed" })
    }
}
