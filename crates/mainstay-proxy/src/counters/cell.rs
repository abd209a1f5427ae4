//! Numbers with a single writer.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mainstay_core::Moment;

/// A number that only grows. One thread writes it (a plain load and store, no locked instruction), any may read it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn absorb(&self, other: &Self) {
        self.add(other.get());
    }
}

/// A number that grows and shrinks. One thread writes it, any may read it.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// `n` less.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// This many.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The number just now; never below zero, even when read in the middle of a change.
    pub fn get(&self) -> u64 {
        u64::try_from(self.0.load(Relaxed).cast_signed()).unwrap_or(0)
    }

    pub(super) fn absorb(&self, other: &Self) {
        self.add(other.get());
    }
}

/// When something last happened. One thread writes it, any may read it.
#[derive(Debug, Default)]
pub struct Latest(AtomicU64);

impl Latest {
    /// It happened.
    pub fn set(&self, now: Moment) {
        self.0.store(now.as_nanos(), Relaxed);
    }

    /// When; `None`: never so far.
    pub fn get(&self) -> Option<Moment> {
        let nanos = self.0.load(Relaxed);
        (nanos > 0).then(|| Moment::ZERO + Duration::from_nanos(nanos))
    }

    pub(super) fn absorb(&self, other: &Self) {
        self.0.fetch_max(other.0.load(Relaxed), Relaxed);
    }
}

/// A closed set of things that are counted apart; its names are label values.
pub trait Kind: Copy + 'static {
    /// All of them; the position of each is its [`Kind::index`].
    const ALL: &'static [Self];
    /// Position in [`Kind::ALL`].
    fn index(self) -> usize;
    /// The label value, in snake case.
    fn name(self) -> &'static str;
}

/// One counter for each of `N` kinds.
#[derive(Debug)]
pub struct Family<K, const N: usize> {
    cells: [Counter; N],
    kind: PhantomData<fn(K)>,
}

impl<K: Kind, const N: usize> Default for Family<K, N> {
    fn default() -> Self {
        Self { cells: std::array::from_fn(|_| Counter::default()), kind: PhantomData }
    }
}

impl<K: Kind, const N: usize> Family<K, N> {
    /// One more of this kind.
    pub fn one(&self, kind: K) {
        if let Some(cell) = self.cells.get(kind.index()) {
            cell.one();
        }
    }

    /// How many of this kind so far.
    pub fn get(&self, kind: K) -> u64 {
        self.cells.get(kind.index()).map_or(0, Counter::get)
    }

    /// How many of all kinds.
    pub fn total(&self) -> u64 {
        self.cells.iter().map(Counter::get).sum()
    }

    pub(super) fn absorb(&self, other: &Self) {
        for (mine, theirs) in self.cells.iter().zip(&other.cells) {
            mine.absorb(theirs);
        }
    }
}

/// Counters by names that the program itself knows (never a client's bytes): at most [`NAMES`] of them, the rest is
/// counted as `other`. For rare things, because a name is looked for.
#[derive(Debug)]
pub struct Named {
    cells: [(OnceLock<&'static str>, Counter); NAMES],
}

impl Default for Named {
    fn default() -> Self {
        Self { cells: std::array::from_fn(|_| (OnceLock::new(), Counter::default())) }
    }
}

impl Named {
    /// One more of this name.
    pub fn one(&self, name: &'static str) {
        self.add(name, 1);
    }

    /// The names seen and their counts.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cells.iter().filter_map(|(name, cell)| Some((*name.get()?, cell.get())))
    }

    pub(super) fn absorb(&self, other: &Self) {
        for (name, count) in other.each() {
            self.add(name, count);
        }
    }

    fn add(&self, name: &'static str, count: u64) {
        let mut last = None;
        for (index, (slot, cell)) in self.cells.iter().enumerate() {
            let name = if index + 1 == NAMES { "other" } else { name };
            if *slot.get_or_init(|| name) == name {
                return cell.add(count);
            }
            last = Some(cell);
        }
        if let Some(cell) = last {
            cell.add(count);
        }
    }
}

/// Most names of a [`Named`].
pub const NAMES: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_read_in_the_middle_is_never_negative() {
        let gauge = Gauge::default();
        gauge.sub(1);
        assert_eq!(gauge.get(), 0);
        gauge.add(3);
        assert_eq!(gauge.get(), 2);
    }

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let named = Named::default();
        let names: Vec<&'static str> = (0..NAMES + 5).map(|n| &*format!("fault_{n}").leak()).collect();
        for name in &names {
            named.one(name);
            named.one(name);
        }
        let seen: Vec<_> = named.each().collect();
        assert_eq!(seen.len(), NAMES);
        assert_eq!(seen.first(), Some(&("fault_0", 2)));
        assert_eq!(seen.last(), Some(&("other", 12)), "six names are one too many each");

        let sum = Named::default();
        sum.one("fault_0");
        sum.absorb(&named);
        assert_eq!(sum.each().next(), Some(("fault_0", 3)));
    }
}
