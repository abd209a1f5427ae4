//! The HTTP side of the three servers.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, lookup_host};

use super::args::At;
use super::node::Node;
use super::reply::{Content, Reply};
use super::routes::{Asked, Server, answer};

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Bound {
    /// Listens. A unix socket that is there already, be its process dead or alive, is an error.
    pub(super) async fn listen(at: &At) -> io::Result<Self> {
        match at {
            At::Unix(path) => UnixListener::bind(path).map(Self::Unix),
            At::Tcp(at) => {
                let mut addresses = lookup_host(at).await?;
                let address = addresses.next().ok_or_else(|| io::Error::other(format!("{at} has no address")))?;
                listen(address).map(Self::Tcp)
            }
        }
    }

    /// Serves for good.
    pub(super) async fn serve(self, server: Server, node: Arc<Node>) {
        loop {
            let accepted = match &self {
                Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| connection(stream, server, &node)),
                Self::Unix(listener) => listener.accept().await.map(|(stream, _)| connection(stream, server, &node)),
            };
            if let Err(error) = accepted {
                eprintln!("{}: accept: {error}", server.name());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// `SO_REUSEPORT` lets a proxy listen on the same port of all addresses on the same machine, as the documents' file does
/// on a machine of its own.
fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(at), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, server: Server, node: &Arc<Node>) {
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let service = service_fn(move |request| exchange(request, server, Arc::clone(&node)));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(BUFFER).half_close(true);
        // A client that goes away is no news.
        let _gone = http.serve_connection(TokioIo::new(stream), service).await;
    });
}

/// One request and its answer. The work goes on when the client goes away, as a servlet's does.
async fn exchange(
    request: Request<Incoming>,
    server: Server,
    node: Arc<Node>,
) -> Result<Response<Content>, Infallible> {
    let (start, line) = (Instant::now(), format!("{} {}", request.method(), request.uri()));
    let work = async move {
        match taken(request).await {
            Ok(asked) => answer(server, &node, &asked).await,
            Err(refusal) => refusal,
        }
    };
    let reply = tokio::spawn(work).await.unwrap_or_else(|_| Reply::text(500, "a fault of the model"));
    eprintln!("{} {line} {} {} ms", server.name(), reply.status, start.elapsed().as_millis());
    Ok(reply.into_response())
}

/// Takes the whole request, or refuses it as the real server does.
async fn taken(request: Request<Incoming>) -> Result<Asked, Reply> {
    let (parts, body) = request.into_parts();
    if parts.version == Version::HTTP_11 && !parts.headers.contains_key(HOST) {
        return Err(Reply::text(400, "Bad Request: No Host").closing());
    }
    if parts.uri.to_string().len() > LARGEST_HEAD {
        return Err(Reply::text(414, "URI Too Long").closing());
    }
    let head: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head > LARGEST_HEAD {
        return Err(Reply::text(431, "Request Header Fields Too Large").closing());
    }
    let body = tokio::time::timeout(IDLE, body.collect()).await;
    match body {
        Ok(Ok(body)) => Ok(Asked::new(parts, body.to_bytes())),
        Ok(Err(_)) | Err(_) => Err(Reply::bad_request().closing()),
    }
}

/// Jetty's idle time-out.
const IDLE: Duration = Duration::from_secs(30);
/// Jetty's limit of a head.
const LARGEST_HEAD: usize = 8 << 10;
/// Enough to see what is larger than that.
const BUFFER: usize = 64 << 10;
const BACKLOG: i32 = 128;
