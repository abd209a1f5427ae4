//! The ordinary life of a child, and children that are not ordinary.

use std::time::Duration;

use mainstay_core::guard::{Ending, Finish};
use mainstay_core::lease::{ChildState, Standing, Wish};
use mainstay_guard::{CgroupUse, Command, Params, Probe, Progress, Ready};
use mainstay_io::clock;

use super::rig::{BOUND, Place, Rig, SLACK, containments, late, params, tenure};

fn plain(place: &Place, words: &[&str]) -> Params {
    params(place, place.child(words), CgroupUse::Never)
}

fn ready(script: &str) -> Ready {
    Ready {
        probe: Probe::Run(Command::new(["sh", "-c", script]).unwrap()),
        every: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        within: Some(Duration::from_secs(10)),
    }
}

#[tokio::test]
async fn nothing_runs_without_a_tenure() {
    for cgroup in containments() {
        let place = Place::new();
        let params = params(&place, place.child(&["--orphans", "1"]), cgroup);
        let mut rig = Rig::start(place, params).await;
        assert!(rig.place.living().is_empty());
        rig.hold();
        rig.place.beating(&["main", "orphan-0"]).await;
        let number = rig.order(Standing::Without);
        let report = rig.reports(|report| report.child == ChildState::Gone && report.order == number).await;
        assert_eq!(report.nonce, Some(tenure(1).nonce));
        assert!(rig.place.living().is_empty(), "{:?}", rig.place.living());
        rig.end().await;
    }
}

#[tokio::test]
async fn a_tenure_that_is_over_starts_nothing() {
    let place = Place::new();
    let params = plain(&place, &[]);
    let mut rig = Rig::start(place, params).await;
    rig.hold_for(1, Duration::ZERO, Duration::ZERO);
    let number = rig.order(Standing::Without);
    rig.reports(|report| report.order == number).await;
    assert_eq!(rig.guard.status.borrow().starts, 0);
    rig.end().await;
}

#[tokio::test]
async fn yields_in_order() {
    for (words, within, expect) in [
        (&["--orphans", "1"][..], Duration::from_secs(10), Ending::Signal(15)),
        (&["--ignore-term", "--orphans", "1"][..], Duration::from_millis(300), Ending::Signal(9)),
    ] {
        for cgroup in containments() {
            let place = Place::new();
            let params = params(&place, place.child(words), cgroup);
            let mut rig = Rig::start(place, params).await;
            rig.hold();
            rig.place.beating(&["main", "orphan-0"]).await;
            let until = clock::boot() + within;
            let number = rig.order(Standing::Yield { tenure: tenure(1), until });
            rig.child(ChildState::Stopping).await;
            let report = rig.child(ChildState::Gone).await;
            assert_eq!((report.order, report.wish), (number, None));
            assert_eq!(rig.guard.status.borrow().ended, Some(expect.clone()));
            // The orphan leads a session of its own, so the stop signal does not reach it: it has until the deadline.
            assert!(late(rig.place.last_beat(), until) < SLACK);
            rig.end().await;
        }
    }
}

#[tokio::test]
async fn a_child_that_ends_too_often_is_handed_over() {
    let place = Place::new();
    let params = plain(&place, &["--exit", "3", "5"]);
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    let report = rig.reports(|report| report.wish.is_some()).await;
    let Some(Wish::HandOver(reason)) = report.wish else { panic!("{report:?}") };
    assert!(reason.starts_with("the child ended with exit code 3; that was too often in"), "{reason}");
    assert_eq!(rig.guard.status.borrow().starts, 3);
    assert_eq!(rig.end().await, 3);
}

#[tokio::test]
async fn a_command_that_cannot_run_is_named() {
    for (command, expect) in [
        ("/no/such/program", "could not run `/no/such/program`: No such file or directory"),
        ("/etc/passwd", "could not run `/etc/passwd`: Permission denied"),
    ] {
        let place = Place::new();
        let params = params(&place, vec![command.to_owned()], CgroupUse::Never);
        let mut rig = Rig::start(place, params).await;
        rig.hold();
        let report = rig.reports(|report| report.wish.is_some()).await;
        let wish = format!("{:?}", report.wish);
        assert!(wish.contains(expect), "{wish}");
        rig.end().await;
    }
    let place = Place::new();
    let mut params = plain(&place, &[]);
    params.dir = Some("/no/such/dir".into());
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    let wish = format!("{:?}", rig.reports(|report| report.wish.is_some()).await.wish);
    assert!(wish.contains("its directory /no/such/dir is none"), "{wish}");
    rig.end().await;
}

#[tokio::test]
async fn a_command_whose_work_is_done_ends_the_guard() {
    let place = Place::new();
    let mut params = plain(&place, &["--exit", "7", "5"]);
    params.finish = Finish::End;
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    let report = rig.reports(|report| report.wish.is_some()).await;
    assert_eq!((report.wish, report.child), (Some(Wish::Leave), ChildState::Gone));
    assert_eq!(rig.guard.ended().await, 7);
    // Its keeper waits to hear that nothing runs any more.
    let number = rig.order(Standing::Without);
    rig.reports(|report| report.order == number).await;
    assert_eq!(rig.end().await, 7);
}

#[tokio::test]
async fn never_starts_a_child_when_it_is_to_end() {
    let place = Place::new();
    let params = plain(&place, &[]);
    let mut rig = Rig::start(place, params).await;
    rig.guard.stop();
    rig.reports(|report| report.wish == Some(Wish::Leave)).await;
    rig.hold();
    let number = rig.order(Standing::Without);
    rig.reports(|report| report.order == number).await;
    assert_eq!(rig.guard.status.borrow().starts, 0);
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn stops_the_child_when_nobody_takes_the_lease_back() {
    let place = Place::new();
    let params = plain(&place, &[]);
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    rig.place.beating(&["main"]).await;
    rig.guard.stop();
    let report = rig.child(ChildState::Gone).await;
    assert_eq!(report.wish, Some(Wish::Leave));
    assert_eq!(rig.end().await, 128 + 15);
}

#[tokio::test]
async fn a_ready_check_is_waited_for() {
    let place = Place::new();
    let mut params = plain(&place, &[]);
    params.ready = Some(ready(&format!("test -e {}", place.path("ready").display())));
    params.unwell_after = Some(Duration::from_millis(300));
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    rig.child(ChildState::Starting).await;
    rig.place.beating(&["main"]).await;
    std::fs::write(rig.place.path("ready"), "").unwrap();
    rig.child(ChildState::Ready).await;
    std::fs::remove_file(rig.place.path("ready")).unwrap();
    let report = rig.child(ChildState::Unwell).await;
    assert_eq!(report.wish, None, "it may pass");
    let report = rig.reports(|report| report.wish.is_some()).await;
    assert!(
        format!("{:?}", report.wish).contains("its ready check has failed for 300 ms: sh ended with"),
        "{report:?}"
    );
    std::fs::write(rig.place.path("ready"), "").unwrap();
    let report = rig.child(ChildState::Ready).await;
    assert_eq!(report.wish, None, "it is well again");
    rig.end().await;
}

#[tokio::test]
async fn a_child_that_is_never_ready_is_handed_over() {
    let place = Place::new();
    let mut params = plain(&place, &[]);
    params.ready = Some(Ready { within: Some(Duration::from_secs(2)), ..ready("exit 1") });
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    let report = rig.reports(|report| report.wish.is_some()).await;
    let wish = format!("{:?}", report.wish);
    assert!(wish.contains("it was not ready within 2 s: sh ended with exit status: 1"), "{wish}");
    rig.child(ChildState::Gone).await;
    rig.end().await;
}

#[tokio::test]
async fn a_child_that_stands_still_is_handed_over() {
    let place = Place::new();
    let mut params = plain(&place, &["--exit", "0", "1000000"]);
    params.ready = Some(ready("exit 0"));
    params.progress = Some(Progress {
        run: Command::new(["cat".to_owned(), place.path("height").display().to_string()]).unwrap(),
        every: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        within: Duration::from_millis(400),
    });
    std::fs::write(place.path("height"), "1").unwrap();
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    rig.child(ChildState::Ready).await;
    let report = rig.reports(|report| report.wish.is_some()).await;
    assert_eq!(report.child, ChildState::Unwell);
    assert!(format!("{:?}", report.wish).contains("it has stood still for 400 ms"), "{report:?}");
    std::fs::write(rig.place.path("height"), "2").unwrap();
    rig.child(ChildState::Ready).await;
    rig.end().await;
}

#[tokio::test]
async fn the_keeper_is_gone() {
    let place = Place::new();
    let params = plain(&place, &[]);
    let rig = Rig::start(place, params).await;
    rig.hold();
    rig.place.beating(&["main"]).await;
    let (place, mut guard) = rig.abandon();
    let code = tokio::time::timeout(BOUND, guard.ended()).await.unwrap();
    assert_eq!(code, 128 + 15);
    place.empty(None).await;
}
