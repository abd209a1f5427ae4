//! A front with one TCP listener, and what a test does with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::listen::Local;
use mainstay_proxy::access::AccessSender;
use mainstay_proxy::counters::Reading;
use mainstay_proxy::front::{Front, Leases, Options, Stopped};
use mainstay_proxy::params::{
    Address, AllOut, At, Budget, Checker, CheckerId, Hold, Kind, Listener, Node, Pattern, Plan, Policy, Pool, PoolId,
    Probe, Queue, Role, Service, Tcp,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A plan with one listener on a free port of the loopback and one pool of these nodes.
pub(crate) fn plan(nodes: &[SocketAddr]) -> Plan {
    let pool = Pool {
        name: Arc::from("pool"),
        nodes: nodes.iter().map(|address| node(*address)).collect(),
        kind: Kind::Any,
        policy: Policy::Spread,
        all_out: AllOut::Refuse,
        connect_timeout: Duration::from_secs(2),
        http2: false,
        keep_idle: 0,
        idle_timeout: Duration::from_secs(20),
        requests_per_connection: 1000,
        max_connections: None,
        queue: Queue { length: 0, wait: Duration::ZERO },
        hold: Hold { requests: 0, bytes: 0, time: Duration::ZERO },
        budget: Budget { ratio: 0.2, per_second: 10 },
        tls: None,
        slow_start: Duration::ZERO,
        resolve_every: Duration::from_secs(10),
        doubt_after: Duration::from_millis(100),
    };
    let tcp = Tcp {
        postgres: None,
        pool: PoolId(0),
        by_name: Vec::new(),
        idle_timeout: Duration::from_secs(60),
        tries: 0,
        tries_within: Duration::ZERO,
        access_log: true,
    };
    let listener = Listener {
        name: Arc::from("listener"),
        at: anywhere(),
        backlog: 128,
        max_connections: 1000,
        tls: None,
        service: Service::Tcp(tcp),
    };
    Plan { checkers: Vec::new(), pools: vec![pool], listeners: vec![listener] }
}

fn node(address: SocketAddr) -> Node {
    Node {
        name: Arc::from(address.to_string()),
        address: Address::Ip(address),
        weight: 1,
        role: Role::Active,
        max_connections: None,
        eject: None,
        checks: Vec::new(),
        holder: None,
    }
}

/// Gives the node with this index a check: what listens on `address` must say that it is well.
pub(crate) fn check(plan: &mut Plan, node: usize, address: SocketAddr) {
    let id = CheckerId(u32::try_from(plan.checkers.len()).unwrap());
    plan.checkers.push(Checker {
        name: Arc::from("tcp"),
        address: Address::Ip(address),
        tls: None,
        probe: Probe::Tcp { send: Vec::new(), expect: Some(Pattern::Text(b"well".to_vec())) },
        every: Duration::from_millis(50),
        every_in_doubt: Duration::from_millis(20),
        timeout: Duration::from_millis(200),
        rise: 1,
        fall: 2,
    });
    plan.pools[0].nodes[node].checks.push(id);
}

pub(crate) fn tcp(plan: &mut Plan) -> &mut Tcp {
    match &mut plan.listeners[0].service {
        Service::Tcp(tcp) => tcp,
        Service::Http(_) => panic!("not TCP"),
    }
}

pub(crate) fn anywhere() -> At {
    At::Tcp(([127, 0, 0, 1], 0).into())
}

pub(crate) async fn start(plan: Plan) -> Front {
    start_logged(plan, None).await
}

pub(crate) async fn start_logged(plan: Plan, access: Option<AccessSender>) -> Front {
    Front::start(plan, Options { workers: 1, drain: Duration::from_secs(1), access, leases: Leases::new() })
        .await
        .unwrap()
}

pub(crate) async fn stop(front: Front, drain: Duration) -> Stopped {
    within(front.stop(tokio::time::sleep(drain))).await
}

pub(crate) async fn connect(front: &Front) -> TcpStream {
    TcpStream::connect(address(front)).await.unwrap()
}

/// Whether a client is turned away by a reset, which may come as early as its call to connect returns.
pub(crate) async fn refused(front: &Front) -> bool {
    match TcpStream::connect(address(front)).await {
        Ok(mut client) => is_reset(&mut client).await,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

pub(crate) fn address(front: &Front) -> SocketAddr {
    match front.local(&front.plan().listeners[0].at) {
        Some(Local::Tcp(address)) => address,
        other => panic!("listening on {other:?}"),
    }
}

/// A node of the test's own.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address nobody listens on.
pub(crate) async fn refusing() -> SocketAddr {
    listen().await.1
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    within(listener.accept()).await.unwrap().0
}

/// Reads until `end`.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let read = within(stream.read_buf(&mut got)).await.unwrap();
        assert!(read > 0, "ended after {:?}", String::from_utf8_lossy(&got));
    }
    got
}

/// Waits for a connection's end: true when it is a reset, false when it is orderly.
pub(crate) async fn is_reset(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    match within(stream.read_to_end(&mut rest)).await {
        Ok(_) => false,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => true,
        Err(error) => panic!("ended with {error}"),
    }
}

/// Waits until the front's counters are as wanted.
pub(crate) async fn counted(front: &Front, wanted: impl Fn(&Reading) -> bool) -> Reading {
    within(async {
        loop {
            let reading = front.counters().read();
            if wanted(&reading) {
                return reading;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

pub(crate) async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.expect("in time")
}
