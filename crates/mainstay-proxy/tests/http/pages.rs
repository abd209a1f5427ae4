//! Error pages that a node answers.

use std::net::SocketAddr;
use std::sync::Arc;

use mainstay_proxy::params::{Action, ErrorPage, PathMatch, Plan, PoolId};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::rig::{accept, connect, forwarding, http, plan, pool, read_head, read_until, route, start, stop};

/// Everything goes to `nodes[0]`, and errors of 404, 502 and 503 to `/sorry` on `nodes[1]`.
fn with_page(nodes: [SocketAddr; 2], answer: Option<u16>) -> Plan {
    let mut plan = plan(&nodes[..1]);
    let mut other = pool(&nodes[1..]);
    other.name = Arc::from("sorry");
    plan.pools.push(other);
    let page = ErrorPage { statuses: vec![404, 502, 503], status: answer, to: Arc::from("/sorry?why=error") };
    route(&mut plan).error_pages.push(page);
    route(&mut plan).intercept = true;
    let mut sorry = route(&mut plan).clone();
    sorry.path = PathMatch::Exact(b"/sorry".to_vec());
    sorry.internal = true;
    if let Action::Forward(forward) = &mut sorry.action {
        forward.pool = PoolId(1);
    }
    http(&mut plan).sites[0].routes.push(sorry);
    plan
}

async fn node() -> (TcpListener, SocketAddr) {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = node.local_addr().unwrap();
    (node, address)
}

#[tokio::test]
async fn a_node_answers_in_place_of_one_that_is_gone() {
    let gone = node().await.1;
    for (answer, method, expect) in [
        (None, "POST", "HTTP/1.1 502 Bad Gateway"),
        (Some(200), "POST", "HTTP/1.1 200 OK"),
        (Some(204), "POST", "HTTP/1.1 201 Created"),
        (None, "HEAD", "HTTP/1.1 502 Bad Gateway"),
    ] {
        let (sorry, address) = node().await;
        let front = start(with_page([gone, address], answer)).await;
        let mut client = connect(&front).await;
        let request = format!(
            "{method} /send HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nX-Id: 7\r\nConnection: X-Hop\r\n\
             X-Hop: 1\r\nContent-Length: 4\r\n\r\nbody"
        );
        client.write_all(request.as_bytes()).await.unwrap();
        let mut up = accept(&sorry).await;
        let asked = if method == "HEAD" { "HEAD" } else { "GET" };
        let expected = format!("{asked} /sorry?why=error HTTP/1.1\r\nHost: x\r\nX-Id: 7\r\n\r\n");
        assert_eq!(read_head(&mut up).await, expected);
        up.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n").await.unwrap();
        let head = read_head(&mut client).await;
        assert!(head.starts_with(expect) && head.contains("Content-Length: 5"), "{head}");
        if method != "HEAD" {
            up.write_all(b"sorry").await.unwrap();
            read_until(&mut client, b"sorry").await;
        }
        // Both connections go on.
        client.write_all(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_eq!(read_head(&mut up).await, "GET /sorry?why=error HTTP/1.1\r\nHost: x\r\n\r\n");
        stop(front).await;
    }
}

#[tokio::test]
async fn a_node_answers_in_place_of_an_answer() {
    let ((first, address), (sorry, other)) = (node().await, node().await);
    let front = start(with_page([address, other], None)).await;
    let mut client = connect(&front).await;
    client.write_all(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut up = accept(&first).await;
    read_head(&mut up).await;
    up.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let mut up = accept(&sorry).await;
    read_head(&mut up).await;
    // What it answers is not replaced again.
    up.write_all(b"HTTP/1.1 503 Down\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    read_until(&mut client, b"no").await;
    stop(front).await;
}

#[tokio::test]
async fn a_page_whose_nodes_are_gone_too_is_mainstays_own() {
    let (one, other) = (node().await.1, node().await.1);
    let mut plan = with_page([one, other], None);
    forwarding(&mut plan).retry.tries = 1;
    let front = start(plan).await;
    let mut client = connect(&front).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    read_until(&mut client, b"gave no good answer\n").await;
    stop(front).await;
}
