//! Bytes go both ways, whole and in order, until each side ends.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use mainstay_proxy::counters::Close;
use mainstay_proxy::params::{Address, At};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::rig::{accept, connect, counted, is_reset, listen, plan, read_until, start, stop, within};

#[tokio::test]
async fn each_side_may_end_first() {
    let (node, address) = listen().await;
    let front = start(plan(&[address])).await;
    for client_first in [true, false] {
        let (mut client, mut server) = (connect(&front).await, accept(&node).await);
        client.write_all(b"question\n").await.unwrap();
        assert_eq!(read_until(&mut server, b"\n").await, b"question\n");
        let (first, second) = if client_first { (&mut client, &mut server) } else { (&mut server, &mut client) };
        first.shutdown().await.unwrap();
        assert_eq!(within(second.read(&mut [0; 1])).await.unwrap(), 0, "the end came through");
        second.write_all(b"still there\n").await.unwrap();
        assert_eq!(read_until(first, b"\n").await, b"still there\n");
        second.shutdown().await.unwrap();
        assert_eq!(within(first.read(&mut [0; 1])).await.unwrap(), 0);
    }
    let reading = counted(&front, |reading| reading.listeners["listener"].requests.get() == 2).await;
    let listener = &reading.listeners["listener"];
    assert_eq!((listener.bytes_in.get(), listener.bytes_out.get()), (9 + 9 + 12, 12));
    assert_eq!((listener.active.get(), listener.closed.get(Close::Finished)), (0, 2));
    let node = reading.nodes.values().next().unwrap();
    assert_eq!((node.bytes_sent.get(), node.bytes_received.get()), (30, 12));
    assert_eq!((node.requests.get(), node.in_flight.get()), (2, 0));
    assert_eq!((node.connect.read().count(), node.first_byte.read().count()), (2, 1), "it spoke in one of them");
    stop(front, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn ipv6_is_spoken_on_both_sides() {
    let node = TcpListener::bind("[::1]:0").await.unwrap();
    let mut plan = plan(&[node.local_addr().unwrap()]);
    plan.listeners[0].at = At::Tcp(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)));
    let front = start(plan).await;
    let (mut client, mut server) = (connect(&front).await, accept(&node).await);
    assert!(client.peer_addr().unwrap().is_ipv6());
    client.write_all(b"six\n").await.unwrap();
    assert_eq!(read_until(&mut server, b"\n").await, b"six\n");
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn unix_sockets_are_spoken_on_both_sides() {
    let folder = Folder::new();
    let (front_path, node_path) = (folder.0.join("front.ipc"), folder.0.join("node.ipc"));
    let node = UnixListener::bind(&node_path).unwrap();
    let mut plan = plan(&["127.0.0.1:1".parse().unwrap()]);
    plan.pools[0].nodes[0].address = Address::Unix(node_path);
    plan.listeners[0].at = At::Unix { path: front_path.clone(), mode: Some(0o600), owner: None };
    let front = start(plan).await;
    assert_eq!(std::fs::metadata(&front_path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = UnixStream::connect(&front_path).await.unwrap();
    let mut server = within(node.accept()).await.unwrap().0;
    client.write_all(b"file\n").await.unwrap();
    assert_eq!(read_until(&mut server, b"\n").await, b"file\n");
    drop(server);
    assert_eq!(within(client.read(&mut [0; 1])).await.unwrap(), 0);
    drop(client);
    stop(front, Duration::from_secs(5)).await;
    assert!(!front_path.exists(), "the socket's file is left behind");
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_order() {
    const TOTAL: usize = 64 << 20;
    let (node, address) = listen().await;
    let front = start(plan(&[address])).await;
    let (client, mut server) = (connect(&front).await, accept(&node).await);
    let (mut read, mut write) = client.into_split();
    let upload = tokio::spawn(async move {
        for place in (0..TOTAL).step_by(1 << 20) {
            write.write_all(&pattern(place, 1 << 20)).await.unwrap();
        }
        write.shutdown().await.unwrap();
    });
    // Small reads on this side, so that the front's buffers towards it are full nearly all the time.
    let mut place = 0;
    let mut buffer = vec![0; 50_021];
    loop {
        let count = within(server.read(&mut buffer)).await.unwrap();
        if count == 0 {
            break;
        }
        assert!(buffer[..count] == pattern(place, count), "differs within {count} bytes from {place}");
        place += count;
        tokio::task::yield_now().await;
    }
    assert_eq!(place, TOTAL);
    upload.await.unwrap();
    server.write_all(b"all there\n").await.unwrap();
    assert_eq!(read_until(&mut read, b"\n").await, b"all there\n");
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_reset_is_passed_on_as_one() {
    let (node, address) = listen().await;
    let front = start(plan(&[address])).await;
    let reset = |stream: TcpStream| socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    for by_node in [true, false] {
        let (mut client, mut server) = (connect(&front).await, accept(&node).await);
        client.write_all(b"hello\n").await.unwrap();
        read_until(&mut server, b"\n").await;
        let (lost, mut other) = if by_node { (server, client) } else { (client, server) };
        reset(lost);
        assert!(is_reset(&mut other).await, "the other side saw an orderly end, by_node: {by_node}");
    }
    let reading = counted(&front, |reading| reading.listeners["listener"].requests.get() == 2).await;
    let closed = &reading.listeners["listener"].closed;
    assert_eq!((closed.get(Close::Node), closed.get(Close::Client)), (1, 1));
    stop(front, Duration::ZERO).await;
}

/// Bytes that tell their place.
fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A folder of its own, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mainstay-tcp-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
