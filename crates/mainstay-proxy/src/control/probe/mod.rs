//! One check of one node: connect, ask, judge. Everything is bounded: the time for all of it together, the bytes of
//! the head and of the body.

mod grpc;
mod http;
mod tcp;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use mainstay_tls::Refusal;

use crate::params::{Checker, Encrypted, Pattern, Probe};
use crate::view::Endpoint;

/// One check to be made.
pub(super) struct Job {
    /// What is asked.
    pub(super) ask: Ask,
    /// Where; tried in order until one takes the connection.
    pub(super) endpoints: Arc<[Endpoint]>,
    /// The node's own name and port, as a Host field has it.
    pub(super) host: String,
    /// What is spoken below what is asked.
    pub(super) tls: Option<Encrypted>,
    /// Longest time for all of it.
    pub(super) timeout: Duration,
}

/// What a check asks.
#[derive(Clone)]
pub(super) enum Ask {
    /// What is configured.
    Configured(Arc<Checker>),
    /// Is there life? See [`Life`].
    Life(Life),
}

/// What counts as a sign of life of a node that nobody configured a check for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Any answer to `GET /` that is HTTP, whatever its status.
    Http,
    /// The settings that every connection of HTTP/2 begins with.
    Http2,
    /// That it takes a connection: nothing else is known of its protocol.
    Connect,
}

/// Makes the check.
pub(super) async fn run(job: &Job) -> Result<(), CheckFault> {
    let check = async {
        let stream = connect(job).await?;
        match &job.ask {
            Ask::Life(Life::Connect) => Ok(()),
            Ask::Life(Life::Http) => http::any_answer(stream, &job.host).await,
            Ask::Life(Life::Http2) => grpc::any_answer(stream).await,
            Ask::Configured(checker) => match &checker.probe {
                Probe::Http(probe) => http::check(stream, probe, &job.host).await,
                Probe::Grpc { service, .. } => grpc::check(stream, &job.question("Check", service)).await,
                Probe::Tcp { send, expect } => tcp::check(stream, send, expect.as_ref()).await,
            },
        }
    };
    within(job.timeout, check).await
}

/// Watches a service of gRPC and hands on each status that it tells, until the stream is over; says why it is.
pub(super) async fn watch(job: &Job, service: &str, told: impl FnMut(u8)) -> CheckFault {
    match within(job.timeout, connect(job)).await {
        Ok(stream) => grpc::watch(stream, &job.question("Watch", service), told).await,
        Err(fault) => fault,
    }
}

impl Job {
    fn question<'a>(&'a self, method: &'static str, service: &'a str) -> grpc::Question<'a> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        grpc::Question { method, service, scheme, host: &self.host }
    }
}

/// What was wrong with a check. Shown to operators as a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckFault {
    /// Its name was never resolved.
    Unresolved,
    /// It took no connection.
    Connect(io::ErrorKind),
    /// It took a connection, but there is no TLS with it.
    Tls(Refusal),
    /// There was no full answer in this time.
    Timeout(Duration),
    /// The connection broke.
    Broken(io::ErrorKind),
    /// It ended before the answer did.
    Closed,
    /// The answer is no HTTP; the parser's word for why.
    Invalid(&'static str),
    /// Another status than asked for.
    Status(u16),
    /// A field is not as asked for.
    Field(Arc<str>),
    /// The body is not as asked for.
    Body,
    /// The bytes that came are not what was expected.
    Answer,
    /// The answer is none to a call of gRPC.
    NoCall,
    /// The call ended with this status of gRPC.
    Call(u8),
    /// The service does not serve; what it says instead.
    Serving(u8),
}

impl fmt::Display for CheckFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("its name was never resolved"),
            Self::Connect(io::ErrorKind::WouldBlock) => f.write_str("takes no more connections"),
            Self::Connect(kind) => write!(f, "{kind}"),
            Self::Tls(refusal) => f.write_str(refusal.phrase()),
            Self::Timeout(time) => write!(f, "no answer in {}", mainstay_core::Span(*time)),
            Self::Broken(kind) => write!(f, "connection broke: {kind}"),
            Self::Closed => f.write_str("closed before a full answer"),
            Self::Invalid(why) => write!(f, "answer is no HTTP ({why})"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Field(name) => write!(f, "field {name} does not match"),
            Self::Body => f.write_str("body does not match"),
            Self::Answer => f.write_str("answer does not match"),
            Self::NoCall => f.write_str("answer is none to a gRPC call"),
            Self::Call(5) => f.write_str("its health service does not know that service (gRPC status 5)"),
            Self::Call(12) => f.write_str("has no grpc.health.v1 service (gRPC status 12)"),
            Self::Call(status) => write!(f, "gRPC status {status}"),
            Self::Serving(2) => f.write_str("not serving"),
            Self::Serving(3) => f.write_str("service unknown"),
            Self::Serving(_) => f.write_str("says nothing about the service"),
        }
    }
}

impl CheckFault {
    /// Whether there was no sign of the node at all, so that nothing that waits on it is worth waiting for. A closed
    /// port is a sign: the node's machine answered, and a node that drains may still finish what it has; a unix
    /// socket whose backlog is full (which the system reports as "would block") is none.
    pub(super) fn is_silence(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, PermissionDenied};
        match self {
            Self::Timeout(_) => true,
            Self::Connect(kind) => !matches!(kind, ConnectionRefused | ConnectionReset | NotFound | PermissionDenied),
            _ => false,
        }
    }

    fn broken(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            kind => Self::Broken(kind),
        }
    }
}

impl Pattern {
    /// Whether `bytes` are as this asks.
    fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Text(text) => memchr::memmem::find(bytes, text).is_some(),
            Self::Regex(regex) => regex.is_match(bytes),
            Self::Not(inner) => !inner.matches(bytes),
        }
    }
}

/// A connection to whatever is checked.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to the first endpoint that takes it. Each has its share of the time, so that an address that swallows
/// packets does not keep the next one from being tried.
async fn connect(job: &Job) -> Result<Box<dyn Stream>, CheckFault> {
    let time = job.timeout;
    let share = time / u32::try_from(job.endpoints.len()).unwrap_or(u32::MAX).max(1);
    let mut fault = CheckFault::Unresolved;
    for endpoint in job.endpoints.iter() {
        let connecting = async {
            let stream: io::Result<Box<dyn Stream>> = match endpoint {
                Endpoint::Tcp(address) => stream::connect(*address).await.map(|stream| Box::new(stream) as _),
                Endpoint::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as _),
            };
            let stream = stream.map_err(|error| CheckFault::Connect(error.kind()))?;
            match &job.tls {
                None => Ok(stream),
                Some(tls) => encrypt(stream, tls).await,
            }
        };
        match within(share, connecting).await {
            Ok(stream) => return Ok(stream),
            Err(CheckFault::Timeout(_)) => fault = CheckFault::Timeout(time),
            Err(other) => fault = other,
        }
    }
    Err(fault)
}

/// Encrypts a connection that was just opened.
async fn encrypt(stream: Box<dyn Stream>, tls: &Encrypted) -> Result<Box<dyn Stream>, CheckFault> {
    let config = Arc::clone(&tls.client.live().current().config);
    match TlsConnector::from(config).connect(tls.host.clone(), stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let known = error.get_ref().and_then(|inner| inner.downcast_ref::<mainstay_tls::Error>());
            Err(known.map_or(CheckFault::Tls(Refusal::Ended), |error| CheckFault::Tls(Refusal::of(error))))
        }
    }
}

async fn within<T>(time: Duration, what: impl Future<Output = Result<T, CheckFault>>) -> Result<T, CheckFault> {
    timeout(time, what).await.unwrap_or(Err(CheckFault::Timeout(time)))
}

/// Most bytes of a head.
const MAX_HEAD: usize = 16 * 1024;

/// Most bytes of a body (or of what a TCP check gets) that are looked at.
const MAX_BODY: usize = 64 * 1024;
