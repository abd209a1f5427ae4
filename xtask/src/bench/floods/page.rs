//! docs/floods.md.

use std::fmt::Write as _;

use super::kind::Kind;
use super::{CONNECTIONS, Measured, RATE};
use crate::bench::report;

/// The whole page.
pub(super) fn write(rows: &[(Kind, Measured)], rounds: usize, seconds: f64) -> String {
    let mut text = String::from(HEAD);
    for (kind, measured) in rows {
        let _ = writeln!(text, "{}", row(*kind, measured));
    }
    let _ = write!(text, "\n## How it was measured\n\n{}", report::hardware());
    let _ = writeln!(
        text,
        "- a good client: {RATE:.0} calls of gRPC a second over {CONNECTIONS} connections, at random moments; the time runs \
         from when a call was due; {rounds} rounds of {seconds} s without and {seconds} s with the flood, in turn"
    );
    text.push_str(TAIL);
    text
}

/// A line of the table.
pub(super) fn row(kind: Kind, measured: &Measured) -> String {
    let (quiet, flooded) = (median(&measured.quiet), median(&measured.flooded));
    let cuts: Vec<_> = measured.told.iter().flat_map(|told| &told.cut).collect();
    let sent: Vec<f64> = cuts.iter().map(|(sent, _)| *sent as f64 / 1024.0).collect();
    let lasted: Vec<f64> = cuts.iter().map(|(_, lasted)| lasted.as_secs_f64() * 1000.0).collect();
    let growth = measured.growth.iter().copied().max().unwrap_or_default();
    format!(
        "| {} | {quiet:.0} | {flooded:.0} | {:.2} | {} | {} | {:.0} | {:.1} |",
        kind.title(),
        flooded / quiet,
        growth >> 10,
        cuts.len(),
        median(&sent),
        median(&lasted),
    )
}

/// The one in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const HEAD: &str = "\
# Floods

Written by `cargo xtask floods`; run it to repeat them on your own machine. What is counted and cut is in
[http2.md](http2.md#floods).

An attacker connects to the listener that a good client uses, with the same worker behind it, sends as fast as it is let, and
comes back 10 ms after it was cut, all the time. The good client must not notice: its p99 has to stay below twice what it is
without the flood, memory may grow by less than 1 MiB at its largest, and each of the attacker's connections has to be cut.

| flood | p99 without, µs | p99 with, µs | ratio | memory, KiB more at most | cut | after KiB (median) | after ms (median) |
|---|---:|---:|---:|---:|---:|---:|---:|
";

const TAIL: &str = "\
- the p99 of each round; the figure is the median of them. Memory: the largest resident set while the flood went on, less
  that before, and of that the largest of all rounds
- one worker on one core; load, nodes and attacker on another, in one loop, which writes 16 KiB of the flood at each turn
- `send_timeout` is 500 ms, instead of 30 s, so that those that do not read are cut within a round
- everything goes over loopback
";
