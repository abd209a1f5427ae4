//! How a node says how it is: `grpc.health.v1` on any of its ports, and HTTP on a port of its own.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::args::Kind;
use super::grpc::{Call, Code, Reply, Service, Status};
use super::proto::{HealthCheckRequest, HealthCheckResponse};

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Its readiness is not registered yet.
    Starting,
    /// Not ready, or passive.
    NotServing,
    /// Ready.
    Serving,
}

/// The health servers of a node.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) kind: Kind,
    pub(super) version: u8,
    pub(super) condition: watch::Sender<Condition>,
}

impl Health {
    /// What is said of a service by name; nothing when there is no such service. Before readiness is registered the server
    /// as a whole counts as serving: that is the start-up trap.
    fn of(&self, service: &str) -> Option<bool> {
        let condition = *self.condition.borrow();
        match service {
            "liveness" if condition != Condition::Starting => Some(true),
            "" => Some(condition != Condition::NotServing),
            name if name == self.kind.service() && condition != Condition::Starting => {
                Some(condition == Condition::Serving)
            }
            _ => None,
        }
    }

    /// Serves HTTP for good.
    pub(super) async fn serve_http(self: Arc<Self>, at: &str) -> io::Result<()> {
        let listener = TcpListener::bind(at).await?;
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let health = Arc::clone(&self);
                tokio::spawn(async move {
                    let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(health.http(&request))));
                    let mut http = hyper::server::conn::http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
                    // A client that goes away is no news.
                    let _gone = http.serve_connection(TokioIo::new(socket), answer).await;
                });
            }
        });
        Ok(())
    }

    fn http(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let ready = *self.condition.borrow() == Condition::Serving;
        let (status, text) = match request.uri().path() {
            "/health" | "/health/ready" | "/health/readiness" => match (ready, self.version) {
                (true, 2) => (200, "healthy\n".to_owned()),
                (false, 2) => (500, "unhealthy\n".to_owned()),
                (true, _) => (200, format!("{}: SERVING\n", self.kind.service())),
                (false, _) => (503, format!("{}: NOT_SERVING\n", self.kind.service())),
            },
            "/health/live" | "/health/liveness" => (200, "liveness: SERVING\n".to_owned()),
            _ => (404, "The requested resource could not be found.\n".to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        response
    }
}

/// The gRPC health server has nothing else.
impl Service for Health {
    async fn answer(&self, call: Call, reply: &mut Reply) -> Result<(), Status> {
        let mut changes = self.condition.subscribe();
        answer(&call, reply, |service| self.of(service), &mut changes).await
    }
}

/// Answers a call to a health service about the services that `of` knows; Unimplemented for any other call.
pub(super) async fn answer<T>(
    call: &Call,
    reply: &mut Reply,
    of: impl Fn(&str) -> Option<bool>,
    changes: &mut watch::Receiver<T>,
) -> Result<(), Status> {
    let said = |serving| HealthCheckResponse { status: if serving { SERVING } else { NOT_SERVING } };
    match call.path.as_str() {
        "/grpc.health.v1.Health/Check" => {
            let asked: HealthCheckRequest = call.message()?;
            let serving = of(&asked.service);
            reply.one(&said(serving.ok_or_else(|| Status::new(Code::NotFound, "unknown service"))?))
        }
        "/grpc.health.v1.Health/Watch" => {
            let asked: HealthCheckRequest = call.message()?;
            let mut last = None;
            loop {
                changes.mark_unchanged();
                let now = of(&asked.service).map_or(HealthCheckResponse { status: SERVICE_UNKNOWN }, said);
                if last.as_ref() != Some(&now) {
                    reply.send(&now).await?;
                    last = Some(now);
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return Ok(()) },
                    () = reply.gone() => return Ok(()),
                }
                tokio::time::sleep(THROTTLE).await;
            }
        }
        path => Err(Status::new(Code::Unimplemented, format!("Method not found: {path}"))),
    }
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;
/// Changes are told once a second at most.
const THROTTLE: Duration = Duration::from_secs(1);
