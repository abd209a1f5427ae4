//! Material that is exchanged under those who use it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::certificate::Certificate;
use crate::fault::Fault;
use crate::files::{Stamps, stamps};

/// Something in use that ends on a day.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    /// The file it is in.
    pub path: PathBuf,
    /// Whose it is.
    pub subject: String,
    /// When it began, in seconds since 1970.
    pub not_before: i64,
    /// When it ends, in seconds since 1970.
    pub not_after: i64,
}

impl Shown {
    pub(crate) fn of(path: &Path, certificate: &Certificate) -> Self {
        let Certificate { not_before, not_after, .. } = *certificate;
        Self { path: path.to_owned(), subject: certificate.name().to_owned(), not_before, not_after }
    }

    /// Whether it ends soon: less than a third of its time is left, and less than 30 days.
    #[must_use]
    pub fn ends_soon(&self, now: i64) -> bool {
        let third = self.not_after.saturating_sub(self.not_before).max(0) / 3;
        self.not_after.saturating_sub(now) < third.min(SOON_S)
    }
}

/// What came of looking at the files again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// They are as they were.
    Same,
    /// What is new in them is used from now on. What an operator should know of it all the same.
    New(Vec<Fault>),
    /// They have changed and are not good; what was read before is kept. Told once for each change.
    Bad(Vec<Fault>),
}

/// What was read from files, and is read again when they change. Whoever uses it takes hold of what is current, once for
/// each connection.
#[derive(Debug)]
pub struct Live<M> {
    current: RwLock<Arc<M>>,
    /// Grows with each exchange.
    generation: AtomicU64,
    /// The files as they were when they were last read, well or not.
    read: Mutex<Stamps>,
    /// Whether what they were last read as is not what is used.
    is_behind: AtomicBool,
    /// The files that are not good, while it is behind.
    bad: Mutex<Vec<PathBuf>>,
    failures: AtomicU64,
}

impl<M> Live<M> {
    pub(crate) fn new(material: M, read: Stamps) -> Self {
        let (generation, is_behind, bad, failures) = Default::default();
        Self { current: RwLock::new(Arc::new(material)), generation, read: Mutex::new(read), is_behind, bad, failures }
    }

    /// What is current.
    #[must_use]
    pub fn current(&self) -> Arc<M> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number that changes whenever what is current does.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the files hold something that is not good, so that older material is used.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// The files that hold something that is not good, while older material is used; each once.
    #[must_use]
    pub fn bad_files(&self) -> Vec<PathBuf> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the files held something that was not good.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn exchange(&self, material: Arc<M>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = material;
        self.generation.fetch_add(1, Ordering::Release);
        self.is_behind.store(false, Ordering::Relaxed);
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes over what `other` has read.
    pub(crate) fn adopt(&self, other: &Self) {
        let read = other.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = read;
        self.exchange(other.current());
    }

    /// Reads the files again if they have changed. Files are written one after the other, so what does not fit together
    /// now may in a moment: the next change is looked at afresh.
    pub(crate) fn refresh<'a>(
        &self,
        files: impl Iterator<Item = &'a Path>,
        load: impl FnOnce() -> Result<(M, Vec<Fault>), Vec<Fault>>,
    ) -> Refreshed {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(files);
        if *read == stamps {
            return Refreshed::Same;
        }
        *read = stamps;
        match load() {
            Ok((material, notes)) => {
                self.exchange(Arc::new(material));
                Refreshed::New(notes)
            }
            Err(faults) => {
                let mut bad: Vec<PathBuf> = faults.iter().map(|fault| fault.path.clone()).collect();
                bad.dedup();
                *self.bad.lock().unwrap_or_else(PoisonError::into_inner) = bad;
                self.is_behind.store(true, Ordering::Relaxed);
                self.failures.fetch_add(1, Ordering::Relaxed);
                Refreshed::Bad(faults)
            }
        }
    }
}

/// What lasts for long ends soon when so many seconds are left.
const SOON_S: i64 = 30 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_briefly_ends_soon_later() {
        let check = |days: i64, left: i64, expect: bool| {
            let shown = Shown { path: PathBuf::new(), subject: String::new(), not_before: 0, not_after: days * 86_400 };
            assert_eq!(shown.ends_soon((days - left) * 86_400), expect, "{left} of {days} days left");
        };
        check(365, 30, false);
        check(365, 29, true);
        check(30, 10, false);
        check(30, 9, true);
        check(7, 3, false);
        check(7, 2, true);
        check(7, -1, true);
    }
}
