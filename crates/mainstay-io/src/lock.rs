//! Locks of whole files (`flock`), as the kernel shows them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// Whether the file behind this descriptor is locked through it. The lock belongs to the open file, which programs share
/// that inherited the descriptor: any of them can have unlocked it for all.
///
/// # Errors
/// `/proc` cannot be read.
pub fn is_held(file: impl AsFd) -> io::Result<bool> {
    let number = file.as_fd().as_raw_fd();
    fs::read_to_string(format!("/proc/self/fdinfo/{number}")).map(|info| shows(&info))
}

/// Whether an open file that `/proc/PID/fdinfo` describes so has a lock of the whole file.
#[must_use]
pub fn shows(info: &str) -> bool {
    info.lines().any(|line| line.starts_with("lock:") && line.contains(" FLOCK "))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};

    use super::*;

    #[test]
    fn a_lock_is_seen_through_its_own_file_alone() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        let (mine, other) = (temp.reopen().unwrap(), temp.reopen().unwrap());
        let inherited = mine.try_clone().unwrap();
        assert!(!is_held(&mine).unwrap());
        flock(&mine, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(is_held(&mine).unwrap() && is_held(&inherited).unwrap());
        assert!(!is_held(&other).unwrap(), "somebody else's lock");
        flock(&inherited, FlockOperation::Unlock).unwrap();
        assert!(!is_held(&mine).unwrap(), "it was unlocked for both");
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!is_held(&mine).unwrap());
    }
}
