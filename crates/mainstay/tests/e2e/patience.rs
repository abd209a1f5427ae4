//! Clients and nodes that are slow, and bodies that are huge.

use std::time::{Duration, Instant};

use crate::kit;
use crate::messages::{EMPTY, TRANSPARENT};
use crate::raw::{Backend, Raw, first_line};

/// Limits short enough for a test.
const SHORT: &str = r#"
[limit.default]
head_timeout = "300ms"
body_timeout = "300ms"
send_timeout = "300ms"
idle = "300ms"
"#;

#[test]
fn a_head_that_trickles_is_cut() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, SHORT).await;
        let mut client = Raw::connect(front.at()).await;
        let start = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: x\r\n").await;
        // A field now and then must not buy time.
        while start.elapsed() < Duration::from_secs(5) && client.try_send("X: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let answer = client.rest().await;
        assert!(start.elapsed() < Duration::from_secs(4), "cut after {:?}", start.elapsed());
        // The answer is lost where our own late bytes met a closed socket.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    });
}

#[test]
fn a_head_or_body_that_stops_is_answered_408() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, SHORT).await;
        let mut client = Raw::connect(front.at()).await;
        client.send("GET / HTTP/1.1\r\nHost: x\r\n").await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
        let mut client = Raw::connect(front.at()).await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello").await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    });
}

#[test]
fn an_idle_client_is_closed_without_a_word() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, SHORT).await;
        Raw::connect(front.at()).await.closed().await;
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_and_frees_its_node() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, SHORT).await;
        let mut client = Raw::connect(front.at()).await;
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = backend.accept().await;
        node.head().await;
        node.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
        let block = vec![b'x'; 1 << 20];
        let start = Instant::now();
        while node.try_send(&block).await.is_ok() {
            assert!(start.elapsed() < Duration::from_secs(15), "it goes on");
        }
    });
}

#[test]
fn huge_bodies_stream_within_little_memory() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", &format!("{TRANSPARENT}\nbody_max = \"0B\""), "").await;
        let mut client = Raw::connect(front.at()).await;
        let before = kit::resident_kib(front.id());
        client.send(format!("POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: {HUGE}\r\n\r\n")).await;
        let mut node = backend.accept().await;
        assert_eq!(first_line(&node.head().await), "POST /up HTTP/1.1");
        let up = stream(&mut client, &mut node, front.id()).await;
        node.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n")).await;
        client.head().await;
        let down = stream(&mut node, &mut client, front.id()).await;
        let peak = up.max(down).saturating_sub(before);
        assert!(peak < 8 * 1024, "{peak} KiB more than before");
        client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await;
        node.head().await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

/// Sends [`HUGE`] bytes as fast as they are taken to a reader that pauses before each of its reads; returns the most
/// memory the front had resident.
async fn stream(from: &mut Raw, to: &mut Raw, front: u32) -> u64 {
    let send = async {
        let block = vec![b'x'; BLOCK];
        for _ in 0..HUGE / BLOCK {
            from.send(&block).await;
        }
    };
    let receive = async {
        let mut peak = 0;
        for block in 0..HUGE / BLOCK {
            to.skip(BLOCK).await;
            if block % 8 == 0 {
                // The front finds its reader slow, so that it would have to keep what it cannot pass on.
                tokio::time::sleep(Duration::from_millis(5)).await;
                peak = peak.max(kit::resident_kib(front));
            }
        }
        peak
    };
    tokio::join!(send, receive).1
}

#[test]
fn a_node_that_is_silent_is_answered_for_with_504() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let listen = format!("{TRANSPARENT}\nread_timeout = \"300ms\"");
        let front = kit::front(&dir, &[backend.at()], "", &listen, "").await;
        let mut client = Raw::connect(front.at()).await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx").await;
        let mut node = backend.accept().await;
        node.head().await;
        assert!(first_line(&client.head().await).starts_with("HTTP/1.1 504 "));
        node.expect("x").await;
        node.closed().await;
    });
}

#[test]
fn whoever_waits_for_a_connection_is_served_in_turn_and_has_its_whole_time() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let (pool, listen) =
            ("max_connections = 1\nqueue_wait = \"20s\"", format!("{TRANSPARENT}\nread_timeout = \"2s\""));
        let front = kit::front(&dir, &[backend.at()], pool, &listen, "[run]\nworkers = 1").await;
        let (mut first, mut second) = (Raw::connect(front.at()).await, Raw::connect(front.at()).await);
        first.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = backend.accept().await;
        assert_eq!(first_line(&node.head().await), "GET /1 HTTP/1.1");
        second.send("POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        for (client, next) in [(&mut first, "POST /2 HTTP/1.1"), (&mut second, "GET /3 HTTP/1.1")] {
            // Each is less than the node may take, both together are more.
            tokio::time::sleep(Duration::from_millis(1300)).await;
            node.send(EMPTY).await;
            client.expect(EMPTY).await;
            assert_eq!(first_line(&node.head().await), next);
        }
        node.send(EMPTY).await;
        first.expect(EMPTY).await;
    });
}

#[test]
fn the_last_place_of_a_listener_is_for_whichever_worker_is_asked() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let rest = "[run]\nworkers = 3\n[limit.default]\nconnections = 1";
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, rest).await;
        // The kernel deals connections out among the workers: one of a dozen comes to each of them.
        for _ in 0..12 {
            let mut client = Raw::connect(front.at()).await;
            client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            let mut node = backend.accept().await;
            node.head().await;
            node.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
            assert!(client.rest().await.starts_with("HTTP/1.1 200 "));
        }
    });
}

const HUGE: usize = 200 * (1 << 20);
const BLOCK: usize = 1 << 18;
