//! A front with one HTTP listener, and what a test does with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::listen::Local;
use mainstay_proxy::access::AccessSender;
use mainstay_proxy::counters::Reading;
use mainstay_proxy::front::{Front, Leases, Options, Stopped};
use mainstay_proxy::params::{
    Action, Address, AllOut, At, Budget, ClientLimits, Forward, Forwarded, Hold, HostRule, Http, Http2, Kind, Listener,
    Node, PathMatch, Plan, Policy, Pool, PoolId, Queue, Retry, Role, Route, Service, Site,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A plan with one listener on a free port of the loopback and one pool of these nodes.
pub(crate) fn plan(nodes: &[SocketAddr]) -> Plan {
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
    let http = Http { sites: vec![site], limits: limits(), access_log: false, http2: Http2::Taken };
    let listener = Listener {
        name: Arc::from("listener"),
        at: At::Tcp(([127, 0, 0, 1], 0).into()),
        backlog: 128,
        max_connections: 1000,
        tls: None,
        service: Service::Http(Box::new(http)),
    };
    Plan { checkers: Vec::new(), pools: vec![pool(nodes)], listeners: vec![listener] }
}

pub(crate) fn pool(nodes: &[SocketAddr]) -> Pool {
    let node = |address: &SocketAddr| Node {
        name: Arc::from(address.to_string()),
        address: Address::Ip(*address),
        weight: 1,
        role: Role::Active,
        max_connections: None,
        eject: None,
        checks: Vec::new(),
        holder: None,
    };
    Pool {
        name: Arc::from("pool"),
        nodes: nodes.iter().map(node).collect(),
        kind: Kind::Any,
        policy: Policy::Spread,
        all_out: AllOut::Refuse,
        connect_timeout: Duration::from_secs(1),
        http2: false,
        keep_idle: 16,
        idle_timeout: Duration::from_secs(20),
        requests_per_connection: 1000,
        max_connections: None,
        queue: Queue { length: 0, wait: Duration::ZERO },
        hold: Hold { requests: 0, bytes: 0, time: Duration::ZERO },
        budget: Budget { ratio: 0.2, per_second: 10 },
        tls: None,
        slow_start: Duration::ZERO,
        resolve_every: Duration::from_secs(10),
        doubt_after: Duration::from_secs(1),
    }
}

pub(crate) fn forward() -> Forward {
    let retry = Retry {
        tries: 0,
        within: Duration::ZERO,
        buffer: 65536,
        on_error: true,
        on_timeout: true,
        on_invalid: false,
        statuses: Vec::new(),
        non_idempotent: false,
        commands: false,
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

pub(crate) fn limits() -> ClientLimits {
    ClientLimits {
        request_line: 8192,
        head: 32768,
        fields: 100,
        head_timeout: PATIENCE,
        body_timeout: PATIENCE,
        send_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        requests: 1000,
        streams: 128,
    }
}

pub(crate) fn address(front: &Front) -> SocketAddr {
    match front.local(&At::Tcp(([127, 0, 0, 1], 0).into())) {
        Some(Local::Tcp(address)) => address,
        other => panic!("listening on {other:?}"),
    }
}

pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> String {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let read = timeout(stream.read_buf(&mut got)).await.unwrap();
        assert!(read > 0, "ended after {:?}", String::from_utf8_lossy(&got));
    }
    String::from_utf8(got).unwrap()
}

/// Reads a head, and not a byte of what is behind it.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.push(timeout(stream.read_u8()).await.expect("more of a head"));
    }
    String::from_utf8(got).unwrap()
}

pub(crate) async fn timeout<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), event).await.expect("in time")
}

/// Starts a front with one worker.
pub(crate) async fn start(plan: Plan) -> Front {
    start_logged(plan, None).await
}

/// The same, with an access log.
pub(crate) async fn start_logged(plan: Plan, access: Option<AccessSender>) -> Front {
    Front::start(plan, Options { workers: 1, drain: Duration::from_secs(1), access, leases: Leases::new() })
        .await
        .unwrap()
}

/// Ends a front at once.
pub(crate) async fn stop(front: Front) -> Stopped {
    timeout(front.stop(std::future::ready(()))).await
}

/// A client's connection to the front.
pub(crate) async fn connect(front: &Front) -> TcpStream {
    let client = TcpStream::connect(address(front)).await.unwrap();
    client.set_nodelay(true).unwrap();
    client
}

/// The next connection to a node of the test's own.
pub(crate) async fn accept(node: &TcpListener) -> TcpStream {
    timeout(node.accept()).await.unwrap().0
}

/// The first listener's HTTP.
pub(crate) fn http(plan: &mut Plan) -> &mut Http {
    match &mut plan.listeners[0].service {
        Service::Http(http) => http,
        Service::Tcp(_) => panic!("not HTTP"),
    }
}

/// The first listener's first route.
pub(crate) fn route(plan: &mut Plan) -> &mut Route {
    &mut http(plan).sites[0].routes[0]
}

/// What that route forwards by.
pub(crate) fn forwarding(plan: &mut Plan) -> &mut Forward {
    match &mut route(plan).action {
        Action::Forward(forward) => forward,
        Action::Reply(_) => panic!("it does not forward"),
    }
}

/// Waits until the front's counters are as wanted.
pub(crate) async fn counted(front: &Front, wanted: impl Fn(&Reading) -> bool) -> Reading {
    timeout(async {
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

const PATIENCE: Duration = Duration::from_secs(5);
