//! A front with one HTTP listener, and what a test does with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_io::listen::Local;
use mainstay_proxy::front::Front;
use mainstay_proxy::params::{
    Action, Address, AllOut, At, Budget, ClientLimits, Forward, Forwarded, HostRule, Http, Listener, Node, PathMatch,
    Plan, Policy, Pool, PoolId, Queue, Retry, Role, Route, Service, Site,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};

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

pub(crate) fn pool(nodes: &[SocketAddr]) -> Pool {
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

pub(crate) async fn timeout<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), event).await.expect("in time")
}

const PATIENCE: Duration = Duration::from_secs(5);
