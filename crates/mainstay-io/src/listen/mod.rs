//! Listening sockets: TCP, one per worker on the same port, and unix, one shared by all.

mod error;
mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, SockRef, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

pub use self::error::ListenError;
use self::error::Problem;
use self::unix::SocketFile;
use crate::is_exhaustion;
use crate::stream::Stream;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// TCP over IPv4 or IPv6. An IPv6 address takes IPv6 clients only. Port 0: any that is free.
    Tcp(SocketAddr),
    /// A stream socket in the file system.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Permission bits of the file; `None`: what the process's umask leaves of 0777.
        mode: Option<u32>,
        /// User and group that own the file; `None`: the process's own.
        owner: (Option<u32>, Option<u32>),
    },
}

/// What is listened on, after the fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// TCP, with the port that was chosen where 0 was asked for.
    Tcp(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Sockets that listen, one for each worker. They take connections from now on, which wait in the backlog until a
/// worker accepts them. An address is given up when all of its sockets and [`Listener`]s are dropped; a unix socket's
/// file is then removed, if it is still the one made here.
#[derive(Debug)]
pub struct Bound {
    /// What is listened on.
    pub local: Local,
    /// As many as were asked for.
    pub sockets: Vec<Socket>,
    /// The door of a unix socket.
    pub door: Option<Door>,
}

/// Whom a unix socket lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Permission bits of the file; `None`: what the process's umask leaves of 0777.
    pub mode: Option<u32>,
    /// User and group that own the file; `None`: the process's own.
    pub owner: (Option<u32>, Option<u32>),
}

/// The file of a unix socket that is listened on. Does not keep it there.
#[derive(Clone, Debug)]
pub struct Door(Weak<SocketFile>);

impl Door {
    /// Changes whom the socket lets in, from what [`bind`] or the last change made it, as far as the two differ. Does
    /// nothing once nobody listens on it any more.
    ///
    /// # Errors
    /// The file is gone or another's, or its owner or mode cannot be set. It is then as it was before, as far as the
    /// operating system lets it.
    pub fn change(&self, from: Access, to: Access) -> Result<(), ListenError> {
        self.0.upgrade().map_or(Ok(()), |file| file.change(from, to))
    }
}

/// One worker's share of a [`Bound`]: can be sent to its thread.
#[derive(Debug)]
pub struct Socket {
    // Before the socket: its inode number cannot be used again while the socket lives, so that the file can be told.
    file: Option<Arc<SocketFile>>,
    socket: socket2::Socket,
}

/// A listening socket in a worker's event loop.
#[derive(Debug)]
pub struct Listener {
    file: Option<Arc<SocketFile>>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Listens on `place` with `workers` sockets; the kernel keeps up to `backlog` connections waiting on each.
///
/// # Errors
/// What happened, to what, and what to do about it.
pub fn bind(place: &Place, backlog: u32, workers: usize) -> Result<Bound, ListenError> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    match place {
        Place::Tcp(address) => {
            bind_tcp(*address, backlog, workers).map_err(|source| ListenError::tcp(*address, source))
        }
        Place::Unix { path, mode, owner } => {
            let (file, socket) = unix::bind(path, *mode, *owner, backlog)?;
            let file = Arc::new(file);
            let share = || Ok(Socket { file: Some(Arc::clone(&file)), socket: socket.try_clone()? });
            let sockets = (0..workers).map(|_| share()).collect::<io::Result<_>>();
            let sockets = sockets.map_err(|source| ListenError::new(path.display(), Problem::Other(source)))?;
            Ok(Bound { local: Local::Unix(path.clone()), sockets, door: Some(Door(Arc::downgrade(&file))) })
        }
    }
}

impl Listener {
    /// Registers a socket with the event loop of the calling thread.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn from_socket(socket: Socket) -> io::Result<Self> {
        let kind = match socket.file {
            None => Kind::Tcp(TcpListener::from_std(socket.socket.into())?),
            Some(_) => Kind::Unix(UnixListener::from_std(socket.socket.into())?),
        };
        Ok(Self { file: socket.file, kind })
    }

    /// Stops listening and keeps the address, so that whoever connects is refused by the operating system. Clients that
    /// wait to be accepted are reset: accept them first. Not for a unix socket, which cannot listen again: it stays as it
    /// is, and clients wait.
    ///
    /// # Errors
    /// The operating system's.
    pub fn close(self) -> io::Result<Socket> {
        let socket = match self.kind {
            Kind::Tcp(listener) => {
                let socket = socket2::Socket::from(listener.into_std()?);
                // Else another program could have the address while nobody listens.
                socket.set_reuse_address(false)?;
                // For a listening socket this means to stop (Linux keeps an address that was bound by its port).
                socket.shutdown(std::net::Shutdown::Read)?;
                socket
            }
            Kind::Unix(listener) => listener.into_std()?.into(),
        };
        Ok(Socket { file: self.file, socket })
    }

    /// Listens again on what [`Self::close`] gave; the kernel keeps up to `backlog` connections waiting.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn reopen(socket: Socket, backlog: u32) -> io::Result<Self> {
        if socket.file.is_none() {
            // As it was bound: its connections may still have the address.
            socket.socket.set_reuse_address(true)?;
            socket.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        }
        Self::from_socket(socket)
    }

    /// Whether a client waits to be accepted, asked of the operating system at this moment.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        let fd = match &self.kind {
            Kind::Tcp(listener) => listener.as_fd(),
            Kind::Unix(listener) => listener.as_fd(),
        };
        let mut look = [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut look, Some(&rustix::event::Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// The TCP address it is bound to; `None` for a unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix(_) => None,
        }
    }

    /// Ready when a client has connected, with its address (`None` over a unix socket). TCP streams do not delay small writes and probe silent peers.
    ///
    /// # Errors
    /// The operating system's, when it has no room for another connection: wait before the next try, for the
    /// listener stays ready. Clients that went away meanwhile are passed over.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Option<SocketAddr>)>> {
        loop {
            let accepted = match &self.kind {
                Kind::Tcp(listener) => listener.poll_accept(cx).map_ok(|(s, a)| (Stream::Tcp(s), Some(a))),
                Kind::Unix(listener) => listener.poll_accept(cx).map_ok(|(s, _)| (Stream::Unix(s), None)),
            };
            match accepted {
                Poll::Ready(Err(error)) if !is_lasting(&error) => {}
                other => return other,
            }
        }
    }

    /// The same, as a future.
    ///
    /// # Errors
    /// As [`Self::poll_accept`].
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }
}

/// Makes the kernel ask a silent TCP peer whether it is still there, so that a machine that vanished is noticed
/// within about two minutes. Does nothing for unix sockets, whose peers cannot vanish.
pub fn keep_alive(stream: &Stream) {
    if let Stream::Tcp(stream) = stream {
        // Without it a session still ends by its idle timeout.
        let _ = SockRef::from(stream).set_tcp_keepalive(&probes());
    }
}

/// The same for a peer that is worth watching: one that vanished is noticed within a minute, also with bytes under way
/// to it.
pub fn watch_closely(stream: &Stream) {
    if let Stream::Tcp(stream) = stream {
        let socket = SockRef::from(stream);
        let probes =
            TcpKeepalive::new().with_time(CLOSE_IDLE).with_interval(CLOSE_INTERVAL).with_retries(CLOSE_RETRIES);
        // Without them a session still ends by its idle timeout.
        let _ = socket.set_tcp_keepalive(&probes);
        let _ = socket.set_tcp_user_timeout(Some(CLOSE_UNACKNOWLEDGED));
    }
}

fn bind_tcp(address: SocketAddr, backlog: i32, workers: usize) -> io::Result<Bound> {
    let mut first = bound_socket(address)?;
    let local = first.local_addr()?.as_socket().unwrap_or(address);
    if address.port() == 0 {
        // One that was bound by its port keeps it while it does not listen.
        first = bound_socket_beside(local)?;
    }
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(bound_socket_beside(local)?);
    }
    // Options are handed down to accepted connections: one call here saves one for each of them.
    for socket in &sockets {
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&probes())?;
        socket.listen(backlog)?;
    }
    let sockets = sockets.into_iter().map(|socket| Socket { file: None, socket }).collect();
    Ok(Bound { local: Local::Tcp(local), sockets, door: None })
}

/// Sharing is allowed only after the address was got alone: otherwise a second program of the same user would
/// silently take its part of the connections instead of being told that the address is in use.
fn bound_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = tcp_socket(address)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket)
}

fn bound_socket_beside(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn tcp_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn probes() -> TcpKeepalive {
    TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_EVERY).with_retries(KEEP_ALIVE_PROBES)
}

/// Whether the listener itself is at fault, or the machine has no room, as opposed to one connection that failed.
fn is_lasting(error: &io::Error) -> bool {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(errno) => is_exhaustion(error) || [Errno::BADF, Errno::INVAL, Errno::NOTSOCK].contains(&errno),
        None => true,
    }
}

const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 4;
const CLOSE_IDLE: Duration = Duration::from_secs(5);
const CLOSE_INTERVAL: Duration = Duration::from_secs(5);
const CLOSE_RETRIES: u32 = 4;
/// A peer that reads nothing for as long counts as gone too: a server behind a lock may let a client wait for a while.
const CLOSE_UNACKNOWLEDGED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
