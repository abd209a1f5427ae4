//! A wall clock for some processes alone. Linux has one for all of a machine; a library that is loaded before the
//! program (Debian's `faketime`) answers in its place.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Mishap;

/// A clock that can be set. Who is started with [`Clock::env`] goes by it, as do those whom he starts.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// One that is right as yet, kept in a file.
    pub(crate) fn make(file: PathBuf) -> Result<Self, Mishap> {
        let library = library().ok_or_else(|| {
            Mishap::new("no library here that sets one process's clock", "install Debian's faketime or libfaketime")
        })?;
        let clock = Self { file, library };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so many seconds ahead, or behind.
    pub(crate) fn set(&self, seconds: i64) -> Result<(), Mishap> {
        let new = self.file.with_extension("new");
        let written = std::fs::write(&new, format!("{seconds:+}\n")).and_then(|()| std::fs::rename(&new, &self.file));
        written.map_err(|error| Mishap::new(format!("could not write {}", self.file.display()), error))
    }

    /// What makes a program go by it. The clocks that nobody can set stay as they are, as on a machine whose clock is set.
    pub(crate) fn env(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("LD_PRELOAD".into(), self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE".into(), self.file.clone().into()),
            ("FAKETIME_NO_CACHE".into(), "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC".into(), "1".into()),
        ]
    }
}

fn library() -> Option<PathBuf> {
    let name = "faketime/libfaketimeMT.so.1";
    let below = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = below.chain([Path::new("/usr/lib64").to_owned(), Path::new("/usr/lib").to_owned()]);
    folders.map(|folder| folder.join(name)).find(|path| path.exists())
}
