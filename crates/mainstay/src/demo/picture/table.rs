//! The acts as a table: fills up while the demo plays, and is its verdict in the end.

use std::time::{Duration, Instant};

use super::super::load::{Account, Rows};
use super::super::scene::{Act, Progress, Scene};
use super::super::verdict::Verdict;
use super::{Line, Style};

/// A heading and a row for each act.
pub(in crate::demo) fn table(scene: &Scene) -> Vec<Line> {
    let heading = format!(
        "    {:<TITLE$}{:>COUNT$}{:>COUNT$}{:>COUNT$}{:>GAP$}{:>SLOWEST$}",
        "what is done", "requests", "lost", "twice", "longest gap", "slowest"
    );
    let mut lines = vec![Line::new().put(Style::Dim, heading)];
    for act in &scene.acts {
        lines.extend(rows(act, scene));
    }
    lines
}

/// The last word.
pub(in crate::demo) fn summary(verdict: &Verdict) -> Line {
    let (style, word) = if verdict.passed { (Style::Good, "passed") } else { (Style::Bad, "failed") };
    let Verdict { seconds, requests, lost, done_twice, missing, .. } = verdict;
    let twice = if *done_twice == 0 { "none".to_owned() } else { done_twice.to_string() };
    let written = if *missing == 0 {
        "every confirmed write is in the database".to_owned()
    } else {
        format!("{missing} confirmed writes are not in the database")
    };
    Line::new().put(Style::Plain, "  ").put(style, word).put(
        Style::Plain,
        format!(" in {seconds:.0} s: {requests} requests, {lost} lost, {twice} done twice; {written}"),
    )
}

fn rows(act: &Act, scene: &Scene) -> Vec<Line> {
    match &act.progress {
        Progress::Ahead => vec![Line::new().put(Style::Dim, format!("    {}", act.kind.title()))],
        Progress::Now { from } => {
            // What is in the database is looked up when the act is over.
            let mut account = Account::of(&scene.book, &Rows::default(), *from, Instant::now());
            account.lost.retain(|lost| lost.record.end.is_some());
            let head = Line::new().put(Style::Accent, "  ▸ ").put(Style::Bold, format!("{:<TITLE$}", act.kind.title()));
            vec![figures(head, &account, None)]
        }
        Progress::Over(over) => {
            let (style, mark) = if over.ruling.passed() { (Style::Good, "  ✔ ") } else { (Style::Bad, "  ✘ ") };
            let head = Line::new().put(style, mark).put(Style::Plain, format!("{:<TITLE$}", act.kind.title()));
            let mut lines = vec![figures(head, &over.account, Some(over.account.twice))];
            if !over.ruling.note.is_empty() {
                lines.push(Line::new().put(Style::Dim, format!("      {}", over.ruling.note)));
            }
            lines
                .extend(over.ruling.broken.iter().map(|broken| Line::new().put(Style::Bad, format!("      {broken}"))));
            lines
        }
    }
}

fn figures(head: Line, account: &Account, twice: Option<usize>) -> Line {
    let lost = if account.lost.is_empty() { Style::Plain } else { Style::Warn };
    let twice_style = if twice.unwrap_or(0) > 0 { Style::Bad } else { Style::Plain };
    head.put(Style::Plain, format!("{:>COUNT$}", account.requests))
        .put(lost, format!("{:>COUNT$}", account.lost.len()))
        .put(twice_style, format!("{:>COUNT$}", twice.map_or_else(|| "–".to_owned(), |twice| twice.to_string())))
        .put(Style::Plain, format!("{:>GAP$}{:>SLOWEST$}", time(account.longest_gap), time(account.slowest)))
}

/// A time as people say it.
pub(super) fn time(time: Duration) -> String {
    match time.as_millis() {
        0..1 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

const TITLE: usize = 24;
const COUNT: usize = 9;
const GAP: usize = 13;
const SLOWEST: usize = 10;
const _: () = assert!(4 + TITLE + 3 * COUNT + GAP + SLOWEST < 80, "a row fits into the usual terminal");
