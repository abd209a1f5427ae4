//! Clients and nodes that speak HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use mainstay_proxy::front::Front;
use mainstay_proxy::params::Plan;
use tokio::net::TcpListener;

use crate::rig::{connect, plan, timeout};

/// A request as a node gets it, and the way to answer it.
pub(super) type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// A plan whose nodes speak HTTP/2.
pub(super) fn plan2(nodes: &[SocketAddr]) -> Plan {
    let mut plan = plan(nodes);
    plan.pools[0].http2 = true;
    plan
}

/// A client's connection to the front.
pub(super) async fn client(front: &Front) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(connect(front).await).await.unwrap();
    tokio::spawn(connection);
    timeout(client.ready()).await.unwrap()
}

/// A node: the requests that come to it, over whatever connection.
pub(super) async fn node() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok(asked)) = connection.accept().await {
                    if tell.send(asked).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, asked)
}

/// A call of gRPC.
pub(super) fn call(path: &str) -> http::request::Builder {
    Request::post(format!("http://ledger{path}")).header("content-type", "application/grpc").header("te", "trailers")
}

/// Reads a body to its end, and its trailers.
pub(super) async fn read(mut body: RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(piece) = timeout(body.data()).await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    (all, timeout(body.trailers()).await.unwrap())
}

/// Sends a body as windows allow.
pub(super) async fn send(stream: &mut SendStream<Bytes>, body: &[u8], end: bool) {
    let mut left = Bytes::copy_from_slice(body);
    while !left.is_empty() {
        stream.reserve_capacity(left.len());
        let room = timeout(std::future::poll_fn(|cx| stream.poll_capacity(cx))).await.unwrap().unwrap();
        let piece = left.split_to(room.min(left.len()));
        let last = left.is_empty() && end;
        stream.send_data(piece, last).unwrap();
    }
    if body.is_empty() && end {
        stream.send_data(Bytes::new(), true).unwrap();
    }
}

/// Trailers of gRPC.
pub(super) fn trailers(status: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert("grpc-status", status.parse().unwrap());
    map
}

/// The head of an answer to a call.
pub(super) fn grpc() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}
