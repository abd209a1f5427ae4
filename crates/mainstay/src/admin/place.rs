//! Where operators reach a running Mainstay.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// An address of the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A unix socket.
    Unix(PathBuf),
    /// TCP.
    Tcp(SocketAddr),
}

impl Place {
    /// Reads `unix:/path`, `host:port` or `:port` (of the loopback interface).
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err("the path is missing".into()) } else { Ok(Self::Unix(path.into())) };
        }
        if text.starts_with('/') {
            return Err(format!("write unix:{text}"));
        }
        let whole = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
        match whole.to_socket_addrs().map(|mut all| all.next()) {
            Ok(Some(address)) => Ok(Self::Tcp(address)),
            Ok(None) | Err(_) => Err(format!("{text} is neither unix:/path nor an address with a port")),
        }
    }

    /// What `MAINSTAY_ADMIN` says.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn from_environment() -> Result<Option<Self>, String> {
        match std::env::var("MAINSTAY_ADMIN") {
            Ok(text) if !text.is_empty() => {
                Self::parse(&text).map(Some).map_err(|fault| format!("MAINSTAY_ADMIN: {fault}"))
            }
            _ => Ok(None),
        }
    }

    /// The places to look at when none is given, the best first: the system's directory, the user's runtime directory
    /// and the user's directory in /tmp.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        let user = rustix::process::geteuid().as_raw();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_absolute());
        let dirs = [
            Some(PathBuf::from("/run/mainstay")),
            runtime.map(|dir| Path::new(&dir).join("mainstay")),
            Some(PathBuf::from(format!("/tmp/mainstay-{user}"))),
        ];
        dirs.into_iter().flatten().map(|dir| Self::Unix(dir.join("admin.sock"))).collect()
    }

    /// The first of the usual places that this process may listen on, with its directory made.
    ///
    /// # Errors
    /// None of them is possible; why the last one is not.
    pub fn choose() -> Result<Self, String> {
        let mut last = String::new();
        for place in Self::usual() {
            match place.prepare() {
                Ok(()) => return Ok(place),
                Err(error) => last = format!("{place}: {error}"),
            }
        }
        Err(last)
    }

    /// Makes the socket's directory, for this user alone, and makes sure that nobody else could put a socket there.
    fn prepare(&self) -> io::Result<()> {
        let Self::Unix(path) = self else { return Ok(()) };
        let Some(dir) = path.parent() else { return Ok(()) };
        match fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !is_safe(dir) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "its directory belongs to somebody else"));
        }
        rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).map_err(io::Error::from)
    }

    /// Whether there is a socket, as far as that can be seen without asking.
    #[must_use]
    pub fn exists(&self) -> bool {
        match self {
            Self::Unix(path) => path.exists(),
            Self::Tcp(_) => true,
        }
    }

    /// Whether what listens there was put there by whom the place is for, and is not a trap in a shared directory.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        match self {
            Self::Unix(path) => path.parent().is_none_or(is_safe),
            Self::Tcp(_) => true,
        }
    }
}

/// Whether nobody else can put files into a directory: only its owner may, who is this user, root, or whom the owner of
/// the directory above has chosen.
fn is_safe(dir: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_shared = |found: &fs::Metadata| found.permissions().mode() & 0o002 != 0;
    let Ok(found) = fs::symlink_metadata(dir) else { return false };
    let chosen = || dir.parent().and_then(|above| fs::metadata(above).ok()).is_some_and(|above| !is_shared(&above));
    found.is_dir() && !is_shared(&found) && (found.uid() == user || found.uid() == 0 || chosen())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for (text, expect) in [
            ("unix:/run/a.sock", Ok("unix:/run/a.sock")),
            ("127.0.0.1:9300", Ok("127.0.0.1:9300")),
            (":9300", Ok("127.0.0.1:9300")),
            ("[::1]:9300", Ok("[::1]:9300")),
            ("unix:", Err("the path is missing")),
            ("/run/a.sock", Err("write unix:/run/a.sock")),
            ("9300", Err("9300 is neither unix:/path nor an address with a port")),
        ] {
            let got = Place::parse(text).map(|place| place.to_string());
            assert_eq!(got, expect.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_trusted() {
        let dir = std::env::temp_dir().join(format!("mainstay-place-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        let place = Place::Unix(dir.join("admin.sock"));
        assert!(place.is_trusted());
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!place.is_trusted());
        assert_eq!(place.prepare().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs::remove_dir(&dir).unwrap();
    }
}
