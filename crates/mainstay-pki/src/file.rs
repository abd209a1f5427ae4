//! Files that are whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Error;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Its owner only: 0600.
    Private,
    /// Everybody: 0644.
    Public,
}

/// Puts a file in place, in one step and durably: a reader sees the old one or the new one.
pub(crate) fn put(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), Error> {
    let beside = beside(path);
    write(&beside, bytes, mode).and_then(|()| fs::rename(&beside, path)).and_then(|()| sync_directory(path)).map_err(
        |error| {
            // What was half written is of no use, and its going wrong too changes nothing of the fault.
            drop(fs::remove_file(&beside));
            Error::file("write", path, error)
        },
    )
}

/// Writes something secret to a file that only its owner may read, in one step.
///
/// # Errors
/// The file cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    put(path, text.as_bytes(), Mode::Private)
}

/// A file's bytes, of at most [`LONGEST`].
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(|error| Error::file("read", path, error))?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| Error::file("read", path, error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::content(path, format!("longer than {LONGEST} bytes: no key, certificate or list is")));
    }
    Ok(bytes)
}

/// A file's text.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, Error> {
    let bytes = read(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Error::content(path, "is not text: PEM was expected")),
    }
}

/// Makes a directory and those above it.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(|error| Error::file("make", path, error))
}

fn write(path: &Path, bytes: &[u8], mode: Mode) -> io::Result<()> {
    let bits = match mode {
        Mode::Private => 0o600,
        Mode::Public => 0o644,
    };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(bits).open(path)?;
    // One that was left over may have other rights, and the umask may have taken some.
    file.set_permissions(fs::Permissions::from_mode(bits))?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// No file that is read here is longer.
const LONGEST: u64 = 1 << 20;
