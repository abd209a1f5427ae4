//! The acts as a table: fills up while the demo plays, and is its verdict in the end.

use std::time::{Duration, Instant};

use super::super::load::{Account, Rows};
use super::super::scene::{Act, Found, Half, Progress, Scene};
use super::super::verdict::Verdict;
use super::{Line, Style};

/// A heading and a row for each act.
pub(in crate::demo) fn table(scene: &Scene) -> Vec<Line> {
    let heading = match scene.half {
        Half::Shared => format!(
            "    {:<TITLE$}{:>COUNT$}{:>COUNT$}{:>COUNT$}{:>GAP$}{:>SLOWEST$}",
            "what is done", "requests", "lost", "twice", "longest gap", "slowest"
        ),
        Half::Guarded => format!(
            "    {:<TITLE$}{:>COUNT$}{:>FEW$}{:>FEW$}{:>FEW$}{:>TIME$}{:>GAP$}",
            "what is done", "requests", "lost", "twice", "stale", "takeover", "longest gap"
        ),
    };
    let mut lines = vec![Line::new().put(Style::Dim, heading)];
    for act in &scene.acts {
        lines.extend(rows(act, scene));
    }
    lines
}

/// The last word.
pub(in crate::demo) fn summary(verdict: &Verdict) -> Vec<Line> {
    let (style, word) = if verdict.passed { (Style::Good, "passed") } else { (Style::Bad, "failed") };
    let Verdict { seconds, requests, lost, done_twice, missing, .. } = verdict;
    let twice = if *done_twice == 0 { "none".to_owned() } else { done_twice.to_string() };
    let written = if *missing == 0 {
        "every confirmed write is in the database".to_owned()
    } else {
        format!("{missing} confirmed writes are not in the database")
    };
    let mut lines = vec![Line::new().put(Style::Plain, "  ").put(style, word).put(
        Style::Plain,
        format!(" in {seconds:.0} s: {requests} requests, {lost} lost, {twice} done twice; {written}"),
    )];
    let Verdict { stale_writes, overlaps, tenured_rows, .. } = verdict;
    if *tenured_rows > 0 {
        let text = format!(
            "  of {tenured_rows} rows written under a lease, in the database's own order: {stale_writes} stale, {overlaps} overlaps"
        );
        lines.push(Line::new().put(Style::Plain, text));
    }
    lines.extend(verdict.mishap.iter().map(|mishap| Line::new().put(Style::Bad, format!("  {mishap}"))));
    lines
}

fn rows(act: &Act, scene: &Scene) -> Vec<Line> {
    match &act.progress {
        Progress::Ahead => vec![Line::new().put(Style::Dim, format!("    {}", act.kind.title()))],
        Progress::Now { from } => {
            // What is in the database is looked up when the act is over.
            let mut account = Account::of(&scene.book, &Rows::default(), *from, Instant::now());
            account.lost.retain(|lost| lost.record.end.is_some());
            let head = Line::new().put(Style::Accent, "  ▸ ").put(Style::Bold, format!("{:<TITLE$}", act.kind.title()));
            vec![figures(head, scene.half, &account, None)]
        }
        Progress::Over(over) => {
            let (style, mark) = if over.ruling.passed() { (Style::Good, "  ✔ ") } else { (Style::Bad, "  ✘ ") };
            let head = Line::new().put(style, mark).put(Style::Plain, format!("{:<TITLE$}", act.kind.title()));
            let mut lines = vec![figures(head, scene.half, &over.account, Some(&over.found))];
            if !over.ruling.note.is_empty() {
                lines.push(Line::new().put(Style::Dim, format!("      {}", over.ruling.note)));
            }
            lines
                .extend(over.ruling.broken.iter().map(|broken| Line::new().put(Style::Bad, format!("      {broken}"))));
            lines
        }
    }
}

/// What an act cost. What is in the database is known when it is over.
fn figures(head: Line, half: Half, account: &Account, found: Option<&Found>) -> Line {
    let few = if half == Half::Shared { COUNT } else { FEW };
    let lost = if account.lost.is_empty() { Style::Plain } else { Style::Warn };
    let none_may = |line: Line, count: Option<usize>| {
        let style = if count.unwrap_or(0) > 0 { Style::Bad } else { Style::Plain };
        line.put(style, format!("{:>few$}", count.map_or_else(|| "–".to_owned(), |count| count.to_string())))
    };
    let line = head
        .put(Style::Plain, format!("{:>COUNT$}", account.requests))
        .put(lost, format!("{:>few$}", account.lost.len()));
    let line = none_may(line, found.map(|_| account.twice));
    let gap = format!("{:>GAP$}", time(account.longest_gap));
    match half {
        Half::Shared => line.put(Style::Plain, gap + &format!("{:>SLOWEST$}", time(account.slowest))),
        Half::Guarded => {
            let line = none_may(line, found.and_then(|found| Some(found.order?.stale)));
            let takeover = found.and_then(|found| found.takeover.as_ref()?.ready);
            let takeover = takeover.map_or_else(|| "–".to_owned(), time);
            line.put(Style::Accent, format!("{takeover:>TIME$}")).put(Style::Plain, gap)
        }
    }
}

/// A time as people say it.
pub(super) fn time(time: Duration) -> String {
    match time.as_millis() {
        0..1 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

const TITLE: usize = 25;
const COUNT: usize = 9;
/// Of counts that stay small, where there are many columns.
const FEW: usize = 6;
const TIME: usize = 10;
const GAP: usize = 13;
const SLOWEST: usize = 10;
const _: () = assert!(4 + TITLE + 3 * COUNT + GAP + SLOWEST < 80, "a row fits into the usual terminal");
const _: () = assert!(4 + TITLE + COUNT + 3 * FEW + TIME + GAP < 80, "so does one of the second half");
