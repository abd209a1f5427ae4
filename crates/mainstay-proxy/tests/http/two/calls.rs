//! Calls of gRPC: what Mainstay says by itself, and deadlines.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderMap;
use mainstay_io::lines::{LineWriter, Target};
use mainstay_proxy::access::{AccessSender, Format};
use mainstay_proxy::params::{Action, Reply, Template};
use tokio::net::TcpListener;

use super::kit::{call, client, grpc, node, plan2, read, send};
use crate::rig::{http, plan, route, start, start_logged, stop, timeout};

/// An address at which nobody listens.
async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn check(headers: &HeaderMap, status: &str, message: &str) {
    assert_eq!(headers["grpc-status"], status);
    let told = headers["grpc-message"].to_str().unwrap();
    assert!(told.contains(message), "{told}");
}

#[tokio::test]
async fn errors_of_mainstay_are_answers_to_a_call() {
    let no_node = plan2(&[nowhere().await]);
    let mut denied = plan2(&[nowhere().await]);
    let reply = Reply { status: 403, content_type: "".into(), body: Template::default() };
    route(&mut denied).action = Action::Reply(reply);
    let mut unknown = plan2(&[nowhere().await]);
    http(&mut unknown).sites[0].routes.clear();
    let mut one = plan(&[nowhere().await]);
    route(&mut one).body_max = Some(3);
    for (plan, length, status, message) in [
        (no_node, None, "14", "502 Bad Gateway"),
        (denied, None, "7", "403 Forbidden"),
        (unknown, None, "12", "404 Not Found"),
        (one, Some("4"), "8", "body_too_large"),
    ] {
        let front = start(plan).await;
        let mut client = client(&front).await;
        let mut request = call("/a.B/C");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let (answer, mut up) = client.send_request(request.body(()).unwrap(), false).unwrap();
        let _ = length.map(|_| up.send_data("abcd".into(), true));
        let answer = timeout(answer).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
            (200, &b"application/grpc"[..])
        );
        check(answer.headers(), status, message);
        assert!(answer.into_body().is_end_stream(), "trailers alone");
        stop(front).await;
    }
}

#[tokio::test]
async fn a_deadline_is_kept_and_told_to_the_node() {
    let (address, mut asked) = node().await;
    let front = start(plan2(&[address])).await;
    let mut client = client(&front).await;
    let request = call("/a.B/C").header("grpc-timeout", "300m").body(()).unwrap();
    let (answer, _up) = client.send_request(request, false).unwrap();
    let (request, mut respond) = timeout(asked.recv()).await.unwrap();
    let told = request.headers()["grpc-timeout"].to_str().unwrap().to_owned();
    let (number, unit) = told.split_at(told.len() - 1);
    let micros = number.parse::<u64>().unwrap() * if unit == "u" { 1 } else { 1000 };
    assert!((1..300_000).contains(&micros), "{told}");
    check(timeout(answer).await.unwrap().headers(), "4", "deadline");
    // The node hears that nobody waits any more.
    let reset = timeout(std::future::poll_fn(|cx| respond.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, h2::Reason::CANCEL);
    // The same in the middle of an answer.
    let request = call("/a.B/C").header("grpc-timeout", "300m").body(()).unwrap();
    let (answer, _up) = client.send_request(request, false).unwrap();
    let (_request, mut respond) = timeout(asked.recv()).await.unwrap();
    let mut down = respond.send_response(grpc(), false).unwrap();
    send(&mut down, b"first", false).await;
    let (body, trailers) = read(timeout(answer).await.unwrap().into_body()).await;
    assert_eq!(body, b"first");
    check(&trailers.unwrap(), "4", "deadline");
    stop(front).await;
}

#[tokio::test]
async fn a_silent_call_outlives_the_time_outs() {
    let (address, mut asked) = node().await;
    let mut plan = plan2(&[address]);
    http(&mut plan).limits.body_timeout = Duration::from_millis(50);
    http(&mut plan).limits.idle_timeout = Duration::from_millis(50);
    crate::rig::forwarding(&mut plan).read_timeout = Duration::from_millis(50);
    let front = start(plan).await;
    let mut client = client(&front).await;
    let (answer, mut up) = client.send_request(call("/a.B/C").body(()).unwrap(), false).unwrap();
    let (request, mut respond) = timeout(asked.recv()).await.unwrap();
    // Nothing is to happen, so time has to pass.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut down = respond.send_response(grpc(), false).unwrap();
    let answer = timeout(answer).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    send(&mut up, b"still here", true).await;
    assert_eq!(read(request.into_body()).await.0, b"still here");
    down.send_trailers(super::kit::trailers("0")).unwrap();
    assert_eq!(read(answer.into_body()).await.1.unwrap()["grpc-status"], "0");
    stop(front).await;
}

#[tokio::test]
async fn a_call_that_streams_lets_go_of_nothing_that_the_log_tells() {
    let (address, mut asked) = node().await;
    let mut plan = plan2(&[address]);
    http(&mut plan).access_log = true;
    let log = std::env::temp_dir().join(format!("mainstay-calls-{}-{}.log", std::process::id(), address.port()));
    let (writer, sender) = LineWriter::start("access", Target::File(log.clone()), 1 << 20).unwrap();
    let front = start_logged(plan, Some(AccessSender::new(Format::Text, sender))).await;
    let mut client = client(&front).await;
    let (answer, mut up) = client.send_request(call("/a.B/C").body(()).unwrap(), false).unwrap();
    send(&mut up, b"before ", false).await;
    let (request, mut respond) = timeout(asked.recv()).await.unwrap();
    let mut down = respond.send_response(grpc(), false).unwrap();
    let answer = timeout(answer).await.unwrap();
    // The answer has begun: what comes is not kept for another try.
    let ((), (body, _)) = tokio::join!(send(&mut up, &[b'x'; 100_000], true), read(request.into_body()));
    assert_eq!((body.len(), &body[..7]), (100_007, &b"before "[..]));
    send(&mut down, b"after", false).await;
    down.send_trailers(super::kit::trailers("0")).unwrap();
    assert_eq!(read(answer.into_body()).await.0, b"after");
    stop(front).await;
    assert!(writer.stop(Duration::from_secs(5)), "the log is written");
    let line = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(line.contains("POST") && line.contains("/a.B/C") && line.contains("/200 "), "{line}");
}
