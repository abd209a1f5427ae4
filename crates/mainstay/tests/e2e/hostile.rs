//! Requests that are ambiguous, malformed or too large: each gets its 4xx or 5xx, and nothing of it reaches a node.

use crate::kit;
use crate::messages::{EMPTY, TRANSPARENT};
use crate::raw::{Backend, Raw, first_line};

#[test]
fn what_is_ambiguous_is_refused_and_never_forwarded() {
    let line = |fields: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    check(&[
        (400, line("Content-Length: 1\r\nContent-Length: 2\r\n") + "xx"),
        (400, line("Content-Length: 1, 2\r\n") + "xx"),
        (400, line("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        (400, line("Content-Length: -1\r\n")),
        (400, line("Content-Length: +1\r\n") + "x"),
        (400, line("Content-Length: 1a\r\n") + "x"),
        (400, line("Content-Length: \r\n")),
        (400, line("Content-Length: 99999999999999999999999999\r\n")),
        (501, line("Transfer-Encoding: gzip, chunked\r\n")),
        (400, line("Transfer-Encoding: chunked, chunked\r\n")),
        (400, line("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        (501, line("Transfer-Encoding: xchunked\r\n")),
        (400, line("Transfer-Encoding : chunked\r\n")),
        (400, line("Transfer-Encoding: chunked\r\n Folded: 1\r\n")),
        (400, line("X: a\rb\r\n")),
        (400, line("X: a\nb\r\n")),
        (400, line("X: a\0b\r\n")),
        (400, line(": empty\r\n")),
        (400, line("no colon\r\n")),
        (400, line("Host: y\r\n")),
    ]);
}

#[test]
fn bad_first_lines_are_refused() {
    let get = |line: &str| format!("{line}\r\nHost: x\r\n\r\n");
    check(&[
        (400, get("GET  / HTTP/1.1")),
        (400, get("GET / HTTP/1.1 ")),
        (400, get("GET /a b HTTP/1.1")),
        (400, get("GET /\t HTTP/1.1")),
        (400, get("G@T / HTTP/1.1")),
        (400, get("GET nothing HTTP/1.1")),
        (400, get("GET /a#b HTTP/1.1")),
        (400, get("GET / HTTP/1")),
        (400, get("GET / http/1.1")),
        (505, get("GET / HTTP/2.0")),
        (501, get("CONNECT a:1 HTTP/1.1")),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\nHost: x\n\n".to_owned()),
        (400, "\x16\x03\x01\x02\0\x01\0\x01\u{7f}\r\n\r\n".to_owned()),
    ]);
}

#[test]
fn what_is_too_large_is_refused() {
    let many: String = (0..2000).map(|number| format!("X-{number}: 1\r\n")).collect();
    check(&[
        (414, format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000))),
        (431, format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(200_000))),
        (431, format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")),
    ]);
}

/// Sends each on a connection of its own; the node must then see nothing but the good request that follows.
fn check(requests: &[(u16, String)]) {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, "").await;
        for (status, request) in requests {
            let mut client = Raw::connect(front.at()).await;
            // One that is refused early may close before all is sent.
            let _refused_early = client.try_send(request).await;
            let answer = client.rest().await;
            let start: String = request.chars().take(90).collect();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{start:?}\ngot {answer:?}\nnot {status}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{start:?}\ngot {answer:?}");
        }
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /good HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = backend.accept().await;
        assert_eq!(first_line(&node.head().await), "GET /good HTTP/1.1");
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn a_bad_chunk_ends_the_request_on_both_sides() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, "").await;
        for bad in ["x\r\n", "-1\r\na\r\n", "5\r\nhello!!", "fffffffffffffffff\r\n", "1 \r\na\r\n", "1\na\n"] {
            let mut client = Raw::connect(front.at()).await;
            client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
            let mut node = backend.accept().await;
            node.head().await;
            node.expect("2\r\nok\r\n").await;
            client.send(bad).await;
            let rest = node.rest().await;
            assert!(!rest.contains("0\r\n\r\n"), "{bad:?}: the node takes it for whole: {rest:?}");
            let answer = client.rest().await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer:?}");
        }
    });
}

#[test]
fn what_follows_a_refused_request_is_not_read() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, "").await;
        let mut client = Raw::connect(front.at()).await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        client
            .send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\n{smuggled}"))
            .await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
        let mut client = Raw::connect(front.at()).await;
        client.send("GET /good HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(first_line(&backend.accept().await.head().await), "GET /good HTTP/1.1");
    });
}

#[test]
fn a_body_in_chunks_that_comes_at_once_may_not_be_too_large_either() {
    kit::run(async {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let listen = format!("{TRANSPARENT}\nbody_max = \"10B\"");
        let front = kit::front(&dir, &[backend.at()], "", &listen, "").await;
        let mut client = Raw::connect(front.at()).await;
        let chunked = "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n0\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\n{chunked}")).await;
        assert!(first_line(&client.head().await).starts_with("HTTP/1.1 413 "));
    });
}
