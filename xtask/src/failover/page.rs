//! The table in docs/failover.md.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::rows::{ROWS, Row};
use crate::root;

/// A row as it stands in the table.
pub(super) fn line(row: &Row, report: &Value) -> String {
    let spread = |what: &str| match &report[what] {
        Value::Null => "-".to_owned(),
        spread => {
            let of = |which: &str| spread[which].as_f64().unwrap_or_default();
            format!("{:.0} / {:.0}", of("median"), of("worst"))
        }
    };
    let broken = report["broken"].as_array().map_or(0, Vec::len);
    let verdict = if broken == 0 { String::new() } else { format!(" **not met {broken} times**") };
    format!(
        "{} {} | {} | {} | {} | {} | {} | {} | {} of {} | {} | {}{verdict} |",
        head(row),
        report["ttl_ms"],
        report["count"],
        spread("active_ms"),
        spread("control_ms"),
        spread("ready_ms"),
        spread("resumed_ms"),
        spread("longest_gap_ms"),
        report["lost"],
        report["requests"],
        report["stale_writes"],
        row.wanted,
    )
}

/// How a row begins: by this it is found again.
fn head(row: &Row) -> String {
    format!("| {} | {} |", row.what, row.store.name())
}

/// Puts a line into the table, in place of the one before. Lines of rows that are no more are left out.
pub(super) fn write(row: &Row, line: &str) -> Result<()> {
    let path = root().join("docs/failover.md");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("docs/failover.md has no place for the figures")?;
    let (old, after) = rest.split_once(END).context("docs/failover.md has no end of the figures")?;
    let table = table(old, row, line);
    let page = format!("{before}{BEGIN}\n{}\n\n{table}{END}{after}", machine());
    fs::write(&path, page).context("write docs/failover.md")
}

fn table(old: &str, row: &Row, line: &str) -> String {
    let mut text = HEAD.to_owned();
    for known in ROWS {
        let kept = || old.lines().find(|old| old.starts_with(&head(known)) && columns(old) == columns(HEADINGS));
        let line = if known.name == row.name { Some(line) } else { kept() };
        text.extend(line.into_iter().flat_map(|line| [line, "\n"]));
    }
    text
}

fn columns(line: &str) -> usize {
    line.matches('|').count()
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').nth(1).unwrap_or("?");
    format!(
        "Median / worst of so many runs, which were played in several sets at once; {cores} cores of {model}, load {load}\n\
         over the last five minutes; everything on this one machine, PostgreSQL without fsync."
    )
}

const BEGIN: &str = "<!-- figures: cargo xtask failover -->";
const END: &str = "<!-- end of figures -->";
const HEADINGS: &str = "| what happens | store | ttl, ms | runs | successor active, ms | without drain and stop, ms | its node ready, ms | writes resumed, ms | longest gap for clients, ms | requests lost | stale writes | wanted |";
const HEAD: &str = "| what happens | store | ttl, ms | runs | successor active, ms | without drain and stop, ms | its node ready, ms | writes resumed, ms | longest gap for clients, ms | requests lost | stale writes | wanted |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_the_place_of_its_own_and_of_no_other() {
        let [first, second, ..] = ROWS else { panic!("there are rows") };
        let line = |row: &Row, words: &str| format!("{}{}", head(row), format!(" {words} |").repeat(10));
        let once = table("", second, &line(second, "old"));
        let twice = table(&once, first, &line(first, "one"));
        assert_eq!(twice, format!("{HEAD}{}\n{}\n", line(first, "one"), line(second, "old")));
        let again = table(&twice, second, &line(second, "new"));
        assert_eq!(again, format!("{HEAD}{}\n{}\n", line(first, "one"), line(second, "new")));
        assert_eq!(table(&format!("{} too few |", head(first)), second, ""), format!("{HEAD}\n"));
    }
}
