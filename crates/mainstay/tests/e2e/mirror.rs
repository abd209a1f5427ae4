//! Copies of requests, whose fate is never the request's own.

use mainstay::demo::stage::{Dir, Front, Port};

use crate::kit;
use crate::messages::{EMPTY, TRANSPARENT};
use crate::raw::{Backend, Raw, first_line};

async fn front(dir: &Dir, node: &Backend, copies: &str) -> Front {
    let listen = format!("{TRANSPARENT}\nmirror = \"http://copies\"");
    kit::front(dir, &[node.at()], "", &listen, &format!("[pool.copies]\nnodes = [\"{copies}\"]")).await
}

/// Five requests on one connection, each answered before the next is sent.
async fn five(front: &Front, backend: &Backend) {
    let mut client = Raw::connect(front.at()).await;
    let mut node = None;
    for number in 0..5 {
        client.send(format!("POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")).await;
        let mut connected = match node.take() {
            Some(node) => node,
            None => backend.accept().await,
        };
        assert_eq!(first_line(&connected.head().await), format!("POST /{number} HTTP/1.1"));
        connected.expect("hello").await;
        connected.send(EMPTY).await;
        client.expect(EMPTY).await;
        node = Some(connected);
    }
}

#[test]
fn copies_arrive_whole_and_their_answers_go_nowhere() {
    kit::run(async {
        let (dir, backend, copies) = (kit::dir(), Backend::tcp().await, Backend::tcp().await);
        let front = front(&dir, &backend, &copies.at()).await;
        let mut client = Raw::connect(front.at()).await;
        client.send("POST /a%2Fb?c HTTP/1.1\r\nHost: x\r\nX-Field: 1\r\nContent-Length: 5\r\n\r\nhello").await;
        let mut node = backend.accept().await;
        node.head().await;
        node.expect("hello").await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
        let mut copy = copies.accept().await;
        let head = copy.head().await;
        assert_eq!(first_line(&head), "POST /a%2Fb?c HTTP/1.1");
        assert_eq!(crate::raw::fields(&head, "x-field"), ["1"]);
        copy.expect("hello").await;
        copy.send("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
        client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await;
        node.head().await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn a_silent_mirror_delays_nothing() {
    kit::run(async {
        let (dir, backend, copies) = (kit::dir(), Backend::tcp().await, Backend::tcp().await);
        let front = front(&dir, &backend, &copies.at()).await;
        let start = std::time::Instant::now();
        five(&front, &backend).await;
        let took = start.elapsed();
        // The copies are under way all the while, and never answered.
        copies.accept().await.head().await;
        assert!(took < std::time::Duration::from_secs(2), "{took:?}");
    });
}

#[test]
fn a_dead_mirror_fails_nothing() {
    kit::run(async {
        let (dir, backend, nobody) = (kit::dir(), Backend::tcp().await, Port::take().expect("a port"));
        let front = front(&dir, &backend, &nobody.address().to_string()).await;
        five(&front, &backend).await;
    });
}

#[test]
fn a_dead_node_does_not_make_its_mirror_get_a_request_twice() {
    kit::run(async {
        let (dir, copies, nobody) = (kit::dir(), Backend::tcp().await, Port::take().expect("a port"));
        let listen = format!("{TRANSPARENT}\nmirror = \"http://copies\"");
        let nodes = [nobody.address().to_string(), copies.at()];
        let rest = format!("[pool.copies]\nnodes = [\"{}\"]", copies.at());
        // As in the document: the mirror's node is the primary's backup too.
        let front = kit::front(&dir, &nodes, "policy = \"primary\"", &listen, &rest).await;
        let mut client = Raw::connect(front.at()).await;
        client.send("POST /once HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
        let mut node = copies.accept().await;
        assert_eq!(first_line(&node.head().await), "POST /once HTTP/1.1");
        node.expect("hello").await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
        // While this connection is busy, the next request comes on a new one: so would a copy have.
        client.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(first_line(&node.head().await), "GET /busy HTTP/1.1");
        let mut second = Raw::connect(front.at()).await;
        second.send("GET /marker HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(first_line(&copies.accept().await.head().await), "GET /marker HTTP/1.1");
    });
}
