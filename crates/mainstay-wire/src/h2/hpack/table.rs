//! A dynamic table (RFC 7541 2.3.2, 4): the last fields that were sent with indexing, newest first.

use std::collections::VecDeque;

/// Entries in one buffer, so that adding one allocates nothing once the buffer has grown.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    text: Vec<u8>,
    /// Newest first.
    entries: VecDeque<Entry>,
    /// Sum of the entries' sizes as the RFC counts them.
    size: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: usize,
    name: usize,
    value: usize,
    hash: u32,
}

impl Table {
    /// An empty table of at most `most` bytes as the RFC counts them.
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Its bound.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Changes the bound; entries beyond it go.
    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
        self.evict(0);
    }

    /// Entry `place`, 0 being the newest.
    pub(super) fn get(&self, place: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(place)?;
        let value_at = entry.at + entry.name;
        Some((self.text.get(entry.at..value_at)?, self.text.get(value_at..value_at + entry.value)?))
    }

    /// Adds a field as the newest. One larger than the whole table empties it (RFC 7541 4.4).
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let size = entry_size(name, value);
        self.evict(size);
        if size > self.most {
            return;
        }
        let needs = name.len() + value.len();
        if self.text.len() + needs > 2 * self.most.max(SMALLEST) {
            self.compact();
        }
        let at = self.text.len();
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(value);
        self.size += size;
        self.entries.push_front(Entry { at, name: name.len(), value: value.len(), hash: hash(name, value) });
    }

    /// Where a field stands, 0 being the newest; `Err` with the place of one that has its name alone.
    pub(super) fn find(&self, name: &[u8], value: &[u8]) -> Option<Result<usize, usize>> {
        let wanted = hash(name, value);
        let same = |(place, entry): (usize, &Entry)| {
            (entry.hash == wanted && self.get(place) == Some((name, value))).then_some(place)
        };
        if let Some(place) = self.entries.iter().enumerate().find_map(same) {
            return Some(Ok(place));
        }
        let named = |place: &usize| self.get(*place).is_some_and(|(known, _)| known == name);
        (0..self.entries.len()).find(named).map(Err)
    }

    fn evict(&mut self, room: usize) {
        while self.size + room > self.most {
            let Some(oldest) = self.entries.pop_back() else { break };
            self.size -= oldest.name + oldest.value + ENTRY_OVERHEAD;
        }
        if self.entries.is_empty() {
            self.text.clear();
        }
    }

    /// Moves the living entries, which are the last of the text, to its start.
    fn compact(&mut self) {
        let start = self.entries.back().map_or(self.text.len(), |oldest| oldest.at);
        self.text.drain(..start);
        for entry in &mut self.entries {
            entry.at -= start;
        }
    }
}

/// The size of a field in a table or a list, as RFC 7541 4.1 and RFC 9113 6.5.2 count it.
pub(super) fn entry_size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_OVERHEAD
}

/// Only to compare less.
fn hash(name: &[u8], value: &[u8]) -> u32 {
    let lengths = (name.len() as u64) << 32 ^ value.len() as u64;
    let mixed = [ends(name), ends(value)].into_iter().fold(lengths, |hash, word| {
        let product = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        product ^ product >> 32
    });
    u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or(0)
}

/// The first and the last eight bytes: long texts differ soon or late.
fn ends(text: &[u8]) -> u64 {
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// What an entry counts beside its bytes.
const ENTRY_OVERHEAD: usize = 32;

/// Text kept before the first compaction, however small the table.
const SMALLEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_room_is_needed() {
        let mut table = Table::new(3 * (32 + 2));
        for name in [b"a", b"b", b"c", b"d"] {
            table.add(name, b"1");
        }
        assert_eq!(table.len(), 3);
        assert_eq!(table.get(0), Some((&b"d"[..], &b"1"[..])));
        assert_eq!(table.get(2), Some((&b"b"[..], &b"1"[..])));
        assert_eq!(table.find(b"a", b"1"), None);
        assert_eq!(table.find(b"c", b"1"), Some(Ok(1)));
        assert_eq!(table.find(b"c", b"2"), Some(Err(1)));
        table.set_most(34);
        assert_eq!(table.len(), 1);
        table.add(b"long", b"longer than the table");
        assert_eq!((table.len(), table.size), (0, 0));
    }

    #[test]
    fn the_text_stays_small_and_right() {
        let mut table = Table::new(400);
        for turn in 0..10_000_u32 {
            let (name, value) = (format!("n{}", turn % 7), format!("value-{turn}"));
            table.add(name.as_bytes(), value.as_bytes());
            assert_eq!(table.get(0), Some((name.as_bytes(), value.as_bytes())));
            assert_eq!(table.find(name.as_bytes(), value.as_bytes()), Some(Ok(0)));
            assert!(table.text.len() <= 800);
            let sum: usize = (0..table.len()).filter_map(|at| table.get(at)).map(|(n, v)| entry_size(n, v)).sum();
            assert_eq!(sum, table.size);
        }
    }
}
