//! Pools with a leader: connections are held or refused, never taken and ended, and a demoted node's are reset.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mainstay_core::lease::Phase::{Fencing, Ready, Starting, Yielding};
use mainstay_proxy::front::Front;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::lease::{Lease, follow, start};
use crate::rig::{
    accept, address, check, connect, counted, is_reset, listen, plan, read_until, refusing, stop, within,
};

async fn held(front: &Front, count: u64) {
    counted(front, |reading| reading.pools.get("pool").is_some_and(|pool| pool.held.get() == count)).await;
}

/// Waits until the port answers so to whoever connects, and that it never did anything else but take or refuse.
async fn until_refused(address: SocketAddr) {
    within(async {
        loop {
            match TcpStream::connect(address).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                // Nobody had accepted it yet when its socket closed: the kernel knows no other answer to that.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => panic!("{error}"),
                Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
}

async fn until_taken(address: SocketAddr) -> TcpStream {
    within(async {
        loop {
            match TcpStream::connect(address).await {
                Ok(client) => return client,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

/// The next connection to a node on which a line comes, which is read; those that only tried the port say nothing.
async fn accept_speaking(node: &tokio::net::TcpListener) -> TcpStream {
    loop {
        let mut up = accept(node).await;
        if within(up.read_u8()).await.is_ok() {
            read_until(&mut up, b"\n").await;
            return up;
        }
    }
}

#[tokio::test]
async fn connections_are_held_until_there_is_a_leader() {
    let ((node_a, a), (node_b, b)) = (listen().await, listen().await);
    let lease = Lease::new();
    let front = start(follow(plan(&[a, b])), &lease, 1).await;
    let mut clients = Vec::new();
    for index in 0..5_u8 {
        let mut client = connect(&front).await;
        client.write_all(&[b'0' + index, b'\n']).await.unwrap();
        held(&front, u64::from(index) + 1).await;
        clients.push(client);
    }
    lease.says("b", 1, Starting);
    lease.says("b", 1, Ready);
    for (index, client) in (0..).zip(&mut clients) {
        let mut up = accept(&node_b).await;
        assert_eq!(read_until(&mut up, b"\n").await, [b'0' + index, b'\n'], "in the order they came");
        up.write_all(b"hello\n").await.unwrap();
        read_until(client, b"\n").await;
    }
    assert!(tokio::time::timeout(Duration::from_millis(200), node_a.accept()).await.is_err());
    let reading = front.counters().read();
    let pool = &reading.pools["pool"];
    assert_eq!((pool.held.get(), pool.held_total.get(), pool.hold_released.get()), (0, 5, 5));
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_port_with_no_leader_and_no_room_refuses_and_opens_again() {
    for workers in [1, 2] {
        let (node, a) = listen().await;
        let lease = Lease::new();
        let mut plan = follow(plan(&[a]));
        plan.pools[0].hold.requests = 2;
        let front = start(plan, &lease, workers).await;
        let port = address(&front);
        let mut first = connect(&front).await;
        held(&front, 1).await;
        let second = connect(&front).await;
        held(&front, 2).await;
        until_refused(port).await;
        // A place becomes free.
        drop(second);
        let third = until_taken(port).await;
        counted(&front, |reading| reading.pools["pool"].hold_left.get() >= 1).await;
        until_refused(port).await;
        drop(third);
        lease.says("a", 1, Ready);
        let mut fourth = until_taken(port).await;
        first.write_all(b"first\n").await.unwrap();
        fourth.write_all(b"fourth\n").await.unwrap();
        let _both = (accept_speaking(&node).await, accept_speaking(&node).await);
        assert!(front.counters().read().pools["pool"].hold_closed.get() >= 1);
        stop(front, Duration::ZERO).await;
    }
}

#[tokio::test]
async fn a_port_without_a_leader_for_long_refuses_and_what_was_held_is_reset() {
    let (node, a) = listen().await;
    let lease = Lease::new();
    let mut plan = follow(plan(&[a]));
    plan.pools[0].hold.time = Duration::from_millis(300);
    let front = start(plan, &lease, 2).await;
    let begun = Instant::now();
    let mut client = connect(&front).await;
    held(&front, 1).await;
    assert!(is_reset(&mut client).await);
    assert!(begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
    until_refused(address(&front)).await;
    lease.says("a", 1, Ready);
    let mut client = until_taken(address(&front)).await;
    client.write_all(b"hello\n").await.unwrap();
    read_until(&mut accept(&node).await, b"\n").await;
    assert!(front.counters().read().pools["pool"].hold_timed_out.get() >= 1);
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn with_nothing_to_be_held_a_port_is_open_only_to_a_ready_node() {
    let (node, a) = listen().await;
    let lease = Lease::new();
    let mut plan = follow(plan(&[a]));
    plan.pools[0].hold.requests = 0;
    let front = start(plan, &lease, 2).await;
    let port = address(&front);
    for tenure in 1..=2 {
        until_refused(port).await;
        lease.says("a", tenure, Fencing);
        lease.says("a", tenure, Starting);
        until_refused(port).await;
        lease.says("a", tenure, Ready);
        let mut client = until_taken(port).await;
        client.write_all(b"hello\n").await.unwrap();
        let mut up = accept_speaking(&node).await;
        lease.says("a", tenure, Yielding);
        until_refused(port).await;
        up.write_all(b"still here\n").await.unwrap();
        read_until(&mut client, b"\n").await;
    }
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn sessions_of_a_demoted_node_are_reset_at_once() {
    let ((node_a, a), (node_b, b)) = (listen().await, listen().await);
    let lease = Lease::new();
    lease.says("a", 1, Ready);
    let front = start(follow(plan(&[a, b])), &lease, 1).await;
    let mut client = connect(&front).await;
    client.write_all(b"hello\n").await.unwrap();
    let mut up = accept(&node_a).await;
    read_until(&mut up, b"\n").await;
    lease.says("b", 2, Fencing);
    assert!(is_reset(&mut client).await && is_reset(&mut up).await);
    let mut client = connect(&front).await;
    held(&front, 1).await;
    lease.says("b", 2, Ready);
    client.write_all(b"hello\n").await.unwrap();
    read_until(&mut accept(&node_b).await, b"\n").await;
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_session_is_held_while_its_leader_is_dead_and_nobody_knows_yet() {
    let (node, b) = listen().await;
    let lease = Lease::new();
    lease.says("a", 1, Ready);
    let front = start(follow(plan(&[refusing().await, b])), &lease, 1).await;
    let mut client = connect(&front).await;
    client.write_all(b"hello\n").await.unwrap();
    held(&front, 1).await;
    lease.says("b", 2, Ready);
    read_until(&mut accept(&node).await, b"\n").await;
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_session_that_began_before_a_reload_hears_that_its_node_went_out() {
    let (node, address) = listen().await;
    let (speaker, speaks) = listen().await;
    let well = tokio::spawn(async move {
        while let Ok((mut stream, _)) = speaker.accept().await {
            let _ = stream.write_all(b"well").await;
        }
    });
    let mut plan = plan(&[address]);
    check(&mut plan, 0, speaks);
    let lease = Lease::new();
    let front = start(plan.clone(), &lease, 1).await;
    let mut client = connect(&front).await;
    client.write_all(b"hello\n").await.unwrap();
    let mut up = accept(&node).await;
    read_until(&mut up, b"\n").await;
    plan.pools[0].keep_idle += 1;
    front.replace(plan, &lease.watch(), Duration::from_secs(30)).await.unwrap();
    // From now on its check is taken and not answered.
    well.abort();
    let _ = well.await;
    let _silent = tokio::net::TcpListener::bind(speaks).await.unwrap();
    let begun = Instant::now();
    assert!(is_reset(&mut client).await, "it is out");
    assert!(begun.elapsed() < Duration::from_secs(15), "not for want of patience");
    stop(front, Duration::ZERO).await;
}
