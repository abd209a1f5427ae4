//! Who floods is cut, and a good client on the same worker is served all the while.

use std::time::Duration;

use http::{Request, Response};
use mainstay_wire::h2::PREFACE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::kit::{client, node, plan2};
use crate::rig::{connect, counted, http, start, stop, timeout};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request, or with no flags the first part of its head.
fn head(stream: u32, flags: u8) -> Vec<u8> {
    frame(1, flags, stream, b"\x83\x86\x84\x41\x01a")
}

type Frames = Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>;

fn floods() -> Vec<(&'static str, Frames)> {
    let bomb = {
        let mut block = b"\x83\x86\x84\x41\x01a\x40\x01x\x7f\xa1\x1e".to_vec();
        block.extend_from_slice(&[b'v'; 4000]);
        block.extend_from_slice(&[0xbe; 12_000]);
        block
    };
    vec![
        ("reset_flood", Box::new(|turn| [head(2 * turn + 1, 5), frame(3, 0, 2 * turn + 1, &[0, 0, 0, 8])].concat())),
        ("continuation_flood", Box::new(|turn| if turn == 0 { head(1, 0) } else { frame(9, 0, 1, b"") })),
        ("ping_flood", Box::new(|_| frame(6, 0, 0, &[0; 8]))),
        ("settings_flood", Box::new(|_| frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]))),
        ("window_update_flood", Box::new(|_| frame(8, 0, 0, &[0, 0, 0, 1]))),
        ("empty_data_flood", Box::new(|turn| if turn == 0 { head(1, 4) } else { frame(0, 0, 1, &[]) })),
        ("frame_flood", Box::new(|_| frame(2, 0, 1, &[0, 0, 0, 3, 1]))),
        ("error_flood", Box::new(|turn| frame(1, 5, 2 * turn + 1, b"\x83\x86"))),
        // A list that grows without end, and one that a table makes of a few bytes.
        ("continuation_flood", Box::new(|turn| if turn == 0 { head(1, 0) } else { frame(9, 0, 1, &[0; 16_384]) })),
        ("large_head_flood", Box::new(move |turn| frame(1, 5, 2 * turn + 1, &bomb))),
    ]
}

#[tokio::test]
async fn who_floods_is_cut_and_others_are_not() {
    let (address, mut asked) = node().await;
    let mut plan = plan2(&[address]);
    http(&mut plan).limits.requests = 1_000_000;
    let front = start(plan).await;
    let good = client(&front).await;
    let served = tokio::spawn(async move {
        while let Some((request, mut respond)) = asked.recv().await {
            if request.uri().path() == "/good" {
                respond.send_response(Response::new(()), true).unwrap();
            }
        }
    });
    for (name, frames) in floods() {
        let attack = connect(&front).await;
        let (mut from, mut to) = attack.into_split();
        let sink = tokio::spawn(async move {
            let mut bin = vec![0; 65536];
            while from.read(&mut bin).await.is_ok_and(|count| count > 0) {}
        });
        to.write_all(&[PREFACE.to_vec(), frame(4, 0, 0, &[])].concat()).await.unwrap();
        let mut cut = false;
        for turn in 0..200_000 {
            if to.write_all(&frames(turn)).await.is_err() || sink.is_finished() {
                cut = true;
                break;
            }
            if turn % 500 == 0 {
                let mut client = timeout(good.clone().ready()).await.unwrap();
                let (answer, _) = client.send_request(Request::get("http://x/good").body(()).unwrap(), true).unwrap();
                assert_eq!(timeout(answer).await.unwrap().status(), 200, "{name}");
            }
        }
        assert!(cut, "{name} was borne");
        let has = |reading: &mainstay_proxy::counters::Reading| {
            reading.listeners["listener"].faults.each().any(|(fault, _)| fault == name)
        };
        counted(&front, has).await;
        sink.abort();
    }
    served.abort();
    stop(front).await;
}

#[tokio::test]
async fn who_reads_nothing_is_given_up() {
    let (address, mut asked) = node().await;
    let mut plan = plan2(&[address]);
    http(&mut plan).limits.send_timeout = Duration::from_millis(200);
    let front = start(plan).await;
    // A window of nothing: the answer can never be sent.
    let mut stuck = connect(&front).await;
    let zero = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    stuck.write_all(&[PREFACE.to_vec(), zero, head(1, 5)].concat()).await.unwrap();
    let (_request, mut respond) = timeout(asked.recv()).await.unwrap();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    down.reserve_capacity(1 << 20);
    let room = timeout(std::future::poll_fn(|cx| down.poll_capacity(cx))).await.unwrap().unwrap();
    down.send_data(vec![b'x'; room].into(), true).unwrap();
    let given_up = |reading: &mainstay_proxy::counters::Reading| {
        reading.listeners["listener"].limits.get(mainstay_proxy::counters::Limit::SendTimeout) == 1
    };
    counted(&front, given_up).await;
    stop(front).await;
}
