//! Limits of connections and of silence.

use std::time::{Duration, Instant};

use mainstay_proxy::counters::Limit;
use mainstay_proxy::params::Queue;
use tokio::io::AsyncWriteExt as _;

use crate::rig::{accept, connect, counted, is_reset, listen, plan, read_until, refused, start, stop, tcp};

#[tokio::test]
async fn a_session_beyond_a_limit_is_reset() {
    for of_pool in [true, false] {
        let (node, address) = listen().await;
        let mut plan = plan(&[address]);
        if of_pool {
            plan.pools[0].max_connections = Some(1);
        } else {
            plan.pools[0].nodes[0].max_connections = Some(1);
        }
        let front = start(plan).await;
        let client = connect(&front).await;
        let server = accept(&node).await;
        assert!(refused(&front).await, "the client saw an orderly end");
        counted(&front, |reading| reading.listeners["listener"].limits.get(Limit::QueueFull) == 1).await;
        drop((client, server));
        counted(&front, |reading| reading.listeners["listener"].active.get() == 0).await;
        let (mut client, mut server) = (connect(&front).await, accept(&node).await);
        client.write_all(b"there is room again\n").await.unwrap();
        read_until(&mut server, b"\n").await;
        stop(front, Duration::ZERO).await;
    }
}

#[tokio::test]
async fn a_session_beyond_a_limit_waits_for_its_turn() {
    let (node, address) = listen().await;
    let mut plan = plan(&[address]);
    plan.pools[0].nodes[0].max_connections = Some(1);
    plan.pools[0].queue = Queue { length: 1, wait: Duration::from_secs(10) };
    let front = start(plan).await;
    let client = connect(&front).await;
    let server = accept(&node).await;
    let mut waiting = connect(&front).await;
    waiting.write_all(b"my turn\n").await.unwrap();
    counted(&front, |reading| reading.pools["pool"].waiting.get() == 1).await;
    assert!(refused(&front).await, "the queue has one place");
    drop((client, server));
    assert_eq!(read_until(&mut accept(&node).await, b"\n").await, b"my turn\n");
    assert_eq!(front.counters().read().pools["pool"].waiting.get(), 0);
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_session_waits_in_the_queue_no_longer_than_it_may() {
    let (node, address) = listen().await;
    let mut plan = plan(&[address]);
    plan.pools[0].max_connections = Some(1);
    plan.pools[0].queue = Queue { length: 1, wait: Duration::from_millis(100) };
    let front = start(plan).await;
    let _client = connect(&front).await;
    let _server = accept(&node).await;
    let begun = Instant::now();
    assert!(refused(&front).await);
    assert!(begun.elapsed() >= Duration::from_millis(99), "reset after {:?}", begun.elapsed());
    counted(&front, |reading| reading.listeners["listener"].limits.get(Limit::QueueTimeout) == 1).await;
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_session_is_idle_only_while_both_directions_are() {
    let (node, address) = listen().await;
    let mut plan = plan(&[address]);
    tcp(&mut plan).idle_timeout = Duration::from_millis(300);
    let front = start(plan).await;
    let (mut client, mut server) = (connect(&front).await, accept(&node).await);
    let begun = Instant::now();
    let mut last = begun;
    while begun.elapsed() < Duration::from_millis(700) {
        last = Instant::now();
        server.write_all(b"tick\n").await.unwrap();
        read_until(&mut client, b"\n").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!is_reset(&mut client).await, "nothing was under way");
    let silence = last.elapsed();
    assert!(silence >= Duration::from_millis(299) && silence < Duration::from_secs(5), "ended after {silence:?}");
    counted(&front, |reading| reading.listeners["listener"].limits.get(Limit::Idle) == 1).await;
    stop(front, Duration::ZERO).await;
}
