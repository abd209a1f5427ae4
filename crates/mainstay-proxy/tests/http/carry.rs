//! Requests and answers as they go through.

use std::time::Duration;

use mainstay_proxy::front::{Front, Leases, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{address, plan, read_until, timeout};

#[tokio::test]
async fn a_large_answer_and_the_next_come_whole() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plan = plan(&[node.local_addr().unwrap()]);
    let front =
        Front::start(plan, Options { workers: 1, drain: Duration::from_secs(1), access: None, leases: Leases::new() })
            .await
            .unwrap();
    let mut client = TcpStream::connect(address(&front)).await.unwrap();
    let body: Vec<u8> = (0..5_000_011_u32).map(|n| b'a' + (n % 23) as u8).collect();
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (mut up, _) = timeout(node.accept()).await.unwrap();
    read_until(&mut up, b"\r\n\r\n").await;
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes(), body.clone()].concat();
    let mut got = vec![0; answer.len()];
    let (sent, read) = timeout(async { tokio::join!(up.write_all(&answer), client.read_exact(&mut got)) }).await;
    sent.unwrap();
    read.unwrap();
    assert!(got == answer, "the answer came changed");
    client.write_all(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(
        read_until(&mut up, b"\r\n\r\n").await,
        "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
        "the connection is used again"
    );
    timeout(front.stop(std::future::ready(()))).await;
}

#[tokio::test]
async fn a_request_goes_through_and_the_connection_is_kept() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plan = plan(&[node.local_addr().unwrap()]);
    let front =
        Front::start(plan, Options { workers: 2, drain: Duration::from_secs(1), access: None, leases: Leases::new() })
            .await
            .unwrap();
    let mut client = TcpStream::connect(address(&front)).await.unwrap();
    client.write_all(b"GET /a%2Fb+c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\n").await.unwrap();
    let (mut up, _) = timeout(node.accept()).await.unwrap();
    let counted = |front: &Front| {
        let reading = front.counters().read();
        let listener = &reading.listeners["listener"];
        (listener.active.get(), listener.in_flight.get())
    };
    let seen = read_until(&mut up, b"\r\n\r\n").await;
    assert_eq!(counted(&front), (1, 1), "one connection with one request under way");
    assert_eq!(seen, "GET /a%2Fb+c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\n");
    up.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: d\r\n\r\nok").await.unwrap();
    let got = read_until(&mut client, b"ok").await;
    assert_eq!(got, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: d\r\n\r\nok");
    client.write_all(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab").await.unwrap();
    let seen = read_until(&mut up, b"3\r\nab").await;
    assert_eq!(seen, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    client.write_all(b"c\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut up, b"0\r\n\r\n").await, "c\r\n0\r\n\r\n");
    up.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let got = read_until(&mut client, b"No Content\r\n\r\n").await;
    assert_eq!(got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    timeout(front.stop(tokio::time::sleep(Duration::from_secs(5)))).await;
}
