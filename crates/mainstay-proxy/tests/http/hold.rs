//! Pools with a leader: what is held, for how long, and what becomes of it.

use std::time::Duration;

use mainstay_core::lease::Phase::{Fencing, Ready, Starting, Vacant, Yielding};
use mainstay_proxy::front::Front;
use mainstay_proxy::params::{Hold, Plan, Queue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::lease::{Lease, follow, start};
use crate::rig::{accept, connect, counted, plan, read_until, stop, timeout};

/// Nodes of the test's own, and a plan that follows lease `l` to them.
async fn nodes(count: usize) -> (Vec<TcpListener>, Plan) {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let addresses: Vec<_> = nodes.iter().map(|node| node.local_addr().unwrap()).collect();
    (nodes, follow(plan(&addresses)))
}

async fn send(front: &Front, head: &str) -> TcpStream {
    let mut client = connect(front).await;
    client.write_all(format!("{head} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    client
}

async fn held(front: &Front, count: u64) {
    counted(front, |reading| reading.pools.get("pool").is_some_and(|pool| pool.held.get() == count)).await;
}

/// Takes a request whole, and says which target it asks for.
async fn take(up: &mut TcpStream) -> String {
    let request = read_until(up, b"\r\n\r\n").await;
    request.split(' ').nth(1).unwrap_or_default().to_owned()
}

async fn answer(up: &mut TcpStream, text: &str) {
    up.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).as_bytes()).await.unwrap();
}

/// Whether `node` gets no connection for a while, long enough for what could go wrong.
async fn is_left_alone(node: &TcpListener) -> bool {
    tokio::time::timeout(Duration::from_millis(300), node.accept()).await.is_err()
}

#[tokio::test]
async fn requests_are_held_and_released_in_the_order_they_came() {
    for workers in [1, 3] {
        let (nodes, mut plan) = nodes(2).await;
        plan.pools[0].nodes[1].max_connections = Some(1);
        let lease = Lease::new();
        let front = start(plan, &lease, workers).await;
        let mut clients = Vec::new();
        for index in 0..12 {
            clients.push(send(&front, &format!("POST /{index}")).await);
            held(&front, index + 1).await;
        }
        for (holder, phase) in [("a", Fencing), ("a", Starting), ("a", Vacant), ("b", Fencing), ("b", Starting)] {
            lease.says(holder, 1, phase);
        }
        assert!(is_left_alone(&nodes[0]).await && is_left_alone(&nodes[1]).await);
        lease.says("b", 1, Ready);
        // Workers do not share idle connections: whichever has the next request may open one of its own.
        for (index, client) in clients.iter_mut().enumerate() {
            let mut up = accept(&nodes[1]).await;
            assert_eq!(take(&mut up).await, format!("/{index}"), "with {workers} workers");
            up.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            drop(up);
            assert!(read_until(client, b"ok").await.starts_with("HTTP/1.1 200"));
        }
        let reading = front.counters().read();
        let pool = &reading.pools["pool"];
        assert_eq!((pool.held.get(), pool.held_bytes.get(), pool.held_total.get()), (0, 0, 12));
        assert_eq!((pool.hold_released.get(), pool.no_node.get()), (12, 0));
        assert!(is_left_alone(&nodes[0]).await, "a node that does not lead gets nothing");
        stop(front).await;
    }
}

#[tokio::test]
async fn no_more_is_held_than_may_be_and_no_longer() {
    let (_nodes, mut plan) = nodes(1).await;
    let lease = Lease::new();
    plan.pools[0].hold = Hold { requests: 2, bytes: 200, time: Duration::from_secs(15) };
    let front = start(plan.clone(), &lease, 2).await;
    let big = format!("GET /{}", "x".repeat(200));
    let refused = read_until(&mut send(&front, &big).await, b"just now\n").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("Retry-After: "), "{refused}");
    let first = (send(&front, "GET /").await, held(&front, 1).await);
    let second = (send(&front, "GET /").await, held(&front, 2).await);
    let mut third = send(&front, "GET /").await;
    assert!(read_until(&mut third, b"just now\n").await.starts_with("HTTP/1.1 503"));
    assert_eq!(front.counters().read().pools["pool"].hold_refused.get(), 2);
    // The connection goes on, and there is room again once somebody has left.
    drop(second);
    counted(&front, |reading| reading.pools["pool"].hold_left.get() == 1).await;
    third.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    held(&front, 2).await;
    drop(first);
    stop(front).await;

    plan.pools[0].hold.time = Duration::from_millis(100);
    let front = start(plan, &lease, 1).await;
    let late = read_until(&mut send(&front, "GET /").await, b"just now\n").await;
    assert!(late.starts_with("HTTP/1.1 503") && late.contains("Retry-After: "), "{late}");
    assert_eq!(front.counters().read().pools["pool"].hold_timed_out.get(), 1);
    stop(front).await;
}

#[tokio::test]
async fn what_a_client_that_left_had_asked_is_never_done() {
    let (nodes, plan) = nodes(1).await;
    let lease = Lease::new();
    let front = start(plan, &lease, 1).await;
    let mut gone = connect(&front).await;
    gone.write_all(b"POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\npart").await.unwrap();
    held(&front, 1).await;
    let waits = send(&front, "POST /waits").await;
    held(&front, 2).await;
    drop(gone);
    lease.says("a", 1, Ready);
    let mut up = accept(&nodes[0]).await;
    assert_eq!(take(&mut up).await, "/waits");
    counted(&front, |reading| reading.pools["pool"].hold_left.get() == 1).await;
    assert!(is_left_alone(&nodes[0]).await);
    drop(waits);
    stop(front).await;
}

#[tokio::test]
async fn a_queued_request_is_not_sent_once_its_client_has_left() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(&[node.local_addr().unwrap()]);
    plan.pools[0].max_connections = Some(1);
    plan.pools[0].queue = Queue { length: 10, wait: Duration::from_secs(10) };
    let front = crate::rig::start(plan).await;
    let mut first = send(&front, "GET /first").await;
    let mut up = accept(&node).await;
    assert_eq!(take(&mut up).await, "/first");
    let gone = send(&front, "POST /gone").await;
    counted(&front, |reading| reading.pools["pool"].waiting.get() == 1).await;
    let mut waits = send(&front, "POST /waits").await;
    counted(&front, |reading| reading.pools["pool"].waiting.get() == 2).await;
    drop(gone);
    counted(&front, |reading| reading.pools["pool"].queue_left.get() == 1).await;
    answer(&mut up, "first").await;
    read_until(&mut first, b"first").await;
    assert_eq!(take(&mut up).await, "/waits");
    answer(&mut up, "waits").await;
    read_until(&mut waits, b"waits").await;
    stop(front).await;
}

#[tokio::test]
async fn a_planned_switch_over_fails_no_request() {
    let (nodes, plan) = nodes(2).await;
    let lease = Lease::new();
    lease.says("a", 1, Ready);
    let front = start(plan, &lease, 1).await;
    let mut idle = send(&front, "GET /idle").await;
    let mut idle_up = accept(&nodes[0]).await;
    take(&mut idle_up).await;
    let mut busy = send(&front, "POST /busy").await;
    let mut busy_up = accept(&nodes[0]).await;
    assert_eq!(take(&mut busy_up).await, "/busy");
    answer(&mut idle_up, "idle").await;
    read_until(&mut idle, b"idle").await;
    let (tell, mut told) = tokio::sync::watch::channel(None);
    let views = lease.watch().remove("l").unwrap().view;
    front.control().tell_quiet("l".into(), views, move |quiet| {
        tell.send_replace(Some(quiet));
    });
    timeout(told.wait_for(|told| *told == Some(false))).await.unwrap();
    lease.says("a", 1, Yielding);
    assert_eq!(timeout(idle_up.read(&mut [0; 1])).await.unwrap(), 0, "idle connections to it are closed");
    idle.write_all(b"POST /next HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    held(&front, 1).await;
    assert!(!front.control().is_quiet("l") && *told.borrow() == Some(false), "a request is under way");
    answer(&mut busy_up, "done").await;
    assert!(read_until(&mut busy, b"done").await.starts_with("HTTP/1.1 200"));
    timeout(told.wait_for(|told| *told == Some(true))).await.unwrap();
    lease.says("a", 1, Vacant);
    lease.says("b", 2, Ready);
    let mut up = accept(&nodes[1]).await;
    assert_eq!(take(&mut up).await, "/next");
    answer(&mut up, "next").await;
    read_until(&mut idle, b"next").await;
    assert!(is_left_alone(&nodes[0]).await);
    stop(front).await;
}

#[tokio::test]
async fn what_was_in_flight_on_a_demoted_node_is_done_once_at_most() {
    let (nodes, plan) = nodes(2).await;
    let lease = Lease::new();
    lease.says("a", 1, Ready);
    let front = start(plan, &lease, 1).await;
    let mut ups = Vec::new();
    let mut clients = Vec::new();
    for head in ["GET /read", "POST /write", "GET /begun"] {
        clients.push(send(&front, head).await);
        let mut up = accept(&nodes[0]).await;
        take(&mut up).await;
        ups.push(up);
    }
    ups[2].write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegun").await.unwrap();
    read_until(&mut clients[2], b"begun").await;
    lease.says("b", 2, Fencing);
    for up in &mut ups {
        assert!(matches!(timeout(up.read(&mut [0; 1])).await, Ok(0) | Err(_)), "it is cut");
    }
    let failed = read_until(&mut clients[1], b"good answer\n").await;
    assert!(failed.starts_with("HTTP/1.1 502"), "{failed}");
    let ended = timeout(clients[2].read(&mut [0; 1])).await;
    assert!(matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset), "{ended:?}");
    held(&front, 1).await;
    lease.says("b", 2, Ready);
    let mut up = accept(&nodes[1]).await;
    assert_eq!(take(&mut up).await, "/read");
    answer(&mut up, "from b").await;
    read_until(&mut clients[0], b"from b").await;
    assert!(is_left_alone(&nodes[1]).await && is_left_alone(&nodes[0]).await);
    let reading = front.counters().read();
    let failures = reading.nodes.values().map(|node| node.failures.get(mainstay_proxy::counters::Failure::Demoted));
    assert_eq!(failures.sum::<u64>(), 2);
    stop(front).await;
}

#[tokio::test]
async fn another_tenure_of_the_same_holder_ends_what_the_last_one_had() {
    let (nodes, plan) = nodes(1).await;
    let lease = Lease::new();
    lease.says("a", 1, Ready);
    let front = start(plan, &lease, 1).await;
    let mut client = send(&front, "GET /").await;
    let mut old = accept(&nodes[0]).await;
    take(&mut old).await;
    lease.says("a", 2, Ready);
    let mut up = accept(&nodes[0]).await;
    assert!(matches!(timeout(old.read(&mut [0; 1])).await, Ok(0) | Err(_)), "it is cut");
    take(&mut up).await;
    answer(&mut up, "again").await;
    read_until(&mut client, b"again").await;
    stop(front).await;
}

#[tokio::test]
async fn requests_are_held_while_a_leader_is_dead_and_nobody_knows_yet() {
    let (mut nodes, plan) = nodes(2).await;
    let lease = Lease::new();
    lease.says("a", 1, Ready);
    let front = start(plan, &lease, 1).await;
    let address = nodes[0].local_addr().unwrap();
    drop(nodes.remove(0));
    let mut first = send(&front, "POST /first").await;
    held(&front, 1).await;
    let mut second = send(&front, "POST /second").await;
    held(&front, 2).await;
    // It restarts in place, within the same tenure.
    lease.says("a", 1, Starting);
    let again = TcpListener::bind(address).await.unwrap();
    assert!(is_left_alone(&again).await, "it is not ready");
    lease.says("a", 1, Ready);
    for (client, target) in [(&mut first, "/first"), (&mut second, "/second")] {
        let mut up = accept(&again).await;
        assert_eq!(take(&mut up).await, target);
        up.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(read_until(client, b"\r\n\r\n").await.starts_with("HTTP/1.1 204"));
    }
    stop(front).await;
}

#[tokio::test]
async fn what_is_held_survives_a_reload_and_hears_of_the_leader() {
    let (nodes, plan) = nodes(2).await;
    let lease = Lease::new();
    let front = start(plan.clone(), &lease, 1).await;
    let mut early = send(&front, "POST /early").await;
    held(&front, 1).await;
    let mut changed = plan.clone();
    changed.pools[0].keep_idle = 3;
    front.replace(changed, &lease.watch(), Duration::from_secs(10)).await.unwrap();
    let mut late = send(&front, "POST /late").await;
    held(&front, 2).await;
    lease.says("b", 1, Ready);
    for _ in 0..2 {
        let mut up = accept(&nodes[1]).await;
        let target = take(&mut up).await;
        answer(&mut up, &target).await;
    }
    read_until(&mut early, b"/early").await;
    read_until(&mut late, b"/late").await;
    stop(front).await;
}

#[tokio::test]
async fn an_idle_connection_that_broke_is_followed_by_a_new_one() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = crate::rig::start(plan(&[node.local_addr().unwrap()])).await;
    let mut clients = [send(&front, "GET /1").await, send(&front, "GET /2").await];
    let mut ups = [accept(&node).await, accept(&node).await];
    for (up, client) in ups.iter_mut().zip(&mut clients) {
        take(up).await;
        answer(up, "ok").await;
        let _ = client;
    }
    for client in &mut clients {
        read_until(client, b"ok").await;
    }
    counted(&front, |reading| reading.pools.contains_key("pool")).await;
    clients[0].write_all(b"GET /3 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // It comes over one of the two that idle, which breaks; the other may be about to break too.
    let [one, other] = &mut ups;
    let kept = tokio::select! {
        read = one.read_u8() => { read.unwrap(); 1 }
        read = other.read_u8() => { read.unwrap(); 0 }
    };
    let mut ups = ups.map(Some);
    ups[1 - kept] = None;
    let mut fresh = accept(&node).await;
    assert_eq!(take(&mut fresh).await, "/3");
    answer(&mut fresh, "third").await;
    read_until(&mut clients[0], b"third").await;
    stop(front).await;
}

#[tokio::test]
async fn a_large_body_waits_with_its_client_while_it_is_held() {
    const LENGTH: usize = 32 * 1024 * 1024;
    let (nodes, plan) = nodes(1).await;
    let lease = Lease::new();
    let front = start(plan, &lease, 1).await;
    let mut client = connect(&front).await;
    client
        .write_all(format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    held(&front, 1).await;
    let body = vec![b'x'; LENGTH];
    let mut sent = 0;
    // More than what the kernel keeps of a connection is not taken.
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(500), client.write(&body[sent..])).await {
        sent += written.unwrap();
    }
    assert!(sent < LENGTH, "all of it was read");
    assert!(front.counters().read().pools["pool"].held_bytes.get() <= 128 * 1024);
    lease.says("a", 1, Ready);
    let mut up = accept(&nodes[0]).await;
    let (came, ()) = tokio::join!(
        async {
            let mut came = 0;
            let mut buffer = vec![0; 64 * 1024];
            while came < LENGTH {
                let read = timeout(up.read(&mut buffer)).await.unwrap();
                assert!(read > 0, "ended after {came}");
                came += buffer[..read].iter().filter(|byte| **byte == b'x').count();
            }
            came
        },
        async { client.write_all(&body[sent..]).await.unwrap() },
    );
    // The head has some of these letters too.
    assert!((LENGTH..=LENGTH + 4).contains(&came), "{came}");
    answer(&mut up, "done").await;
    read_until(&mut client, b"done").await;
    stop(front).await;
}
