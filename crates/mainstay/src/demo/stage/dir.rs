//! A directory for the files of a rehearsal.

use std::path::{Path, PathBuf};

use super::Mishap;

/// A new directory of our own; removed in the end.
pub struct Dir {
    path: PathBuf,
    keep: bool,
}

impl Dir {
    /// Makes one. With `keep` it stays.
    pub fn make(keep: bool) -> Result<Self, Mishap> {
        let name = format!("mainstay-demo-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|error| Mishap::new(format!("could not make {}", path.display()), error))?;
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
