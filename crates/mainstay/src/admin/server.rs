//! The admin listener: one request per connection, small and soon, and only from programs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use mainstay_io::listen::{self, ListenError, Listener};
use mainstay_io::stream::Stream;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use super::document::Said;
use super::face::Face;
use super::leases::{self, Refusal};
use super::place::Place;

/// Listens at `place`; a unix socket is for this user alone.
///
/// # Errors
/// What is in the way and what to do about it.
pub fn bind(place: &Place) -> Result<listen::Bound, ListenError> {
    let place = match place {
        Place::Unix(path) => listen::Place::Unix { path: path.clone(), mode: Some(0o600), owner: (None, None) },
        Place::Tcp(address) => listen::Place::Tcp(*address),
    };
    listen::bind(&place, BACKLOG, 1)
}

/// Answers operators for as long as it is polled.
///
/// # Errors
/// The socket cannot be used.
pub async fn serve(bound: listen::Bound, face: Arc<Face>) -> std::io::Result<()> {
    let Some(socket) = bound.sockets.into_iter().next() else { return Ok(()) };
    let listener = Listener::from_socket(socket)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return Ok(()) };
        match listener.accept().await.map(|(stream, _)| plain(stream)) {
            Err(error) => {
                debug!(%error, "the admin listener could not accept");
                tokio::time::sleep(AFTER_A_FAILURE).await;
            }
            Ok(Some(Plain::Tcp(stream))) => drop(tokio::spawn(converse(stream, face.clone(), permit))),
            Ok(Some(Plain::Unix(stream))) => drop(tokio::spawn(converse(stream, face.clone(), permit))),
            Ok(None) => {}
        }
    }
}

/// What any thread may serve.
enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What a listener gives, which is sockets alone.
fn plain(stream: Stream) -> Option<Plain> {
    match stream {
        Stream::Tcp(stream) => Some(Plain::Tcp(stream)),
        Stream::Unix(stream) => Some(Plain::Unix(stream)),
        Stream::Tls(_) | Stream::Inner(_) => None,
    }
}

/// Answers over one connection, which counts as one as long as it holds its `permit`.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, face: Arc<Face>, permit: OwnedSemaphorePermit) {
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let face = face.clone();
        async move { Ok::<_, Infallible>(answer(&request, &face).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    // A client that left or was too slow is its own fault; there is nobody to tell.
    let _ended = tokio::time::timeout(WHOLE_WITHIN, connection).await;
    drop(permit);
}

async fn answer(request: &Request<Incoming>, face: &Face) -> Response<Full<Bytes>> {
    face.asked();
    if request.headers().contains_key(ORIGIN) || request.headers().contains_key(SEC_FETCH_SITE) {
        return said(StatusCode::FORBIDDEN, "this is not for browsers, which send what any page asks them to");
    }
    let path = request.uri().path();
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    let post = *request.method() == Method::POST;
    match path {
        "/metrics" if get => text(face.metrics()),
        "/status" if get => json(StatusCode::OK, &face.status()),
        "/health" if get => {
            let health = face.health();
            json(if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &health)
        }
        "/reload" if post => match face.reload().await {
            Some(done) if done.ok => json(StatusCode::OK, &done),
            Some(refused) => json(StatusCode::UNPROCESSABLE_ENTITY, &refused),
            None => said(StatusCode::SERVICE_UNAVAILABLE, "Mainstay is busy or about to end"),
        },
        "/drain" | "/admit" if post => drain(face, request.uri().query(), path == "/drain"),
        "/switchover" | "/switchover/cancel" | "/pause" | "/resume" | "/history" => {
            lease(face, path, request.uri().query(), get, post).await
        }
        "/metrics" | "/status" | "/health" => not_allowed("GET, HEAD"),
        "/reload" | "/drain" | "/admit" => not_allowed("POST"),
        _ => said(
            StatusCode::NOT_FOUND,
            "there are /metrics, /status, /health, /history, /reload, /drain, /admit, /switchover, /pause and /resume",
        ),
    }
}

/// Whatever is about a lease.
async fn lease(face: &Face, path: &str, query: Option<&str>, get: bool, post: bool) -> Response<Full<Bytes>> {
    let Some(kept) = face.kept() else {
        return said(
            StatusCode::NOT_FOUND,
            "this Mainstay keeps and follows no lease: its configuration has no [lease.NAME]",
        );
    };
    let param = |name: &str| parameter(query, name);
    if path == "/history" && get {
        let limit = param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(HISTORY);
        return settled(leases::history(kept, param("lease").as_deref(), limit).await);
    }
    let Some(lease) = param("lease") else { return said(StatusCode::BAD_REQUEST, "say which: ?lease=NAME") };
    match path {
        "/switchover" if get => settled(leases::progress(kept, &lease, &param("id").unwrap_or_default())),
        "/switchover" if post => {
            let after = Duration::from_millis(param("after_ms").and_then(|ms| ms.parse().ok()).unwrap_or(0));
            settled(leases::switch(kept, &lease, param("to").as_deref(), after).await)
        }
        "/switchover/cancel" if post => settled(leases::cancel(kept, &lease).await),
        "/pause" if post => {
            let by = param("by").unwrap_or_else(|| "an operator".to_owned());
            settled(leases::pause(kept, &lease, Some(&by)).await)
        }
        "/resume" if post => settled(leases::pause(kept, &lease, None).await),
        "/history" => not_allowed("GET, HEAD"),
        "/switchover" => not_allowed("GET, HEAD, POST"),
        _ => not_allowed("POST"),
    }
}

fn settled(result: Result<impl Serialize, Refusal>) -> Response<Full<Bytes>> {
    match result {
        Ok(done) => json(StatusCode::OK, &done),
        Err((status, why)) => said(StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT), &why),
    }
}

/// The value of a name in a query.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).and_then(|(_, value)| decode(value))
}

fn drain(face: &Face, query: Option<&str>, drained: bool) -> Response<Full<Bytes>> {
    let Some(node) = parameter(query, "node") else {
        return said(StatusCode::BAD_REQUEST, "say which: ?node=NAME");
    };
    match face.set_drained(&node, drained) {
        Some(done) => json(StatusCode::OK, &done),
        None => said(StatusCode::NOT_FOUND, &format!("no pool has a node called {node}")),
    }
}

/// Undoes percent-encoding; `None` for what is not UTF-8 after it.
fn decode(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        bytes.push(match (first, others) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                hex(*high)? * 16 + hex(*low)?
            }
            (b'%', _) => return None,
            (other, _) => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn not_allowed(methods: &'static str) -> Response<Full<Bytes>> {
    let mut response = said(StatusCode::METHOD_NOT_ALLOWED, &format!("use {methods}"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn said(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    json(status, &Said::new(false, message))
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec_pretty(body) {
        Ok(mut body) => {
            body.push(b'\n');
            respond(status, "application/json", body)
        }
        Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new()),
    }
}

fn text(body: String) -> Response<Full<Bytes>> {
    respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body.into_bytes())
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Connections at a time; further ones wait in the backlog.
pub(super) const CONNECTIONS: usize = 32;

/// Largest request, in bytes.
pub(super) const REQUEST: usize = 16 * 1024;

/// Events of `/history` where no number is asked for.
const HISTORY: u32 = 100;

const BACKLOG: u32 = 64;
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// Longest time for a connection; a reload looks names up, which takes a moment.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded() {
        for (text, expect) in [
            ("10.0.0.1:80", Some("10.0.0.1:80")),
            ("unix%3a%2Frun%2Fx", Some("unix:/run/x")),
            ("a+b", Some("a+b")),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decode(text).as_deref(), expect, "{text}");
        }
    }
}
