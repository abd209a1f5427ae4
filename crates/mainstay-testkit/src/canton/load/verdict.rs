//! What came of it, by the clients' word and the database's.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_postgres::Client;

use super::super::grpc::{Code, Status};
use super::Findings;
use super::book::{Book, Fate, Pages, Track};

/// When something was done, and what is expected of it.
#[derive(Clone, Copy, Debug)]
pub struct Struck {
    /// From when times are counted.
    pub at: Instant,
    /// Longest time for one try of a command; who waits longer than that, and a second and a half, hung.
    pub timeout: Duration,
    /// Longest time in which streams may end.
    pub ended_within: Option<Duration>,
    /// Whether clients must notice nothing of it: no stream may end, and no try fail.
    pub unnoticed: bool,
}

/// Figures of a drill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// Commands that were sent.
    pub commands: usize,
    /// Those whose client was told that they are done.
    pub done: usize,
    /// Those of them that were sent again and refused as done before.
    pub duplicates: usize,
    /// Those whose clients gave up.
    pub given_up: usize,
    /// Tries that failed, by code and who said so.
    pub failed: BTreeMap<String, usize>,
    /// Tries that got no answer in their time: nobody, not even the front, said anything.
    pub hung: usize,
    /// Commands that the database has more than once.
    pub twice: usize,
    /// Commands whose client was told that they are done, and which the database does not have.
    pub lost: usize,
    /// Commands whose client was told that they are done, and which no stream has shown.
    pub unseen: usize,
    /// Commands that streams showed more than once.
    pub shown_twice: usize,
    /// Streams that were open when it was struck.
    pub streams: usize,
    /// How those ended, by code and who said so.
    pub ended: BTreeMap<String, usize>,
    /// When the last of them had ended, in milliseconds after the stroke.
    pub ended_ms: Option<f64>,
    /// When the last of them was open again.
    pub reopened_ms: Option<f64>,
    /// When the first command that was sent after the stroke was done.
    pub back_ms: Option<f64>,
    /// Longest time in which no command was done, in milliseconds.
    pub longest_gap_ms: f64,
    /// Streams that ended later than they may.
    pub late: usize,
    /// Streams that ended and tries that failed although nobody was to notice anything.
    pub disturbed: usize,
    /// How often new connections were shown another certificate than before.
    pub rotated: usize,
    /// Connections that were made meanwhile, each for a call of its own.
    pub connected: usize,
    /// Clients that were refused, and what for: counted and told.
    pub refused: Vec<String>,
    /// What was not as it must be, beside the load.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Of clients that have finished.
    pub async fn of(
        book: &Book,
        database: &Client,
        struck: Struck,
        findings: Findings,
    ) -> Result<Self, tokio_postgres::Error> {
        let twice = database.query("SELECT command_id, count(*) FROM updates GROUP BY command_id", &[]).await?;
        let mut effects: BTreeMap<String, i64> = BTreeMap::new();
        for row in twice {
            effects.insert(row.try_get(0)?, row.try_get(1)?);
        }
        let unseen = book.unseen().len();
        let pages = book.pages();
        let Findings { rotated, connected, refused, wrong } = findings;
        let commands = pages.commands.len();
        let mut verdict = Self { commands, unseen, rotated, connected, refused, wrong, ..Self::default() };
        verdict.count_commands(&pages, &effects, struck);
        verdict.shown_twice = pages.seen.values().filter(|count| **count > 1).count();
        verdict.count_streams(&pages.streams, struck);
        if struck.unnoticed {
            verdict.disturbed = verdict.ended.values().chain(verdict.failed.values()).sum();
        }
        Ok(verdict)
    }

    /// What is not as it must be, whatever the figures.
    pub fn broken(&self) -> Vec<String> {
        let wrong = [
            (self.twice, "commands were done twice"),
            (self.lost, "acknowledged commands are not in the database"),
            (self.unseen, "acknowledged commands were shown by no stream"),
            (self.shown_twice, "commands were shown twice"),
            (self.hung, "tries got no answer at all"),
            (self.given_up, "commands were given up"),
            (usize::from(self.done == 0), "run without a single command done"),
            (self.late, "streams ended too late"),
            (self.disturbed, "streams ended or tries failed although nobody was to notice anything"),
        ];
        let counted = wrong.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        counted.chain(self.wrong.iter().cloned()).collect()
    }

    fn count_commands(&mut self, pages: &Pages, effects: &BTreeMap<String, i64>, struck: Struck) {
        let mut ends: Vec<Instant> = Vec::new();
        let mut back: Option<Instant> = None;
        for (id, record) in &pages.commands {
            let effect = effects.get(id).copied().unwrap_or_default();
            self.twice += usize::from(effect > 1);
            for status in &record.failed {
                *self.failed.entry(name(status)).or_default() += 1;
                self.hung += usize::from(!status.said && status.code == Code::DeadlineExceeded);
            }
            match record.end {
                Some((end, fate @ (Fate::Done | Fate::Duplicate))) => {
                    self.done += 1;
                    self.duplicates += usize::from(fate == Fate::Duplicate);
                    self.lost += usize::from(effect == 0);
                    ends.push(end);
                    if record.begun > struck.at {
                        back = Some(back.map_or(end, |back| back.min(end)));
                    }
                }
                Some((_, Fate::GivenUp)) => self.given_up += 1,
                None => self.hung += 1,
            }
        }
        ends.sort();
        let gaps = ends.windows(2).filter_map(|pair| Some(pair.last()?.duration_since(*pair.first()?)));
        self.longest_gap_ms = ms(gaps.max().unwrap_or_default());
        self.back_ms = back.map(|back| ms(back.duration_since(struck.at)));
    }

    fn count_streams(&mut self, tracks: &[Track], struck: Struck) {
        let at = struck.at;
        let (mut last_end, mut last_open) = (None, None);
        for track in tracks {
            let opened = track.opened.iter().filter(|opened| **opened <= at).count();
            let ended_before = track.ended.iter().filter(|(ended, _)| *ended <= at).count();
            if opened <= ended_before {
                continue;
            }
            self.streams += 1;
            let Some((end, status)) = track.ended.get(ended_before) else {
                if !struck.unnoticed {
                    *self.ended.entry("not at all".to_owned()).or_default() += 1;
                    self.late += usize::from(struck.ended_within.is_some());
                }
                continue;
            };
            self.late += usize::from(struck.ended_within.is_some_and(|within| *end > at + within));
            *self.ended.entry(name(status)).or_default() += 1;
            last_end = last_end.max(Some(*end));
            // One that is not back by the end counts as never.
            let back = track.opened.get(track.ended.len()).copied().filter(|back| back >= end);
            match back {
                Some(_) => last_open = last_open.max(track.opened.get(opened).copied()),
                None => *self.ended.entry("and did not come back".to_owned()).or_default() += 1,
            }
        }
        self.ended_ms = last_end.map(|end| ms(end.saturating_duration_since(at)));
        self.reopened_ms = last_open.map(|open| ms(open.saturating_duration_since(at)));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commands, done, duplicates, given_up, hung, twice, lost, unseen, streams, .. } = self;
        let after = |ms: Option<f64>| ms.map_or("never".to_owned(), |ms| format!("{ms:.0} ms"));
        writeln!(f, "commands          {commands}, {done} done ({duplicates} of them by the word of deduplication)")?;
        writeln!(
            f,
            "  given up {given_up}, hung {hung}, done twice {twice}, lost {lost}, shown by no stream {unseen}"
        )?;
        writeln!(f, "  failed tries    {:?}", self.failed)?;
        writeln!(f, "  first done again {}, longest gap {:.0} ms", after(self.back_ms), self.longest_gap_ms)?;
        writeln!(f, "streams           {streams} open when struck, ended {:?}", self.ended)?;
        writeln!(f, "  last ended {}, last open again {}", after(self.ended_ms), after(self.reopened_ms))?;
        if self.connected > 0 {
            writeln!(
                f,
                "certificates      changed {} times, {} new connections meanwhile",
                self.rotated, self.connected
            )?;
        }
        if !self.refused.is_empty() {
            writeln!(f, "refused           {}", self.refused.join("; "))?;
        }
        match self.broken().as_slice() {
            [] => writeln!(f, "passed"),
            broken => writeln!(f, "failed: {}", broken.join("; ")),
        }
    }
}

/// The code and the error's name, and whether the other side said so.
fn name(status: &Status) -> String {
    let error = status.message.split(['(', ':']).next().unwrap_or_default();
    let who = if status.said { "" } else { "cut: " };
    format!("{who}{} {}", status.code.number(), error.trim())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
