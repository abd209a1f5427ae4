//! Calls whose answer has begun: both sides may speak, be slow, give up or be lost.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use mainstay_core::lease::Phase::{Fencing, Ready};
use mainstay_proxy::counters::{Limit, Reading};
use mainstay_proxy::front::Front;
use mainstay_proxy::params::Plan;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::kit::{Asked, call, grpc, node, plan2, read, send, trailers};
use crate::lease::{Lease, follow, start as start_led};
use crate::rig::{connect, counted, forwarding, http, route, start, stop, timeout};

/// A call both ends of which are the test's.
struct Open {
    front: Front,
    client: SendRequest<Bytes>,
    /// Of the client.
    up: SendStream<Bytes>,
    answer: RecvStream,
    /// Of the node.
    came: RecvStream,
    down: SendStream<Bytes>,
    _asked: UnboundedReceiver<Asked>,
}

impl Open {
    /// One with a first message each way. The client's window is of so many bytes.
    async fn start(window: u32, change: impl FnOnce(&mut Plan)) -> Self {
        let (address, asked) = node().await;
        let mut plan = plan2(&[address]);
        change(&mut plan);
        Self::on(start(plan).await, asked, window).await
    }

    async fn on(front: Front, mut asked: UnboundedReceiver<Asked>, window: u32) -> Self {
        let mut builder = h2::client::Builder::new();
        let handshake = builder.initial_window_size(window).handshake(connect(&front).await);
        let (client, connection) = timeout(handshake).await.unwrap();
        tokio::spawn(connection);
        let mut client = timeout(client.ready()).await.unwrap();
        let (answer, mut up): (ResponseFuture, _) =
            client.send_request(call("/a.B/C").body(()).unwrap(), false).unwrap();
        send(&mut up, b"hello", false).await;
        let (request, mut respond): (_, SendResponse<Bytes>) = timeout(asked.recv()).await.unwrap();
        let mut down = respond.send_response(grpc(), false).unwrap();
        send(&mut down, b"hi", false).await;
        let mut answer = timeout(answer).await.unwrap().into_body();
        let mut came = request.into_body();
        assert_eq!((next(&mut answer).await, next(&mut came).await), (Bytes::from("hi"), Bytes::from("hello")));
        Self { front, client, up, answer, came, down, _asked: asked }
    }
}

/// Waits until nothing is left of the one call there was.
async fn is_gone(front: Front) -> Reading {
    let nothing = |reading: &Reading| {
        let on_nodes: u64 = reading.nodes.values().map(|node| node.in_flight.get()).sum();
        on_nodes == 0 && reading.listeners["listener"].in_flight.get() == 0
    };
    let reading = counted(&front, nothing).await;
    assert_eq!(reading.listeners["listener"].requests.get(), 1, "it is told of once");
    stop(front).await;
    reading
}

async fn next(body: &mut RecvStream) -> Bytes {
    let piece = timeout(body.data()).await.unwrap().unwrap();
    body.flow_control().release_capacity(piece.len()).unwrap();
    piece
}

/// Sends by itself as windows allow, and what comes behind.
fn sends(mut stream: SendStream<Bytes>, length: usize, end: Option<&'static str>) -> JoinHandle<()> {
    tokio::spawn(async move {
        send(&mut stream, &bytes(length), end.is_none()).await;
        if let Some(status) = end {
            stream.send_trailers(trailers(status)).unwrap();
        }
    })
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| b'a' + (at % 23) as u8).collect()
}

/// Nothing is to happen, so time has to pass.
async fn is_stuck(sending: &mut JoinHandle<()>) {
    assert!(tokio::time::timeout(Duration::from_millis(300), sending).await.is_err(), "it was taken");
}

fn told(trailers: Option<HeaderMap>, status: &str, message: &str) {
    let trailers = trailers.expect("trailers");
    assert_eq!(trailers["grpc-status"], status, "{trailers:?}");
    let text = trailers.get("grpc-message").map_or("", |text| text.to_str().unwrap());
    assert!(text.contains(message), "{text}");
}

#[tokio::test]
async fn who_is_slow_slows_the_other_side() {
    let open = Open::start(20_000, |_| {}).await;
    // More than all windows on the way together.
    let mut sending = [sends(open.up, 400_000, None), sends(open.down, 400_000, Some("7"))];
    for sending in &mut sending {
        is_stuck(sending).await;
    }
    let (body, _) = read(open.came).await;
    assert!(body == bytes(400_000), "{} bytes came to the node", body.len());
    let (body, end) = read(open.answer).await;
    assert!(body == bytes(400_000), "{} bytes came to the client", body.len());
    told(end, "7", "");
    for sending in sending {
        timeout(sending).await.unwrap();
    }
    let reading = is_gone(open.front).await;
    let listener = &reading.listeners["listener"];
    assert!(listener.bytes_in.get() > 400_000 && listener.bytes_out.get() > 400_000);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let short = |plan: &mut Plan| http(plan).limits.send_timeout = Duration::from_millis(200);
    let open = Open::start(20_000, short).await;
    let mut down = open.down;
    down.reserve_capacity(40_000);
    let room = timeout(std::future::poll_fn(|cx| down.poll_capacity(cx))).await.unwrap().unwrap();
    assert_eq!(room, 40_000, "the client's window is smaller, and ours is not");
    down.send_data(bytes(40_000).into(), false).unwrap();
    let reset = timeout(std::future::poll_fn(|cx| down.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    let reading = is_gone(open.front).await;
    assert_eq!(reading.listeners["listener"].limits.get(Limit::SendTimeout), 1);
}

#[tokio::test]
async fn a_node_that_reads_nothing_is_given_up() {
    let short = |plan: &mut Plan| forwarding(plan).send_timeout = Duration::from_millis(200);
    let open = Open::start(20_000, short).await;
    let mut up = open.up;
    up.send_data(bytes(100_000).into(), false).unwrap();
    told(read(open.answer).await.1, "14", "node_does_not_read");
    is_gone(open.front).await;
}

#[tokio::test]
async fn what_a_node_said_before_it_gave_up_is_heard() {
    let mut open = Open::start(1000, |_| {}).await;
    let piece = bytes(40_000);
    open.down.send_data(piece.clone().into(), false).unwrap();
    // It is all here, and most of it waits for the client: what the node says behind it waits too.
    let first = timeout(open.answer.data()).await.unwrap().unwrap();
    open.down.send_reset(Reason::ENHANCE_YOUR_CALM);
    let mut all = first.to_vec();
    open.answer.flow_control().release_capacity(first.len()).unwrap();
    let error = loop {
        match timeout(open.answer.data()).await.expect("an end") {
            Ok(more) => {
                open.answer.flow_control().release_capacity(more.len()).unwrap();
                all.extend_from_slice(&more);
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error.reason(), all.len()), (Some(Reason::ENHANCE_YOUR_CALM), 40_000));
    assert!(all == piece);
    is_gone(open.front).await;
}

#[tokio::test]
async fn a_client_that_gives_up_is_heard_by_the_node() {
    let mut open = Open::start(20_000, |_| {}).await;
    open.up.send_reset(Reason::CANCEL);
    let reset = timeout(std::future::poll_fn(|cx| open.down.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    is_gone(open.front).await;
}

#[tokio::test]
async fn a_client_whose_connection_ends_is_heard_by_the_node() {
    let open = Open::start(20_000, |_| {}).await;
    let mut down = open.down;
    drop((open.up, open.answer, open.client));
    let reset = timeout(std::future::poll_fn(|cx| down.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    is_gone(open.front).await;
}

#[tokio::test]
async fn a_body_that_grows_too_large_ends_the_call() {
    let mut open = Open::start(20_000, |plan| route(plan).body_max = Some(10)).await;
    send(&mut open.up, b"12345", false).await;
    assert_eq!(next(&mut open.came).await, Bytes::from("12345"));
    send(&mut open.up, b"1", false).await;
    told(read(open.answer).await.1, "8", "body_too_large");
    let reset = timeout(std::future::poll_fn(|cx| open.down.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    let reading = is_gone(open.front).await;
    assert_eq!(reading.listeners["listener"].limits.get(Limit::BodyTooLarge), 1);
}

#[tokio::test]
async fn trailers_that_are_none_end_the_call() {
    let mut open = Open::start(20_000, |_| {}).await;
    let mut wrong = trailers("0");
    wrong.insert("content-encoding", "gzip".parse().unwrap());
    open.down.send_trailers(wrong).unwrap();
    told(read(open.answer).await.1, "14", "answer_invalid");
    is_gone(open.front).await;
    let mut open = Open::start(20_000, |_| {}).await;
    let mut wrong = HeaderMap::new();
    wrong.insert("host", "other".parse().unwrap());
    open.up.send_trailers(wrong).unwrap();
    told(read(open.answer).await.1, "13", "trailer");
    is_gone(open.front).await;
}

#[tokio::test]
async fn the_end_of_the_request_goes_on_before_that_of_the_answer() {
    let mut open = Open::start(20_000, |_| {}).await;
    let mut last = HeaderMap::new();
    last.insert("x-last", "1".parse().unwrap());
    open.up.send_trailers(last).unwrap();
    let (body, end) = read(open.came).await;
    assert_eq!((body.len(), &end.unwrap()["x-last"]), (0, &"1".parse::<http::HeaderValue>().unwrap()));
    send(&mut open.down, b"bye", false).await;
    open.down.send_trailers(trailers("0")).unwrap();
    let (body, end) = read(open.answer).await;
    assert_eq!(body, b"bye");
    told(end, "0", "");
    is_gone(open.front).await;
}

#[tokio::test]
async fn a_tenure_that_ends_ends_its_calls() {
    let (address, asked) = node().await;
    let lease = Lease::new();
    lease.says("a", 1, Ready);
    let front = start_led(follow(plan2(&[address])), &lease, 1).await;
    let mut open = Open::on(front, asked, 20_000).await;
    lease.says("b", 2, Fencing);
    told(read(open.answer).await.1, "14", "demoted");
    let reset = timeout(std::future::poll_fn(|cx| open.down.poll_reset(cx))).await;
    assert!(!matches!(reset, Ok(reason) if reason != Reason::CANCEL), "{reset:?}");
    is_gone(open.front).await;
}
