//! Pools that follow a lease.

use std::net::SocketAddr;
use std::sync::Arc;

use mainstay_core::lease::{LeaseView, Nonce, Phase, Token};
use tokio::sync::watch;

use super::harness::{EJECT, Run, checker, eventually, frozen, in_time, node, plan, pool, refused};
use crate::front::Leases;
use crate::params::{Address, Node, Plan, Policy};
use crate::view::OutReason::{NotLeader, NotReady, Unwell};
use crate::view::Standing::{In, Out};

fn view(holder: &str, nonce: u128, phase: Phase) -> LeaseView {
    let holder = Some(holder.into());
    LeaseView { holder, nonce: Nonce(nonce), token: Token::default(), phase, fresh: true, paused: false }
}

/// A pool that follows lease `l`, with a node for each of the holders `a`, `b`, ...; the checks are the first node's.
fn led(addresses: &[SocketAddr], checked: bool) -> Arc<Plan> {
    let nodes = addresses.iter().zip(["a", "b", "c"]).enumerate();
    let nodes = nodes.map(|(index, (address, holder))| {
        let checks: &[u32] = if checked && index == 0 { &[0] } else { &[] };
        Node { holder: Some(holder.into()), eject: Some(EJECT), ..node(*address, checks) }
    });
    let mut pool = pool("p", nodes.collect());
    pool.policy = Policy::Leader { lease: "l".into() };
    let checkers = if checked { vec![checker(Address::Ip(addresses[0]))] } else { Vec::new() };
    plan(checkers, vec![pool])
}

fn following(run: &Run, first: LeaseView) -> watch::Sender<LeaseView> {
    let (says, views) = watch::channel(first);
    run.control.follow(&Leases::from([("l".into(), views.into())]));
    says
}

#[tokio::test]
async fn the_holders_node_is_in_while_it_is_ready_and_no_other_ever_is() {
    let ((_one, a), (_two, b)) = (frozen().await, frozen().await);
    let mut run = Run::start(led(&[a, b], false));
    run.until(&[Out(NotLeader), Out(NotLeader)]).await;
    assert_eq!(run.status(0).reason.as_deref(), Some("nothing is known of lease l"));
    let says = following(&run, view("a", 1, Phase::Fencing));
    let steps = [
        (view("a", 1, Phase::Fencing), [Out(NotReady), Out(NotLeader)], [Some(1), None]),
        (view("a", 1, Phase::Starting), [Out(NotReady), Out(NotLeader)], [Some(1), None]),
        (view("a", 1, Phase::Ready), [In, Out(NotLeader)], [Some(1), None]),
        (view("a", 1, Phase::Yielding), [Out(NotReady), Out(NotLeader)], [Some(1), None]),
        (view("a", 1, Phase::Vacant), [Out(NotReady), Out(NotLeader)], [Some(1), None]),
        (view("b", 2, Phase::Ready), [Out(NotLeader), In], [None, Some(2)]),
        (LeaseView { fresh: false, ..view("b", 2, Phase::Ready) }, [Out(NotLeader), In], [None, Some(2)]),
        (view("b", 3, Phase::Ready), [Out(NotLeader), In], [None, Some(3)]),
        (view("c", 4, Phase::Ready), [Out(NotLeader), Out(NotLeader)], [None, None]),
    ];
    for (view, expect, tenures) in steps {
        says.send_replace(view.clone());
        let like = |snapshot: &Arc<crate::view::Snapshot>| {
            let nodes = &snapshot.pools[0];
            nodes.iter().map(|node| node.standing).eq(expect)
                && nodes.iter().map(|node| node.tenure.map(|nonce| nonce.0)).eq(tenures)
        };
        let found = in_time("it is followed", run.snapshots.wait_for(like)).await;
        drop(found);
        let status = || run.control.status()[0].lease.clone().expect("the pool follows a lease");
        eventually("it is shown", || status().view.as_ref() == Some(&view)).await;
        assert_eq!((&*status().name, status().leader.is_some()), ("l", expect.contains(&In)));
    }
    assert_eq!(run.status(0).reason.as_deref(), Some("c has lease l"));
}

#[tokio::test]
async fn a_check_that_fails_on_a_leader_that_is_ready_takes_it_out() {
    let ((_one, a), (_two, b)) = (refused(), frozen().await);
    let mut run = Run::start(led(&[a, b], true));
    let says = following(&run, view("a", 1, Phase::Starting));
    eventually("it is checked", || run.status(0).checks[0].counts.failures > 0).await;
    run.until(&[Out(Unwell), Out(NotLeader)]).await;
    says.send_replace(view("a", 1, Phase::Ready));
    // What was found before it was ready counts for nothing, and what is found then does.
    run.until(&[In, Out(NotLeader)]).await;
    run.until(&[Out(Unwell), Out(NotLeader)]).await;
}

#[tokio::test]
async fn a_lease_that_comes_with_a_plan_is_followed_and_one_that_goes_is_forgotten() {
    let ((_one, a), (_two, b)) = (frozen().await, frozen().await);
    let mut run = Run::start(plan(vec![], vec![pool("p", vec![node(a, &[])])]));
    run.until(&[In]).await;
    let says = following(&run, view("b", 1, Phase::Ready));
    run.control.replace(led(&[a, b], false)).await;
    run.until(&[Out(NotLeader), In]).await;
    run.control.replace(led(&[a, b], false)).await;
    says.send_replace(view("a", 2, Phase::Ready));
    run.until(&[In, Out(NotLeader)]).await;
    run.control.replace(plan(vec![], vec![pool("p", vec![node(a, &[]), node(b, &[])])])).await;
    run.until(&[In, In]).await;
    eventually("nobody listens any more", || says.receiver_count() == 0).await;
}

#[tokio::test]
async fn the_last_known_leader_goes_on_when_nobody_keeps_the_lease_any_more() {
    let ((_one, a), (_two, b)) = (frozen().await, frozen().await);
    let mut run = Run::start(led(&[a, b], false));
    drop(following(&run, view("a", 1, Phase::Ready)));
    let fresh = |run: &Run| run.control.status()[0].lease.as_ref().and_then(|lease| lease.view.as_ref()?.fresh.into());
    eventually("it is heard", || fresh(&run) == Some(false)).await;
    run.until(&[In, Out(NotLeader)]).await;
}
