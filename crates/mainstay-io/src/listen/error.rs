use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why an address cannot be listened on, in words that say what to do.
#[derive(Debug)]
pub struct ListenError {
    at: String,
    problem: Problem,
}

#[derive(Debug)]
pub(super) enum Problem {
    TcpInUse,
    PrivilegedPort,
    NoSuchAddress,
    NoSuchFamily,
    PathTooLong { bytes: usize },
    NoDirectory(PathBuf),
    DirectoryForbidden(PathBuf),
    NotASocket,
    Alive,
    ProbeForbidden,
    Owner(io::Error),
    Replaced,
    Other(io::Error),
}

impl ListenError {
    pub(super) fn new(at: impl fmt::Display, problem: Problem) -> Self {
        Self { at: at.to_string(), problem }
    }

    pub(super) fn tcp(address: SocketAddr, source: io::Error) -> Self {
        let problem = match source.kind() {
            io::ErrorKind::AddrInUse => Problem::TcpInUse,
            io::ErrorKind::PermissionDenied if address.port() < 1024 => Problem::PrivilegedPort,
            io::ErrorKind::AddrNotAvailable => Problem::NoSuchAddress,
            _ if rustix::io::Errno::from_io_error(&source) == Some(rustix::io::Errno::AFNOSUPPORT) => {
                Problem::NoSuchFamily
            }
            _ => Problem::Other(source),
        };
        Self::new(address, problem)
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.at)?;
        match &self.problem {
            Problem::TcpInUse => f.write_str(
                "another program listens there already; stop it (`ss -ltnp` shows which it is) or choose another port",
            ),
            Problem::PrivilegedPort => f.write_str(
                "ports below 1024 are reserved; give Mainstay the capability CAP_NET_BIND_SERVICE \
                 (AmbientCapabilities= in its systemd unit) or choose a higher port",
            ),
            Problem::NoSuchAddress => {
                f.write_str("this machine does not have that address; `ip address` shows those it has")
            }
            Problem::NoSuchFamily => {
                f.write_str("this machine does not speak that family of addresses (IPv6 may be switched off)")
            }
            Problem::PathTooLong { bytes } => {
                write!(f, "the path is {bytes} bytes long, and a socket's may be at most {PATH_MAX}; shorten it")
            }
            Problem::NoDirectory(directory) => {
                write!(f, "the directory {} does not exist; create it", directory.display())
            }
            Problem::DirectoryForbidden(directory) => {
                write!(f, "this user may not create files in {}; change its owner or mode", directory.display())
            }
            Problem::NotASocket => f.write_str("a file that is not a socket is in the way; move it or choose another"),
            Problem::Alive => {
                f.write_str("a running process listens there already; stop it (`ss -xlp` shows which it is)")
            }
            Problem::ProbeForbidden => f.write_str(
                "a socket is there, and this user may not ask whether anybody listens on it; remove it or change user",
            ),
            Problem::Owner(_) => {
                f.write_str("the file's owner or mode cannot be set; only root may give files to other users")
            }
            Problem::Replaced => f.write_str(
                "the socket's file was removed or replaced by another; restart Mainstay, or give the listener another path",
            ),
            Problem::Other(_) => f.write_str("the operating system refuses"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Owner(source) | Problem::Other(source) => Some(source),
            _ => None,
        }
    }
}

/// What a `sockaddr_un` holds besides its terminating zero (unix(7)).
pub(super) const PATH_MAX: usize = 107;
