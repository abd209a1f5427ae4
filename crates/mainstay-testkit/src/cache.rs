//! Where what the tests are made of is kept from one run to the next.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::Trouble;

/// A folder of what is kept, which one process at a time fills.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) folder: PathBuf,
}

impl Cache {
    /// The folder of this name in `$MAINSTAY_TEST_CACHE`, or else in `mainstay-testkit` of the user's cache directory.
    pub(crate) fn own(name: &str) -> Result<Self, Trouble> {
        let user = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        Self::within(user.or_else(home), name)
    }

    /// The same, where other users can read it too: what root keeps at home is hidden from them.
    pub(crate) fn shared(name: &str) -> Result<Self, Trouble> {
        if rustix::process::geteuid().is_root() {
            return Self::within(Some(PathBuf::from("/var/cache")), name);
        }
        Self::own(name)
    }

    fn within(base: Option<PathBuf>, name: &str) -> Result<Self, Trouble> {
        let said = std::env::var_os("MAINSTAY_TEST_CACHE").map(PathBuf::from);
        let base = said.or_else(|| base.map(|base| base.join("mainstay-testkit")));
        let base = base.ok_or_else(|| Trouble::Missing("no HOME to keep things in".to_owned()))?;
        let folder = base.join(name);
        fs::create_dir_all(&folder).map_err(|error| Trouble::failed("make the cache directory", error))?;
        Ok(Self { folder })
    }

    /// Waits until nobody else fills it. The right to fill it ends with the file.
    pub(crate) async fn fill(&self) -> Result<File, Trouble> {
        let lock =
            File::create(self.folder.join("lock")).map_err(|error| Trouble::failed("make a lock file", error))?;
        let taken = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
        match taken {
            Ok(Ok(lock)) => Ok(lock),
            Ok(Err(error)) => Err(Trouble::failed("lock the cache", error)),
            Err(error) => Err(Trouble::failed("lock the cache", error)),
        }
    }
}
