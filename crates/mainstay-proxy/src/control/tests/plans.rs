use std::sync::Arc;
use std::time::Duration;

use super::harness::{EJECT, Run, Server, checker, eventually, frozen, http, node, plan, pool, refused};
use crate::control::NoSuchNode;
use crate::params::{Address, Role};
use crate::view::Event;
use crate::view::OutReason::{Check, Ejected, Off, Unwell};
use crate::view::Standing::{Draining, In, Out};

/// The first document: three pools over the same two hosts, each checked by `/upcheck` on port 9000.
#[tokio::test]
async fn a_check_that_three_pools_share_is_one_check() {
    let (one, two) = (Server::start(vec![http(200, "")]).await, Server::start(vec![http(200, "")]).await);
    let checkers = vec![checker(Address::Ip(one.address)), checker(Address::Ip(two.address))];
    let at = |server: &Server, port| Address::Ip((server.address.ip(), port).into());
    let pools = [9001, 9101, 9100]
        .map(|port| pool(&format!("p{port}"), vec![node(at(&one, port), &[0]), node(at(&two, port), &[1])]));
    let mut run = Run::start(plan(checkers, pools.to_vec()));
    eventually("both are checked", || run.checks(0) >= 10 && run.checks(1) >= 10).await;
    let (connections, checks) = (one.connections(), run.checks(0));
    assert!(connections <= checks + 1, "{connections} connections for {checks} checks");

    one.now_answers(http(503, ""));
    let snapshot = run.until(&[Out(Unwell), In]).await;
    for nodes in &snapshot.pools {
        assert_eq!([nodes[0].standing, nodes[1].standing], [Out(Unwell), In], "all pools change in one snapshot");
    }
}

#[tokio::test]
async fn another_plan_keeps_what_was_found() {
    let good = Server::start(vec![http(200, "")]).await;
    let (_listener, silent) = frozen().await;
    let (one, two) = (checker(Address::Ip(good.address)), checker(Address::Ip(silent)));
    let nodes = vec![node(good.address, &[0]), node(silent, &[1])];
    let mut run = Run::start(plan(vec![one.clone(), two.clone()], vec![pool("p", nodes)]));
    let before = run.until(&[In, Out(Check)]).await;
    run.control.drain(&good.address.to_string()).unwrap();
    run.until(&[Draining, Out(Check)]).await;
    let checks = run.checks(1);

    // The checks in another order, the pool with another one in front, and another node.
    let nodes = vec![node(silent, &[0]), node(good.address, &[1]), node(([127, 0, 0, 1], 1).into_address(), &[])];
    let next = plan(vec![two, one], vec![pool("other", vec![node(good.address, &[1])]), pool("p", nodes)]);
    run.control.replace(Arc::clone(&next)).await;
    let after = Arc::clone(&run.snapshots.borrow_and_update());
    assert!(Arc::ptr_eq(&after.plan, &next));
    assert_eq!(after.plan_number, before.plan_number + 1);
    let standings: Vec<_> = after.pools[1].iter().map(|node| node.standing).collect();
    assert_eq!(standings, [Out(Check), Draining, In], "at once, without another check");
    assert_eq!(after.pools[0][0].standing, In, "another pool's drain is its own");
    assert_eq!(after.pools[1][0].since, before.pools[0][1].since);
    let status = run.control.status();
    assert!(status[1].nodes[0].checks[0].counts.checks >= checks);

    let key = |name: &str| format!("p/{name}");
    assert_eq!(run.control.admit(&key(&good.address.to_string())), Ok(1));
    run.until_pool(1, &[Out(Check), In, In]).await;
}

/// What a pool is called when it comes to be used with another port.
#[tokio::test]
async fn a_pool_that_changes_its_name_keeps_its_nodes() {
    let server = Server::start(vec![http(200, "")]).await;
    let mut run = Run::start(plan(vec![], vec![pool("p", vec![node(server.address, &[])])]));
    run.control.drain(&server.address.to_string()).unwrap();
    run.control.replace(plan(vec![], vec![pool("p:1", vec![node(server.address, &[])])])).await;
    run.until(&[Draining]).await;
}

#[tokio::test]
async fn a_check_that_changed_starts_afresh() {
    let server = Server::start(vec![http(503, "")]).await;
    let old = checker(Address::Ip(server.address));
    let mut run = Run::start(plan(vec![old.clone()], vec![pool("p", vec![node(server.address, &[0])])]));
    run.until(&[Out(Unwell)]).await;
    let mut new = old;
    if let crate::params::Probe::Http(probe) = &mut new.probe {
        probe.statuses = vec![(503, 503)];
    }
    run.control.replace(plan(vec![new], vec![pool("p", vec![node(server.address, &[0])])])).await;
    run.until(&[In]).await;
    eventually("checks go on", || run.checks(0) > 2).await;
    assert_eq!(run.status(0).checks[0].counts.failures, 0);
}

#[tokio::test]
async fn operators_drain_and_admit() {
    let (one, two) = (Server::start(vec![http(200, "")]).await, Server::start(vec![http(200, "")]).await);
    let nodes = || vec![node(one.address, &[]), node(two.address, &[])];
    let mut run = Run::start(plan(vec![], vec![pool("a", nodes()), pool("b", nodes())]));
    let name = one.address.to_string();
    assert_eq!(run.control.drain(&name), Ok(2));
    run.until(&[Draining, In]).await;
    assert_eq!(run.status(0).reason.as_deref(), Some("drained by an operator"));
    assert_eq!(run.control.admit(&format!("b/{name}")), Ok(1));
    let snapshot = run.until_pool(1, &[In, In]).await;
    assert_eq!(snapshot.pools[0][0].standing, Draining);
    for wrong in ["nobody", "", "a/", "c/", &format!("c/{name}"), &format!("ab/{name}")] {
        assert_eq!(run.control.drain(wrong), Err(NoSuchNode { name: wrong.to_owned() }));
    }
}

#[tokio::test]
async fn what_finds_a_node_dead_outweighs_its_drain() {
    let (_listener, silent) = frozen().await;
    let mut run = Run::start(plan(vec![checker(Address::Ip(silent))], vec![pool("p", vec![node(silent, &[0])])]));
    run.control.drain("p/127.0.0.1:0").unwrap_err();
    run.control.drain(&silent.to_string()).unwrap();
    run.until(&[Out(Check)]).await;
}

#[tokio::test]
async fn a_node_that_is_off_stays_off() {
    let (_socket, address) = refused();
    let mut off = node(address, &[]);
    off.role = Role::Off;
    let mut run = Run::start(plan(vec![], vec![pool("p", vec![off])]));
    run.until(&[Out(Off)]).await;
    assert_eq!(run.status(0).reason.as_deref(), Some("off by configuration"));
}

#[tokio::test]
async fn news_of_an_older_plan_is_no_news() {
    let server = Server::start(vec![http(200, "")]).await;
    let with_ejection = || {
        let mut nodes = vec![node(server.address, &[]), node(([127, 0, 0, 1], 1).into_address(), &[])];
        nodes[0].eject = Some(crate::params::Eject { out_for: Duration::from_secs(60), ..EJECT });
        plan(vec![], vec![pool("p", nodes)])
    };
    let mut run = Run::start(with_ejection());
    let old = run.snapshots.borrow().plan_number;
    run.control.replace(with_ejection()).await;
    for _ in 0..EJECT.failures {
        let report =
            crate::view::Report { plan_number: old, pool: crate::params::PoolId(0), node: 0, event: Event::Failed };
        run.reports.send(report).await.unwrap();
    }
    eventually("they are taken in", || run.control.counts().reports_stale == 2).await;
    assert_eq!(run.status(0).standing, In);
    run.report(0, Event::Failed).await;
    run.report(0, Event::Failed).await;
    run.until(&[Out(Ejected), In]).await;
}

trait IntoAddress {
    fn into_address(self) -> Address;
}

impl IntoAddress for ([u8; 4], u16) {
    fn into_address(self) -> Address {
        Address::Ip(self.into())
    }
}
