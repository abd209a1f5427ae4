//! Adds up a stretch of a load.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Book, Outcome, Record, Rows};

/// What became of the requests that started in a stretch of time.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// How many there were.
    pub requests: usize,
    /// Those whose client saw no success.
    pub lost: Vec<Lost>,
    /// Writes that were confirmed to the client and are not in the database.
    pub missing: usize,
    /// Writes that are in the database more than once.
    pub twice: usize,
    /// Longest time without a good answer.
    pub longest_gap: Duration,
    /// Longest time to a good answer.
    pub slowest: Duration,
    /// The latest start: what is measured on a machine that is too busy to keep time says little.
    pub late: Duration,
}

/// A request whose client saw no success.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The request.
    pub record: Record,
    /// The node that wrote it all the same, which its client cannot know.
    pub written_by: Option<String>,
}

/// Short enough to be read: the first few of what is lost, with the time since the very first of them.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, lost, missing, twice, longest_gap, slowest, late } = self;
        write!(f, "{requests} requests, {} lost, {missing} missing, {twice} twice, ", lost.len())?;
        write!(f, "longest gap {longest_gap:?}, slowest {slowest:?}, late {late:?}")?;
        let Some(first) = lost.first().map(|lost| lost.record.start) else { return Ok(()) };
        lost.iter().take(SHOWN).try_for_each(|lost| write!(f, "\n  +{:?}: {lost}", lost.record.start - first))
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.record.write { "a write" } else { "a read" })?;
        if let Some((end, Outcome::Failed(failure))) = self.record.end {
            write!(f, ", {failure} after {:?}", end - self.record.start)?;
        }
        self.written_by.as_ref().map_or(Ok(()), |node| write!(f, ", written by {node} all the same"))
    }
}

impl Account {
    /// Adds up what started between `from` and `to`.
    pub fn of(book: &Book, rows: &Rows, from: Instant, to: Instant) -> Self {
        book.look(|records| {
            let first = records.partition_point(|record| record.start < from);
            let end = records.partition_point(|record| record.start < to);
            let near = records.partition_point(|record| record.start + LONGEST_REQUEST < from);
            let mut account = Self {
                longest_gap: longest_gap(records.get(near..end).unwrap_or_default(), from, to),
                ..Self::default()
            };
            for (number, record) in records.iter().enumerate().take(end).skip(first) {
                let written = if record.write { rows.of(&book.id(number)) } else { &[] };
                account.add(record, written);
            }
            account
        })
    }

    fn add(&mut self, record: &Record, written: &[String]) {
        self.requests += 1;
        self.twice += usize::from(written.len() > 1);
        self.late = self.late.max(record.late);
        if !record.is_done() {
            self.lost.push(Lost { record: record.clone(), written_by: written.first().cloned() });
            return;
        }
        self.missing += usize::from(record.write && written.is_empty());
        if let Some((end, _)) = record.end {
            self.slowest = self.slowest.max(end - record.start);
        }
    }
}

/// The longest time between two good answers, whichever requests they belong to; both ends of the stretch count as one.
fn longest_gap(records: &[Record], from: Instant, to: Instant) -> Duration {
    let mut answers: Vec<Instant> = records
        .iter()
        .filter(|record| record.is_done())
        .filter_map(|record| record.end.map(|(end, _)| end))
        .filter(|end| (from..to).contains(end))
        .chain([from, to])
        .collect();
    answers.sort_unstable();
    answers.iter().zip(answers.iter().skip(1)).map(|(one, next)| *next - *one).max().unwrap_or_default()
}

/// How many of what is lost are shown.
const SHOWN: usize = 20;
/// A request that started longer ago than this is no longer under way.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);
