//! Limits, what is counted, and what the log says.

use std::sync::Arc;
use std::time::Duration;

use mainstay_io::lines::{LineWriter, Target};
use mainstay_proxy::access::{AccessSender, Format, WAITING};
use mainstay_proxy::counters::{Limit, Reading};
use mainstay_proxy::front::Stopped;
use mainstay_proxy::params::{HostRule, Mirror, PoolId};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::rig::{
    accept, connect, counted, forwarding, http, plan, pool, read_until, route, start, start_logged, stop,
};

#[tokio::test]
async fn the_framing_of_a_body_is_not_its_size() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(&[node.local_addr().unwrap()]);
    route(&mut plan).body_max = Some(4);
    let front = start(plan).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (at_once, later, fits) in [
        ("1;e=1234567890\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n", "0\r\nX-T: trailer\r\n\r\n", true),
        ("1\r\na\r\n", "3\r\nbcd\r\n0\r\n\r\n", true),
        ("5\r\nabcde\r\n", "0\r\n\r\n", false),
        ("1\r\na\r\n", "4\r\nbcde\r\n0\r\n\r\n", false),
    ] {
        let mut client = connect(&front).await;
        client.write_all(format!("{head}{at_once}").as_bytes()).await.unwrap();
        if fits {
            let mut up = accept(&node).await;
            read_until(&mut up, at_once.as_bytes()).await;
            client.write_all(later.as_bytes()).await.unwrap();
            read_until(&mut up, later.as_bytes()).await;
            up.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
            assert!(read_until(&mut client, b"\r\n\r\n").await.starts_with("HTTP/1.1 204"), "{at_once}{later}");
        } else {
            // What was sent before the limit was reached may be with the node.
            client.write_all(later.as_bytes()).await.unwrap();
            assert!(read_until(&mut client, b"Large\n").await.starts_with("HTTP/1.1 413"), "{at_once}{later}");
        }
    }
    counted(&front, |reading| reading.listeners["listener"].limits.get(Limit::BodyTooLarge) == 2).await;
    stop(front).await;
}

#[tokio::test]
async fn a_client_that_waits_for_a_full_listener_is_counted_once() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(&[node.local_addr().unwrap()]);
    plan.listeners[0].max_connections = 1;
    let front = start(plan).await;
    let counted_so_far = |wanted| {
        let front = &front;
        async move {
            counted(front, |reading| reading.listeners["listener"].limits.get(Limit::Connections) >= wanted).await;
            // Several looks later.
            tokio::time::sleep(Duration::from_millis(60)).await;
            front.counters().read().listeners["listener"].limits.get(Limit::Connections)
        }
    };
    let first = connect(&front).await;
    counted(&front, |reading| active(reading) == 1).await;
    assert_eq!(counted_so_far(0).await, 0, "nobody waits");
    let (second, _third) = (connect(&front).await, connect(&front).await);
    assert_eq!(counted_so_far(1).await, 1, "one is next, the other waits behind it");
    drop(first);
    assert_eq!(counted_so_far(2).await, 2, "the second is served, the third is next");
    drop(second);
    counted(&front, |reading| reading.listeners["listener"].accepted.get() == 3).await;
    assert_eq!(counted_so_far(2).await, 2);
    stop(front).await;
}

#[tokio::test]
async fn a_client_that_speaks_tls_where_none_is_spoken_is_told_at_once() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let mut client = connect(&front).await;
    // The beginning of a ClientHello, without a line feed in it.
    client.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await.unwrap();
    let head = read_until(&mut client, b"400 Bad Request\n").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    counted(&front, |reading| {
        reading.listeners["listener"].faults.each().any(|(name, count)| (name, count) == ("tls", 1))
    })
    .await;
    stop(front).await;
}

#[tokio::test]
async fn a_request_given_up_in_its_body_is_logged_with_the_reason() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(&[node.local_addr().unwrap()]);
    http(&mut plan).access_log = true;
    let path = std::env::temp_dir().join(format!("mainstay-upload-{}.log", std::process::id()));
    let (writer, sender) = LineWriter::start("access", Target::File(path.clone()), WAITING).unwrap();
    let front = start_logged(plan, Some(AccessSender::new(Format::Text, sender))).await;
    let mut client = connect(&front).await;
    client.write_all(b"POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    let mut up = accept(&node).await;
    read_until(&mut up, b"half").await;
    drop(client);
    counted(&front, |reading| reading.listeners["listener"].requests.get() == 1).await;
    stop(front).await;
    assert!(writer.stop(Duration::from_secs(5)), "the log is written");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(text.contains("client_gone") && text.contains("abandoned"), "{text}");
}

#[tokio::test]
async fn copies_are_counted_where_they_go() {
    let (node, copies) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let mut plan = plan(&[node.local_addr().unwrap()]);
    let mut mirrored = pool(&[copies.local_addr().unwrap()]);
    mirrored.name = Arc::from("copies");
    plan.pools.push(mirrored);
    let mirror = Mirror {
        pool: PoolId(1),
        path: None,
        host: HostRule::Keep,
        set_fields: Vec::new(),
        body_max: 1024,
        at_once: 4,
        timeout: Duration::from_secs(5),
    };
    forwarding(&mut plan).mirrors.push(mirror);
    let front = start(plan).await;
    let (mut client, mut up, mut copy) = (connect(&front).await, None, None);
    for number in 1..=2_u64 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        for (side, listener) in [(&mut up, &node), (&mut copy, &copies)] {
            if side.is_none() {
                *side = Some(accept(listener).await);
            }
            let stream = side.as_mut().unwrap();
            read_until(stream, b"\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
        read_until(&mut client, b"\r\n\r\n").await;
        let reading = counted(&front, |reading| reading.workers.mirrors_done.get() == number).await;
        for (pool, node) in [("pool", &node), ("copies", &copies)] {
            let node = &reading.nodes[&(Arc::from(pool), Arc::from(node.local_addr().unwrap().to_string()))];
            assert_eq!((node.requests.get(), node.connects.get()), (number, 1), "{pool}");
        }
    }
    stop(front).await;
}

#[tokio::test]
async fn ending_at_once_cuts_only_what_is_under_way() {
    for (request, expect) in [("", Stopped::Drained), ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Stopped::Cut)] {
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = start(plan(&[node.local_addr().unwrap()])).await;
        let mut client = connect(&front).await;
        counted(&front, |reading| active(reading) == 1).await;
        client.write_all(request.as_bytes()).await.unwrap();
        let up = if request.is_empty() { None } else { Some(accept(&node).await) };
        assert_eq!(stop(front).await, expect, "{request:?}");
        drop(up);
    }
}

/// Connections of clients that are open.
fn active(reading: &Reading) -> u64 {
    reading.listeners.get("listener").map_or(0, |listener| listener.active.get())
}
