//! Hooks, and what a tenure brings.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{ChildState, Nonce, Standing};
use mainstay_guard::{CgroupUse, Command, Grant, Grants, Hook, Params, Secret, Template};
use mainstay_testkit::until;
use rustix::fs::{FlockOperation, flock};

use super::rig::{BOUND, Place, Rig, params};

fn hook(place: &Place, script: &str, within: Duration) -> Option<Hook> {
    Some(Hook { run: Command::new(place.shell(script)).unwrap(), within })
}

fn plain(place: &Place, script: &str) -> Params {
    params(place, place.shell(script), CgroupUse::Never)
}

#[tokio::test]
async fn hooks_surround_the_child() {
    let place = Place::new();
    let mut params = plain(&place, "echo child >> DIR/log; exec CHILD");
    params.prepare = hook(&place, "echo prepare >> DIR/log", BOUND);
    params.before = hook(&place, "echo before >> DIR/log", BOUND);
    params.after = hook(&place, "echo after >> DIR/log", BOUND);
    let mut rig = Rig::start(place, params).await;
    rig.order(Standing::Prepare { switch: Nonce(5) });
    let report = rig.reports(|report| report.prepared.is_some()).await;
    assert_eq!((report.prepared, report.child), (Some(Nonce(5)), ChildState::Gone));
    rig.hold();
    rig.place.beating(&["main"]).await;
    assert_eq!(rig.place.read("log"), "prepare\nbefore\nchild\n");
    rig.order(Standing::Without);
    rig.child(ChildState::Gone).await;
    assert_eq!(rig.place.read("log"), "prepare\nbefore\nchild\nafter\n");
    rig.end().await;
}

#[tokio::test]
async fn a_hook_that_hangs_is_killed() {
    let place = Place::new();
    let mut params = plain(&place, "exec CHILD");
    params.prepare = hook(&place, "CHILD --name prepare & sleep 60", Duration::from_millis(300));
    params.before = hook(&place, "CHILD --name before & sleep 60", Duration::from_millis(300));
    let mut rig = Rig::start(place, params).await;
    rig.order(Standing::Prepare { switch: Nonce(5) });
    rig.place.beating(&["prepare"]).await;
    rig.place.empty(None).await;
    rig.hold();
    rig.place.beating(&["before"]).await;
    let report = rig.reports(|report| report.wish.is_some()).await;
    assert!(format!("{:?}", report.wish).contains("its `before` command was ended by signal 9"), "{report:?}");
    assert_eq!(report.prepared, None);
    assert_eq!(rig.guard.status.borrow().starts, 0, "the child is not started");
    rig.end().await;
}

#[tokio::test]
async fn a_lost_tenure_ends_its_hook() {
    let place = Place::new();
    let mut params = plain(&place, "exec CHILD");
    params.before = hook(&place, "exec CHILD --name before", BOUND);
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    rig.place.beating(&["before"]).await;
    rig.order(Standing::Without);
    rig.child(ChildState::Gone).await;
    assert!(rig.place.living().is_empty());
    rig.end().await;
}

#[tokio::test]
async fn a_child_gets_what_comes_with_the_tenure() {
    let place = Place::new();
    let mut params = plain(&place, "echo \"$WHO\" > DIR/who; cat DIR/pass >> DIR/who; pwd >> DIR/who; exec CHILD");
    let locked = std::fs::File::create(place.path("lock")).unwrap();
    flock(&locked, FlockOperation::LockExclusive).unwrap();
    let locked = Arc::new(OwnedFd::from(locked));
    let (weak, held) = (Arc::downgrade(&locked), std::sync::Mutex::new(Some(locked)));
    params.grants = Grants::new(move |nonce| {
        assert_eq!(nonce, Nonce(1));
        let inherit = held.lock().unwrap().take().into_iter().collect();
        Ok(Grant { role: Some("partya_1".into()), password: Some(Secret::new("hunter2")), inherit })
    });
    params.env = vec![("WHO".into(), Template::parse("{role} {password} {epoch} {token}").unwrap())];
    params.password_file = Some(place.path("pass"));
    params.dir = Some(place.path(""));
    let mut rig = Rig::start(place, params).await;
    rig.hold();
    rig.place.beating(&["main"]).await;
    let folder = rig.place.path("").display().to_string();
    let expect = format!("partya_1 hunter2 1 1.1\nhunter2{}\n", folder.trim_end_matches('/'));
    assert_eq!(rig.place.read("who"), expect);
    let mode = std::fs::metadata(rig.place.path("pass")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    // The lock lives in the child alone.
    assert!(weak.upgrade().is_none());
    let other = std::fs::File::open(rig.place.path("lock")).unwrap();
    let is_free = || flock(&other, FlockOperation::NonBlockingLockExclusive).is_ok();
    assert!(!is_free());
    rig.order(Standing::Without);
    rig.child(ChildState::Gone).await;
    until("the lock is not free", BOUND, async || is_free()).await.unwrap();
    until("the password is left", BOUND, async || !rig.place.path("pass").exists()).await.unwrap();
    rig.end().await;
}
