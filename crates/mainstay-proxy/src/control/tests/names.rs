use std::collections::VecDeque;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::harness::{Run, Server, checker, eventually, http, in_time, node, plan, pool};
use crate::control::Control;
use crate::control::names::{Answer, Resolve};
use crate::params::{Address, Plan};
use crate::view::OutReason::Unresolved;
use crate::view::Standing::{In, Out};
use crate::view::{Endpoint, Snapshot};

/// Gives its answers in order, the last one again and again; `None` is no answer at all.
struct Script(Mutex<VecDeque<Option<Answer>>>);

impl Resolve for Script {
    fn resolve<'a>(&'a self, _host: &'a str) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(async move {
            let answer = {
                let mut script = self.0.lock().unwrap();
                if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
            };
            match answer.flatten() {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}

fn good(addresses: &[&str]) -> Option<Answer> {
    Some(Ok(addresses.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect()))
}

fn bad() -> Option<Answer> {
    Some(Err("no such host".to_owned()))
}

fn start(plan: Arc<Plan>, script: Vec<Option<Answer>>) -> (Run, Arc<Script>) {
    let script = Arc::new(Script(Mutex::new(script.into())));
    let (control, snapshots, reports) =
        Control::start_with(plan, Arc::default(), Arc::clone(&script) as Arc<dyn Resolve>);
    (Run { control, snapshots, reports, traffic: Arc::default() }, script)
}

fn named(port: u16) -> Address {
    Address::Name { host: "tessera_1".into(), port }
}

fn endpoints(snapshot: &Snapshot) -> Vec<String> {
    let text = |endpoint: &Endpoint| match endpoint {
        Endpoint::Tcp(address) => address.to_string(),
        Endpoint::Unix(path) => path.display().to_string(),
    };
    snapshot.pools[0][0].endpoints.iter().map(text).collect()
}

#[tokio::test]
async fn a_name_that_does_not_resolve_yet_does_not_stop_the_start() {
    let plan = plan(vec![], vec![pool("p", vec![node(named(80), &[])])]);
    let (mut run, _) = start(plan, vec![bad(), bad(), good(&["127.0.0.1", "::1"])]);
    run.until(&[Out(Unresolved)]).await;
    eventually("a reason", || run.status(0).reason.as_deref() == Some("tessera_1 does not resolve: no such host"))
        .await;
    let snapshot = run.until(&[In]).await;
    assert_eq!(endpoints(&snapshot), ["127.0.0.1:80", "[::1]:80"]);
    assert_eq!(run.control.counts().lookup_failures, 2);
}

#[tokio::test]
async fn the_last_good_answer_is_kept() {
    let plan = plan(vec![], vec![pool("p", vec![node(named(80), &[])])]);
    let (mut run, _) = start(plan, vec![good(&["127.0.0.1"]), bad(), bad(), bad()]);
    let snapshot = run.until(&[In]).await;
    eventually("look-ups fail", || run.control.counts().lookup_failures >= 2).await;
    assert_eq!(endpoints(&run.snapshots.borrow()), endpoints(&snapshot));
    let reason = run.status(0).reason.unwrap();
    assert_eq!(reason, "tessera_1 no longer resolves (no such host); its last addresses are kept");
}

#[tokio::test]
async fn new_addresses_are_news_and_another_order_is_not() {
    let plan = plan(vec![], vec![pool("p", vec![node(named(80), &[])])]);
    let script = vec![
        good(&["10.0.0.1", "10.0.0.2"]),
        good(&["10.0.0.2", "10.0.0.1"]),
        Some(Ok(Vec::new())),
        good(&["10.0.0.2", "10.0.0.3"]),
    ];
    let (mut run, _) = start(plan, script);
    let mut seen = Vec::new();
    let all = async {
        while seen.last().is_none_or(|last| *last != ["10.0.0.2:80", "10.0.0.3:80"]) {
            seen.push(endpoints(&run.snapshots.borrow_and_update()));
            run.snapshots.changed().await.unwrap();
            seen.push(endpoints(&run.snapshots.borrow_and_update()));
        }
    };
    in_time("the last addresses", all).await;
    seen.dedup();
    assert_eq!(seen, [vec![], vec!["10.0.0.1:80", "10.0.0.2:80"], vec!["10.0.0.2:80", "10.0.0.3:80"]]);
}

#[tokio::test]
async fn a_resolver_that_hangs_stops_nothing() {
    let server = Server::start(vec![http(200, "")]).await;
    let checkers = vec![checker(Address::Ip(server.address))];
    let both = |checkers| plan(checkers, vec![pool("p", vec![node(named(80), &[]), node(server.address, &[0])])]);
    let (mut run, _) = start(both(checkers.clone()), vec![None]);
    run.until(&[Out(Unresolved), In]).await;
    eventually("the other is checked", || run.checks(1) > 3).await;
    run.control.named(Duration::from_millis(1)).await;
    in_time("another plan", run.control.replace(both(checkers))).await;
    assert_eq!(run.snapshots.borrow().plan_number, 2);
}

#[tokio::test]
async fn a_new_name_is_looked_up_before_its_plan_runs() {
    let (mut run, _) = start(plan(vec![], vec![]), vec![good(&["127.0.0.1"])]);
    run.control.replace(plan(vec![], vec![pool("p", vec![node(named(80), &[])])])).await;
    let snapshot = Arc::clone(&run.snapshots.borrow_and_update());
    assert_eq!((snapshot.pools[0][0].standing, endpoints(&snapshot)), (In, vec!["127.0.0.1:80".to_owned()]));
    assert_eq!(run.control.counts().transitions, 0, "it was never out");
}

/// The check on another port follows the name; when it cannot be reached at first, the name's answer brings it on.
#[tokio::test]
async fn checks_follow_names() {
    let server = Server::start(vec![http(200, "")]).await;
    let mut check = checker(named(server.address.port()));
    check.every = Duration::from_secs(3600);
    let nodes = vec![node(named(80), &[0]), node(server.address, &[])];
    let (mut run, _) = start(plan(vec![check], vec![pool("p", nodes)]), vec![bad(), bad(), good(&["127.0.0.1"])]);
    run.until(&[Out(Unresolved), In]).await;
    eventually("it is checked in vain", || run.checks(0) > 0).await;
    run.until(&[In, In]).await;
    assert!(server.connections() > 0);
}

#[tokio::test]
async fn the_system_resolves_names() {
    let mut at = pool("p", vec![node(Address::Name { host: "localhost".into(), port: 7 }, &[])]);
    at.resolve_every = Duration::from_secs(60);
    let mut run = Run::start(plan(vec![], vec![at]));
    let snapshot = run.until(&[In]).await;
    assert!(endpoints(&snapshot).iter().any(|endpoint| endpoint == "127.0.0.1:7" || endpoint == "[::1]:7"));
}
