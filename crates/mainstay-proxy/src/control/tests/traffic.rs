use std::time::Duration;

use super::harness::{Answer, EJECT, Run, Server, checked, eventually, frozen, http, node, plan, pool, refused};
use crate::params::Eject;
use crate::view::Event::{Answered, Failed, Slow, SlowOpaque, TimedOut};
use crate::view::OutReason::{Check, Ejected, Unwell};
use crate::view::Standing::{In, Out, Trial};

async fn two_living() -> (Server, Server) {
    (Server::start(vec![http(404, "")]).await, Server::start(vec![http(404, "")]).await)
}

#[tokio::test]
async fn failures_eject_and_one_request_tries_the_way_back() {
    let (one, two) = two_living().await;
    let mut nodes = vec![node(one.address, &[]), node(two.address, &[])];
    nodes[0].eject = Some(EJECT);
    let mut run = Run::start(plan(vec![], vec![pool("p", nodes)]));
    run.report(0, Failed).await;
    eventually("a good answer is news", || run.snapshots.borrow().pools[0][0].suspect).await;
    run.report(0, TimedOut).await;
    run.until(&[Out(Ejected), In]).await;
    assert_eq!(run.status(0).reason.as_deref(), Some("live traffic failed on it, last with no answer in time"));
    let snapshot = run.until(&[Trial, In]).await;
    assert!(snapshot.pools[0][0].suspect);
    run.report(0, Answered).await;
    run.until(&[In, In]).await;
    eventually("nothing is held against it", || !run.snapshots.borrow().pools[0][0].suspect).await;
    assert_eq!((run.status(0).ejections, run.status(0).transitions), (1, 3));
}

#[tokio::test]
async fn a_trial_that_nobody_reports_on_ends() {
    let (one, two) = two_living().await;
    let mut nodes = vec![node(one.address, &[]), node(two.address, &[])];
    nodes[0].eject = Some(EJECT);
    let mut run = Run::start(plan(vec![], vec![pool("p", nodes)]));
    run.report(0, Failed).await;
    run.report(0, Failed).await;
    run.until(&[Out(Ejected), In]).await;
    run.until(&[Trial, In]).await;
    run.until(&[In, In]).await;
}

#[tokio::test]
async fn an_answer_in_between_clears_a_node() {
    let (one, two) = two_living().await;
    let mut nodes = vec![node(one.address, &[]), node(two.address, &[])];
    nodes[0].eject = Some(EJECT);
    let run = Run::start(plan(vec![], vec![pool("p", nodes)]));
    for event in [Failed, Answered, Failed, Answered, Failed, Answered] {
        run.report(0, event).await;
    }
    eventually("they are taken in", || run.control.counts().reports == 6).await;
    assert_eq!(run.status(0).standing, In);
    assert!(!run.snapshots.borrow().pools[0][0].suspect);
}

#[tokio::test]
async fn the_last_node_is_not_ejected() {
    let (one, two) = two_living().await;
    let mut nodes = vec![node(one.address, &[]), node(two.address, &[])];
    let eject = Some(Eject { out_for: Duration::from_secs(60), ..EJECT });
    (nodes[0].eject, nodes[1].eject) = (eject, eject);
    let mut run = Run::start(plan(vec![], vec![pool("p", nodes)]));
    for node in [0, 0, 1, 1, 1] {
        run.report(node, Failed).await;
    }
    run.until(&[Out(Ejected), In]).await;
    eventually("they are taken in", || run.control.counts().reports == 5).await;
    assert_eq!(run.status(1).standing, In);
    run.control.admit(&one.address.to_string()).unwrap();
    run.until(&[In, In]).await;
    run.report(1, Failed).await;
    run.until(&[In, Out(Ejected)]).await;
}

/// No check is configured, and nothing is probed until a request waits.
#[tokio::test]
async fn a_frozen_node_without_checks_goes_out_when_a_request_waits() {
    let (listener, silent) = frozen().await;
    let other = Server::start(vec![http(404, "")]).await;
    let http_pool = pool("p", vec![node(silent, &[]), node(other.address, &[])]);
    let mut run = Run::start(plan(vec![], vec![http_pool]));
    assert!(run.status(0).checks.is_empty());
    run.report(0, Slow).await;
    run.report(1, Slow).await;
    run.until(&[Out(Check), In]).await;
    let reason = run.status(0).reason.unwrap();
    assert_eq!(reason, "live traffic had doubts, then a probe: no answer in 200 ms");
    eventually("the other was probed too", || other.connections() == 1).await;
    // It thaws, and is back by itself.
    let _thawed = Server::serve(listener, vec![http(404, "")]);
    run.until(&[In, In]).await;
    assert_eq!(run.status(0).reason, None);
}

#[tokio::test]
async fn the_last_node_is_probed_on_but_stays() {
    let (_listener, silent) = frozen().await;
    let other = Server::start(vec![http(404, "")]).await;
    let mut run = Run::start(plan(vec![], vec![pool("p", vec![node(silent, &[]), node(other.address, &[])])]));
    run.control.drain(&other.address.to_string()).unwrap();
    run.report(0, Slow).await;
    eventually("it is probed twice", || run.checks(0) >= 2).await;
    assert_eq!(run.status(0).standing, In);
    assert_eq!(run.status(0).checks[0].last.clone().unwrap().fault.unwrap(), "no answer in 200 ms");
    run.control.admit(&other.address.to_string()).unwrap();
    run.until(&[Out(Check), In]).await;
}

#[tokio::test]
async fn of_opaque_bytes_only_a_connection_is_asked() {
    let other = Server::start(vec![http(404, "")]).await;
    let (_listener, mute) = frozen().await;
    let (_socket, closed) = refused();
    let nodes = vec![node(mute, &[]), node(closed, &[]), node(other.address, &[])];
    let mut run = Run::start(plan(vec![], vec![pool("p", nodes)]));
    run.report(0, SlowOpaque).await;
    run.report(1, SlowOpaque).await;
    run.until(&[In, Out(Unwell), In]).await;
    eventually("the first was probed", || run.checks(0) == 1).await;
    assert_eq!(run.status(0).checks[0].counts.failures, 0);
}

/// With configured checks, a request that waits brings the next one forward.
#[tokio::test]
async fn doubts_of_live_traffic_bring_a_check_forward() {
    let server = Server::start(vec![http(200, "")]).await;
    let mut run = Run::start(checked(&[server.address], |checker| {
        checker.every = Duration::from_secs(3600);
        checker.every_in_doubt = Duration::from_millis(1);
        checker.fall = 3;
    }));
    eventually("the first check", || run.checks(0) == 1).await;
    server.now_answers(Answer::Silence);
    run.report(0, Slow).await;
    run.until(&[Out(Check)]).await;
    assert_eq!(run.checks(0), 4, "one nudged, and two more soon after, as it was in doubt");
}

/// A pool that has no node left is checked faster than it is configured, as one may be back.
#[tokio::test]
async fn a_pool_with_nothing_left_looks_harder() {
    let server = Server::start(vec![http(503, "")]).await;
    let mut run = Run::start(checked(&[server.address], |checker| checker.every = Duration::from_secs(3600)));
    run.until(&[Out(Unwell)]).await;
    server.now_answers(http(200, ""));
    run.until(&[In]).await;
}

/// A burst of news makes few snapshots, and none is lost.
#[tokio::test]
async fn a_burst_of_news_is_taken_in_at_once() {
    let (one, two) = two_living().await;
    let mut nodes = vec![node(one.address, &[]), node(two.address, &[])];
    nodes[0].eject = Some(Eject { failures: 500, out_for: Duration::from_secs(60), ..EJECT });
    let mut run = Run::start(plan(vec![], vec![pool("p", nodes)]));
    for _ in 0..1000 {
        run.report(0, Failed).await;
    }
    run.until(&[Out(Ejected), In]).await;
    eventually("all are taken in", || run.control.counts().reports == 1000).await;
    let snapshots = run.control.counts().snapshots;
    assert!(snapshots < 10, "{snapshots} snapshots");
}
