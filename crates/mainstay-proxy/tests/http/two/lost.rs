//! Nodes that refuse, go away or are lost, and clients that give up.

use std::time::Duration;

use http::{Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::kit::{call, client, grpc, node, plan2, read, send};
use crate::rig::{accept, counted, plan, read_until, start, stop, timeout};

#[tokio::test]
async fn what_a_node_has_not_touched_goes_to_another_even_a_payment() {
    let ((one, mut first), (two, mut second)) = (node().await, node().await);
    let front = start(plan2(&[one, two])).await;
    let mut client = client(&front).await;
    for _ in 0..4 {
        let (answer, mut up) = client.send_request(Request::post("http://x/pay").body(()).unwrap(), false).unwrap();
        send(&mut up, b"money", true).await;
        let answers = async {
            tokio::select! {
                Some((_request, mut respond)) = first.recv() => {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                    timeout(second.recv()).await.unwrap()
                }
                Some(asked) = second.recv() => asked,
            }
        };
        let (request, mut respond) = timeout(answers).await;
        assert_eq!(read(request.into_body()).await.0, b"money");
        respond.send_response(Response::new(()), true).unwrap();
        assert_eq!(timeout(answer).await.unwrap().status(), 200);
    }
    stop(front).await;
}

#[tokio::test]
async fn a_payment_that_a_node_may_have_touched_is_not_done_twice() {
    let ((one, first), (two, second)) = (node().await, node().await);
    let front = start(plan2(&[one, two])).await;
    let mut client = client(&front).await;
    let mut all = [first, second];
    for _ in 0..2 {
        let (answer, mut up) = client.send_request(Request::post("http://x/pay").body(()).unwrap(), false).unwrap();
        send(&mut up, b"money", true).await;
        let [first, second] = &mut all;
        let (_request, mut respond) = timeout(async {
            tokio::select! { a = first.recv() => a, b = second.recv() => b }
        })
        .await
        .unwrap();
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
        assert_eq!(timeout(answer).await.unwrap().status(), 502);
    }
    assert!(all.iter_mut().all(|node| node.try_recv().is_err()), "a node was asked again");
    stop(front).await;
}

#[tokio::test]
async fn a_node_that_goes_away_keeps_what_it_has_and_gets_nothing_new() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan2(&[listener.local_addr().unwrap()])).await;
    let mut client = client(&front).await;
    let (first, _) = client.send_request(Request::post("http://x/1").body(()).unwrap(), true).unwrap();
    let mut old = h2::server::handshake(accept(&listener).await).await.unwrap();
    let (_, mut respond) = timeout(old.accept()).await.unwrap().unwrap();
    old.graceful_shutdown();
    let leaving = tokio::spawn(async move { while let Some(Ok(_)) = old.accept().await {} });
    respond.send_response(Response::new(()), true).unwrap();
    assert_eq!(timeout(first).await.unwrap().status(), 200);
    timeout(leaving).await.unwrap();
    let (second, _) = client.send_request(Request::post("http://x/2").body(()).unwrap(), true).unwrap();
    let mut new = h2::server::handshake(accept(&listener).await).await.unwrap();
    let (request, mut respond) = timeout(new.accept()).await.unwrap().unwrap();
    assert_eq!(request.uri().path(), "/2");
    respond.send_response(Response::new(()), true).unwrap();
    let ((), status) = tokio::join!(
        async { assert!(tokio::time::timeout(Duration::from_millis(300), new.accept()).await.is_err()) },
        async { timeout(second).await.unwrap().status() }
    );
    assert_eq!(status, 200);
    stop(front).await;
}

#[tokio::test]
async fn a_node_lost_in_the_middle_ends_a_call_with_trailers_and_others_with_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan2(&[listener.local_addr().unwrap()])).await;
    let mut client = client(&front).await;
    let (answer, _up) = client.send_request(call("/a.B/C").body(()).unwrap(), false).unwrap();
    let (other, _) = client.send_request(Request::get("http://x/").body(()).unwrap(), true).unwrap();
    let mut up = h2::server::handshake(accept(&listener).await).await.unwrap();
    let mut downs = Vec::new();
    for _ in 0..2 {
        let (_, mut respond) = timeout(up.accept()).await.unwrap().unwrap();
        let mut down = respond.send_response(grpc(), false).unwrap();
        down.send_data("part".into(), false).unwrap();
        downs.push(down);
    }
    let carried = tokio::spawn(async move { while let Some(Ok(_)) = up.accept().await {} });
    let (mut answer, other) = (timeout(answer).await.unwrap().into_body(), timeout(other).await.unwrap().into_body());
    assert_eq!(timeout(answer.data()).await.unwrap().unwrap(), "part");
    carried.abort();
    let (_, trailers) = read(answer).await;
    let trailers = trailers.unwrap();
    assert_eq!(trailers["grpc-status"], "14");
    assert!(trailers["grpc-message"].to_str().unwrap().contains("node_lost_in_answer"), "{trailers:?}");
    let mut other = other;
    let _part = timeout(other.data()).await;
    let error = timeout(other.data()).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    stop(front).await;
}

#[tokio::test]
async fn a_reset_goes_across_with_its_code() {
    let (address, mut asked) = node().await;
    let front = start(plan2(&[address])).await;
    let mut client = client(&front).await;
    let (answer, _up) = client.send_request(call("/a.B/C").body(()).unwrap(), false).unwrap();
    let (_request, mut respond) = timeout(asked.recv()).await.unwrap();
    let mut down = respond.send_response(grpc(), false).unwrap();
    let mut body = timeout(answer).await.unwrap().into_body();
    down.send_reset(h2::Reason::ENHANCE_YOUR_CALM);
    let error = timeout(body.data()).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
    // The other way, before any answer.
    let (answer, mut up) = client.send_request(call("/a.B/C").body(()).unwrap(), false).unwrap();
    let (_request, mut respond) = timeout(asked.recv()).await.unwrap();
    up.send_reset(h2::Reason::CANCEL);
    drop(answer);
    let reset = timeout(std::future::poll_fn(|cx| respond.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, h2::Reason::CANCEL);
    stop(front).await;
}

#[tokio::test]
async fn a_client_that_gives_up_closes_what_it_had_of_a_node_of_one() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let mut client = client(&front).await;
    let (answer, mut up) = client.send_request(Request::post("http://x/").body(()).unwrap(), true).unwrap();
    let mut node_side = accept(&node).await;
    read_until(&mut node_side, b"\r\n\r\n").await;
    up.send_reset(h2::Reason::CANCEL);
    drop(answer);
    let mut rest = Vec::new();
    let _ = timeout(tokio::io::AsyncReadExt::read_to_end(&mut node_side, &mut rest)).await;
    assert!(rest.is_empty());
    counted(&front, |reading| reading.listeners["listener"].in_flight.get() == 0).await;
    // The connection goes on.
    let (answer, _) = client.send_request(Request::get("http://x/").body(()).unwrap(), true).unwrap();
    let mut node_side = accept(&node).await;
    read_until(&mut node_side, b"\r\n\r\n").await;
    node_side.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(timeout(answer).await.unwrap().status(), 204);
    stop(front).await;
}

#[tokio::test]
async fn a_front_that_ends_says_so_and_finishes_what_is_under_way() {
    let (address, mut asked) = node().await;
    let front = start(plan2(&[address])).await;
    let mut client = client(&front).await;
    let (answer, _) = client.send_request(Request::get("http://x/").body(()).unwrap(), true).unwrap();
    let (_request, mut respond) = timeout(asked.recv()).await.unwrap();
    let answers = async {
        // The client hears of it before it has its answer.
        while client.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        respond.send_response(Response::new(()), true).unwrap();
        timeout(answer).await.unwrap().status()
    };
    let (_, status) = tokio::join!(timeout(front.stop(tokio::time::sleep(Duration::from_secs(9)))), timeout(answers));
    assert_eq!(status, 200);
}
