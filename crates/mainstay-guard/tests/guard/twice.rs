//! One name, one guard.

use mainstay_core::lease::{ChildState, Order, Standing};
use mainstay_guard::{CgroupUse, Guard, StartError};
use mainstay_io::clock;
use rustix::process::Signal;
use tokio::sync::watch;

use super::rig::{Outside, Place, Rig, containments, params, signal};

#[tokio::test]
async fn a_second_guard_is_refused() {
    let place = Place::new();
    let command = place.child(&[]);
    let params = params(&place, command.clone(), CgroupUse::Never);
    let mut first = Outside::start(place, &command, CgroupUse::Never);
    first.hold(60_000, 60_000);
    first.place.beating(&["main"]).await;
    let (_orders, taken) = watch::channel(Order { number: 0, standing: Standing::Without });
    let error = Guard::start(params, taken).await.unwrap_err();
    let pid = first.id();
    assert!(matches!(error, StartError::Twice { pid: by, .. } if by == pid), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("in process {pid}")) && text.contains("end that one"), "{text}");
    // Nothing happened to the first.
    let seen = first.place.beats().len();
    mainstay_testkit::until("it stands", super::rig::BOUND, async || first.place.beats().len() > seen).await.unwrap();
    first.order("leave");
    first.says("over");
    first.place.empty(Some(pid)).await;
}

/// Guard and sentinel die at the same instant: the one case in which something is left.
#[tokio::test]
async fn the_next_guard_kills_what_is_left() {
    for cgroup in containments() {
        let place = Place::new();
        let command = place.child(&["--orphans", "2", "--ignore-term"]);
        let mut first = Outside::start(place, &command, cgroup);
        first.hold(60_000, 60_000);
        first.place.beating(&["main", "orphan-0", "orphan-1"]).await;
        // A stopped guard does nothing when its sentinel dies.
        first.signal(Signal::STOP);
        signal(sentinel_of(&first), Signal::KILL).unwrap();
        first.signal(Signal::KILL);
        first.ended();
        let at = clock::boot();
        mainstay_testkit::until("orphans", super::rig::BOUND, async || first.place.last_beat() > at).await.unwrap();
        let place = std::mem::replace(&mut first.place, Place::new());
        let params = params(&place, command, cgroup);
        let rig = Rig::start(place, params).await;
        let gone = clock::boot();
        assert_eq!(rig.last.as_ref().map(|report| report.child), Some(ChildState::Gone));
        assert!(rig.place.living().is_empty(), "{cgroup:?}: {:?}", rig.place.living());
        assert!(rig.place.last_beat() < gone);
        rig.end().await;
    }
}

pub(crate) fn sentinel_of(guard: &Outside) -> u32 {
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let living = guard.place.living();
    living.iter().map(|(pid, _)| *pid).find(|pid| parent(*pid) == Some(guard.id())).expect("there is a sentinel")
}
