//! Calls to other nodes.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A peer gave no answer: it refused, cut the connection, or took too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offline(pub(super) String);

/// POSTs bytes to a node; the status of its answer. `bound` holds for connecting and for the answer, each.
pub(super) async fn post(address: &str, path: &str, body: Vec<u8>, bound: Option<Duration>) -> Result<u16, Offline> {
    let offline = |error: &dyn std::fmt::Display| Offline(error.to_string());
    let uri: Uri = address.trim_end_matches('/').parse().map_err(|error| offline(&error))?;
    let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let at = (uri.host().unwrap_or_default().to_owned(), uri.port_u16().unwrap_or(80));
    let stream = within(bound, TcpStream::connect(at)).await?.map_err(|_| Offline("Connection refused".to_owned()))?;
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::post(path)
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(Bytes::from(body)));
        let Ok(request) = request else { return Ok(400) };
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok::<u16, hyper::Error>(status)
    };
    within(bound, exchange).await?.map_err(|error| offline(&error))
}

async fn within<T>(bound: Option<Duration>, work: impl Future<Output = T>) -> Result<T, Offline> {
    match bound {
        Some(bound) => tokio::time::timeout(bound, work).await.map_err(|_| Offline("Read timed out".to_owned())),
        None => Ok(work.await),
    }
}
