//! What may be repeated on another node, and what never is.

use std::net::Shutdown;

use mainstay::demo::stage::Port;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;

use crate::kit;
use crate::messages::{EMPTY, TRANSPARENT};
use crate::raw::{Backend, Raw, first_line};

/// Of two nodes, the one that got the next request, with its connection and the request's head. Probes are answered:
/// a node that failed is asked whether it lives.
async fn first(one: &Backend, two: &Backend) -> (bool, Raw, String) {
    loop {
        let (was_one, mut node) = tokio::select! {
            node = one.accept() => (true, node),
            node = two.accept() => (false, node),
        };
        let head = node.head().await;
        if !head.starts_with("GET / ") {
            return (was_one, node, head);
        }
        node.send(EMPTY).await;
    }
}

/// The other one of them.
async fn second(was_one: bool, one: &Backend, two: &Backend) -> (Raw, String) {
    let (_, node, head) = if was_one { first(two, two).await } else { first(one, one).await };
    (node, head)
}

#[test]
fn a_read_that_breaks_is_asked_again_elsewhere() {
    kit::run(async {
        let (dir, one, two) = (kit::dir(), Backend::tcp().await, Backend::tcp().await);
        let front = kit::front(&dir, &[one.at(), two.at()], "", TRANSPARENT, "").await;
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /read HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (was_one, node, _) = first(&one, &two).await;
        drop(node);
        let (mut other, head) = second(was_one, &one, &two).await;
        assert_eq!(first_line(&head), "GET /read HTTP/1.1");
        other.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn a_write_that_was_sent_is_never_repeated() {
    kit::run(async {
        let (dir, one, two) = (kit::dir(), Backend::tcp().await, Backend::tcp().await);
        let pool = "eject = \"off\"";
        let front = kit::front(&dir, &[one.at(), two.at()], pool, TRANSPARENT, "").await;
        // On a new connection, on a kept one, broken before the body was there, and after a part of the answer.
        for (fresh, sent, said) in [
            (true, "hello", ""),
            (true, "he", ""),
            (true, "hello", "HTTP/1.1 200 OK\r\nContent-Le"),
            (false, "hello", ""),
            (false, "", ""),
        ] {
            let mut client = Raw::connect(front.at()).await;
            let mut kept = None;
            if !fresh {
                client.send("GET /before HTTP/1.1\r\nHost: x\r\n\r\n").await;
                let (_, mut node, _) = first(&one, &two).await;
                node.send(EMPTY).await;
                client.expect(EMPTY).await;
                kept = Some(node);
            }
            client.send(format!("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{sent}")).await;
            let (mut node, head) = match kept {
                // The policy may choose the other node, to which nothing is connected yet.
                Some(mut kept) => tokio::select! {
                    head = kept.head() => (kept, head),
                    (_, node, head) = first(&one, &two) => (node, head),
                },
                None => {
                    let (_, node, head) = first(&one, &two).await;
                    (node, head)
                }
            };
            assert_eq!(first_line(&head), "POST /write HTTP/1.1");
            node.expect(sent).await;
            node.send(said).await;
            drop(node);
            assert!(first_line(&client.head().await).starts_with("HTTP/1.1 502 "));
        }
        // The next connection at a node is that of the next request: no second try was made.
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (_, _, head) = first(&one, &two).await;
        assert_eq!(first_line(&head), "GET /next HTTP/1.1");
    });
}

#[test]
fn a_body_that_breaks_off_is_repeated_whole() {
    kit::run(async {
        let dir = kit::dir();
        let (path, two) = (dir.file("one.sock"), Backend::unix(&dir.file("two.sock")));
        let one = UnixListener::bind(&path).expect("a socket");
        let one_at = format!("unix:{}", path.display());
        let pool = "policy = \"primary\"";
        let front = kit::front(&dir, &[one_at, two.at()], pool, TRANSPARENT, "").await;
        let mut client = Raw::connect(front.at()).await;
        client.send("PUT /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello").await;
        let (mut broken, _) = one.accept().await.expect("a connection");
        let mut got = Vec::new();
        while !got.ends_with(b"hello") {
            assert!(broken.read_buf(&mut got).await.expect("it can be read") > 0);
        }
        // It takes no more and says nothing, so that the front finds out by writing.
        let broken = broken.into_std().expect("a socket");
        broken.shutdown(Shutdown::Read).expect("it can be shut");
        client.send("world").await;
        let mut node = two.accept().await;
        assert_eq!(first_line(&node.head().await), "PUT /whole HTTP/1.1");
        node.expect("helloworld").await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn a_status_counts_as_a_try() {
    kit::run(async {
        let (dir, nodes) = (kit::dir(), [Backend::tcp().await, Backend::tcp().await, Backend::tcp().await]);
        let at: Vec<_> = nodes.iter().map(Backend::at).collect();
        let (listen, rest) = (format!("{TRANSPARENT}\nretry = \"two\""), "[retry.two]\ntries = 2\non = [503]");
        let front = kit::front(&dir, &at, "policy = \"primary\"\neject = \"off\"", &listen, rest).await;
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /read HTTP/1.1\r\nHost: x\r\n\r\n").await;
        for (node, name) in nodes.iter().zip(["first", "second"]) {
            let mut node = node.accept().await;
            assert_eq!(first_line(&node.head().await), "GET /read HTTP/1.1");
            node.send(format!("HTTP/1.1 503 {name}\r\nContent-Length: 0\r\n\r\n")).await;
        }
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 503 second");
    });
}

#[test]
fn a_write_that_was_not_sent_goes_to_another_node() {
    kit::run(async {
        let (dir, up, down) = (kit::dir(), Backend::tcp().await, Port::take().expect("a port"));
        let front = kit::front(&dir, &[down.address().to_string(), up.at()], "", TRANSPARENT, "").await;
        for _ in 0..4 {
            let mut client = Raw::connect(front.at()).await;
            client.send("POST /write HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello").await;
            let mut node = up.accept().await;
            assert_eq!(first_line(&node.head().await), "POST /write HTTP/1.1");
            node.expect("hello").await;
            node.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            assert!(client.rest().await.starts_with("HTTP/1.1 200 "));
        }
    });
}

#[test]
fn a_write_does_not_ride_on_a_connection_its_node_has_closed() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, "").await;
        let mut client = Raw::connect(front.at()).await;
        for number in 0..20 {
            client.send(format!("POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")).await;
            let mut node = backend.accept().await;
            assert_eq!(first_line(&node.head().await), format!("POST /{number} HTTP/1.1"));
            node.expect("x").await;
            // Closed at once and without a warning.
            node.send(EMPTY).await;
            drop(node);
            client.expect(EMPTY).await;
        }
    });
}

#[test]
fn a_rule_can_have_other_statuses_repeated_and_writes_too() {
    kit::run(async {
        let (dir, one, two) = (kit::dir(), Backend::tcp().await, Backend::tcp().await);
        let listen = format!("{TRANSPARENT}\nretry = \"bold\"");
        let rest = "[retry.bold]\non = [\"error\", \"404\"]\nnon_idempotent = true";
        let front = kit::front(&dir, &[one.at(), two.at()], "", &listen, rest).await;
        let mut client = Raw::connect(front.at()).await;
        client.send("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
        let (was_one, mut node, _) = first(&one, &two).await;
        node.expect("hello").await;
        node.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone").await;
        let (mut other, head) = second(was_one, &one, &two).await;
        assert_eq!(first_line(&head), "POST /write HTTP/1.1");
        other.expect("hello").await;
        // The last node's answer is the one given.
        let last = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nlast";
        other.send(last).await;
        client.expect(last).await;
    });
}

#[test]
fn a_frozen_node_without_checks_gives_back_what_may_be_repeated() {
    kit::run(async {
        let (dir, one, two) = (kit::dir(), Backend::tcp().await, Backend::tcp().await);
        let pool = "doubt_after = \"100ms\"";
        let front = kit::front(&dir, &[one.at(), two.at()], pool, TRANSPARENT, "").await;
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /read HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (was_one, _silent, _) = first(&one, &two).await;
        // It neither answers nor closes; who asks it how it is gets no answer either.
        let (mut other, head) = second(was_one, &one, &two).await;
        assert_eq!(first_line(&head), "GET /read HTTP/1.1");
        other.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn what_waits_on_the_last_node_is_ended_only_if_nothing_better_is_meant() {
    kit::run(async {
        for (all_out, expect) in [("refuse", "HTTP/1.1 502 Bad Gateway"), ("try", "HTTP/1.1 200 OK")] {
            let (dir, backend) = (kit::dir(), Backend::tcp().await);
            let pool = format!(
                "check = {{ http = \"/health\", every = \"50ms\", timeout = \"100ms\", fall = 1 }}\nall_out = \"{all_out}\""
            );
            let front = kit::front(&dir, &[backend.at()], &pool, TRANSPARENT, "").await;
            let mut client = Raw::connect(front.at()).await;
            client.send("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
            let mut checks = Vec::new();
            let mut node = loop {
                let mut connection = backend.accept().await;
                if connection.head().await.starts_with("POST /write ") {
                    break connection;
                }
                checks.push(connection);
            };
            // Checks get no answer from here on.
            kit::standing(&front, "out").await;
            if all_out == "try" {
                node.send(EMPTY).await;
            }
            assert_eq!(first_line(&client.head().await), expect, "{all_out}");
        }
    });
}
