//! A guard that is stopped keeps nobody waiting for a lock once its child is dead.

use std::fs::File;

use mainstay_io::clock;
use mainstay_testkit::until;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use super::rig::{BOUND, Outside, Place, containments, signal};
use super::twice::sentinel_of;

#[tokio::test]
async fn the_lock_of_a_stopped_guard_is_let_go_when_its_child_is_dead() {
    for cgroup in containments() {
        let place = Place::new();
        let path = place.path("lease.lock");
        let other = File::create(&path).unwrap();
        let is_free = || flock(&other, FlockOperation::NonBlockingLockExclusive).is_ok();
        let command = place.child(&["--orphans", "1", "--ignore-term"]);
        let mut guard = Outside::start_with(place, &command, cgroup, Some(&path));
        let (_, kill_at) = guard.hold(1_000, 1_500);
        guard.place.beating(&["main", "orphan-0"]).await;
        guard.signal(Signal::STOP);
        until("the lock is kept", BOUND, async || is_free()).await.unwrap();
        let at = clock::boot();
        assert!(at >= kill_at && guard.place.last_beat() < at, "{cgroup:?}: the lock came before the child's end");
        eprintln!("{cgroup:?}: free {:?} after the child's deadline", at.since(kill_at));
        let beats = guard.place.beats().len();
        guard.signal(Signal::CONT);
        // A keeper that has not noticed yet lets the same tenure go on.
        guard.hold(60_000, 60_000);
        let trouble = guard.says("trouble could not start");
        assert!(trouble.contains("the lock was let go"), "{trouble}");
        guard.order("without");
        guard.order("leave");
        guard.says("over");
        assert_eq!(guard.place.beats().len(), beats, "{cgroup:?}: it ran again");
    }
}

#[tokio::test]
async fn a_stopped_sentinel_goes_on_when_its_guard_is_killed() {
    for cgroup in containments() {
        let place = Place::new();
        let command = place.child(&["--orphans", "1", "--ignore-term"]);
        let mut guard = Outside::start(place, &command, cgroup);
        guard.hold(60_000, 60_000);
        guard.place.beating(&["main", "orphan-0"]).await;
        signal(sentinel_of(&guard), Signal::STOP).unwrap();
        guard.signal(Signal::KILL);
        guard.ended();
        guard.place.empty(None).await;
    }
}

#[tokio::test]
async fn a_guard_that_reacts_keeps_its_lock() {
    for cgroup in containments() {
        let place = Place::new();
        let path = place.path("lease.lock");
        let other = File::create(&path).unwrap();
        // Dies at once, again and again: each sentinel finds the run gone.
        let command = place.shell("CHILD --exit 1 10");
        let mut guard = Outside::start_with(place, &command, cgroup, Some(&path));
        guard.hold(60_000, 60_000);
        let starts =
            || guard.place.beats().iter().map(|beat| beat.pid).collect::<std::collections::BTreeSet<_>>().len();
        until("it is not started again", BOUND, async || starts() >= 3).await.unwrap();
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err(), "{cgroup:?}: the lock was let go");
        guard.order("without");
        guard.order("leave");
        guard.says("over");
        let is_free = || flock(&other, FlockOperation::NonBlockingLockExclusive).is_ok();
        guard.ended();
        until("the lock is kept", BOUND, async || is_free()).await.unwrap();
    }
}
