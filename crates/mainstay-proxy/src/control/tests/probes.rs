//! What a check makes of an answer.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::harness::{checker, frozen, in_time, refused};
use crate::control::probe::{Ask, CheckFault, Job, Life, run};
use crate::params::{Address, HttpProbe, Pattern, Probe};
use crate::view::Endpoint;

/// What a node that gets one connection is asked, and what a check makes of `answer`, which ends with the connection.
async fn asked(ask: Ask, answer: Vec<u8>) -> (String, Result<(), CheckFault>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoints = Arc::from([Endpoint::Tcp(listener.local_addr().unwrap())]);
    let node = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap_or(0);
        request.truncate(read);
        // In small pieces, so that nothing relies on an answer coming at once.
        for piece in answer.chunks(answer.len() / 7 + 1) {
            if stream.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        String::from_utf8(request).unwrap()
    });
    let job = Job { ask, endpoints, host: "node:9000".to_owned(), timeout: Duration::from_secs(20), tls: None };
    let result = run(&job).await;
    (in_time("the node", node).await.unwrap(), result)
}

fn configured(probe: Probe) -> Ask {
    let mut checker = checker(Address::Unix("/nowhere".into()));
    checker.probe = probe;
    Ask::Configured(Arc::new(checker))
}

fn text(text: &str) -> Pattern {
    Pattern::Text(text.as_bytes().to_vec())
}

fn regex(text: &str) -> Pattern {
    Pattern::Regex(Regex::new(text).unwrap())
}

fn not(pattern: Pattern) -> Pattern {
    Pattern::Not(Box::new(pattern))
}

fn get() -> HttpProbe {
    HttpProbe {
        method: "GET".into(),
        target: "/upcheck".into(),
        host: None,
        statuses: vec![(200, 299), (304, 304)],
        fields: Vec::new(),
        body: None,
    }
}

async fn check(probe: HttpProbe, answer: &str, expect: Result<(), CheckFault>) {
    let shown = format!("{probe:?} answered {:?}", answer.get(..80).unwrap_or(answer));
    let (_, result) = asked(configured(Probe::Http(probe)), answer.as_bytes().to_vec()).await;
    assert_eq!(result, expect, "{shown}");
}

#[tokio::test]
async fn the_request_is_as_configured() {
    let answer = || b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    let (request, _) = asked(configured(Probe::Http(get())), answer()).await;
    let expect =
        "GET /upcheck HTTP/1.1\r\nHost: node:9000\r\nUser-Agent: mainstay\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    assert_eq!(request, expect);
    let probe = HttpProbe { method: "POST".into(), target: "/a?b".into(), host: Some("other".into()), ..get() };
    let (request, _) = asked(configured(Probe::Http(probe)), answer()).await;
    assert!(request.starts_with("POST /a?b HTTP/1.1\r\nHost: other\r\n"), "{request}");
    assert!(request.ends_with("\r\nContent-Length: 0\r\n\r\n"), "{request}");
    let (request, result) = asked(Ask::Life(Life::Http), answer()).await;
    assert!(request.starts_with("GET / HTTP/1.1\r\nHost: node:9000\r\n"), "{request}");
    assert_eq!(result, Ok(()));
}

#[tokio::test]
async fn the_status_decides() {
    for (status, good) in
        [(200, true), (299, true), (304, true), (199, false), (300, false), (404, false), (503, false)]
    {
        let expect = if good { Ok(()) } else { Err(CheckFault::Status(status)) };
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        // 199 is an interim answer, after which nothing comes.
        let expect = if status == 199 { Err(CheckFault::Closed) } else { expect };
        check(get(), &answer, expect).await;
    }
    check(get(), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 X\r\n\r\n", Err(CheckFault::Status(503))).await;
    check(get(), "HTTP/1.0 200 OK\r\n\r\n", Ok(())).await;
}

#[tokio::test]
async fn what_is_no_answer_is_bad() {
    check(get(), "", Err(CheckFault::Closed)).await;
    check(get(), "HTTP/1.1 200 OK\r\nConte", Err(CheckFault::Closed)).await;
    for answer in ["SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nbad field\r\n\r\n"] {
        let (_, result) = asked(configured(Probe::Http(get())), answer.as_bytes().to_vec()).await;
        assert!(matches!(result, Err(CheckFault::Invalid(_))), "{answer:?}: {result:?}");
        let (_, result) = asked(Ask::Life(Life::Http), answer.as_bytes().to_vec()).await;
        assert!(matches!(result, Err(CheckFault::Invalid(_))), "{answer:?} as a sign of life: {result:?}");
    }
    let long = format!("HTTP/1.1 200 OK\r\nLong: {}\r\n\r\n", "x".repeat(200_000));
    let (_, result) = asked(configured(Probe::Http(get())), long.into_bytes()).await;
    assert!(matches!(result, Err(CheckFault::Invalid(_))), "{result:?}");
}

#[tokio::test]
async fn any_status_is_a_sign_of_life() {
    for answer in ["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\n"] {
        assert_eq!(asked(Ask::Life(Life::Http), answer.into()).await.1, Ok(()), "{answer}");
    }
    assert_eq!(asked(Ask::Life(Life::Http), Vec::new()).await.1, Err(CheckFault::Closed));
}

#[tokio::test]
async fn the_body_is_searched_however_it_is_framed() {
    let up = |pattern| HttpProbe { body: Some(pattern), ..get() };
    let framed = |body: &str| {
        let length = body.len();
        let (one, two) = body.split_at(length / 2);
        [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
            format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x};a=b\r\n{two}\r\n0\r\nT: v\r\n\r\n",
                one.len(),
                two.len()
            ),
        ]
    };
    for answer in framed("I'm up!") {
        check(up(text("'m up")), &answer, Ok(())).await;
        check(up(text("down")), &answer, Err(CheckFault::Body)).await;
        check(up(regex("^I.m (up|ready)!$")), &answer, Ok(())).await;
        check(up(not(text("up"))), &answer, Err(CheckFault::Body)).await;
        check(up(not(text("Database unavailable"))), &answer, Ok(())).await;
        check(HttpProbe { statuses: vec![(404, 404)], ..up(text("up")) }, &answer, Err(CheckFault::Status(200))).await;
    }
    check(up(text("up")), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nup", Err(CheckFault::Closed)).await;
    check(up(text("up")), "HTTP/1.1 204 No Content\r\n\r\nup", Err(CheckFault::Body)).await;
    // Only the first 64 KiB are looked at.
    for answer in framed(&format!("{}late{}", ".".repeat(65_600), ".".repeat(65_600))) {
        check(up(text("late")), &answer, Err(CheckFault::Body)).await;
        check(up(not(text("late"))), &answer, Ok(())).await;
    }
}

#[tokio::test]
async fn fields_are_looked_at() {
    let answer = "HTTP/1.1 200 OK\r\nServer: Jetty(9.4)\r\nX: one\r\nx: two\r\nContent-Length: 0\r\n\r\n";
    let has = |name: &str, pattern| HttpProbe { fields: vec![(name.into(), pattern)], ..get() };
    let fault = |name: &str| Err(CheckFault::Field(name.into()));
    check(has("SERVER", text("Jetty")), answer, Ok(())).await;
    check(has("server", regex("^Apache")), answer, fault("server")).await;
    check(has("x", text("two")), answer, Ok(())).await;
    check(has("x", not(text("two"))), answer, fault("x")).await;
    check(has("absent", text("")), answer, fault("absent")).await;
    check(has("absent", not(text(""))), answer, Ok(())).await;
}

#[tokio::test]
async fn tcp_checks_send_and_expect() {
    let probe = |expect| configured(Probe::Tcp { send: b"PING\r\n".to_vec(), expect });
    let long = || [vec![b'.'; 70_000], b"PONG".to_vec()].concat();
    for (expect, answer, result) in [
        (None, Vec::new(), Ok(())),
        (Some(text("PONG")), b"+PONG\r\n".to_vec(), Ok(())),
        (Some(text("PONG")), b"-ERR\r\n".to_vec(), Err(CheckFault::Answer)),
        (Some(text("PONG")), Vec::new(), Err(CheckFault::Closed)),
        (Some(text("PONG")), long(), Err(CheckFault::Answer)),
        (Some(not(text("-"))), b"-ERR\r\n".to_vec(), Err(CheckFault::Answer)),
        (Some(not(text("-"))), b"+PONG\r\n".to_vec(), Ok(())),
    ] {
        let (request, got) = asked(probe(expect.clone()), answer).await;
        assert_eq!(got, result, "{expect:?}");
        assert!(expect.is_none() || request == "PING\r\n");
    }
}

#[tokio::test]
async fn addresses_are_tried_in_order() {
    let (_socket, closed) = refused();
    let (_listener, open) = frozen().await;
    let at = |addresses: &[_]| Job {
        ask: Ask::Life(Life::Connect),
        endpoints: addresses.iter().map(|address| Endpoint::Tcp(*address)).collect(),
        host: String::new(),
        timeout: Duration::from_secs(10),
        tls: None,
    };
    assert_eq!(run(&at(&[closed, open])).await, Ok(()));
    assert_eq!(run(&at(&[closed, closed])).await, Err(CheckFault::Connect(ErrorKind::ConnectionRefused)));
    assert_eq!(run(&at(&[])).await, Err(CheckFault::Unresolved));
}

#[test]
fn only_silence_is_silence() {
    for (fault, silence) in [
        (CheckFault::Timeout(Duration::ZERO), true),
        (CheckFault::Connect(ErrorKind::HostUnreachable), true),
        (CheckFault::Connect(ErrorKind::WouldBlock), true),
        (CheckFault::Connect(ErrorKind::ConnectionRefused), false),
        (CheckFault::Connect(ErrorKind::NotFound), false),
        (CheckFault::Broken(ErrorKind::ConnectionReset), false),
        (CheckFault::Closed, false),
        (CheckFault::Status(503), false),
    ] {
        assert_eq!(fault.is_silence(), silence, "{fault}");
    }
}
