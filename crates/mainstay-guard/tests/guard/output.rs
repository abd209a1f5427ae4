//! A child's output never holds up anybody.

use mainstay_core::lease::{ChildState, Standing};
use mainstay_guard::CgroupUse;
use mainstay_testkit::until;

use super::rig::{BOUND, Place, Rig, params};

async fn start(script: &str) -> Rig {
    let place = Place::new();
    let params = params(&place, place.shell(script), CgroupUse::Never);
    let rig = Rig::start(place, params).await;
    rig.hold();
    rig
}

#[tokio::test]
async fn lines_are_passed_on_with_the_name() {
    let rig = start("echo one; echo two >&2; printf three; CHILD").await;
    rig.place.beating(&["main"]).await;
    let all = async || {
        let text = rig.place.read("output");
        text.contains("a: one\n") && text.contains("a: two\n")
    };
    until("no lines", BOUND, all).await.unwrap();
    rig.order(Standing::Without);
    until("the last is lost", BOUND, async || rig.place.read("output").contains("a: three\n")).await.unwrap();
    rig.end().await;
}

#[tokio::test]
async fn a_flood_and_an_endless_line_hold_up_nobody() {
    for script in ["CHILD & yes", "CHILD & exec cat /dev/zero", "CHILD & exec >&- 2>&-; wait"] {
        let mut rig = start(script).await;
        rig.place.beating(&["main"]).await;
        let flows = script.contains(">&-");
        let megabytes = async || flows || rig.guard.status.borrow().output.bytes() > 5_000_000;
        until("it does not flow", BOUND, megabytes).await.unwrap();
        rig.order(Standing::Frozen {
            tenure: super::rig::tenure(1),
            until: None,
            kill_at: mainstay_io::clock::boot() + BOUND,
        });
        rig.child(ChildState::Frozen).await;
        rig.hold();
        rig.child(ChildState::Ready).await;
        rig.order(Standing::Without);
        rig.child(ChildState::Gone).await;
        rig.end().await;
    }
}
