//! Servers that misbehave on command, small plans, and waiting for a snapshot.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::control::{Control, NodeStatus};
use crate::counters::Registry;
use crate::params::PoolId;
use crate::params::{
    Address, AllOut, Budget, Checker, CheckerId, Eject, Hold, HttpProbe, Kind, Node, Plan, Policy, Pool, Probe, Queue,
    Role,
};
use crate::view::{Event, Report, Snapshot, Standing};

/// A server that answers every connection with the next of its answers, the last one again and again.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicU64>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

#[derive(Clone)]
pub(super) enum Answer {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// Takes the request and says nothing until the client is gone.
    Silence,
    /// A head that promises a body, which then comes a byte at a time and never ends.
    Drip,
}

impl Server {
    /// Answers with `answers`, in order.
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, answers)
    }

    pub(super) fn serve(listener: TcpListener, mut answers: Vec<Answer>) -> Self {
        answers.reverse();
        let address = listener.local_addr().unwrap();
        let (connections, answers) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(answers)));
        let (count, script) = (Arc::clone(&connections), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut script = script.lock().unwrap();
                let answer = if script.len() > 1 { script.pop() } else { script.last().cloned() };
                tokio::spawn(give(stream, answer.unwrap()));
            }
        });
        Self { address, connections, answers }
    }

    /// Answers with `answer` from now on.
    pub(super) fn now_answers(&self, answer: Answer) {
        *self.answers.lock().unwrap() = vec![answer];
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn give(mut stream: TcpStream, answer: Answer) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    match answer {
        Answer::Bytes(bytes) => drop(stream.write_all(&bytes).await),
        Answer::Silence => drop(stream.read(&mut request).await),
        Answer::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
            let mut pace = tokio::time::interval(Duration::from_millis(5));
            while stream.write_all(b".").await.is_ok() {
                pace.tick().await;
            }
        }
    }
}

/// An HTTP answer with this status and body.
pub(super) fn http(status: u16, body: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// An address that refuses connections: the port is taken, so that nobody else can listen there meanwhile.
pub(super) fn refused() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A listener nobody accepts from: connections succeed, and then nothing.
pub(super) async fn frozen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// `GET /upcheck`, good with 200; 20 ms apart, 100 ms for each, in and out after one.
pub(super) fn checker(address: Address) -> Checker {
    Checker {
        name: "/upcheck".into(),
        address,
        tls: None,
        probe: Probe::Http(HttpProbe {
            method: "GET".into(),
            target: "/upcheck".into(),
            host: None,
            statuses: vec![(200, 200)],
            fields: Vec::new(),
            body: None,
        }),
        every: Duration::from_millis(20),
        every_in_doubt: Duration::from_millis(10),
        timeout: Duration::from_millis(100),
        rise: 1,
        fall: 1,
    }
}

/// A node with these checks and no ejection.
pub(super) fn node(address: impl Into<Where>, checks: &[u32]) -> Node {
    let Where(name, address) = address.into();
    Node {
        name,
        address,
        weight: 1,
        role: Role::Active,
        max_connections: None,
        eject: None,
        checks: checks.iter().copied().map(CheckerId).collect(),
        holder: None,
    }
}

/// Two failures within 10 s put it out for 200 ms.
pub(super) const EJECT: Eject =
    Eject { failures: 2, within: Duration::from_secs(10), out_for: Duration::from_millis(200) };

/// A node's name and address.
pub(super) struct Where(Arc<str>, Address);

impl From<SocketAddr> for Where {
    fn from(address: SocketAddr) -> Self {
        Self(address.to_string().into(), Address::Ip(address))
    }
}

impl From<Address> for Where {
    fn from(address: Address) -> Self {
        let name = match &address {
            Address::Ip(address) => address.to_string(),
            Address::Name { host, port } => format!("{host}:{port}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        Self(name.into(), address)
    }
}

pub(super) fn pool(name: &str, nodes: Vec<Node>) -> Pool {
    Pool {
        name: name.into(),
        nodes,
        kind: Kind::Any,
        policy: Policy::Spread,
        all_out: AllOut::Refuse,
        connect_timeout: Duration::from_secs(1),
        http2: false,
        keep_idle: 1,
        idle_timeout: Duration::from_secs(1),
        requests_per_connection: 1000,
        max_connections: None,
        queue: Queue { length: 0, wait: Duration::ZERO },
        hold: Hold { requests: 0, bytes: 0, time: Duration::ZERO },
        budget: Budget { ratio: 0.2, per_second: 10 },
        tls: None,
        slow_start: Duration::ZERO,
        resolve_every: Duration::from_millis(20),
        doubt_after: Duration::from_millis(200),
    }
}

pub(super) fn plan(checkers: Vec<Checker>, pools: Vec<Pool>) -> Arc<Plan> {
    Arc::new(Plan { checkers, pools, listeners: Vec::new() })
}

/// One pool, one node for each address, each with a check made by `change` from [`checker`].
pub(super) fn checked(addresses: &[SocketAddr], change: impl Fn(&mut Checker)) -> Arc<Plan> {
    let checkers = addresses.iter().map(|address| {
        let mut checker = checker(Address::Ip(*address));
        change(&mut checker);
        checker
    });
    let nodes = addresses.iter().zip(0..).map(|(address, id)| node(*address, &[id])).collect();
    plan(checkers.collect(), vec![pool("p", nodes)])
}

/// A running control with both ends of its channels.
pub(super) struct Run {
    pub(super) control: Control,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) traffic: Arc<Registry>,
}

impl Run {
    pub(super) fn start(plan: Arc<Plan>) -> Self {
        let traffic = Arc::<Registry>::default();
        let (control, snapshots, reports) = Control::start(plan, Arc::clone(&traffic));
        Self { control, snapshots, reports, traffic }
    }

    /// Waits until the first pool's nodes stand like this.
    pub(super) async fn until(&mut self, expect: &[Standing]) -> Arc<Snapshot> {
        self.until_pool(0, expect).await
    }

    pub(super) async fn until_pool(&mut self, pool: usize, expect: &[Standing]) -> Arc<Snapshot> {
        let like = |snapshot: &Arc<Snapshot>| {
            snapshot
                .pools
                .get(pool)
                .is_some_and(|nodes| nodes.iter().map(|node| node.standing).eq(expect.iter().copied()))
        };
        let found = tokio::time::timeout(BOUND, self.snapshots.wait_for(like)).await;
        match found {
            Ok(snapshot) => Arc::clone(&snapshot.unwrap()),
            Err(_) => panic!("expected {expect:?}, still {:#?}", self.control.status()),
        }
    }

    /// Reports an event of the first pool.
    pub(super) async fn report(&self, node: u32, event: Event) {
        let plan_number = self.snapshots.borrow().plan_number;
        self.reports.send(Report { plan_number, pool: PoolId(0), node, event }).await.unwrap();
    }

    /// The first pool's node.
    pub(super) fn status(&self, node: usize) -> NodeStatus {
        self.control.status()[0].nodes[node].clone()
    }

    /// The check of the first pool's node.
    pub(super) fn checks(&self, node: usize) -> u64 {
        self.status(node).checks.first().map_or(0, |check| check.counts.checks)
    }
}

/// Waits until `condition` holds.
pub(super) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    let holds = async {
        while !condition() {
            pace.tick().await;
        }
    };
    in_time(what, holds).await;
}

pub(super) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what}: not in {BOUND:?}"))
}

/// Longest wait for anything; far beyond what a busy machine needs.
const BOUND: Duration = Duration::from_secs(20);
