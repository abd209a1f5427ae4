//! Which node a session gets, and what becomes of it when the node is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::lines::{LineWriter, Target};
use mainstay_proxy::access::{AccessSender, Format, WAITING};
use mainstay_proxy::counters::{Close, Failure};
use mainstay_proxy::front::{Front, Stopped};
use mainstay_proxy::params::{Failback, Policy};
use mainstay_proxy::view::Standing;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::rig::{
    accept, check, connect, counted, is_reset, listen, plan, read_until, refused, refusing, start, start_logged, stop,
    tcp, within,
};

#[tokio::test]
async fn a_node_that_refuses_costs_no_session() {
    let (dead, (node, address)) = (refusing().await, listen().await);
    let front = start(plan(&[dead, address])).await;
    for number in 0..10_u8 {
        let mut client = connect(&front).await;
        client.write_all(&[number, b'\n']).await.unwrap();
        let mut server = accept(&node).await;
        assert_eq!(read_until(&mut server, b"\n").await, [number, b'\n']);
    }
    let reading = front.counters().read();
    let failed: u64 = reading.nodes.values().map(|node| node.failures.get(Failure::Connect)).sum();
    assert!(failed >= 1, "the dead node was never tried");
    assert_eq!(reading.nodes.values().map(|node| node.retries_away.get()).sum::<u64>(), failed);
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_session_no_node_takes_is_reset() {
    for (nodes, tries, expect) in [(1, 0, 1), (3, 0, 3), (3, 2, 2)] {
        let mut addresses = Vec::new();
        for _ in 0..nodes {
            addresses.push(refusing().await);
        }
        let mut plan = plan(&addresses);
        tcp(&mut plan).tries = tries;
        let front = start(plan).await;
        assert!(refused(&front).await, "the client saw an orderly end");
        let reading = counted(&front, |reading| reading.listeners["listener"].requests.get() == 1).await;
        let failed: u64 = reading.nodes.values().map(|node| node.failures.total()).sum();
        assert_eq!(failed, expect, "{nodes} nodes, {tries} tries");
        assert_eq!(reading.listeners["listener"].closed.get(Close::Node), 1);
        stop(front, Duration::ZERO).await;
    }
}

#[tokio::test]
async fn sessions_end_at_once_when_their_node_goes_out() {
    let ((one, first), (two, second)) = (listen().await, listen().await);
    let (freezing, well) = (Checked::start().await, Checked::start().await);
    let mut plan = plan(&[first, second]);
    check(&mut plan, 0, freezing.address);
    check(&mut plan, 1, well.address);
    let front = start(plan).await;
    standing(&front, 0, |standing| standing == Standing::In).await;
    standing(&front, 1, |standing| standing == Standing::In).await;
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        clients.push(connect(&front).await);
        servers.push(either(&one, &two).await);
    }
    let lost = servers.iter().position(|(node, _)| *node == 0).expect("one session on each node");
    freezing.freeze();
    assert!(is_reset(&mut clients[lost]).await, "the client saw an orderly end");
    assert!(is_reset(&mut servers[lost].1).await, "the node saw an orderly end");
    let kept = 1 - lost;
    clients[kept].write_all(b"still there\n").await.unwrap();
    assert_eq!(read_until(&mut servers[kept].1, b"\n").await, b"still there\n");
    for _ in 0..3 {
        let _client = connect(&front).await;
        accept(&two).await;
    }
    let reading = front.counters().read();
    assert_eq!(reading.nodes.values().map(|node| node.failures.get(Failure::WentOut)).sum::<u64>(), 1);
    well.freeze();
    standing(&front, 1, |standing| matches!(standing, Standing::Out(_))).await;
    assert!(is_reset(&mut clients[kept]).await);
    assert!(refused(&front).await, "with all nodes out a client is not left waiting");
    counted(&front, |reading| reading.pools["pool"].no_node.get() == 1).await;
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_silent_node_that_answers_no_probe_loses_its_sessions() {
    // It takes connections, as the kernel of a frozen process does, and says nothing.
    let ((_frozen, first), (other, second)) = (listen().await, listen().await);
    let mut plan = plan(&[first, second]);
    plan.pools[0].policy = Policy::Primary { failback: Failback::After(Duration::ZERO) };
    let front = start(plan).await;
    let mut client = connect(&front).await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert!(is_reset(&mut client).await, "the client saw an orderly end");
    assert!(matches!(front.control().status()[0].nodes[0].standing, Standing::Out(_)));
    let _client = connect(&front).await;
    accept(&other).await;
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_silent_node_that_takes_connections_keeps_sessions_of_unknown_protocols() {
    let (node, address) = listen().await;
    let front = start(plan(&[address])).await;
    let mut client = connect(&front).await;
    client.write_all(b"\x00opaque\n").await.unwrap();
    let mut server = accept(&node).await;
    read_until(&mut server, b"\n").await;
    // The probe that the silence brings: a connection, and nothing said on it.
    let _probe = accept(&node).await;
    within(async {
        while front.control().status()[0].nodes[0].checks.iter().all(|check| check.last.is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    server.write_all(b"late answer\n").await.unwrap();
    assert_eq!(read_until(&mut client, b"\n").await, b"late answer\n");
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_drained_node_keeps_its_sessions_until_the_deadline() {
    let ((one, first), (two, second)) = (listen().await, listen().await);
    let front = start(plan(&[first, second])).await;
    let mut client = connect(&front).await;
    let (node, mut server) = either(&one, &two).await;
    let other = if node == 0 { &two } else { &one };
    let drained = server.local_addr().unwrap().to_string();
    assert_eq!(front.control().drain(&drained).ok(), Some(1));
    for _ in 0..4 {
        let _client = connect(&front).await;
        accept(other).await;
    }
    client.write_all(b"go on\n").await.unwrap();
    assert_eq!(read_until(&mut server, b"\n").await, b"go on\n");
    let (stopped, reset) = tokio::join!(stop(front, Duration::from_millis(100)), is_reset(&mut client));
    assert_eq!((stopped, reset), (Stopped::Cut, true));
}

#[tokio::test]
async fn a_session_is_logged() {
    let (dead, (node, address)) = (refusing().await, listen().await);
    let mut plan = plan(&[dead, address]);
    plan.pools[0].policy = Policy::Primary { failback: Failback::Never };
    let path = std::env::temp_dir().join(format!("mainstay-tcp-access-{}", std::process::id()));
    let (writer, sender) = LineWriter::start("access", Target::File(path.clone()), WAITING).unwrap();
    let front = start_logged(plan, Some(AccessSender::new(Format::Text, sender))).await;
    let mut client = connect(&front).await;
    client.write_all(b"123\n").await.unwrap();
    let mut server = accept(&node).await;
    read_until(&mut server, b"\n").await;
    server.write_all(b"45\n").await.unwrap();
    drop(server);
    let from = client.local_addr().unwrap();
    assert!(!is_reset(&mut client).await);
    drop(client);
    stop(front, Duration::from_secs(5)).await;
    assert!(writer.stop(Duration::from_secs(5)), "the log is written");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let expect = format!(" {from} listener \"-\" 0 in=4 out=3 via={dead}/connect,{address}/session connect=0.");
    assert!(text.contains(&expect), "{text:?} does not say {expect:?}");
    assert!(text.trim_end().ends_with(" retries=1"), "{text:?}");
}

/// The next connection on either node, and which.
async fn either(one: &TcpListener, two: &TcpListener) -> (usize, TcpStream) {
    within(async {
        tokio::select! {
            server = one.accept() => (0, server.unwrap().0),
            server = two.accept() => (1, server.unwrap().0),
        }
    })
    .await
}

/// Something that answers checks until it is frozen; then the kernel still takes connections for it.
struct Checked {
    address: SocketAddr,
    _listener: Arc<TcpListener>,
    answering: JoinHandle<()>,
}

impl Checked {
    async fn start() -> Self {
        let (listener, address) = listen().await;
        let listener = Arc::new(listener);
        let answering = tokio::spawn({
            let listener = Arc::clone(&listener);
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    // A check that has gone meanwhile needs no answer.
                    let _ = stream.write_all(b"well").await;
                }
            }
        });
        Self { address, _listener: listener, answering }
    }

    fn freeze(&self) {
        self.answering.abort();
    }
}

/// Waits until a node stands as wanted.
async fn standing(front: &Front, node: usize, wanted: impl Fn(Standing) -> bool) {
    within(async {
        while !wanted(front.control().status()[0].nodes[node].standing) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
