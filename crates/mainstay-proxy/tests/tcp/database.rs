//! Listeners that lead to a database: sessions end with the tenure, clients speak first, and are refused in its words.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_core::lease::Nonce;
use mainstay_core::lease::Phase::{Ready, Starting, Vacant};
use mainstay_io::clock;
use mainstay_proxy::front::{Followed, Front, Leases, Options};
use mainstay_proxy::params::{Plan, Policy, Postgres};
use mainstay_proxy::view::{OutReason, Standing, Until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::lease::{Lease, follow};
use crate::rig::{accept, connect, counted, is_reset, listen, plan, read_until, stop, tcp, within};

/// Until when the database may be written to, of one tenure after the other.
struct Times(watch::Sender<Until>);

impl Times {
    /// Moves that of this tenure, in place of any other's.
    fn set(&self, tenure: u128, until: Moment) {
        self.0.send_if_modified(|now| {
            let another = !now.is_of(Nonce(tenure));
            if another {
                now.set(Moment::ZERO);
                *now = Until::of(Nonce(tenure));
            }
            now.set(until);
            another
        });
    }
}

/// A front whose pool is a database that `lease` plays; until when it may be written to.
async fn start(mut plan: Plan, lease: &Lease) -> (Front, Times) {
    plan.pools[0].policy = Policy::Writable { database: Arc::from("l") };
    tcp(&mut plan).postgres.get_or_insert(Postgres { handshake: Duration::from_secs(20) });
    let until = Times(watch::channel(Until::of(Nonce(0))).0);
    let leases: Leases = lease
        .watch()
        .into_iter()
        .map(|(name, followed)| (name, Followed { until: Some(until.0.subscribe()), ..followed }))
        .collect();
    let options = Options { workers: 1, drain: Duration::from_secs(1), access: None, leases };
    (Front::start(plan, options).await.unwrap(), until)
}

/// A session that has said `hello`, and its other end.
async fn session(front: &Front, node: &tokio::net::TcpListener) -> (TcpStream, TcpStream) {
    let mut client = connect(front).await;
    client.write_all(b"hello\n").await.unwrap();
    let mut up = accept(node).await;
    assert_eq!(read_until(&mut up, b"\n").await, b"hello\n");
    (client, up)
}

#[tokio::test]
async fn nothing_passes_once_the_time_is_over_though_nobody_says_so() {
    let (node, a) = listen().await;
    let lease = Lease::new();
    let (front, until) = start(follow(plan(&[a])), &lease).await;
    until.set(1, clock::boot() + Duration::from_secs(3_600));
    lease.says("a", 1, Ready);
    let (mut client, mut up) = session(&front, &node).await;
    client.write_all(b"in time\n").await.unwrap();
    assert_eq!(read_until(&mut up, b"\n").await, b"in time\n");

    until.set(1, Moment::ZERO);
    client.write_all(b"too late\n").await.unwrap();
    assert!(is_reset(&mut client).await);
    let mut came = Vec::new();
    let end = within(up.read_to_end(&mut came)).await;
    assert!(end.is_err() && came.is_empty(), "{end:?}, {came:?}");

    // A new one is held, though a host is said to be ready.
    let mut held = connect(&front).await;
    held.write_all(b"later\n").await.unwrap();
    counted(&front, |reading| reading.pools["pool"].held.get() == 1).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), node.accept()).await.is_err());
    until.set(1, clock::boot() + Duration::from_secs(3_600));
    let mut up = accept(&node).await;
    assert_eq!(read_until(&mut up, b"\n").await, b"later\n");
    stop(front, Duration::ZERO).await;
}

/// A worker that sleeps through the end of a tenure and the beginning of the next has heard of neither.
#[tokio::test]
async fn a_session_of_one_tenure_does_not_go_on_in_the_next_though_nobody_says_so() {
    let (node, a) = listen().await;
    let lease = Lease::new();
    let (front, until) = start(follow(plan(&[a])), &lease).await;
    until.set(1, Moment::from_nanos(u64::MAX));
    lease.says("a", 1, Ready);
    let (mut client, mut up) = session(&front, &node).await;
    until.set(2, Moment::from_nanos(u64::MAX));
    client.write_all(b"too late\n").await.unwrap();
    assert!(is_reset(&mut client).await);
    let mut came = Vec::new();
    let end = within(up.read_to_end(&mut came)).await;
    assert!(end.is_err() && came.is_empty(), "{end:?}, {came:?}");

    // Nor does a new one begin before it is told of the tenure.
    let mut held = connect(&front).await;
    held.write_all(b"later\n").await.unwrap();
    counted(&front, |reading| reading.pools["pool"].held.get() == 1).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), node.accept()).await.is_err());
    lease.says("a", 2, Ready);
    let mut up = accept(&node).await;
    assert_eq!(read_until(&mut up, b"\n").await, b"later\n");
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn sessions_stay_while_the_primary_is_only_silent_and_end_when_it_changes() {
    let ((node_a, a), (node_b, b)) = (listen().await, listen().await);
    let lease = Lease::new();
    let (front, until) = start(follow(plan(&[a, b])), &lease).await;
    until.set(1, Moment::from_nanos(u64::MAX));
    lease.says("a", 1, Ready);
    let (mut client, mut up) = session(&front, &node_a).await;
    lease.says("a", 1, Starting);
    within(async {
        while front.control().status()[0].nodes[0].standing != Standing::Out(OutReason::NotReady)
            || front.counters().snapshot() < front.control().counts().snapshots
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut held = connect(&front).await;
    held.write_all(b"held\n").await.unwrap();
    counted(&front, |reading| reading.pools["pool"].held.get() == 1).await;
    client.write_all(b"still\n").await.unwrap();
    assert_eq!(read_until(&mut up, b"\n").await, b"still\n");

    until.set(2, Moment::from_nanos(u64::MAX));
    lease.says("b", 2, Ready);
    assert!(is_reset(&mut client).await && is_reset(&mut up).await);
    let mut up = accept(&node_b).await;
    assert_eq!(read_until(&mut up, b"\n").await, b"held\n");
    lease.says("", 3, Vacant);
    assert!(is_reset(&mut held).await && is_reset(&mut up).await);
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_reaches_no_server() {
    let (node, a) = listen().await;
    let lease = Lease::new();
    let mut plan = follow(plan(&[a]));
    tcp(&mut plan).postgres = Some(Postgres { handshake: Duration::from_millis(100) });
    let (front, until) = start(plan, &lease).await;
    until.set(1, Moment::from_nanos(u64::MAX));
    lease.says("a", 1, Ready);
    let mut silent = connect(&front).await;
    assert!(is_reset(&mut silent).await);
    drop(connect(&front).await);
    let limits = |reading: &mainstay_proxy::counters::Reading| {
        reading.listeners["listener"].limits.get(mainstay_proxy::counters::Limit::Handshake)
    };
    counted(&front, |reading| limits(reading) == 1 && reading.listeners["listener"].active.get() == 0).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), node.accept()).await.is_err());
    stop(front, Duration::ZERO).await;
}

#[tokio::test]
async fn whoever_asked_in_plain_text_is_refused_in_words() {
    let (_node, a) = listen().await;
    let lease = Lease::new();
    let mut plan = follow(plan(&[a]));
    plan.pools[0].hold.time = Duration::from_secs(1);
    let (front, _until) = start(plan, &lease).await;
    let startup = [&16_u32.to_be_bytes()[..], &0x3_0000_u32.to_be_bytes(), b"user\0m\0\0"].concat();
    let encrypted = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
    let (mut plain, mut tls, mut bad) = (connect(&front).await, connect(&front).await, connect(&front).await);
    plain.write_all(&startup).await.unwrap();
    tls.write_all(&encrypted).await.unwrap();
    bad.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    within(plain.read_to_end(&mut said)).await.expect("an orderly end");
    assert_eq!(said.first(), Some(&b'E'), "{said:?}");
    assert!(said.windows(7).any(|window| window == b"C57P03\0"), "{said:?}");
    assert!(is_reset(&mut tls).await && is_reset(&mut bad).await);
    stop(front, Duration::ZERO).await;
}
