//! A directory for the files of a rehearsal.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::Mishap;

/// A new directory of our own; removed in the end.
pub struct Dir {
    path: PathBuf,
    keep: bool,
}

impl Dir {
    /// Makes one, and clears away those of rehearsals that were killed. With `keep` it stays.
    pub fn make(keep: bool) -> Result<Self, Mishap> {
        sweep(&std::env::temp_dir());
        let prefix = if keep { KEPT } else { PREFIX };
        let name = format!("{prefix}{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Mishap::new(format!("could not make {}", path.display()), error))?;
        Ok(Self { path, keep })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed is left to the system's cleaning of its temporary directory.
            let _left = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes the directories of processes that are gone: they could not do it themselves.
fn sweep(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if id.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            // Another user's stays; so does what cannot be removed.
            let _left = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Names of directories that are removed in the end go on with the process id of their owner.
const PREFIX: &str = "mainstay-demo-";
/// Those that are kept.
const KEPT: &str = "mainstay-demo-kept-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_dead_processes_are_swept() {
        let dir = Dir::make(false).expect("a directory");
        let no_process = u32::MAX;
        let dead = dir.file(&format!("{PREFIX}{no_process}-1"));
        let kept = dir.file(&format!("{KEPT}{no_process}-1"));
        let living = dir.file(&format!("{PREFIX}{}-1", std::process::id()));
        for path in [&dead, &kept, &living] {
            std::fs::create_dir(path).expect("it can be made");
        }
        sweep(dir.path());
        assert_eq!([dead.exists(), kept.exists(), living.exists()], [false, true, true]);
    }
}
