//! The node behind the proxy: three services, answered from memory.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::calls::End;
use super::head;
use super::poll::{Interest, Moved, Poll, Socket};

/// Set in the token of everything that belongs to the backend.
pub(super) const BACKEND: u64 = 1 << 63;
const LISTENER: u64 = 1 << 62;

/// Bytes of one answer of [`Service::Bulk`].
pub(super) const BULK: usize = 1 << 20;
/// Bytes of the message that asks for it.
pub(super) const BULK_ASK: usize = 16;

/// What a listener of the backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// `GET /300`, `/16k`, `/1m`, `/health`; `POST /post`.
    Http,
    /// Sends back what comes.
    Echo,
    /// Sends [`BULK`] bytes for each [`BULK_ASK`] bytes.
    Bulk,
    /// Answers calls of gRPC.
    Calls,
}

/// The addresses a proxy is pointed at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    /// Two nodes of one HTTP pool.
    pub(super) http: [SocketAddr; 2],
    pub(super) echo: SocketAddr,
    pub(super) bulk: SocketAddr,
    /// Two nodes of one gRPC pool.
    pub(super) calls: [SocketAddr; 2],
}

/// All listeners and connections of the backend.
pub(super) struct Backend {
    listeners: Vec<(TcpListener, Service)>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    answers: Answers,
}

struct Connection {
    socket: Socket,
    service: Service,
    /// The start of a message that has not all come.
    partial: Vec<u8>,
    /// Answers not yet written, and how much of the first is.
    waiting: VecDeque<Arc<[u8]>>,
    written: usize,
    /// The other side wants it closed after what is waiting.
    last: bool,
    end: Option<Box<End>>,
}

struct Answers {
    small: Arc<[u8]>,
    middle: Arc<[u8]>,
    large: Arc<[u8]>,
    missing: Arc<[u8]>,
    bulk: Arc<[u8]>,
}

impl Backend {
    pub(super) fn new(poll: &Poll) -> Result<Self> {
        let mut listeners = Vec::new();
        let services = [Service::Http, Service::Http, Service::Echo, Service::Bulk, Service::Calls, Service::Calls];
        for service in services {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind the backend")?;
            listener.set_nonblocking(true)?;
            poll.add(&listener, BACKEND | LISTENER | listeners.len() as u64)?;
            listeners.push((listener, service));
        }
        Ok(Self { listeners, connections: Vec::new(), free: Vec::new(), answers: Answers::new() })
    }

    pub(super) fn addresses(&self) -> Result<Addresses> {
        let at = |index: usize| -> Result<SocketAddr> {
            let (listener, _) = self.listeners.get(index).context("a backend without its listeners")?;
            Ok(listener.local_addr()?)
        };
        Ok(Addresses { http: [at(0)?, at(1)?], echo: at(2)?, bulk: at(3)?, calls: [at(4)?, at(5)?] })
    }

    /// Handles an event whose token has [`BACKEND`] set.
    pub(super) fn handle(&mut self, poll: &Poll, token: u64, buffer: &mut [u8]) -> Result<()> {
        let index = (token & !(BACKEND | LISTENER)) as usize;
        if token & LISTENER != 0 {
            return self.accept(poll, index);
        }
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else { return Ok(()) };
        let open = connection.flush(poll)? && connection.read(buffer, &self.answers);
        if !open || !connection.flush(poll)? {
            self.connections[index] = None;
            self.free.push(index);
        }
        Ok(())
    }

    fn accept(&mut self, poll: &Poll, listener: usize) -> Result<()> {
        let Some((listener, service)) = self.listeners.get(listener) else { return Ok(()) };
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let socket = Socket::new(poll, stream.into(), BACKEND | index as u64)?;
            self.connections[index] = Some(Connection {
                socket,
                service: *service,
                partial: Vec::new(),
                waiting: VecDeque::new(),
                written: 0,
                last: false,
                end: (*service == Service::Calls).then(|| Box::new(End::node())),
            });
        }
        Ok(())
    }
}

impl Connection {
    /// Reads once and queues the answers; false ends the connection.
    fn read(&mut self, buffer: &mut [u8], answers: &Answers) -> bool {
        if !self.waiting.is_empty() {
            return true;
        }
        match self.socket.read(buffer) {
            Moved::Later => true,
            Moved::End => false,
            Moved::Bytes(count) => {
                self.take(&buffer[..count], answers);
                true
            }
        }
    }

    fn take(&mut self, bytes: &[u8], answers: &Answers) {
        match self.service {
            Service::Echo => self.echo(bytes),
            Service::Bulk => {
                let total = self.partial.len() + bytes.len();
                self.partial.resize(total % BULK_ASK, 0);
                self.waiting.extend(std::iter::repeat_n(&answers.bulk, total / BULK_ASK).cloned());
            }
            Service::Calls => self.calls(bytes),
            Service::Http if self.partial.is_empty() => {
                let used = self.requests(bytes, answers);
                self.partial.extend_from_slice(&bytes[used..]);
            }
            Service::Http => {
                let mut joined = std::mem::take(&mut self.partial);
                joined.extend_from_slice(bytes);
                let used = self.requests(&joined, answers);
                joined.drain(..used);
                self.partial = joined;
            }
        }
    }

    fn calls(&mut self, bytes: &[u8]) {
        let Some(end) = &mut self.end else { return };
        self.last |= end.take(bytes).is_err();
        if !end.out().is_empty() {
            self.waiting.push_back(end.out().as_slice().into());
            end.out().clear();
        }
    }

    /// Writes at once, so that the common case copies nothing.
    fn echo(&mut self, bytes: &[u8]) {
        let written = match self.socket.write(bytes) {
            Moved::Bytes(count) => count,
            Moved::Later | Moved::End => 0,
        };
        if written < bytes.len() {
            self.waiting.push_back(bytes[written..].into());
        }
    }

    /// Queues an answer for every complete request; the number of bytes they took.
    fn requests(&mut self, bytes: &[u8], answers: &Answers) -> usize {
        let mut used = 0;
        while let Some(end) = head::end(&bytes[used..]) {
            let request = &bytes[used..used + end];
            let body = if request.starts_with(b"POST") { head::length(request).unwrap_or(0) } else { 0 };
            if bytes.len() < used + end + body {
                break;
            }
            used += end + body;
            self.last |= request.starts_with(b"GET /health ") && wants_close(request);
            self.waiting.push_back(answers.to(request).clone());
        }
        used
    }

    /// Writes what waits; false ends the connection.
    fn flush(&mut self, poll: &Poll) -> Result<bool> {
        while let Some(first) = self.waiting.front() {
            match self.socket.write(&first[self.written..]) {
                Moved::End => return Ok(false),
                Moved::Later => {
                    self.socket.watch(poll, Interest::Write)?;
                    return Ok(true);
                }
                Moved::Bytes(count) => self.written += count,
            }
            if self.written == first.len() {
                self.waiting.pop_front();
                self.written = 0;
            }
        }
        self.socket.watch(poll, Interest::Read)?;
        Ok(!self.last)
    }
}

impl Answers {
    fn new() -> Self {
        let full = |status: &str, body: usize| -> Arc<[u8]> {
            let mut bytes = format!(
                "HTTP/1.1 {status}\r\nServer: bench\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n\
                 Content-Type: application/octet-stream\r\nContent-Length: {body}\r\n\r\n"
            )
            .into_bytes();
            bytes.extend((0..body).map(|at| b'a' + (at % 26) as u8));
            bytes.into()
        };
        Self {
            small: full("200 OK", 300),
            middle: full("200 OK", 16 << 10),
            large: full("200 OK", 1 << 20),
            missing: full("404 Not Found", 0),
            bulk: vec![b'b'; BULK].into(),
        }
    }

    fn to(&self, request: &[u8]) -> &Arc<[u8]> {
        let path = request.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        match path {
            b"/300" | b"/post" | b"/health" => &self.small,
            b"/16k" => &self.middle,
            b"/1m" => &self.large,
            _ => &self.missing,
        }
    }
}

fn wants_close(request: &[u8]) -> bool {
    head::field(request, "connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"))
        || memchr::memmem::find(request, b" HTTP/1.0\r\n").is_some()
}
