//! What may be repeated on another node, and what never is.

use mainstay::demo::stage::Port;

use crate::kit;
use crate::messages::{EMPTY, TRANSPARENT};
use crate::raw::{Backend, Raw, first_line};

/// Of two nodes, the one that got the request, with its connection.
async fn first(one: &Backend, two: &Backend) -> (bool, Raw) {
    tokio::select! {
        node = one.accept() => (true, node),
        node = two.accept() => (false, node),
    }
}

#[test]
fn a_read_that_breaks_is_asked_again_elsewhere() {
    kit::run(async {
        let (dir, one, two) = (kit::dir(), Backend::tcp().await, Backend::tcp().await);
        let front = kit::front(&dir, &[one.at(), two.at()], "", TRANSPARENT, "").await;
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /read HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (was_one, mut node) = first(&one, &two).await;
        node.head().await;
        drop(node);
        let mut other = if was_one { two.accept().await } else { one.accept().await };
        assert_eq!(first_line(&other.head().await), "GET /read HTTP/1.1");
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
            let mut node = None;
            if !fresh {
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                let (_, mut kept) = first(&one, &two).await;
                kept.head().await;
                kept.send(EMPTY).await;
                client.expect(EMPTY).await;
                node = Some(kept);
            }
            client.send(format!("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{sent}")).await;
            let mut node = match node {
                // The policy may choose the other node, to which nothing is connected yet.
                Some(mut kept) => tokio::select! {
                    head = kept.head() => { assert!(head.starts_with("POST /write ")); kept }
                    (_, mut node) = first(&one, &two) => { node.head().await; node }
                },
                None => {
                    let (_, mut node) = first(&one, &two).await;
                    assert_eq!(first_line(&node.head().await), "POST /write HTTP/1.1");
                    node
                }
            };
            node.expect(sent).await;
            node.send(said).await;
            drop(node);
            let answer = client.rest().await;
            assert!(answer.starts_with("HTTP/1.1 502 "), "{answer:?}");
        }
        // The next connection at a node is that of the next request: no second try was made.
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (_, mut node) = first(&one, &two).await;
        assert_eq!(first_line(&node.head().await), "GET /next HTTP/1.1");
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
        let (was_one, mut node) = first(&one, &two).await;
        node.head().await;
        node.expect("hello").await;
        node.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone").await;
        let mut other = if was_one { two.accept().await } else { one.accept().await };
        assert_eq!(first_line(&other.head().await), "POST /write HTTP/1.1");
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
        let (was_one, mut silent) = first(&one, &two).await;
        silent.head().await;
        // It neither answers nor closes; who asks it how it is gets no answer either.
        let mut other = if was_one { two.accept().await } else { one.accept().await };
        assert_eq!(first_line(&other.head().await), "GET /read HTTP/1.1");
        other.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}
