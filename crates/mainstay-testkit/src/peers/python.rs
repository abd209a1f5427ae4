//! A Python with packages that are fetched once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Trouble;
use crate::cache::Cache;
use crate::process::Launch;

/// What runs scripts with certain packages.
#[derive(Debug)]
pub(super) struct Python {
    packages: PathBuf,
}

impl Python {
    /// With these packages, as `name==version`, and no others. [`Trouble::Missing`] when there is no Python, or they cannot
    /// be had.
    pub(super) async fn with(packages: &[&str]) -> Result<Self, Trouble> {
        let name = packages.first().copied().unwrap_or_default().replace("==", "-");
        // What is compiled is so for one version of Python.
        let cache = Cache::own(&format!("{name}-python{}", version()?))?;
        let whole = cache.folder.join("whole");
        let _held = cache.fill().await?;
        if !whole.exists() {
            let part = cache.folder.join("part");
            let target = part.display().to_string();
            let words =
                ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--upgrade", "--target", &target];
            let launch = Launch::new("pip", PYTHON).args(words.iter().chain(packages));
            let fetched = launch.run(&cache.folder.join("log"), FETCHING).await;
            fetched.map_err(|trouble| Trouble::Missing(format!("{name} for Python cannot be had: {trouble}")))?;
            fs::rename(&part, &whole).map_err(|error| Trouble::failed("keep it", error))?;
        }
        Ok(Self { packages: whole })
    }

    /// How a script is run with these words; its text goes to a file in `dir`.
    pub(super) fn script<'n>(
        &self,
        name: &'n str,
        text: &str,
        dir: &Path,
        words: impl IntoIterator<Item = String>,
    ) -> Result<Launch<'n>, Trouble> {
        let file = dir.join(name);
        fs::write(&file, text).map_err(|error| Trouble::failed(format!("write {}", file.display()), error))?;
        let path = format!("PYTHONPATH={}", self.packages.display());
        let all = [path, PYTHON.to_owned(), file.display().to_string()];
        Ok(Launch::new(name, "env").args(all.into_iter().chain(words)))
    }
}

/// As `3.11`.
fn version() -> Result<String, Trouble> {
    let ask = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"];
    let said = std::process::Command::new(PYTHON).args(ask).output();
    let said = said.map_err(|error| Trouble::Missing(format!("no {PYTHON}: {error}")))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

const PYTHON: &str = "/usr/bin/python3";
/// Longest time to fetch packages.
const FETCHING: Duration = Duration::from_secs(180);
