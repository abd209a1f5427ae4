//! Connections and requests of a model node.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::store::{Answer, Store, Write};

/// How far a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// All is well.
    Serving,
    /// It still serves, but asks everybody to go elsewhere.
    Draining,
    /// It takes no connection any more and ends each as soon as it is idle.
    Closing,
}

/// Where a node listens.
pub(super) enum Door {
    Tcp(TcpListener),
    Unix(UnixListener, String),
}

impl Door {
    /// Binds `at`: `host:port` or `unix:/path`, where a file left behind is replaced.
    pub(super) async fn open(at: &str) -> io::Result<Self> {
        let Some(path) = at.strip_prefix("unix:") else { return Ok(Self::Tcp(TcpListener::bind(at).await?)) };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self::Unix(UnixListener::bind(path)?, at.to_owned()))
    }

    /// The address in the form [`Door::open`] takes.
    pub(super) fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            Self::Unix(_, at) => Ok(at.clone()),
        }
    }
}

/// What every connection of a node works with.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) store: Store,
    pub(super) name: String,
    pub(super) think: Duration,
    pub(super) phase: watch::Receiver<Phase>,
}

/// Takes connections until [`Phase::Closing`], then waits for those it has.
pub(super) async fn connections(door: Door, service: Service, phases: watch::Receiver<Phase>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let mut closing = pin!(closing(phases));
    loop {
        while connections.try_join_next().is_some() {}
        tokio::select! {
            biased;
            () = &mut closing => break,
            accepted = accept(&door, &service, &mut connections) => accepted?,
        }
    }
    drop(door);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn accept(door: &Door, service: &Service, connections: &mut JoinSet<()>) -> io::Result<()> {
    match door {
        Door::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            connections.spawn(connection(stream, service.clone()));
        }
        Door::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            connections.spawn(connection(stream, service.clone()));
        }
    }
    Ok(())
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, service: Service) {
    let closing = closing(service.phase.clone());
    let answer = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut connection =
        pin!(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // A connection that breaks is its client's affair.
        _ = connection.as_mut() => return,
        () = closing => connection.as_mut().graceful_shutdown(),
    }
    let _broken = connection.await;
}

/// Returns when the node closes (or its main task has ended).
async fn closing(mut phases: watch::Receiver<Phase>) {
    let _ended = phases.wait_for(|phase| *phase == Phase::Closing).await;
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = self.route(request).await;
        if let Ok(name) = HeaderValue::from_str(&self.name) {
            response.headers_mut().insert(NODE, name);
        }
        if *self.phase.borrow() != Phase::Serving {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() == "/health" {
            let draining = *self.phase.borrow() != Phase::Serving;
            return if draining {
                text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            } else {
                text(StatusCode::OK, "well\n")
            };
        }
        let Some(key) = request.uri().path().strip_prefix("/kv/").map(str::to_owned) else {
            return text(StatusCode::NOT_FOUND, "there are /kv/KEY and /health\n");
        };
        let done = match *request.method() {
            Method::GET | Method::HEAD => self.read(key).await,
            Method::POST | Method::PUT => self.write(key, request).await,
            _ => Ok(text(StatusCode::METHOD_NOT_ALLOWED, "GET reads, POST writes\n")),
        };
        tokio::time::sleep(self.think).await;
        done.unwrap_or_else(|error| {
            eprintln!("model node {}: {error}", self.name);
            text(StatusCode::INTERNAL_SERVER_ERROR, "the database failed\n")
        })
    }

    async fn read(&self, key: String) -> Answer<Response<Full<Bytes>>> {
        Ok(match self.store.read(key).await? {
            Some(value) => Response::new(Full::new(value.into())),
            None => text(StatusCode::NOT_FOUND, "never written\n"),
        })
    }

    async fn write(&self, key: String, request: Request<Incoming>) -> Answer<Response<Full<Bytes>>> {
        let id = request.headers().get(WRITE_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let Ok(body) = Limited::new(request.into_body(), MAX_VALUE).collect().await else {
            return Ok(text(StatusCode::BAD_REQUEST, "the value broke off or has more than 1 MiB\n"));
        };
        self.store.write(Write { key, id, value: body.to_bytes().to_vec() }).await?;
        Ok(text(StatusCode::CREATED, "written\n"))
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// Tells which node answered.
const NODE: &str = "node";
/// Names a write, so that it can be found and counted afterwards.
const WRITE_ID: &str = "write-id";
/// Largest value taken.
const MAX_VALUE: usize = 1024 * 1024;
