//! The front over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests; a failure is the result"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::listen::Local;
use mainstay_proxy::front::{Front, Options};
use mainstay_proxy::params::{
    Action, Address, AllOut, At, Budget, ClientLimits, Forward, Forwarded, HostRule, Http, Listener, Node, PathMatch,
    Plan, Policy, Pool, PoolId, Queue, Retry, Role, Route, Service, Site,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_large_answer_and_the_next_come_whole() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plan = plan(&[node.local_addr().unwrap()]);
    let front = Front::start(plan, Options { workers: 1, drain: Duration::from_secs(1), access: None }).await.unwrap();
    let mut client = TcpStream::connect(address(&front)).await.unwrap();
    let body: Vec<u8> = (0..5_000_011_u32).map(|n| b'a' + (n % 23) as u8).collect();
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (mut up, _) = timeout(node.accept()).await.unwrap();
    read_until(&mut up, b"\r\n\r\n").await;
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes(), body.clone()].concat();
    let mut got = vec![0; answer.len()];
    let (sent, read) = timeout(async { tokio::join!(up.write_all(&answer), client.read_exact(&mut got)) }).await;
    sent.unwrap();
    read.unwrap();
    assert!(got == answer, "the answer came changed");
    client.write_all(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(
        read_until(&mut up, b"\r\n\r\n").await,
        "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
        "the connection is used again"
    );
    timeout(front.stop(std::future::ready(()))).await;
}

#[tokio::test]
async fn a_request_goes_through_and_the_connection_is_kept() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plan = plan(&[node.local_addr().unwrap()]);
    let front = Front::start(plan, Options { workers: 2, drain: Duration::from_secs(1), access: None }).await.unwrap();
    let mut client = TcpStream::connect(address(&front)).await.unwrap();
    client.write_all(b"GET /a%2Fb+c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\n").await.unwrap();
    let (mut up, _) = timeout(node.accept()).await.unwrap();
    let counted = |front: &Front| {
        let reading = front.counters().read();
        let listener = &reading.listeners["listener"];
        (listener.active.get(), listener.in_flight.get())
    };
    let seen = read_until(&mut up, b"\r\n\r\n").await;
    assert_eq!(counted(&front), (1, 1), "one connection with one request under way");
    assert_eq!(seen, "GET /a%2Fb+c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\n");
    up.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: d\r\n\r\nok").await.unwrap();
    let got = read_until(&mut client, b"ok").await;
    assert_eq!(got, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: d\r\n\r\nok");
    client.write_all(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab").await.unwrap();
    let seen = read_until(&mut up, b"3\r\nab").await;
    assert_eq!(seen, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    client.write_all(b"c\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut up, b"0\r\n\r\n").await, "c\r\n0\r\n\r\n");
    up.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let got = read_until(&mut client, b"No Content\r\n\r\n").await;
    assert_eq!(got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    timeout(front.stop(tokio::time::sleep(Duration::from_secs(5)))).await;
}

fn plan(nodes: &[SocketAddr]) -> Plan {
    let route = Route {
        path: PathMatch::Prefix(b"/".to_vec()),
        internal: false,
        action: Action::Forward(Box::new(forward())),
        body_max: None,
        add_fields: Vec::new(),
        error_pages: Vec::new(),
        intercept: false,
    };
    let site = Site { names: Vec::new(), routes: vec![route] };
    let http = Http { sites: vec![site], limits: limits(), access_log: false };
    let listener = Listener {
        name: Arc::from("listener"),
        at: At::Tcp(([127, 0, 0, 1], 0).into()),
        backlog: 128,
        max_connections: 1000,
        service: Service::Http(Box::new(http)),
    };
    Plan { checkers: Vec::new(), pools: vec![pool(nodes)], listeners: vec![listener] }
}

fn pool(nodes: &[SocketAddr]) -> Pool {
    let node = |address: &SocketAddr| Node {
        name: Arc::from(address.to_string()),
        address: Address::Ip(*address),
        weight: 1,
        role: Role::Active,
        max_connections: None,
        eject: None,
        checks: Vec::new(),
    };
    Pool {
        name: Arc::from("pool"),
        nodes: nodes.iter().map(node).collect(),
        policy: Policy::Spread,
        all_out: AllOut::Refuse,
        connect_timeout: Duration::from_secs(1),
        keep_idle: 16,
        idle_timeout: Duration::from_secs(20),
        requests_per_connection: 1000,
        max_connections: None,
        queue: Queue { length: 0, wait: Duration::ZERO },
        budget: Budget { ratio: 0.2, per_second: 10 },
        slow_start: Duration::ZERO,
        resolve_every: Duration::from_secs(10),
        doubt_after: Duration::from_secs(1),
    }
}

fn forward() -> Forward {
    let retry = Retry {
        tries: 0,
        within: Duration::ZERO,
        buffer: 65536,
        on_error: true,
        on_timeout: true,
        on_invalid: false,
        statuses: Vec::new(),
        non_idempotent: false,
    };
    Forward {
        pool: PoolId(0),
        prefix: None,
        host: HostRule::Keep,
        forwarded: Forwarded::Pass,
        set_fields: Vec::new(),
        retry,
        send_timeout: PATIENCE,
        read_timeout: PATIENCE,
        upgrade: true,
        mirrors: Vec::new(),
    }
}

fn limits() -> ClientLimits {
    ClientLimits {
        request_line: 8192,
        head: 32768,
        fields: 100,
        head_timeout: PATIENCE,
        body_timeout: PATIENCE,
        send_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        requests: 1000,
    }
}

fn address(front: &Front) -> SocketAddr {
    match front.local(&At::Tcp(([127, 0, 0, 1], 0).into())) {
        Some(Local::Tcp(address)) => address,
        other => panic!("listening on {other:?}"),
    }
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let read = timeout(stream.read_buf(&mut got)).await.unwrap();
        assert!(read > 0, "ended after {:?}", String::from_utf8_lossy(&got));
    }
    String::from_utf8(got).unwrap()
}

async fn timeout<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), event).await.expect("in time")
}

const PATIENCE: Duration = Duration::from_secs(5);
