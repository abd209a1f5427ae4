//! The file: found fit for its purpose, or made.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::removed;
use super::trouble::sentence;
use crate::FileFault;

/// A file that is open, and whose tables are there.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Device and number of the file.
    file: (u64, u64),
    /// Which start of the machine this is.
    pub(super) boot: String,
}

impl Database {
    /// Whether the file is still the one of its name. One that was removed, or replaced, can still be written, while
    /// whoever opens the name now finds another, and another lock: both would hold the lease.
    pub(super) fn is_at_its_path(&self) -> bool {
        number(&self.path).is_ok_and(|number| number == self.file)
    }
}

/// Opens the file and sees that it is ours; makes it when it is not there.
pub(super) fn open(path: &Path, timeout: Duration) -> Result<Database, FileFault> {
    if let Some(pid) = removed::user(path) {
        return Err(FileFault(format!(
            "{} or a lock beside it was removed while process {pid} used it, which may hold a lease: end that process \
             first (Mainstay, or what it guards)",
            path.display()
        )));
    }
    is_fit(path)?;
    let boot = fs::read_to_string(BOOT_ID);
    let boot = boot.map_err(|error| FileFault(format!("{BOOT_ID} cannot be read: {error}")))?.trim().to_owned();
    let number = || number(path).map_err(|error| FileFault(format!("{}: {error}", path.display())));
    let file = number()?;
    let database = connect(path, timeout);
    let mut connection = database.map_err(|error| FileFault(sentence(&error, path, timeout)))?;
    let version = ready(&mut connection, &boot);
    match version.map_err(|error| FileFault(sentence(&error, path, timeout)))? {
        Found::Ours if number()? != file => {
            Err(FileFault(format!("{} was replaced while it was opened: start again", path.display())))
        }
        Found::Ours => Ok(Database { connection, path: path.to_owned(), file, boot }),
        Found::Newer(version) => Err(FileFault(format!(
            "{} was made by a newer Mainstay (schema {version}, this one knows {SCHEMA_VERSION}): run that one",
            path.display()
        ))),
        Found::Foreign => Err(FileFault(format!(
            "{} is a database of another program: name a file of its own for the store",
            path.display()
        ))),
    }
}

/// Device and number of the file of this name.
fn number(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|about| (about.dev(), about.ino()))
}

/// What is wrong with the place is said before SQLite says that it "cannot open".
fn is_fit(path: &Path) -> Result<(), FileFault> {
    let fault = |what: String| Err(FileFault(what));
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("/"));
    let shown = dir.display();
    let about = match fs::metadata(dir) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => return fault(format!("{shown} is not a directory: name another file for the store")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return fault(format!("{shown} is not there: make it with `mkdir -p {shown}`"));
        }
        Err(error) => return fault(format!("{shown}: {error}")),
    };
    if about.mode() & 0o002 != 0 && about.mode() & 0o1000 == 0 {
        return fault(format!("anybody may replace files in {shown}: `chmod o-w {shown}`, or name another directory"));
    }
    if let Ok(system) = rustix::fs::statfs(dir)
        && NETWORK.iter().any(|(magic, _)| system.f_type == *magic)
    {
        return fault(format!(
            "{shown} is on a network file system: a store for several machines is \"postgres://HOST/DATABASE\""
        ));
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => is_own_file(path),
        Err(error) => fault(format!("{} cannot be made: {error}", path.display())),
    }
}

fn is_own_file(path: &Path) -> Result<(), FileFault> {
    let shown = path.display();
    let about = fs::metadata(path).map_err(|error| FileFault(format!("{shown}: {error}")))?;
    if !about.is_file() {
        return Err(FileFault(format!("{shown} is not a file: name another for the store")));
    }
    if about.mode() & 0o002 != 0 {
        return Err(FileFault(format!("anybody may write {shown}: `chmod o-w {shown}`")));
    }
    Ok(())
}

fn connect(path: &Path, timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Shorter than the request, so that its end is an answer.
    connection.busy_timeout(timeout.mul_f64(BUSY_SHARE))?;
    Ok(connection)
}

enum Found {
    Ours,
    Newer(i64),
    Foreign,
}

/// Sees whose tables these are, makes them when there are none, and ends all tenures of an earlier start of the machine.
fn ready(connection: &mut Connection, boot: &str) -> rusqlite::Result<Found> {
    let number = |connection: &Connection, pragma: &str| {
        connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
    };
    let (id, version) = (number(connection, "application_id")?, number(connection, "user_version")?);
    if id == APPLICATION_ID && version > SCHEMA_VERSION {
        return Ok(Found::Newer(version));
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another program may have made them since.
    if number(&step, "application_id")? != APPLICATION_ID {
        if number(&step, "schema_version")? != 0 {
            return Ok(Found::Foreign);
        }
        step.execute_batch(TABLES)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    step.execute_batch(LATER)?;
    let last: Option<String> = step.query_row("SELECT max(boot) FROM machine", [], |row| row.get(0))?;
    if last.as_deref() != Some(boot) {
        step.execute_batch("DELETE FROM machine; DELETE FROM member; UPDATE lease SET expires_at = 0, seq = seq + 1")?;
        step.execute("INSERT INTO machine (boot) VALUES (?1)", [boot])?;
    }
    step.commit()?;
    Ok(Found::Ours)
}

const TABLES: &str = "
CREATE TABLE lease (
    name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, holder TEXT NOT NULL, nonce TEXT NOT NULL,
    state TEXT NOT NULL, serving TEXT NOT NULL, next TEXT, paused TEXT, expires_at INTEGER NOT NULL, ttl INTEGER NOT NULL,
    switch TEXT, switch_to TEXT, switch_due INTEGER, settled TEXT, outcome TEXT, reason TEXT
) STRICT;
CREATE TABLE member (
    lease TEXT NOT NULL, instance TEXT NOT NULL, name TEXT NOT NULL, priority INTEGER NOT NULL, state TEXT NOT NULL,
    switch TEXT, quiet INTEGER NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (lease, instance)
) STRICT;
CREATE TABLE history (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, lease TEXT NOT NULL, by TEXT NOT NULL, epoch INTEGER NOT NULL,
    what TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE INDEX history_of_lease ON history (lease, id);
CREATE TABLE machine (boot TEXT NOT NULL) STRICT;
";
/// Made in files that are without it, too: nobody who does not know it is disturbed by it.
const LATER: &str = "
CREATE TABLE IF NOT EXISTS lock (lease TEXT PRIMARY KEY, device INTEGER NOT NULL, number INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS place (
    lease TEXT NOT NULL, instance TEXT NOT NULL, place TEXT NOT NULL, PRIMARY KEY (lease, instance)
) STRICT";
const SCHEMA_VERSION: i64 = 1;
/// What tells a store from other SQLite files: \"Mnst\".
const APPLICATION_ID: i64 = 0x4d6e_7374;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Of a request's time, what is waited for others' locks.
const BUSY_SHARE: f64 = 0.8;
/// File systems that several machines may have mounted, as `statfs` calls them.
const NETWORK: &[(i64, &str)] =
    &[(0x6969, "nfs"), (0xfe53_4d42, "smb2"), (0xff53_4d42, "cifs"), (0x517b, "smb"), (0x00c3_6400, "ceph")];
