//! A byte stream over TCP, a unix socket or within another connection, read into lent buffers.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::inner::Inner;
use crate::tls::Tls;

/// A connected stream.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
    /// Encrypted, over one of the two.
    Tls(Box<Tls>),
    /// Within another connection.
    Inner(Box<dyn Inner>),
}

impl Stream {
    /// Connects to a TCP address, without delaying small writes.
    ///
    /// # Errors
    /// The operating system's, e.g. connection refused.
    pub async fn connect_tcp(to: SocketAddr) -> io::Result<Self> {
        let stream = connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Connects to a unix socket.
    ///
    /// # Errors
    /// The operating system's, e.g. no such file.
    pub async fn connect_unix(to: &Path) -> io::Result<Self> {
        Ok(Self::Unix(UnixStream::connect(to).await?))
    }

    /// Reads into `buf`; 0 is the end. A read that leaves room in `buf` counts as having emptied the socket, so the
    /// next read waits for the operating system's word instead of asking in vain.
    ///
    /// # Errors
    /// The operating system's.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buf);
        let polled = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut read),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut read),
            Self::Tls(stream) => return stream.poll_read(cx, buf),
            Self::Inner(stream) => return stream.poll_read(cx, buf),
        };
        polled.map_ok(|()| read.filled().len())
    }

    /// Writes what fits of `parts`, in order, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits: then wait with [`Stream::poll_writable`]. Else the operating system's.
    pub fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, parts) {
            (Self::Tls(stream), _) => stream.try_write(parts),
            (Self::Inner(stream), _) => stream.try_write(parts),
            (Self::Tcp(stream), [one]) => stream.try_write(one),
            (Self::Unix(stream), [one]) => stream.try_write(one),
            (Self::Tcp(stream), _) => stream.try_write_vectored(parts),
            (Self::Unix(stream), _) => stream.try_write_vectored(parts),
        }
    }

    /// Writes what fits of `parts`, in order.
    ///
    /// # Errors
    /// The operating system's.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match (self, parts) {
            (Self::Tls(stream), _) => stream.poll_write(cx, parts),
            (Self::Inner(stream), _) => loop {
                match stream.try_write(parts) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        std::task::ready!(stream.poll_writable(cx))?;
                    }
                    other => return Poll::Ready(other),
                }
            },
            (Self::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Unix(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Tcp(stream), _) => Pin::new(stream).poll_write_vectored(cx, parts),
            (Self::Unix(stream), _) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    /// Ready when something may fit.
    ///
    /// # Errors
    /// If the runtime is gone.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
            Self::Tls(stream) => stream.poll_writable(cx),
            Self::Inner(stream) => stream.poll_writable(cx),
        }
    }

    /// Ready when there is something to read: bytes, the end, or an error.
    ///
    /// # Errors
    /// If the runtime is gone.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => stream.poll_readable(cx),
            Self::Inner(stream) => stream.poll_readable(cx),
        }
    }

    /// Looks at what has come to a socket and leaves it there. Ready when that is more than `seen` bytes, or the end.
    ///
    /// # Errors
    /// The operating system's; `Unsupported` where there is no socket.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8], seen: usize) -> Poll<io::Result<usize>> {
        loop {
            std::task::ready!(self.poll_readable(cx))?;
            let mut peek = |fd: BorrowedFd<'_>| {
                let (count, _) = rustix::net::recv(fd, &mut *buf, PEEK)?;
                // Nothing is taken, so that only this makes the event loop wait for more.
                if count > 0 && count <= seen { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
            };
            let peeked = match self {
                Self::Tcp(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
                Self::Unix(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
                Self::Tls(_) | Self::Inner(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match peeked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// Reads what has come to a socket, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has. Else the operating system's.
    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buf),
            Self::Unix(stream) => stream.try_read(buf),
            Self::Tls(_) | Self::Inner(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Who is at its other end, as far as a certificate has shown it.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        match self {
            Self::Tls(tls) => tls.identity().map(|identity| &**identity),
            Self::Inner(stream) => stream.identity(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// What there is to know of its encryption; `None` where there is none of its own.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Tcp(_) | Self::Unix(_) | Self::Inner(_) => None,
        }
    }

    /// Whether nothing has come on a connection on which nothing should: neither bytes nor its end. Knows what the event
    /// loop has seen so far, and costs no system call unless that was news or the last read filled its buffer.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending() || self.is_emptied()
    }

    /// Whether the operating system has nothing after a read that filled its buffer, which left the event loop thinking
    /// that there is more; it is put right.
    fn is_emptied(&self) -> bool {
        let peek = |fd: BorrowedFd<'_>| Ok(rustix::net::recv(fd, &mut [0_u8; 1], PEEK)?);
        let peeked = match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, || peek(stream.as_fd())),
            Self::Tls(_) | Self::Inner(_) => return false,
        };
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same, asked of the operating system at this very moment.
    #[must_use]
    pub fn is_quiet_now(&self) -> bool {
        if let Self::Tls(stream) = self {
            return stream.is_quiet_now();
        }
        match self.socket() {
            Some(fd) => matches!(rustix::net::recv(fd, &mut [0_u8; 1], PEEK), Err(rustix::io::Errno::AGAIN)),
            None => self.is_quiet(),
        }
    }

    /// Copies what has come and was not read yet into `buf`, and leaves it to be read. Asks the operating system at this
    /// moment.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come, `Unsupported` where the operating system cannot be asked, else its own.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let socket = self.socket().ok_or(io::ErrorKind::Unsupported)?;
        let (length, _) = rustix::net::recv(socket, buf, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
        Ok(length)
    }

    /// Whether the peer has said that it sends no more, or is gone, also while bytes of it are still to be read. Asks the
    /// operating system at this moment and leaves the event loop's view as it is.
    #[must_use]
    pub fn has_left(&self) -> bool {
        let fd = match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Tls(stream) => return stream.has_left(),
            Self::Inner(stream) => return stream.has_left(),
        };
        let mut look = [PollFd::from_borrowed_fd(fd, PollFlags::RDHUP)];
        // HUP and ERR are told unasked (poll(2)).
        rustix::event::poll(&mut look, Some(&Timespec::default())).is_ok_and(|told| told > 0)
    }

    /// Whether it is known that the peer has done nothing with what was written, so that it may be sent elsewhere.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        matches!(self, Self::Inner(stream) if stream.is_untouched())
    }

    /// With which code the peer gave a stream within another connection up, if it did.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Inner(stream) => stream.code(),
            Self::Tcp(_) | Self::Unix(_) | Self::Tls(_) => None,
        }
    }

    /// The socket below, for what bypasses the bytes read and written here; `None` where there is none.
    #[must_use]
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(stream) => Some(stream.as_fd()),
            Self::Unix(stream) => Some(stream.as_fd()),
            Self::Tls(_) | Self::Inner(_) => None,
        }
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// The operating system's.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Write),
            Self::Unix(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Write),
            Self::Tls(stream) => stream.shutdown_write(),
            Self::Inner(stream) => stream.shutdown_write(),
        }
    }

    /// Makes the close that follows a reset, so that the peer learns at once that this was no orderly end.
    pub fn reset_on_close(&self) {
        // Fails only for a socket that is gone already, which is what was wanted.
        let _ = match self {
            Self::Tcp(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Self::Unix(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Self::Tls(stream) => {
                stream.reset_on_close();
                Ok(())
            }
            Self::Inner(stream) => {
                stream.reset_on_close();
                Ok(())
            }
        };
    }
}

/// Connects to a TCP address.
///
/// # Errors
/// The operating system's, e.g. connection refused.
pub async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    not_with_itself(TcpStream::connect(to).await?, to)
}

/// A port of this machine that nobody listens on may be given to the very caller: the socket is then connected with
/// itself, echoes what it is sent, and keeps the port from whoever comes back to listen on it.
fn not_with_itself(stream: TcpStream, to: SocketAddr) -> io::Result<TcpStream> {
    if to.ip().is_loopback() && stream.local_addr()? == to {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

const PEEK: RecvFlags = RecvFlags::PEEK.union(RecvFlags::DONTWAIT);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_socket_connected_with_itself_counts_as_refused() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let to = socket.local_addr().unwrap();
        let stream = socket.connect(to).await.expect("the kernel connects it with itself");
        let error = not_with_itself(stream, to).expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let listener = std::net::TcpListener::bind(to).expect("the port is free again");
        connect(to).await.expect("somebody listens");
        drop(listener);
    }

    #[tokio::test]
    async fn a_peer_that_has_left_is_noticed_behind_bytes_that_are_not_read() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut ours = Stream::Tcp(listener.accept().await.unwrap().0);
        client.write_all(b"POST").await.unwrap();
        poll_fn(|cx| ours.poll_readable(cx)).await.unwrap();
        assert!(!ours.has_left(), "it has only spoken");
        drop(client);
        let gone = async {
            while !ours.has_left() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("noticed");
        let mut buf = [0; 8];
        assert_eq!(poll_fn(|cx| ours.poll_read(cx, &mut buf)).await.unwrap(), 4, "what it said is still there");
    }

    #[tokio::test]
    async fn a_read_that_fills_its_buffer_leaves_a_quiet_stream() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut ours = Stream::Unix(ours);
        assert!(ours.is_quiet());
        theirs.write_all(b"1234").await.unwrap();
        let mut buf = [0; 4];
        assert_eq!(poll_fn(|cx| ours.poll_read(cx, &mut buf)).await.unwrap(), 4);
        assert!(ours.is_quiet(), "all of it was read");
        theirs.write_all(b"5").await.unwrap();
        poll_fn(|cx| ours.poll_readable(cx)).await.unwrap();
        assert!(!ours.is_quiet(), "there is more");
        assert_eq!(poll_fn(|cx| ours.poll_read(cx, &mut buf)).await.unwrap(), 1);
        drop(theirs);
        poll_fn(|cx| ours.poll_readable(cx)).await.unwrap();
        assert!(!ours.is_quiet(), "it has ended");
    }
}
