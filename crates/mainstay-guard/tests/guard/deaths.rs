//! Whoever dies, nothing of the child outlives it.

use std::time::Duration;

use mainstay_core::lease::ChildState;
use mainstay_guard::CgroupUse;
use mainstay_io::clock;
use rustix::process::Signal;

use super::rig::{BOUND, Outside, Place, Rig, SLACK, containments, late, params, signal};

/// Kinds of children: a name, what runs, and the processes that beat.
fn families(place: &Place) -> Vec<(&'static str, Vec<String>, Vec<&'static str>)> {
    vec![
        ("plain", place.child(&[]), vec!["main"]),
        ("behind a shell", place.shell("CHILD; :"), vec!["main"]),
        ("ignores TERM", place.child(&["--ignore-term"]), vec!["main"]),
        ("forked twice", place.child(&["--orphans", "3"]), vec!["main", "orphan-0", "orphan-1", "orphan-2"]),
        ("forks on and on", place.shell("CHILD --hops 5000 & CHILD"), vec!["main", "hop"]),
    ]
}

const FAMILIES: usize = 5;

#[tokio::test]
async fn guard_killed() {
    for cgroup in containments() {
        for family in 0..FAMILIES {
            let place = Place::new();
            let (name, command, names) = families(&place).swap_remove(family);
            let mut guard = Outside::start(place, &command, cgroup);
            guard.hold(60_000, 60_000);
            guard.place.beating(&names).await;
            let at = clock::boot();
            guard.signal(Signal::KILL);
            guard.ended();
            guard.place.empty(None).await;
            let cgroups = guard.place.cgroups();
            assert!(cgroups.is_empty(), "{cgroups:?} are left");
            let late = late(guard.place.last_beat(), at);
            eprintln!("guard killed, {name}, {cgroup:?}: last beat after {late:?}");
            assert!(late < SLACK, "{name}, {cgroup:?}: {late:?}");
        }
    }
}

#[tokio::test]
async fn sentinel_killed() {
    for cgroup in containments() {
        for family in 0..FAMILIES - 1 {
            let place = Place::new();
            let (name, command, names) = families(&place).swap_remove(family);
            let params = params(&place, command, cgroup);
            let mut rig = Rig::start(place, params).await;
            rig.hold();
            rig.place.beating(&names).await;
            let before: Vec<u32> = rig.place.beats().iter().map(|beat| beat.pid).collect();
            let sentinel = rig.sentinel();
            let at = clock::boot();
            signal(sentinel, Signal::KILL).unwrap();
            // The lease is held on: the child is started again, and not before the first is gone.
            rig.child(ChildState::Gone).await;
            rig.child(ChildState::Ready).await;
            let begun = rig.place.beats().len();
            mainstay_testkit::until("it does not beat again", BOUND, async || rig.place.beats().len() > begun)
                .await
                .unwrap();
            let beats = rig.place.beats();
            let (old, new): (Vec<_>, Vec<_>) = beats.iter().partition(|beat| before.contains(&beat.pid));
            let last = old.iter().map(|beat| beat.at).max().unwrap();
            let first = new.iter().map(|beat| beat.at).min().unwrap();
            eprintln!("sentinel killed, {name}, {cgroup:?}: last beat after {:?}", late(last, at));
            assert!(last < first, "{name}, {cgroup:?}: two at a time");
            assert!(late(last, at) < SLACK, "{name}, {cgroup:?}: {:?}", late(last, at));
            rig.end().await;
        }
    }
}

#[tokio::test]
async fn sentinel_is_not_killed_by_accident() {
    let place = Place::new();
    let params = params(&place, place.child(&[]), CgroupUse::Never);
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    rig.place.beating(&["main"]).await;
    let sentinel = rig.sentinel();
    for kind in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::ALARM] {
        signal(sentinel, kind).unwrap();
    }
    // An order that it answers came after the signals.
    rig.hold_for(1, Duration::ZERO, Duration::from_secs(60));
    rig.child(ChildState::Frozen).await;
    rig.hold();
    rig.child(ChildState::Ready).await;
    assert_eq!(rig.sentinel(), sentinel);
    assert_eq!(rig.place.beats().iter().filter(|beat| beat.pid != rig.place.beats()[0].pid).count(), 0);
    rig.end().await;
}

#[tokio::test]
async fn command_ends_and_leaves_something_behind() {
    for cgroup in containments() {
        let place = Place::new();
        let command = place.child(&["--orphans", "2", "--exit", "0", "20"]);
        let params = params(&place, command, cgroup);
        let mut rig = Rig::start(place, params).await;
        rig.hold();
        rig.child(ChildState::Ready).await;
        rig.child(ChildState::Gone).await;
        rig.order(mainstay_core::lease::Standing::Without);
        let trouble = rig.guard.status.borrow().trouble.clone().unwrap_or_default();
        assert!(trouble.contains("left 2 processes behind"), "{trouble}");
        rig.end().await;
    }
}
