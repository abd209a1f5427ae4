//! Who still uses a store that was removed.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A process that has the file of this name open, or the lock of a lease beside it, though it was removed. Whoever makes
/// the file anew would share no row and no lock with it. Processes that this user may not look into are not seen.
pub(super) fn user(path: &Path) -> Option<u32> {
    let dir = fs::canonicalize(path.parent()?).ok()?;
    let name = dir.join(path.file_name()?);
    let store = name.as_os_str().as_bytes();
    let numbers = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.into_iter().find(|pid: &u32| {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let mut targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| is_removed(target.as_os_str().as_bytes(), store))
    })
}

/// Whether an open file, as the kernel shows it, is the removed store or a removed lock beside it.
fn is_removed(target: &[u8], store: &[u8]) -> bool {
    let rest = target.strip_prefix(store).and_then(|rest| rest.strip_suffix(REMOVED));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b".") && rest.ends_with(b".lock"))
}

const REMOVED: &[u8] = b" (deleted)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_files_are_told_from_others() {
        let check = |target: &str, expect| {
            assert_eq!(is_removed(target.as_bytes(), b"/var/lib/a.db"), expect, "{target}");
        };
        check("/var/lib/a.db (deleted)", true);
        check("/var/lib/a.db.bank.lock (deleted)", true);
        check("/var/lib/a.db", false);
        check("/var/lib/a.db.bank.lock", false);
        check("/var/lib/a.db-wal (deleted)", false);
        check("/var/lib/a.db2 (deleted)", false);
        check("/lib/a.db (deleted)", false);
    }

    #[test]
    fn who_uses_a_removed_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let file = fs::File::create(&path).unwrap();
        assert_eq!(user(&path), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(user(&path), Some(std::process::id()));
        drop(file);
        assert_eq!(user(&path), None);
    }
}
