//! The load's HTTP client: one request, one answer, no second try.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::{Failure, Outcome, Target};

/// Connections to one address.
pub(super) struct Client {
    target: Target,
    timeout: Duration,
    /// Kept alive, the last one used last.
    idle: RefCell<Vec<Box<dyn Stream>>>,
}

/// What is asked.
pub(super) struct Exchange {
    /// The id of a write; `None`: a read.
    pub(super) write: Option<String>,
    /// The key.
    pub(super) key: String,
    /// Whether on a connection of its own.
    pub(super) fresh: bool,
}

/// A connection.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    fn fd(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for UnixStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// What is of interest in an answer's head.
struct Head {
    len: usize,
    status: u16,
    body: usize,
    close: bool,
    node: Option<String>,
}

impl Client {
    pub(super) fn new(target: Target, timeout: Duration) -> Self {
        Self { target, timeout, idle: RefCell::default() }
    }

    /// Sends the request and waits for its end, which is told with the name of the node that answered.
    pub(super) async fn exchange(&self, exchange: &Exchange) -> (Outcome, Option<String>) {
        match tokio::time::timeout(self.timeout, self.attempt(exchange)).await {
            Err(_) => (Outcome::Failed(Failure::Timeout), None),
            Ok(Err(failure)) => (Outcome::Failed(failure), None),
            Ok(Ok(Head { status: 200..=299, node, .. })) => (Outcome::Done, node),
            Ok(Ok(Head { status, node, .. })) => (Outcome::Failed(Failure::Status(status)), node),
        }
    }

    async fn attempt(&self, exchange: &Exchange) -> Result<Head, Failure> {
        let kept = if exchange.fresh { None } else { self.alive() };
        let mut stream = match kept {
            Some(stream) => stream,
            None => self.connect().await.map_err(|error| Failure::Connect(error.kind()))?,
        };
        let broken = |error: io::Error| Failure::Broken(error.kind());
        stream.write_all(exchange.bytes().as_bytes()).await.map_err(broken)?;
        let head = answer(&mut *stream).await?;
        if !head.close && !exchange.fresh {
            self.idle.borrow_mut().push(stream);
        }
        Ok(head)
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.target {
            Target::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Target::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }

    /// An idle connection that the other side has not closed.
    fn alive(&self) -> Option<Box<dyn Stream>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(stream) = idle.pop() {
            let peeked = rustix::net::recv(stream.fd(), &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
            if peeked.is_err_and(|error| error == rustix::io::Errno::WOULDBLOCK) {
                return Some(stream);
            }
        }
        None
    }
}

impl Exchange {
    fn bytes(&self) -> String {
        let Self { write, key, fresh } = self;
        let connection = if *fresh { "close" } else { "keep-alive" };
        match write {
            None => format!("GET /kv/{key} HTTP/1.1\r\nHost: demo\r\nConnection: {connection}\r\n\r\n"),
            Some(id) => format!(
                "POST /kv/{key} HTTP/1.1\r\nHost: demo\r\nConnection: {connection}\r\nWrite-Id: {id}\r\n\
                 Content-Length: {}\r\n\r\n{id}",
                id.len()
            ),
        }
    }
}

/// Reads one complete answer.
async fn answer(stream: &mut dyn Stream) -> Result<Head, Failure> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let read = stream.read_buf(&mut bytes).await.map_err(|error| Failure::Broken(error.kind()))?;
        if read == 0 {
            return Err(Failure::Broken(io::ErrorKind::UnexpectedEof));
        }
        match head(&bytes)? {
            Some(head) if bytes.len() == head.len + head.body => return Ok(head),
            Some(head) if bytes.len() > head.len + head.body => return Err(Failure::Nonsense),
            _ => {}
        }
    }
}

/// Reads an answer's head if it is complete. Answers here always tell their length.
fn head(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = response.parse(bytes).map_err(|_| Failure::Nonsense)? else {
        return Ok(None);
    };
    let field = |name: &str| {
        let found = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let status = response.code.ok_or(Failure::Nonsense)?;
    let body = field("content-length").and_then(|length| length.parse().ok()).ok_or(Failure::Nonsense)?;
    let close = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Head { len, status, body, close, node: field("node").map(str::to_owned) }))
}

/// Most fields in an answer.
const MAX_FIELDS: usize = 32;
