//! What a server answers, in the texts of the real one.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Response;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CONNECTION, CONTENT_TYPE, LOCATION};

use super::pool::NoConnection;

/// An answer. Refusals are answers too: functions return them as errors.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    kind: &'static str,
    body: Vec<u8>,
    location: Option<String>,
    close: bool,
}

impl Reply {
    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::of(status, "text/plain", text.into().into_bytes())
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::of(status, "application/json", value.to_string().into_bytes())
    }

    pub(super) fn of(status: u16, kind: &'static str, body: Vec<u8>) -> Self {
        Self { status, kind, body, location: None, close: false }
    }

    pub(super) fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(super) fn location(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    pub(super) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    pub(super) fn no_such_path() -> Self {
        Self::text(404, "HTTP 404 Not Found")
    }

    pub(super) fn no_such_payload(hash: &str) -> Self {
        Self::text(404, format!("Message with hash {hash} was not found"))
    }

    pub(super) fn no_such_recipient(key: &str) -> Self {
        Self::text(404, format!("Recipient not found for key: {key}"))
    }

    pub(super) fn bad_request() -> Self {
        Self::text(400, "HTTP 400 Bad Request")
    }

    /// Client faults that the real one reports as its own.
    pub(super) fn misreported(fault: &str) -> Self {
        Self::text(500, format!("HTTP {fault}"))
    }

    pub(super) fn into_response(self) -> Response<Content> {
        let mut response = Response::new(Content { data: Some(Bytes::from(self.body)) });
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(self.kind));
        if let Some(location) = self.location.and_then(|location| location.parse().ok()) {
            headers.insert(LOCATION, location);
        }
        if self.close {
            headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<NoConnection> for Reply {
    fn from(_: NoConnection) -> Self {
        Self::text(
            500,
            "Unable to acquire JDBC Connection: Connection is not available, request timed out after 30000ms.",
        )
    }
}

impl From<tokio_postgres::Error> for Reply {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = error.as_db_error().map_or_else(|| error.to_string(), |error| format!("ERROR: {}", error.message()));
        Self::text(500, text)
    }
}

/// A body with a length while it is small, and in chunks when it is large, as the real server's buffers make it.
#[derive(Debug)]
pub(super) struct Content {
    data: Option<Bytes>,
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.data.take().filter(|data| !data.is_empty()).map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self.data.as_ref().map(Bytes::len) {
            Some(length) if length >= CHUNKED_FROM => SizeHint::default(),
            length => SizeHint::with_exact(length.unwrap_or(0) as u64),
        }
    }
}

/// From how many bytes on an answer is chunked. Measured: small ones are not, 1.4 MB are.
const CHUNKED_FROM: usize = 1 << 20;
