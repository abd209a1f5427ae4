//! Pauses, leaving, and what a guard wishes.

use std::time::Duration;

use super::rig::{check, play, terms};
use crate::lease::Terms;

#[test]
fn while_it_is_paused_nobody_takes_over() {
    check(
        terms(),
        "0 b takes
         500 op pause
         1500 b dies
         9000 op resume
         9500 end",
        "10 b holds the lease
         510 reply: done
         520 paused by op: nobody takes over
         9010 reply: done
         9020 resumed: members take over again
         9032 took the lease from b as 1.2: it had run out
         9042 fenced every previous holder in 10 ms
         9052 a holds the lease
         9052 active as 1.2
         9052 -> Held
         9252 ready as 1.2 after 8.14 s: detect 7.91 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn while_it_is_paused_a_child_that_is_cut_off_stays_frozen_and_is_not_killed() {
    check(
        terms(),
        "500 op pause
         1000 cut
         60000 open
         62000 end",
        "...
         510 reply: done
         520 paused by op: nobody takes over
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         60850 the store answers again after 60.3 s
         60850 lease confirmed: child runs again after 57.7 s
         60850 -> Held",
    );
}

#[test]
fn while_it_is_paused_the_last_holder_may_return() {
    check(
        terms(),
        "0 a follows
         0 paused
         5000 end",
        "10 a holds the lease
         10 paused by op: nobody takes over
         3050 took the lease from a as 1.2: it had run out
         3060 fenced every previous holder in 10 ms
         3070 a holds the lease
         3070 active as 1.2
         3070 -> Held
         3270 ready as 1.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
    check(
        terms(),
        "0 paused
         5000 end",
        "10 nobody holds the lease
         10 paused by op: nobody takes over",
    );
}

#[test]
fn while_it_is_paused_a_failing_child_keeps_its_lease() {
    check(
        terms(),
        "0 b 50 is standby
         500 op pause
         1000 wish the child ended five times
         3000 op resume
         4000 end",
        "...
         510 reply: done
         520 paused by op: nobody takes over
         3010 reply: done
         3020 resumed: members take over again
         3020 gives the lease up: the child ended five times
         3040 -> Yield
         3090 -> Without
         3100 nobody holds the lease
         3100 gave the lease up: drained in 20 ms, stopped in 50 ms",
    );
}

#[test]
fn a_program_that_ends_frees_the_lease_when_its_child_is_gone() {
    let script = "500 quiet no
         1000 wish leave
         1100 quiet yes
         9000 end";
    check(
        terms(),
        script,
        "...
         1000 gives the lease up: the program is ending
         1100 -> Yield
         1150 -> Without
         1160 nobody holds the lease
         1160 gave the lease up: drained in 100 ms, stopped in 50 ms",
    );
    assert!(play(terms(), script).machine.has_left());
    assert!(!play(terms(), "500 quiet no\n 1000 wish leave\n 1110 end").machine.has_left());
}

#[test]
fn a_program_that_ends_while_its_child_is_frozen_does_not_wait_for_the_store() {
    check(
        terms(),
        "1000 cut
         4000 wish leave
         9000 open
         9500 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         4000 gives the lease up: the program is ending
         4000 -> Yield
         4050 -> Without",
    );
}

#[test]
fn one_that_holds_nothing_leaves_at_once_and_takes_nothing() {
    let script = "0 wish leave
         9000 end";
    check(terms(), script, "10 nobody holds the lease");
    assert!(play(terms(), script).machine.has_left());
    let rig = play(terms(), "5 cut\n 6 end\n 500 wish leave\n 900 open\n 3000 end");
    assert!(rig.machine.has_left(), "{:?}", rig.asked);
}

#[test]
fn a_guard_that_gives_up_hands_over_if_somebody_can_follow() {
    check(
        terms(),
        "0 b 50 is standby
         1000 wish the child ended five times
         1500 wish nothing
         9000 end",
        "...
         1010 gives the lease up: the child ended five times
         1030 -> Yield
         1080 -> Without
         1090 nobody holds the lease
         1090 gave the lease up: drained in 20 ms, stopped in 50 ms
         4100 took the lease from a as 1.2: it was free
         4110 fenced every previous holder in 10 ms
         4120 a holds the lease
         4120 active as 1.2
         4120 -> Held
         4320 ready as 1.2 after 3.23 s: detect 3 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
    check(
        terms(),
        "1000 wish the child ended five times
         9000 end",
        "...
         1010 keeps the lease, as no other member is fit: the child ended five times",
    );
}

#[test]
fn a_child_that_never_gets_ready_is_a_reason_to_hand_over() {
    check(
        Terms { ready_within: Some(Duration::from_secs(2)), ..terms() },
        "0 starts in 100000
         0 b 50 is standby
         3000 end",
        "10 nobody holds the lease
         20 took the lease as 1.1: it was free
         30 fenced every previous holder in 10 ms
         40 a holds the lease
         40 active as 1.1
         40 -> Held
         2050 gives the lease up: the child did not get ready in time
         2050 -> Yield
         2100 -> Without
         2110 nobody holds the lease
         2110 gave the lease up: drained in 0 ms, stopped in 50 ms",
    );
}

#[test]
fn one_that_fails_again_and_again_is_held_back() {
    let mut terms = Terms { ready_within: Some(Duration::from_secs(1)), ..terms() };
    terms.damping.failures = 2;
    check(
        terms,
        "0 starts in 100000
         0 b 50 is standby
         30000 end",
        "10 nobody holds the lease
         20 took the lease as 1.1: it was free
         30 fenced every previous holder in 10 ms
         40 a holds the lease
         40 active as 1.1
         40 -> Held
         1050 gives the lease up: the child did not get ready in time
         1050 -> Yield
         1100 -> Without
         1110 nobody holds the lease
         1110 gave the lease up: drained in 0 ms, stopped in 50 ms
         4120 took the lease from a as 1.2: it was free
         4130 fenced every previous holder in 10 ms
         4140 a holds the lease
         4140 active as 1.2
         4140 -> Held
         5150 gives the lease up: the child did not get ready in time
         5150 -> Yield
         5200 -> Without
         5210 nobody holds the lease
         5210 gave the lease up: drained in 0 ms, stopped in 50 ms
         5210 failed too often: does not take the lease for 10 s
         15220 took the lease from a as 1.3: it was free
         15230 fenced every previous holder in 10 ms
         15240 a holds the lease
         15240 active as 1.3
         15240 -> Held
         16250 gives the lease up: the child did not get ready in time
         16250 -> Yield
         16300 -> Without
         16310 nobody holds the lease
         16310 gave the lease up: drained in 0 ms, stopped in 50 ms
         19320 took the lease from a as 1.4: it was free
         19330 fenced every previous holder in 10 ms
         19340 a holds the lease
         19340 active as 1.4
         19340 -> Held
         20350 gives the lease up: the child did not get ready in time
         20350 -> Yield
         20400 -> Without
         20410 nobody holds the lease
         20410 gave the lease up: drained in 0 ms, stopped in 50 ms
         20410 failed too often: does not take the lease for 20 s",
    );
}

#[test]
fn any_member_can_be_asked_for_a_switch_over() {
    check(
        terms(),
        "0 b takes
         100 op switch
         200 end",
        "10 b holds the lease
         110 reply: done
         120 switch-over was asked for",
    );
    check(
        terms(),
        "0 b takes
         10 child unknown
         100 op switch
         100 op switch a
         100 op switch b
         100 op switch x in 5000
         200 end",
        "10 b holds the lease
         100 reply: no other member is fit to take the lease
         100 reply: a cannot take the lease now
         100 reply: b holds the lease already
         110 reply: done
         120 switch-over to x was asked for",
    );
}

#[test]
fn a_command_whose_answer_was_lost_is_found_done_and_one_that_came_second_is_not() {
    check(
        terms(),
        "0 b 50 is standby
         900 deaf
         910 op switch b in 5000
         920 open
         3000 end",
        "...
         1250 switch-over to b was asked for
         1970 reply: done",
    );
    check(
        terms(),
        "0 b 50 is standby
         0 c 50 is standby
         900 a asks for b
         905 op switch c
         950 end",
        "...
         915 reply: another switch-over waits: cancel it first
         925 switch-over to b was asked for
         925 switch-over: b makes ready",
    );
}

#[test]
fn commands_that_wait_are_few() {
    check(
        terms(),
        "500 cut
         600 op pause
         600 op resume
         600 op pause
         600 op resume
         600 op pause
         600 op resume
         600 op pause
         600 op resume
         600 op pause
         700 end",
        "...
         600 reply: too many commands wait for the store: try again later",
    );
}

#[test]
fn a_command_that_the_store_does_not_take_is_answered() {
    check(
        terms(),
        "500 cut
         600 op pause
         9000 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         4950 reply: it is not known whether it was done: no answer in time
         8110 lease lost: the store was not heard from for too long
         8110 -> Without",
    );
}
