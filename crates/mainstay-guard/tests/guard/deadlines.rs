//! The deadlines hold, whoever of guard and sentinel can still keep them.

use std::time::Duration;

use mainstay_core::Moment;
use mainstay_core::guard::{Finish, RestartRule};
use mainstay_core::lease::{ChildState, Standing};
use mainstay_guard::Command;
use mainstay_io::clock;
use mainstay_testkit::until;
use rustix::process::Signal;

use super::rig::{BOUND, Outside, Place, Rig, SLACK, containments, late, params, program, signal, tenure};

const ORPHANS: &[&str] = &["main", "orphan-0", "orphan-1"];

/// Waits until `at` is past by so much.
async fn past(at: Moment, by: Duration) {
    until("time does not pass", BOUND, async || clock::boot() > at + by).await.unwrap();
}

#[tokio::test]
async fn guard_stopped() {
    for cgroup in containments() {
        let place = Place::new();
        let command = place.child(&["--orphans", "2", "--ignore-term"]);
        let mut guard = Outside::start(place, &command, cgroup);
        guard.hold(60_000, 60_000);
        guard.place.beating(ORPHANS).await;
        let (until, kill_at) = guard.hold(400, 1000);
        // The order has reached the sentinel by the time that another one of it has.
        let (until_after, _) = guard.hold(400, 1000);
        past(clock::boot(), Duration::from_millis(100)).await;
        guard.signal(Signal::STOP);
        past(until_after, Duration::from_millis(200)).await;
        let frozen = late(guard.place.last_beat(), until_after);
        assert!(clock::boot() < kill_at, "the machine is too slow for this test: {:?}", until.as_millis());
        assert!(guard.place.living().len() > 3, "frozen, not dead: {:?}", guard.place.living());
        guard.place.empty(Some(guard.id())).await;
        let dead = late(clock::boot(), kill_at);
        eprintln!("guard stopped, {cgroup:?}: last beat {frozen:?} after `until`, all dead {dead:?} after `kill_at`");
        assert_eq!(late(guard.place.last_beat(), until_after), frozen, "it ran after it was frozen");
        assert!(frozen < SLACK && dead < SLACK + Duration::from_millis(50), "{frozen:?}, {dead:?}");
    }
}

#[tokio::test]
async fn sentinel_stopped() {
    for cgroup in containments() {
        let place = Place::new();
        let params = params(&place, place.child(&["--orphans", "2"]), cgroup);
        let mut rig = Rig::start(place, params).await;
        rig.hold();
        rig.place.beating(ORPHANS).await;
        signal(rig.sentinel(), Signal::STOP).unwrap();
        let (until, kill_at) = rig.hold_for(1, Duration::from_millis(200), Duration::from_millis(600));
        rig.child(ChildState::Frozen).await;
        past(until, Duration::from_millis(150)).await;
        let frozen = late(rig.place.last_beat(), until);
        rig.child(ChildState::Gone).await;
        assert!(clock::boot() >= kill_at);
        eprintln!("sentinel stopped, {cgroup:?}: last beat {frozen:?} after `until`");
        assert_eq!(late(rig.place.last_beat(), until), frozen, "it ran after it was frozen");
        assert!(frozen < SLACK, "{frozen:?}");
        rig.end().await;
    }
}

#[tokio::test]
async fn frozen_and_thawed() {
    for cgroup in containments() {
        let place = Place::new();
        let params = params(&place, place.child(&["--orphans", "2"]), cgroup);
        let mut rig = Rig::start(place, params).await;
        rig.hold();
        rig.place.beating(ORPHANS).await;
        let ids: Vec<u32> = rig.place.beats().iter().map(|beat| beat.pid).collect();
        // The keeper says so.
        rig.order(Standing::Frozen { tenure: tenure(1), until: None, kill_at: clock::boot() + BOUND });
        rig.child(ChildState::Frozen).await;
        past(clock::boot(), Duration::from_millis(100)).await;
        let (beats, at) = (rig.place.beats().len(), clock::boot());
        past(at, Duration::from_millis(100)).await;
        assert_eq!(rig.place.beats().len(), beats, "{cgroup:?}: it runs on");
        rig.hold();
        rig.child(ChildState::Ready).await;
        let all = async || {
            let new = rig.place.beats().into_iter().skip(beats).filter(|beat| beat.at > at).map(|beat| beat.name);
            let new: Vec<String> = new.collect();
            ORPHANS.iter().all(|name| new.iter().any(|beat| beat == name))
        };
        until("not all go on", BOUND, all).await.unwrap();
        assert!(rig.place.beats().iter().all(|beat| ids.contains(&beat.pid)), "{cgroup:?}: somebody is new");
        // Another tenure is another child.
        rig.order(Standing::Frozen { tenure: tenure(1), until: None, kill_at: clock::boot() + BOUND });
        rig.child(ChildState::Frozen).await;
        past(clock::boot(), Duration::from_millis(200)).await;
        let at = clock::boot();
        rig.hold_for(2, BOUND, BOUND);
        rig.reports(|report| report.nonce == Some(tenure(2).nonce) && report.child == ChildState::Ready).await;
        until("no new one", BOUND, async || rig.place.last_beat() > at).await.unwrap();
        assert!(rig.place.beats().iter().filter(|beat| beat.at > at).all(|beat| !ids.contains(&beat.pid)));
        rig.end().await;
    }
}

#[tokio::test]
async fn late_forkers_are_frozen_and_killed() {
    for cgroup in containments() {
        let place = Place::new();
        let command = place.shell("for n in 1 2 3; do CHILD --hops 5000 --every 200 & done; CHILD");
        let params = params(&place, command, cgroup);
        let mut rig = Rig::start(place, params).await;
        rig.hold();
        rig.place.beating(&["main", "hop"]).await;
        rig.order(Standing::Frozen { tenure: tenure(1), until: None, kill_at: clock::boot() + BOUND });
        rig.child(ChildState::Frozen).await;
        let mut seen = usize::MAX;
        let stands = async || {
            let now = rig.place.beats().len();
            past(clock::boot(), Duration::from_millis(50)).await;
            std::mem::replace(&mut seen, now) == now
        };
        until("they run on", BOUND, stands).await.unwrap();
        rig.hold();
        rig.child(ChildState::Ready).await;
        until("they stand on", BOUND, async || rig.place.beats().len() > seen + 10).await.unwrap();
        let at = clock::boot();
        rig.order(Standing::Without);
        rig.child(ChildState::Gone).await;
        let gone = clock::boot();
        assert!(rig.place.last_beat() < gone, "{cgroup:?}");
        eprintln!("late forkers, {cgroup:?}: gone after {:?}", late(gone, at));
        rig.end().await;
    }
}

#[tokio::test]
async fn without_freezing_it_is_killed_at_once() {
    for cgroup in containments() {
        let place = Place::new();
        let mut params = params(&place, place.child(&["--orphans", "2"]), cgroup);
        params.freeze = false;
        let mut rig = Rig::start(place, params).await;
        rig.hold();
        rig.place.beating(ORPHANS).await;
        let (until, _) = rig.hold_for(1, Duration::from_millis(150), BOUND);
        rig.child(ChildState::Gone).await;
        let last = late(rig.place.last_beat(), until);
        assert!(clock::boot() >= until && last < SLACK, "{last:?}");
        rig.end().await;
    }
}

/// On a machine so slow that the tenure's time is over before the command can be started.
#[tokio::test]
async fn a_command_that_cannot_be_started_in_time_has_not_failed() {
    for cgroup in containments() {
        let place = Place::new();
        let go = place.path("go");
        rustix::fs::mkfifoat(rustix::fs::CWD, &go, rustix::fs::Mode::RWXU).unwrap();
        let mut params = params(&place, place.child(&[]), cgroup);
        let (within, backoff) = (Duration::from_secs(60), Duration::from_millis(10));
        params.finish = Finish::Restart(RestartRule { times: 0, within, backoff });
        // A sentinel that comes to itself only when it is let.
        let script = format!("! test -p {0} || read go < {0}; exec \"$@\"", go.display());
        let sentinel = program().display().to_string();
        params.sentinel = Command::new(["sh", "-c", &script, "sh", &sentinel, "sentinel"]).unwrap();
        let mut rig = Rig::start(place, params).await;
        rig.hold_for(1, Duration::from_millis(100), Duration::from_secs(60));
        rig.child(ChildState::Frozen).await;
        std::fs::write(&go, "go\n").unwrap();
        std::fs::remove_file(&go).unwrap();
        let report = rig.child(ChildState::Gone).await;
        assert_eq!(report.wish, None, "{:?}", *rig.guard.status.borrow());
        rig.hold();
        rig.place.beating(&["main"]).await;
        rig.end().await;
    }
}
