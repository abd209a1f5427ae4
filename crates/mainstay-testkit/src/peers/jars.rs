//! Programs in Java, fetched once with Maven and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Trouble;
use crate::cache::Cache;
use crate::process::Launch;

/// An artifact with all it needs to run.
#[derive(Debug)]
pub(super) struct Jars {
    /// Holds `lib`, and what else is made of it.
    pub(super) folder: PathBuf,
}

impl Jars {
    /// `group:name:version`, and what `make` adds to the folder, once. [`Trouble::Missing`] when it cannot be had.
    pub(super) async fn of(
        artifact: &str,
        make: impl AsyncFnOnce(&Path) -> Result<(), Trouble>,
    ) -> Result<Self, Trouble> {
        let parts: Vec<&str> = artifact.split(':').collect();
        let [group, name, version] = parts[..] else {
            return Err(Trouble::failed("read an artifact", artifact));
        };
        let cache = Cache::own(&format!("{name}-{version}"))?;
        let whole = cache.folder.join("whole");
        let _held = cache.fill().await?;
        if !whole.exists() {
            let part = cache.folder.join("part");
            let filled = async {
                fetch([group, name, version], &cache.folder, &part).await?;
                make(&part).await
            };
            let filled = filled.await;
            filled.map_err(|trouble| Trouble::Missing(format!("{artifact} cannot be had: {trouble}")))?;
            fs::rename(&part, &whole).map_err(|error| Trouble::failed("keep it", error))?;
        }
        Ok(Self { folder: whole })
    }

    /// How the `main` of this class is run, with these options of the JVM.
    pub(super) fn run<'n>(&self, name: &'n str, options: &[&str], class: &str) -> Launch<'n> {
        let paths = class_path(&self.folder);
        Launch::new(name, "java").args(options).args(["-cp", &paths, class])
    }
}

/// The jars in `lib` of a folder, in front of them what was compiled into `classes`.
pub(super) fn class_path(folder: &Path) -> String {
    format!("{0}/classes:{0}/lib/*", folder.display())
}

async fn fetch([group, name, version]: [&str; 3], folder: &Path, part: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(part).map_err(|error| Trouble::failed("make a directory", error))?;
    let project = format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>peers</groupId><artifactId>peers</artifactId>\
         <version>1</version><packaging>pom</packaging><dependencies><dependency><groupId>{group}</groupId>\
         <artifactId>{name}</artifactId><version>{version}</version></dependency></dependencies></project>"
    );
    let pom = folder.join("pom.xml");
    fs::write(&pom, project).map_err(|error| Trouble::failed("write a pom.xml", error))?;
    let words = [
        "-B".to_owned(),
        "-q".to_owned(),
        "-f".to_owned(),
        pom.display().to_string(),
        "dependency:copy-dependencies".to_owned(),
        format!("-DoutputDirectory={}", part.join("lib").display()),
        "-DincludeScope=runtime".to_owned(),
    ];
    Launch::new("mvn", "mvn").args(words).run(&folder.join("log"), FETCHING).await
}

/// Longest time to fetch an artifact and what it needs.
const FETCHING: Duration = Duration::from_secs(600);
