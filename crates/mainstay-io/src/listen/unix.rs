use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::Access;
use super::error::{ListenError, PATH_MAX, Problem};

/// The file of a unix socket, removed on drop if it is still the one that was made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Listens on `path`. The file never has more permissions than it ends up with, and nobody can connect before its
/// owner and mode are right, for listening comes last.
pub(super) fn bind(
    path: &Path,
    mode: Option<u32>,
    owner: (Option<u32>, Option<u32>),
    backlog: i32,
) -> Result<(SocketFile, Socket), ListenError> {
    let error = |problem| ListenError::new(path.display(), problem);
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > PATH_MAX {
        return Err(error(Problem::PathTooLong { bytes }));
    }
    clear_the_way(path).map_err(error)?;
    let socket = stream_socket().map_err(|source| error(Problem::Other(source)))?;
    let file = create(&socket, path, mode).map_err(error)?;
    settle(path, mode, owner).map_err(|source| error(Problem::Owner(source)))?;
    socket.listen(backlog).map_err(|source| error(Problem::Other(source)))?;
    Ok((file, socket))
}

impl SocketFile {
    fn made_at(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: made.dev(), inode: made.ino() })
    }

    /// Gives the file another owner and mode, as far as `to` differs from `from`.
    pub(super) fn change(&self, from: Access, to: Access) -> Result<(), ListenError> {
        let error = |problem| ListenError::new(self.path.display(), problem);
        if from == to {
            return Ok(());
        }
        if !self.is_still_ours() {
            return Err(error(Problem::Replaced));
        }
        self.set(from, to).map_err(|source| {
            // What cannot be taken back either was not done in the first place.
            let _ = self.set(to, from);
            error(Problem::Owner(source))
        })
    }

    fn set(&self, from: Access, to: Access) -> io::Result<()> {
        let ours = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let changed = |from: Option<u32>, to: Option<u32>, ours| (from != to).then_some(to.unwrap_or(ours));
        let owner = (changed(from.owner.0, to.owner.0, ours.0), changed(from.owner.1, to.owner.1, ours.1));
        // Set again also when only the owner changes, which takes special bits away.
        let mode = match to.mode {
            None if from.mode.is_some() => Some(0o777 & !umask()?),
            mode => mode,
        };
        settle(&self.path, mode, owner)
    }

    fn is_still_ours(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|now| now.dev() == self.device && now.ino() == self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_still_ours() {
            // One that cannot be removed is found stale, and replaced, at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket of a process that is gone, and nothing else.
fn clear_the_way(path: &Path) -> Result<(), Problem> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(placed(error, path)),
        Ok(found) if !found.file_type().is_socket() => Err(Problem::NotASocket),
        Ok(_) => match connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|error| placed(error, path))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Problem::ProbeForbidden),
            // Connected; or a full backlog or another type of socket, which somebody alive has.
            _ => Err(Problem::Alive),
        },
    }
}

fn connect(path: &Path) -> io::Result<()> {
    stream_socket()?.connect(&SockAddr::unix(path)?)
}

fn stream_socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

fn create(socket: &Socket, path: &Path, mode: Option<u32>) -> Result<SocketFile, Problem> {
    if let Some(mode) = mode {
        // Linux makes the file with the socket's own mode, less the umask.
        rustix::fs::fchmod(socket.as_fd(), Mode::from_raw_mode(mode)).map_err(|e| Problem::Other(e.into()))?;
    }
    let address = SockAddr::unix(path).map_err(Problem::Other)?;
    socket.bind(&address).map_err(|error| placed(error, path))?;
    SocketFile::made_at(path).map_err(Problem::Other)
}

/// Gives the file its owner and mode; in this order, for a change of owner takes special bits away.
fn settle(path: &Path, mode: Option<u32>, (user, group): (Option<u32>, Option<u32>)) -> io::Result<()> {
    if user.is_some() || group.is_some() {
        let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
        rustix::fs::chownat(CWD, path, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some(mode) = mode {
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
    }
    Ok(())
}

/// The process's file mode creation mask (proc(5)); asking for it by `umask(2)` would change it for a moment.
fn umask() -> io::Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let mask = line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
    mask.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the process's umask is not to be had"))
}

fn placed(error: io::Error, path: &Path) -> Problem {
    let directory = || match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR) => Problem::NoDirectory(directory()),
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Problem::DirectoryForbidden(directory()),
        Some(Errno::ADDRINUSE) => Problem::Alive,
        _ => Problem::Other(error),
    }
}
