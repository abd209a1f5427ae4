//! The lock beside a lease: held by whoever holds the lease and by every process of its child.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainstay_core::lease::{Name, Nonce};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The locks of a store's leases.
#[derive(Clone, Debug)]
pub(super) struct Locks {
    base: PathBuf,
    // Invariant: at most one lock for each lease, that of the last tenure this program acquired.
    held: Arc<Mutex<Held>>,
}

type Held = HashMap<Name, (Nonce, Arc<OwnedFd>)>;

impl Locks {
    /// Those of the store at `path`; their files are beside it.
    pub(super) fn beside(path: &Path) -> Self {
        Self { base: path.to_owned(), held: Arc::default() }
    }

    /// Takes the lock of a lease for a tenure, and says which file it is. `None` when somebody else has it, be it only a process that the last holder
    /// left behind. Gives up what this program had of it before: its child is known to be gone, and if it is not, its
    /// own lock is what refuses this one.
    pub(super) fn take(&self, lease: &Name, nonce: Nonce) -> io::Result<Option<FileNumber>> {
        self.release(lease);
        let path = self.path(lease);
        // Others look whether it is held by taking it for a moment.
        let start = Instant::now();
        loop {
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path)? => {
                    let lock = Arc::new(OwnedFd::from(file));
                    let file = FileNumber::of(&path)?;
                    self.lock_held().insert(lease.clone(), (nonce, lock));
                    return Ok(Some(file));
                }
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) if start.elapsed() > GLANCE => return Ok(None),
                Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The lock of this tenure, if it is held.
    pub(super) fn held(&self, lease: &Name, nonce: Nonce) -> Option<Arc<OwnedFd>> {
        self.kept(lease, nonce).filter(|lock| !is_let_go(lock))
    }

    /// Whether the lock of this tenure was let go by a sentinel: the child is gone, the guard was not heard from in time,
    /// and the lock may have been somebody else's since.
    pub(super) fn was_let_go(&self, lease: &Name, nonce: Nonce) -> bool {
        self.kept(lease, nonce).is_some_and(|lock| is_let_go(&lock))
    }

    /// Whether this tenure's lock is on a file that was removed or replaced, so that it locks nobody out.
    pub(super) fn is_astray(&self, lease: &Name, nonce: Nonce) -> bool {
        let path = self.path(lease);
        self.kept(lease, nonce).is_some_and(|lock| !is_at(&lock, &path).unwrap_or(false))
    }

    /// The file that locks the lease for whoever opens it now, if there is one.
    pub(super) fn file(&self, lease: &Name) -> io::Result<Option<FileNumber>> {
        match FileNumber::of(&self.path(lease)) {
            Ok(number) => Ok(Some(number)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn kept(&self, lease: &Name, nonce: Nonce) -> Option<Arc<OwnedFd>> {
        self.lock_held().get(lease).filter(|(of, _)| *of == nonce).map(|(_, lock)| Arc::clone(lock))
    }

    /// Lets go of this program's part of the lock.
    pub(super) fn release(&self, lease: &Name) {
        self.lock_held().remove(lease);
    }

    /// The same, if it is that of this tenure.
    pub(super) fn release_of(&self, lease: &Name, nonce: Nonce) {
        if self.kept(lease, nonce).is_some() {
            self.release(lease);
        }
    }

    /// Whether nobody holds it, in this program or another. When that cannot be seen, somebody might.
    pub(super) fn is_free(&self, lease: &Name) -> bool {
        match File::open(self.path(lease)) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Lease names hold what file names must not: each such byte becomes `%` and its number.
    fn path(&self, lease: &Name) -> PathBuf {
        let mut name = self.base.clone().into_os_string();
        name.push(".");
        for byte in lease.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte).to_string()),
                other => name.push(format!("%{other:02x}")),
            }
        }
        name.push(".lock");
        PathBuf::from(name)
    }

    fn lock_held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What cannot be seen is not relied on.
fn is_let_go(lock: &Arc<OwnedFd>) -> bool {
    !mainstay_io::lock::is_held(lock).unwrap_or(false)
}

/// Whether the file is still the one of this name: a lock on one that somebody removed locks nobody out.
fn is_at(file: impl AsFd, path: &Path) -> io::Result<bool> {
    let own = rustix::fs::fstat(file)?;
    match FileNumber::of(path) {
        Ok(there) => Ok(there == FileNumber { device: own.st_dev, number: own.st_ino }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Which file it is, whatever it is called. None has the number of another that is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileNumber {
    pub(super) device: u64,
    pub(super) number: u64,
}

impl FileNumber {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|about| Self { device: about.dev(), number: about.ino() })
    }
}

/// Longest time for which somebody who only looks may have a lock.
const GLANCE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lives_as_long_as_anybody_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mine, other) = (Locks::beside(&dir.path().join("db")), Locks::beside(&dir.path().join("db")));
        let lease: Name = "bank/a".into();
        assert!(mine.is_free(&lease), "nobody ever had it");
        assert!(mine.take(&lease, Nonce(1)).unwrap().is_some());
        let child = mine.held(&lease, Nonce(1)).unwrap().try_clone().unwrap();
        assert!(other.take(&lease, Nonce(2)).unwrap().is_none());
        assert!(mine.held(&lease, Nonce(2)).is_none());
        mine.release_of(&lease, Nonce(1));
        assert!(!other.is_free(&lease), "the child still has it");
        assert!(mine.take(&lease, Nonce(3)).unwrap().is_none(), "not even who started that child may have it");
        drop(child);
        assert!(other.is_free(&lease));
        assert!(other.take(&lease, Nonce(4)).unwrap().is_some());
    }

    #[test]
    fn a_lock_on_a_file_that_is_not_there_any_more_is_astray() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::beside(&dir.path().join("db"));
        let (lease, file): (Name, _) = ("bank".into(), dir.path().join("db.bank.lock"));
        let number = locks.take(&lease, Nonce(1)).unwrap();
        assert!(!locks.is_astray(&lease, Nonce(1)) && locks.file(&lease).unwrap() == number);
        std::fs::remove_file(&file).unwrap();
        assert!(locks.is_astray(&lease, Nonce(1)) && locks.file(&lease).unwrap().is_none());
        std::fs::write(&file, "").unwrap();
        assert!(locks.is_astray(&lease, Nonce(1)) && locks.file(&lease).unwrap() != number);
        assert!(!locks.is_astray(&lease, Nonce(2)), "another tenure's");
    }

    #[test]
    fn a_lock_that_was_let_go_is_never_taken_for_held() {
        let dir = tempfile::tempdir().unwrap();
        let (mine, other) = (Locks::beside(&dir.path().join("db")), Locks::beside(&dir.path().join("db")));
        let lease: Name = "bank".into();
        assert!(mine.take(&lease, Nonce(1)).unwrap().is_some());
        let child = mine.held(&lease, Nonce(1)).unwrap().try_clone().unwrap();
        assert!(mine.held(&lease, Nonce(1)).is_some() && !mine.was_let_go(&lease, Nonce(1)));
        flock(&child, FlockOperation::Unlock).unwrap();
        assert!(mine.held(&lease, Nonce(1)).is_none() && mine.was_let_go(&lease, Nonce(1)));
        assert!(!mine.was_let_go(&lease, Nonce(2)), "another tenure's");
        assert!(other.take(&lease, Nonce(2)).unwrap().is_some());
        other.release(&lease);
        assert!(mine.was_let_go(&lease, Nonce(1)), "nobody has it, and it was somebody else's");
        assert!(mine.take(&lease, Nonce(3)).unwrap().is_some());
        assert!(!mine.was_let_go(&lease, Nonce(3)));
    }
}
