//! The other members, and what the store is asked while nothing happens.

use super::rig::{Rig, check, play, terms};
use crate::lease::{Event, LeaseView, MemberState, Nonce, Phase};

#[test]
fn a_second_program_of_the_same_name_is_told_of() {
    check(
        terms(),
        "0 b 50 is standby
         500 other a lives
         6000 end",
        "...
         5010 another member has the same name (instance 00000000000000000000000000000063): give each a name of its own",
    );
}

#[test]
fn a_name_that_is_two_is_no_aim_of_a_switch_over() {
    check(
        terms(),
        "0 b 50 is standby
         0 other b lives
         1000 look
         1050 op switch b
         1500 end",
        "...
         1050 reply: two members are called b: give each a name of its own",
    );
}

#[test]
fn a_holder_of_the_same_name_is_another_holder() {
    check(
        terms(),
        "1000 a follows
         2000 end",
        "...
         1250 lease lost: a has it
         1250 -> Without",
    );
}

/// What fronts know at the end of a script.
fn view(script: &str) -> LeaseView {
    play(terms(), script).machine.view().clone()
}

#[test]
fn fronts_know_how_far_the_holder_is() {
    let check = |script: &str, phase: Phase, fresh: bool| {
        let view = view(script);
        assert_eq!((view.phase, view.fresh), (phase, fresh), "{view:?} after {script}");
    };
    check("5 end", Phase::Vacant, false);
    check("25 end", Phase::Fencing, true);
    check("100 end", Phase::Starting, true);
    check("300 end", Phase::Ready, true);
    check("300 end\n 400 child unwell\n 420 end", Phase::Starting, true);
    check("300 end\n 400 cut\n 4000 end", Phase::Starting, false);
    check("300 end\n 400 quiet no\n 500 wish leave\n 600 end", Phase::Yielding, true);
    check("0 b takes\n 2000 end", Phase::Ready, true);
    check("0 b takes\n 500 b dies\n 600 child unknown\n 2000 end", Phase::Ready, true);
    check("0 b takes\n 500 b dies\n 600 child unknown\n 5000 end", Phase::Vacant, true);
    check("0 b takes\n 500 b dies\n 600 cut\n 9000 end", Phase::Ready, false);
    check("0 b takes\n 0 b dies\n 5 child unknown\n 3020 end", Phase::Ready, true);
    check("0 b takes\n 0 b dies\n 5 child unknown\n 3050 end", Phase::Vacant, true);
}

#[test]
fn fronts_know_the_holder_and_whether_it_is_paused() {
    let check = |script: &str, holder: Option<&str>, paused: bool| {
        let view = view(script);
        assert_eq!((view.holder.as_deref(), view.paused), (holder, paused), "{view:?} after {script}");
    };
    check("5 end", None, false);
    check("15 end", None, false);
    check("300 end", Some("a"), false);
    check("0 b takes\n 300 end", Some("b"), false);
    check("500 wish leave\n 2000 end", Some("a"), false);
    check("0 b takes\n 100 op pause\n 300 end", Some("b"), true);
}

#[test]
fn members_know_whether_this_one_can_follow() {
    let check = |script: &str, expect: MemberState| {
        let rig = play(terms(), script);
        let found = rig.store.members.iter().find(|(member, _)| member.instance == Nonce(1));
        assert_eq!(found.map(|(member, _)| member.state), Some(expect), "{script}");
    };
    check("0 b takes\n 2000 end", MemberState::Standby);
    check("0 b takes\n 100 child unknown\n 2000 end", MemberState::Unfit);
    check("0 b takes\n 100 wish leave\n 2000 end", MemberState::Unfit);
    check("5500 end", MemberState::Holder);
    check("0 b takes\n 500 b asks for a\n 600 look\n 700 end", MemberState::Prepared(Nonce(77)));
    check("0 b takes\n 500 b asks for a\n 600 look\n 620 child unknown\n 2000 end", MemberState::Unfit);
    check("0 c 50 is standby\n 1000 wish it fails\n 1300 c takes\n 2500 end", MemberState::Unfit);
    check("0 c 50 is standby\n 1000 wish it fails\n 1300 c takes\n 1400 wish nothing\n 6000 end", MemberState::Standby);
}

#[test]
fn a_contender_looks_just_after_each_renewal() {
    let rig = play(terms(), "0 b takes\n 5000 end");
    assert_eq!(rig.asked.join(", "), "0 look, 1105 look, 2105 look, 3105 look, 4105 look");
}

#[test]
fn a_holder_renews_once_a_second_and_looks_seldom() {
    let rig = play(terms(), "7000 end");
    let expect = "0 look, 10 acquire, 20 fence, 30 activate, 240 renew, 1240 renew, 2240 renew, 3240 renew, 4240 renew, \
                  5000 look, 5240 renew, 6240 renew";
    assert_eq!(rig.asked.join(", "), expect);
    assert_eq!(rig.renewed, 7);
}

#[test]
fn hints_however_many_cost_few_looks() {
    let mut rig = play(terms(), "0 b takes\n 500 end");
    let before = rig.asked.len();
    for _ in 0..1000 {
        rig.event(Event::Hint(crate::lease::Hint::Look));
    }
    rig.run_until(600);
    assert!(rig.asked.len() - before <= 2, "{:?}", rig.asked);
}

/// A machine that is asked more often than it wishes does nothing else.
#[test]
fn it_wakes_by_itself_whenever_something_is_to_be_done() {
    let scripts = [
        "0 b takes\n 1500 b dies\n 9000 end",
        "1000 cut\n 15000 open\n 17000 end",
        "0 b 50 is standby\n 1000 op switch b\n 1100 b 50 is prepared\n 1500 b dies\n 9000 end",
        "0 b 50 is standby\n 1000 wish the child ended\n 9000 end",
        "1500 promote\n 9000 end",
        "500 op pause\n 1000 deaf\n 3000 refusing\n 9000 open\n 12000 end",
    ];
    for script in scripts {
        let dense = script.lines().flat_map(|line| {
            let (time, words) = line.trim().split_once(' ').expect("a time and words");
            [(time.parse::<u64>().expect("a time"), words)]
        });
        let mut rig = Rig::new(terms());
        for (time, words) in dense {
            for at in (rig.now()..time).step_by(7) {
                rig.run_until(at);
                rig.event(Event::Tick);
            }
            rig.run_until(time);
            rig.play(words);
        }
        assert_eq!(rig.asked, play(terms(), script).asked, "{script}");
    }
}
