//! Calls that share a connection: none that stands still, and none that takes much, stops the others.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use mainstay_proxy::front::Front;
use tokio::task::LocalSet;

use super::kit::{call, client, grpc, node, plan2, read, send, trailers};
use crate::rig::{connect, http, start, stop, timeout};

/// A client whose streams take so much.
async fn with_window(front: &Front, window: u32) -> SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    let (client, connection) =
        timeout(builder.initial_window_size(window).handshake(connect(front).await)).await.unwrap();
    tokio::spawn(connection);
    timeout(client.ready()).await.unwrap()
}

async fn ask(client: &mut SendRequest<Bytes>, path: &str) -> (ResponseFuture, SendStream<Bytes>) {
    let mut ready = timeout(client.clone().ready()).await.unwrap();
    ready.send_request(call(path).body(()).unwrap(), false).unwrap()
}

/// 80 answers of 65,000 bytes that a client does not take are more than a connection's window of 4 MiB.
#[tokio::test]
async fn answers_that_nobody_takes_stop_nobody_else() {
    let (address, mut asked) = node().await;
    let mut plan = plan2(&[address]);
    http(&mut plan).limits.send_timeout = Duration::from_secs(600);
    let front = start(plan).await;
    let mut slow = with_window(&front, 20).await;
    let mut kept = Vec::new();
    for _ in 0..80 {
        let (answer, up) = ask(&mut slow, "/a.B/Slow").await;
        let (_, mut respond) = timeout(asked.recv()).await.unwrap();
        let mut down = respond.send_response(grpc(), false).unwrap();
        send(&mut down, b"hi", false).await;
        let mut body = timeout(answer).await.unwrap().into_body();
        assert_eq!(timeout(body.data()).await.unwrap().unwrap(), "hi");
        send(&mut down, &[b'x'; 65_000], false).await;
        kept.push((body, up, down));
    }
    let mut other = client(&front).await;
    let (answer, mut up) = ask(&mut other, "/a.B/Quick").await;
    send(&mut up, b"", true).await;
    let (_, mut respond) = timeout(asked.recv()).await.unwrap();
    let mut down = respond.send_response(grpc(), false).unwrap();
    let sending = tokio::spawn(async move {
        send(&mut down, &vec![b'y'; 6_000_000], false).await;
        down.send_trailers(trailers("0")).unwrap();
    });
    let (body, _) = read(timeout(answer).await.unwrap().into_body()).await;
    assert_eq!(body.len(), 6_000_000);
    timeout(sending).await.unwrap();
    drop(kept);
    stop(front).await;
}

/// Counts what comes, and takes all of it.
async fn count(mut body: RecvStream, came: Rc<Cell<usize>>) {
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).unwrap();
        came.set(came.get() + piece.len());
    }
}

#[tokio::test]
async fn answers_on_one_connection_get_on_together() {
    let (address, mut asked) = node().await;
    let front = start(plan2(&[address])).await;
    // Each stream may have more than the connection as a whole.
    let mut client = with_window(&front, 1 << 20).await;
    let came: Vec<Rc<Cell<usize>>> = (0..4).map(|_| Rc::default()).collect();
    LocalSet::new()
        .run_until(async {
            let mut kept = Vec::new();
            for came in &came {
                let (answer, up) = ask(&mut client, "/a.B/Down").await;
                let (_, mut respond) = timeout(asked.recv()).await.unwrap();
                let mut down = respond.send_response(grpc(), false).unwrap();
                let body = timeout(answer).await.unwrap().into_body();
                tokio::task::spawn_local(count(body, Rc::clone(came)));
                tokio::spawn(async move { send(&mut down, &vec![b'x'; 64 << 20], true).await });
                kept.push(up);
            }
            timeout(async {
                while came.iter().any(|came| came.get() < 1 << 20) {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        })
        .await;
    let came: Vec<usize> = came.iter().map(|came| came.get()).collect();
    assert!(came.iter().all(|came| *came < 32 << 20), "{came:?}");
    stop(front).await;
}
