//! The last seconds of a load as columns of a picture.

use std::time::{Duration, Instant};

use super::super::load::Record;

/// What happened in one short stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Good answers.
    pub(super) done: u32,
    /// Good answers by each of the two nodes.
    pub(super) by: [u32; 2],
    /// Requests that failed.
    pub(super) lost: u32,
    /// Requests under way at its end.
    pub(super) waiting: u32,
    /// Longest time to a good answer.
    pub(super) slowest: Duration,
}

/// Sorts what ended in the `count` slots before `now` into them, oldest first.
pub(super) fn slots(records: &[Record], names: [&str; 2], now: Instant, count: usize) -> Vec<Slot> {
    let mut slots = vec![Slot::default(); count];
    let span = SLOT * u32::try_from(count).unwrap_or(u32::MAX);
    for record in records.iter().rev() {
        // Nothing is under way for longer than the slots reach back and a while before.
        if now.saturating_duration_since(record.start) > span + LONGEST_REQUEST {
            break;
        }
        let slot_of = |time: Instant| {
            let age = now.saturating_duration_since(time).as_millis() / SLOT.as_millis();
            usize::try_from(age).ok().and_then(|age| count.checked_sub(age + 1))
        };
        let end = record.end.map(|(end, _)| end);
        if let Some((end, slot)) = end.and_then(|end| Some((end, slots.get_mut(slot_of(end)?)?))) {
            slot.add(record, names, end);
        }
        let (first, last) = (slot_of(record.start).unwrap_or(0), end.map_or(Some(count), slot_of).unwrap_or(0));
        slots.iter_mut().take(last).skip(first).for_each(|slot| slot.waiting += 1);
    }
    slots
}

impl Slot {
    fn add(&mut self, record: &Record, names: [&str; 2], end: Instant) {
        if !record.is_done() {
            self.lost += 1;
            return;
        }
        self.done += 1;
        self.slowest = self.slowest.max(end - record.start);
        for (name, by) in names.iter().zip(&mut self.by) {
            *by += u32::from(record.node.as_deref() == Some(name));
        }
    }
}

/// Draws values as a row of bars, each an eighth of `full` higher than the one below; above zero never looks like zero.
pub(super) fn bars(values: impl Iterator<Item = u128>, full: u128) -> String {
    values
        .map(|value| match value {
            0 => EMPTY,
            _ => {
                let level = (value * 8).div_ceil(full.max(1)).clamp(1, 8);
                usize::try_from(level).ok().and_then(|level| BARS.get(level - 1)).copied().unwrap_or(EMPTY)
            }
        })
        .collect()
}

/// How long a slot is.
pub(super) const SLOT: Duration = Duration::from_millis(250);
const LONGEST_REQUEST: Duration = Duration::from_secs(6);
const EMPTY: char = '·';
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[cfg(test)]
mod tests {
    use super::super::super::load::{Failure, Outcome};
    use super::*;

    #[test]
    fn bars_rise_with_their_values() {
        assert_eq!(bars([0, 1, 50, 51, 100, 900].into_iter(), 100), "·▁▄▅██");
    }

    #[test]
    fn each_answer_falls_into_the_slot_of_its_end() {
        let start = Instant::now();
        let record = |ended_ms: Option<u64>, outcome, node: Option<&str>| Record {
            write: true,
            start,
            late: Duration::ZERO,
            end: ended_ms.map(|ms| (start + Duration::from_millis(ms), outcome)),
            node: node.map(str::to_owned),
        };
        let records = [
            record(Some(10), Outcome::Done, Some("a")),
            record(Some(990), Outcome::Done, Some("b")),
            record(Some(980), Outcome::Failed(Failure::Timeout), None),
            record(None, Outcome::Done, None),
        ];
        let slots = slots(&records, ["a", "b"], start + Duration::from_secs(1), 4);
        let first = Slot { done: 1, by: [1, 0], lost: 0, waiting: 3, slowest: Duration::from_millis(10) };
        let between = Slot { waiting: 3, ..Slot::default() };
        let last = Slot { done: 1, by: [0, 1], lost: 1, waiting: 1, slowest: Duration::from_millis(990) };
        assert_eq!(slots, [first, between, between, last]);
    }
}
