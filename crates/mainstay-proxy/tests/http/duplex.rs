//! Answers that begin before the request has ended.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::rig::{accept, connect, forwarding, http, plan, read_head, read_until, start, stop, timeout};

const CHUNKED: &[u8] = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let mut client = connect(&front).await;
    client.write_all(CHUNKED).await.unwrap();
    let mut up = accept(&node).await;
    read_until(&mut up, b"\r\n\r\n").await;
    up.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let head = read_until(&mut client, b"\r\n\r\n").await;
    assert_eq!(head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "the connection goes on");
    for word in ["6\r\nfirst.\r\n", "7\r\nsecond.\r\n", "0\r\n\r\n"] {
        client.write_all(word.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut up, word.as_bytes()).await, word);
        up.write_all(word.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut client, word.as_bytes()).await, word);
    }
    client.write_all(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut up, b"\r\n\r\n").await, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n", "on both connections");
    stop(front).await;
}

#[tokio::test]
async fn large_bodies_cross_each_other() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let client = connect(&front).await;
    let body: Vec<u8> = (0..8_000_003_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let (mut from_front, mut to_front) = client.into_split();
    let sent = body.clone();
    let sending = tokio::spawn(async move {
        to_front.write_all(head.as_bytes()).await.unwrap();
        to_front.write_all(&sent).await.unwrap();
        to_front
    });
    let mut up = accept(&node).await;
    read_head(&mut up).await;
    let echoing = tokio::spawn(async move {
        let length = body.len();
        up.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await.unwrap();
        let (mut piece, mut left) = (vec![0; 100_000], length);
        while left > 0 {
            let read = up.read(&mut piece).await.unwrap();
            assert!(read > 0, "ended with {left} bytes to come");
            up.write_all(&piece[..read]).await.unwrap();
            left -= read;
        }
        (body, up)
    });
    read_head(&mut from_front).await;
    let mut got = vec![0; 8_000_003];
    timeout(from_front.read_exact(&mut got)).await.unwrap();
    let (body, _up) = timeout(echoing).await.unwrap();
    assert!(got == body, "the echo differs");
    drop(timeout(sending).await.unwrap());
    stop(front).await;
}

#[tokio::test]
async fn a_node_that_answers_early_and_reads_on_gets_the_body() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let mut client = connect(&front).await;
    client.write_all(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
    let mut up = accept(&node).await;
    read_until(&mut up, b"half").await;
    up.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    assert_eq!(read_until(&mut client, b"no").await, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    client.write_all(b"restGET /2 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut up, b"\r\n\r\n").await, "restGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    up.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut client, b"\r\n\r\n").await, "HTTP/1.1 204 No Content\r\n\r\n");
    stop(front).await;
}

#[tokio::test]
async fn a_node_that_has_closed_gets_no_more_and_its_answer_arrives() {
    for (answer, body, closes) in [
        ("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\n", "no!", true),
        ("HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n", "as long as it goes", true),
        // It promised to read on, and breaks its word once its answer is out.
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n", "no", false),
    ] {
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = start(plan(&[node.local_addr().unwrap()])).await;
        let mut client = connect(&front).await;
        client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf").await.unwrap();
        let mut up = accept(&node).await;
        read_until(&mut up, b"half").await;
        up.write_all(answer.as_bytes()).await.unwrap();
        let head = read_until(&mut client, b"\r\n\r\n").await;
        assert_eq!(head.contains("Connection: close"), closes, "{head}");
        up.write_all(body.as_bytes()).await.unwrap();
        drop(up);
        assert_eq!(read_until(&mut client, body.as_bytes()).await, body);
        client.write_all(b"more of it").await.unwrap();
        assert_eq!(timeout(client.read(&mut [0; 1])).await.unwrap(), 0, "{answer}");
        stop(front).await;
    }
}

#[tokio::test]
async fn a_client_that_keeps_its_body_back_is_told_to_close() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    for goes_on in [false, true] {
        let mut client = connect(&front).await;
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
        client.write_all(head).await.unwrap();
        let mut up = accept(&node).await;
        read_until(&mut up, b"\r\n\r\n").await;
        if goes_on {
            up.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            read_until(&mut client, b"100 Continue\r\n\r\n").await;
        }
        up.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n").await.unwrap();
        let head = read_until(&mut client, b"\r\n\r\n").await;
        assert_eq!(head.contains("Connection: close"), !goes_on, "{head}");
        up.write_all(b"no").await.unwrap();
        read_until(&mut client, b"no").await;
        if goes_on {
            client.write_all(b"body").await.unwrap();
            assert_eq!(read_until(&mut up, b"body").await, "body");
        } else {
            // What comes now could be the body or another request: neither is passed on.
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            assert_eq!(timeout(up.read(&mut [0; 1])).await.unwrap(), 0);
            assert_eq!(timeout(client.read(&mut [0; 1])).await.unwrap(), 0);
        }
    }
    stop(front).await;
}

#[tokio::test]
async fn a_broken_body_ends_an_answer_under_way() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let mut client = connect(&front).await;
    client.write_all(CHUNKED).await.unwrap();
    let mut up = accept(&node).await;
    read_until(&mut up, b"\r\n\r\n").await;
    up.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    read_until(&mut client, b"half").await;
    client.write_all(b"zz\r\nGET /smuggled HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(!matches!(timeout(client.read(&mut [0; 1])).await, Ok(1)), "nothing more of the answer");
    let mut rest = Vec::new();
    let _closed_or_reset = timeout(up.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"", "nothing of it reached the node");
    stop(front).await;
}

#[tokio::test]
async fn streams_that_stand_still_end_in_time() {
    // Which of them is short, and what the client sees of its end.
    for (body, read) in [(1000, 30_000), (30_000, 1000)] {
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut plan = plan(&[node.local_addr().unwrap()]);
        http(&mut plan).limits.body_timeout = Duration::from_millis(body);
        forwarding(&mut plan).read_timeout = Duration::from_millis(read);
        let front = start(plan).await;
        let mut client = connect(&front).await;
        client.write_all(CHUNKED).await.unwrap();
        let mut up = accept(&node).await;
        read_until(&mut up, b"\r\n\r\n").await;
        up.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
        read_until(&mut client, b"\r\n\r\n").await;
        // One direction is silent for longer than it may, the other is not.
        for _ in 0..13 {
            up.write_all(b"x").await.unwrap();
            assert_eq!(timeout(client.read(&mut [0; 1])).await.unwrap(), 1);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let begun = Instant::now();
        assert!(!matches!(timeout(client.read(&mut [0; 1])).await, Ok(1)));
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        stop(front).await;
    }
}
