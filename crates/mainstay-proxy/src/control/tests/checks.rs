use std::time::Duration;

use mainstay_io::clock;
use tokio::net::UnixListener;

use super::harness::{Answer, Run, Server, checked, checker, eventually, frozen, http, node, plan, pool, refused};
use crate::control::NodeStatus;
use crate::params::{Address, Pattern, Probe};
use crate::view::OutReason::{Check, Unwell};
use crate::view::Standing::{In, Out};

fn reason(status: &NodeStatus) -> &str {
    status.reason.as_deref().unwrap_or("")
}

#[tokio::test]
async fn a_frozen_node_goes_out() {
    let good = Server::start(vec![http(200, "")]).await;
    let (_listener, silent) = frozen().await;
    let mut run = Run::start(checked(&[good.address, silent], |_| {}));
    run.until(&[In, Out(Check)]).await;
    assert_eq!(reason(&run.status(1)), "check /upcheck: no answer in 100 ms (1 of 1)");
    assert!(run.status(1).checks[0].counts.failures > 0);
    eventually("the other is checked", || run.checks(0) > 3).await;
    assert_eq!(run.status(0).reason, None);
    assert_eq!(run.status(0).checks[0].counts.failures, 0);
}

#[tokio::test]
async fn a_late_check_of_a_node_that_answers_others_does_not_count_alone() {
    let server = Server::start(vec![http(200, "")]).await;
    let mut run = Run::start(checked(&[server.address], |checker| checker.timeout = Duration::from_millis(400)));
    eventually("it is checked", || run.checks(0) > 0).await;
    server.now_answers(Answer::Silence);
    let name = run.status(0).name;
    let live = run.traffic.node(0, &"p".into(), &name);
    eventually("checks run out of time", || {
        live.answered.set(clock::now());
        run.status(0).checks[0].counts.failures == 2
    })
    .await;
    assert_eq!(run.status(0).standing, In);
    let said = run.status(0).reason.unwrap_or_default();
    assert_eq!(said, "check /upcheck: no answer in 400 ms, though live traffic is answered (2 of 5)");
    run.until(&[Out(Check)]).await;
    let failures = run.status(0).checks[0].counts.failures;
    assert_eq!(failures, 3, "the first check after the last answer");
}

#[tokio::test]
async fn a_node_that_refuses_may_finish_what_it_has() {
    let (_socket, address) = refused();
    let mut run = Run::start(checked(&[address], |checker| checker.fall = 3));
    run.until(&[Out(Unwell)]).await;
    assert_eq!(reason(&run.status(0)), "check /upcheck: connection refused (3 of 3)");
}

#[tokio::test]
async fn a_node_that_falls_silent_while_it_is_unwell_is_given_up() {
    let server = Server::start(vec![http(503, "")]).await;
    let mut run = Run::start(checked(&[server.address], |_| {}));
    run.until(&[Out(Unwell)]).await;
    server.now_answers(Answer::Silence);
    run.until(&[Out(Check)]).await;
    server.now_answers(http(503, ""));
    let checks = run.checks(0);
    eventually("more checks", || run.checks(0) > checks + 2).await;
    assert_eq!(run.status(0).standing, Out(Check), "what was given up is not taken back");
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_time_for_the_whole_check() {
    let server = Server::start(vec![Answer::Drip]).await;
    let mut run = Run::start(checked(&[server.address], |checker| {
        if let Probe::Http(probe) = &mut checker.probe {
            probe.body = Some(Pattern::Text(b"up".to_vec()));
        }
    }));
    run.until(&[Out(Check)]).await;
    let took = run.status(0).checks[0].last.clone().unwrap().took;
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(5), "took {took:?}");
}

#[tokio::test]
async fn flapping_within_rise_and_fall_changes_nothing() {
    let (good, bad) = (http(200, ""), http(500, ""));
    let mut script = Vec::new();
    for _ in 0..5 {
        script.extend([good.clone(), bad.clone(), bad.clone()]);
    }
    script.push(good);
    let server = Server::start(script).await;
    let run = Run::start(checked(&[server.address], |checker| checker.fall = 3));
    eventually("the script is played", || run.checks(0) > 16).await;
    assert_eq!(run.status(0).checks[0].counts.failures, 10);
    assert_eq!((run.control.counts().transitions, run.control.counts().snapshots), (0, 1));
}

#[tokio::test]
async fn a_node_comes_back_after_as_many_good_checks_as_asked_for() {
    let (good, bad) = (http(200, ""), http(500, ""));
    let server = Server::start(vec![bad.clone(), good.clone(), bad.clone(), good.clone(), good.clone(), good]).await;
    let mut run = Run::start(checked(&[server.address], |checker| checker.rise = 3));
    run.until(&[Out(Unwell)]).await;
    let back = run.until(&[In]).await;
    assert!(run.checks(0) >= 6);
    assert_eq!(run.status(0).transitions, 2);
    assert_eq!(back.pools[0][0].since, run.status(0).since);
}

#[tokio::test]
async fn every_check_of_a_node_must_be_good() {
    let (good, bad) = (Server::start(vec![http(200, "")]).await, Server::start(vec![http(500, "")]).await);
    let checkers = vec![checker(Address::Ip(good.address)), checker(Address::Ip(bad.address))];
    let mut run = Run::start(plan(checkers, vec![pool("p", vec![node(good.address, &[0, 1])])]));
    run.until(&[Out(Unwell)]).await;
    bad.now_answers(http(200, ""));
    run.until(&[In]).await;
    assert_eq!(run.status(0).checks.len(), 2);
}

#[tokio::test]
async fn unix_sockets_are_checked() {
    let path = std::env::temp_dir().join(format!("mainstay-control-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let address = Address::Unix(path.clone());
    let mut checker = checker(address.clone());
    checker.probe = Probe::Tcp { send: Vec::new(), expect: None };
    let mut run = Run::start(plan(vec![checker], vec![pool("p", vec![node(address, &[0])])]));
    run.until(&[Out(Unwell)]).await;
    let _listener = UnixListener::bind(&path).unwrap();
    run.until(&[In]).await;
    std::fs::remove_file(&path).unwrap();
    run.until(&[Out(Unwell)]).await;
}

#[tokio::test]
async fn dropping_the_control_ends_its_checks() {
    let server = Server::start(vec![http(200, "")]).await;
    let run = Run::start(checked(&[server.address], |_| {}));
    eventually("it is checked", || run.checks(0) > 2).await;
    drop(run.control);
    // The board is gone with its tasks, and what published snapshots with them.
    let mut snapshots = run.snapshots;
    super::harness::in_time("the end", async { while snapshots.changed().await.is_ok() {} }).await;
}
