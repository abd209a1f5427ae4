//! Every crossing of the two versions.

use bytes::Bytes;
use http::{Request, Response};
use mainstay_proxy::params::Http2;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::kit::{call, client, grpc, node, plan2, read, send, trailers};
use crate::rig::{accept, connect, plan, read_until, start, stop, timeout};

#[tokio::test]
async fn a_client_of_two_reaches_a_node_of_one() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let mut client = client(&front).await;
    let request = Request::post("http://x:1/a%2Fb?c=+d")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-a", "1")
        .body(())
        .unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    let mut up = accept(&node).await;
    let head =
        "POST /a%2Fb?c=+d HTTP/1.1\r\nHost: x:1\r\nx-a: 1\r\ncookie: a=1; b=2\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read_until(&mut up, b"\r\n\r\n").await, head);
    send(&mut body, b"hello", false).await;
    assert_eq!(read_until(&mut up, b"hello\r\n").await, "5\r\nhello\r\n");
    send(&mut body, b"", true).await;
    assert_eq!(read_until(&mut up, b"\r\n\r\n").await, "0\r\n\r\n");
    up.write_all(b"HTTP/1.1 201 Created\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nok")
        .await
        .unwrap();
    let answer = timeout(answer).await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!((answer.headers().get("x-hop"), answer.headers().get("x-b").unwrap().as_bytes()), (None, &b"2"[..]));
    assert_eq!(read(answer.into_body()).await.0, b"ok");
    // The connection to the node is kept, and the client's too.
    let (answer, _) = client.send_request(Request::get("http://x/2").body(()).unwrap(), true).unwrap();
    assert_eq!(read_until(&mut up, b"\r\n\r\n").await, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    up.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 9\r\n\r\n")
        .await
        .unwrap();
    let (body, trailers) = read(timeout(answer).await.unwrap().into_body()).await;
    assert_eq!((body.as_slice(), trailers.unwrap().get("x-t").unwrap().as_bytes()), (&b"abc"[..], &b"9"[..]));
    stop(front).await;
}

#[tokio::test]
async fn large_bodies_go_both_ways_at_once() {
    let (address, mut asked) = node().await;
    let body: Vec<u8> = (0..3_000_011_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let front = start(plan2(&[address])).await;
    let mut client = client(&front).await;
    let (answer, mut up) = client.send_request(Request::post("http://x/").body(()).unwrap(), false).unwrap();
    let echo = async {
        let (request, mut respond) = timeout(asked.recv()).await.unwrap();
        let mut down = respond.send_response(Response::new(()), false).unwrap();
        let mut came = request.into_body();
        while let Some(piece) = timeout(came.data()).await {
            let piece = piece.unwrap();
            came.flow_control().release_capacity(piece.len()).unwrap();
            send(&mut down, &piece, false).await;
        }
        send(&mut down, b"", true).await;
    };
    let back = async { read(timeout(answer).await.unwrap().into_body()).await.0 };
    let ((), (), got) = tokio::join!(echo, send(&mut up, &body, true), back);
    assert!(got == body, "it came back changed: {} bytes", got.len());
    stop(front).await;
}

#[tokio::test]
async fn a_client_of_one_reaches_a_node_of_two() {
    let (address, mut asked) = node().await;
    let front = start(plan2(&[address])).await;
    let mut client = connect(&front).await;
    client
        .write_all(
            b"POST /p?q HTTP/1.1\r\nHost: h\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nabc",
        )
        .await
        .unwrap();
    let (request, mut respond) = timeout(asked.recv()).await.unwrap();
    assert_eq!(request.uri(), "http://h/p?q");
    let names: Vec<_> = request.headers().keys().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(names, ["x-a", "content-length"]);
    assert_eq!(read(request.into_body()).await.0, b"abc");
    let mut down = respond.send_response(Response::builder().header("x-b", "2").body(()).unwrap(), false).unwrap();
    send(&mut down, b"xyz", false).await;
    let got = read_until(&mut client, b"xyz\r\n").await;
    assert_eq!(got, "HTTP/1.1 200 \r\nx-b: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n");
    down.send_trailers(trailers("0")).unwrap();
    assert_eq!(read_until(&mut client, b"\r\n\r\n").await, "0\r\ngrpc-status: 0\r\n\r\n");
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let (request, mut respond) = timeout(asked.recv()).await.unwrap();
    assert_eq!(request.method(), "HEAD");
    respond.send_response(Response::builder().header("content-length", "7").body(()).unwrap(), true).unwrap();
    assert_eq!(read_until(&mut client, b"\r\n\r\n").await, "HTTP/1.1 200 \r\ncontent-length: 7\r\n\r\n");
    stop(front).await;
}

#[tokio::test]
async fn calls_share_a_connection_and_stream_both_ways() {
    let (address, mut asked) = node().await;
    let front = start(plan2(&[address])).await;
    let client = client(&front).await;
    let mut calls = Vec::new();
    for number in 0..20 {
        let mut client = timeout(client.clone().ready()).await.unwrap();
        let request = call("/a.B/C").header("x-number", number).header("x-bin", "AAE=").body(()).unwrap();
        let (answer, up) = client.send_request(request, false).unwrap();
        let (request, respond) = timeout(asked.recv()).await.unwrap();
        assert_eq!(
            (&request.headers()["te"], &request.headers()["x-bin"]),
            (&"trailers".parse().unwrap(), &"AAE=".parse().unwrap())
        );
        calls.push((answer, up, request, respond));
    }
    for (answer, mut up, request, mut respond) in calls.into_iter().rev() {
        let mut down = respond.send_response(grpc(), false).unwrap();
        let mut came = request.into_body();
        let mut back = timeout(answer).await.unwrap().into_body();
        for _ in 0..5 {
            send(&mut up, b"ping", false).await;
            assert_eq!(timeout(came.data()).await.unwrap().unwrap(), Bytes::from("ping"));
            send(&mut down, b"pong", false).await;
            assert_eq!(timeout(back.data()).await.unwrap().unwrap(), Bytes::from("pong"));
        }
        down.send_trailers(trailers("7")).unwrap();
        assert_eq!(read(back).await.1.unwrap()["grpc-status"], "7");
    }
    let reading = front.counters().read();
    let node = reading.nodes.values().next().unwrap();
    assert_eq!((node.connects.get(), node.requests.get()), (1, 20));
    stop(front).await;
}

#[tokio::test]
async fn one_that_takes_nothing_else_answers_http1_with_an_end() {
    let mut only = plan(&[]);
    crate::rig::http(&mut only).http2 = Http2::Only;
    let front = start(only).await;
    for said in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"G", b"INVALID CONNECTION PREFACE\r\n\r\n"] {
        let mut client = connect(&front).await;
        client.write_all(said).await.unwrap();
        let mut all = Vec::new();
        timeout(client.read_to_end(&mut all)).await.unwrap();
        let (mut left, mut frames) = (&all[..], Vec::new());
        while let [_, _, length, kind, _, _, _, _, _, rest @ ..] = left {
            let (payload, behind) = rest.split_at(usize::from(*length));
            frames.push((*kind, payload));
            left = behind;
        }
        // SETTINGS first, and last the GOAWAY of a protocol error.
        assert_eq!(frames.first().unwrap().0, 4, "{all:?}");
        let (kind, payload) = frames.last().unwrap();
        assert_eq!((*kind, &payload[..8]), (7, &[0, 0, 0, 0, 0, 0, 0, 1][..]), "{all:?}");
    }
    client(&front).await;
    stop(front).await;
}

#[tokio::test]
async fn both_versions_are_taken_on_one_port_and_two_only_where_it_is_wanted() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut one = plan(&[node.local_addr().unwrap()]);
    crate::rig::http(&mut one).http2 = Http2::Refused;
    let front = start(one).await;
    let mut client = connect(&front).await;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(read_until(&mut client, b"Supported\n").await.starts_with("HTTP/1.1 505 "));
    stop(front).await;
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let mut late = connect(&front).await;
    // Behind a request of HTTP/1 the preface has no meaning.
    late.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut up = accept(&node).await;
    read_until(&mut up, b"\r\n\r\n").await;
    up.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let mut all = String::new();
    timeout(late.read_to_string(&mut all)).await.unwrap();
    assert!(all.starts_with("HTTP/1.1 204 ") && all.contains("HTTP/1.1 505 "), "{all}");
    stop(front).await;
}
