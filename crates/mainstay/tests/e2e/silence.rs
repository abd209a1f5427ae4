//! A stream of gRPC over TLS and a session over TCP on which nothing is said for long.

use std::net::SocketAddr;
use std::time::Duration;

use h2::RecvStream;
use h2::server::SendResponse;
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Response};
use mainstay::demo::stage::Front;
use mainstay_testkit::canton::client_tls;
use mainstay_testkit::free_port;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::kit;
use crate::tls::{Authority, config};

#[test]
fn a_silent_stream_over_tls_and_a_silent_session_live() {
    let asked = std::env::var(SILENCE).ok().map(|text| text.parse().expect("a number of seconds"));
    let (silence, limits) = asked.map_or((3, SHORT), |seconds| (seconds, ""));
    let silence = Duration::from_secs(silence);
    kit::run_for(silence, async {
        let dir = kit::dir();
        Authority::new(&dir, "ca").issue("edge", 1, |_| {});
        let (calls, sessions) = (node().await, echo().await);
        let door = SocketAddr::from(([127, 0, 0, 1], free_port().expect("a port")));
        let text = |at: SocketAddr| {
            format!(
                "[admin]\nat = \"unix:{}\"\n{}{limits}[pool.calls]\nnodes = [\"{calls}\"]\n[pool.sessions]\n\
                 nodes = [\"{sessions}\"]\n[listen.calls]\nat = \"{at}\"\ntls = \"edge\"\nto = \"grpc://calls\"\n\
                 [listen.sessions]\nat = \"{door}\"\nto = \"tcp://sessions\"\n",
                dir.file(Front::ADMIN).display(),
                config(&dir, ""),
            )
        };
        let front = Front::start(kit::exe(), &dir, text).await.expect("a front starts");
        let mut session = TcpStream::connect(door).await.expect("it listens");
        let tls = TlsConnector::from(client_tls(&dir.file("ca.crt"), None).expect("a client"));
        let stream = TcpStream::connect(front.at()).await.expect("it listens");
        let stream = tls.connect(ServerName::try_from("localhost").expect("a name"), stream).await.expect("TLS");
        let (mut client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let call = Request::post("https://localhost/a.B/Follow").header("content-type", "application/grpc");
        let call = call.header("te", "trailers").body(()).expect("a request");
        let (answer, mut up) = client.send_request(call, false).expect("it is taken");
        up.send_data(Bytes::from_static(b"before"), false).expect("it is taken");
        let mut down = answer.await.expect("an answer").into_body();
        assert_eq!(heard(&mut down, 6).await, b"before");
        assert_eq!(said(&mut session, b"before").await, b"before");
        // Nothing is to happen, so time has to pass.
        tokio::time::sleep(silence).await;
        up.send_data(Bytes::from_static(b"behind"), true).expect("it is taken");
        assert_eq!(heard(&mut down, 6).await, b"behind");
        assert_eq!(said(&mut session, b"behind").await, b"behind");
        let trailers = down.trailers().await.expect("an end").expect("trailers");
        assert_eq!(trailers["grpc-status"], "0");
    });
}

/// So many bytes of a stream.
async fn heard(down: &mut RecvStream, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let piece = down.data().await.expect("more").expect("no fault");
        down.flow_control().release_capacity(piece.len()).expect("it was there");
        all.extend_from_slice(&piece);
    }
    all
}

/// Says something and hears as much.
async fn said(session: &mut TcpStream, words: &[u8]) -> Vec<u8> {
    session.write_all(words).await.expect("it is taken");
    let mut answer = vec![0; words.len()];
    session.read_exact(&mut answer).await.expect("it comes back");
    answer
}

/// A node of HTTP/2 that says back what it is told, on each stream.
async fn node() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond));
                }
            });
        }
    });
    at
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut up = request.into_body();
    let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
    let mut down = respond.send_response(head, false).expect("it is taken");
    while let Some(Ok(piece)) = up.data().await {
        up.flow_control().release_capacity(piece.len()).expect("it was there");
        down.send_data(piece, false).expect("it is taken");
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("a value"));
    down.send_trailers(trailers).expect("it is taken");
}

/// A node that says back what it is told.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    at
}

/// Seconds of silence; otherwise few, with time-outs that are shorter still.
const SILENCE: &str = "MAINSTAY_TEST_SILENCE";
/// Time-outs that a silent stream and a silent session must outlive.
const SHORT: &str = "[limit.default]\nidle = \"500ms\"\nbody_timeout = \"500ms\"\nsend_timeout = \"500ms\"\n\
                     head_timeout = \"500ms\"\n";
