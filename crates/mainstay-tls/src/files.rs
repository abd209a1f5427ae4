//! Reading files, and noticing that they have changed.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// By what it is told that a file has changed. A link that points elsewhere counts, as does a file put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

/// Files and how they were before they were read.
pub(crate) type Stamps = Vec<(PathBuf, Option<Stamp>)>;

/// How these files are just now; `None` for one that cannot be looked at.
pub(crate) fn stamps<'a>(paths: impl Iterator<Item = &'a Path>) -> Stamps {
    let stamp = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some(Stamp {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            changed: (file.ctime(), file.ctime_nsec()),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    };
    paths.map(|path| (path.to_owned(), stamp(path))).collect()
}

/// A file of certificates or keys.
///
/// # Errors
/// It cannot be read, or is larger than any such file.
pub(crate) fn read(path: &Path) -> Result<String, Fault> {
    let cannot = |error: std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; it counts from the folder of the configuration",
            std::io::ErrorKind::PermissionDenied => "let the user that Mainstay runs as read it",
            _ => "check the path",
        };
        Fault::of(path, format!("cannot be read: {error}"), help)
    };
    let file = fs::File::open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(Fault::of(path, "is no file", "name a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Fault::of(path, format!("has more than {LARGEST} bytes"), "name a file of PEM blocks"));
    }
    if bytes.first() == Some(&0x30) {
        let help = "convert it, e.g. with `openssl x509 -inform der -in FILE -out FILE.pem`";
        return Err(Fault::of(path, "is DER and not PEM", help));
    }
    String::from_utf8(bytes).map_err(|_| Fault::of(path, "is no text", "name a file of PEM blocks"))
}

/// In bytes. Revocation lists are the largest.
const LARGEST: u64 = 16 << 20;
