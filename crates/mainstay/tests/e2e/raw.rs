//! Both ends of a conversation through the front, byte for byte, each step of it in the test's hands.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A node whose every answer is written by the test.
pub(crate) enum Backend {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// One end of a connection.
pub(crate) struct Raw {
    stream: Box<dyn Stream>,
    /// Read, but not yet asked for.
    got: Vec<u8>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Backend {
    /// Listens on a port the system gives.
    pub(crate) async fn tcp() -> Self {
        Self::Tcp(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    /// Listens on a socket in the file system.
    pub(crate) fn unix(path: &Path) -> Self {
        Self::Unix(UnixListener::bind(path).expect("a socket"), path.to_owned())
    }

    /// The address as a pool's `nodes` take it.
    pub(crate) fn at(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().expect("an address").to_string(),
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Raw {
        let accepted = async {
            Ok::<_, std::io::Error>(match self {
                Self::Tcp(listener) => Raw::new(listener.accept().await?.0),
                Self::Unix(listener, _) => Raw::new(listener.accept().await?.0),
            })
        };
        soon("a connection to the node", accepted).await.expect("it can be accepted")
    }
}

impl Raw {
    /// Connects over TCP.
    pub(crate) async fn connect(at: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(at)).await.expect("it listens");
        stream.set_nodelay(true).expect("an option");
        Self::new(stream)
    }

    /// Connects to a socket in the file system.
    pub(crate) async fn connect_unix(path: &Path) -> Self {
        Self::new(soon("a connection", UnixStream::connect(path)).await.expect("it listens"))
    }

    fn new(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), got: Vec::new() }
    }

    /// Sends all of it.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("it can be sent");
    }

    /// Sends all of it, if the other side lets us.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        soon("room to send", self.stream.write_all(bytes.as_ref())).await
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        soon("a shutdown", self.stream.shutdown()).await.expect("it can be shut down");
    }

    /// Reads one head with its blank line.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.got, b"\r\n\r\n") {
                let head = self.got.drain(..end + 4).collect();
                return String::from_utf8(head).expect("a head is text here");
            }
            assert!(self.more().await, "closed within a head: {}", self.text());
        }
    }

    /// Reads as many bytes as this has, which they must equal.
    pub(crate) async fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        while self.got.len() < bytes.len() && self.more().await {}
        let got: Vec<u8> = self.got.drain(..bytes.len().min(self.got.len())).collect();
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(bytes));
    }

    /// Reads so many bytes and forgets them.
    pub(crate) async fn skip(&mut self, mut count: usize) {
        loop {
            let now = count.min(self.got.len());
            self.got.drain(..now);
            count -= now;
            if count == 0 {
                return;
            }
            assert!(self.more().await, "closed with {count} bytes to come");
        }
    }

    /// Reads until the other side closes. A reset counts as a close.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await {}
        let rest = self.text();
        self.got.clear();
        rest
    }

    /// Waits for the other side to close; nothing more may come.
    pub(crate) async fn closed(&mut self) {
        let rest = self.rest().await;
        assert_eq!(rest, "", "closed, but first said this");
    }

    /// Reads once; false at the end.
    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.got);
        match tokio::time::timeout(SOON, read).await {
            Ok(read) => read.is_ok_and(|read| read > 0),
            Err(_) => panic!("nothing more came after {:?}", self.text()),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.got).into_owned()
    }
}

/// The request line or status line of a head.
pub(crate) fn first_line(head: &str) -> &str {
    head.lines().next().unwrap_or_default()
}

/// The values of the fields of this name (in lower case).
pub(crate) fn fields<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// Waits for something that must happen soon.
pub(crate) async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, wait).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}

/// Far longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);
