//! Giving the lease to another on purpose.

use std::time::Duration;

use super::rig::{check, play, terms};
use crate::lease::Terms;

#[test]
fn a_switch_over_warms_drains_stops_and_gives() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch b
         1100 b 50 is prepared
         1500 b follows
         3000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         1020 switch-over: b makes ready
         1120 gives the lease up for b: switch-over
         1140 -> Yield
         1190 -> Without
         1200 nobody holds the lease
         1200 gave the lease up for b: drained in 20 ms, stopped in 50 ms
         1720 b holds the lease",
    );
}

#[test]
fn without_a_name_the_best_that_is_fit_follows() {
    check(
        terms(),
        "0 b 50 is standby
         0 c 70 is unfit
         0 d 60 is standby
         0 e 0 is standby
         1000 op switch
         1040 d 60 is prepared
         1500 end",
        "...
         1010 reply: done
         1020 switch-over was asked for
         1020 switch-over: d makes ready
         1120 gives the lease up for d: switch-over
         1140 -> Yield
         1190 -> Without
         1200 nobody holds the lease
         1200 gave the lease up for d: drained in 20 ms, stopped in 50 ms",
    );
}

#[test]
fn one_that_cannot_succeed_is_refused_where_it_is_asked_for() {
    check(
        terms(),
        "0 b 50 is unfit
         0 c 0 is standby
         0 d 50 is standby
         1000 d dies
         1000 op switch b
         1000 op switch c
         1000 op switch x
         1000 op switch a
         5000 look
         5100 op switch d
         5100 op switch
         5500 end",
        "...
         1000 reply: b cannot take the lease now: its child is not known to be gone, or it failed too often
         1000 reply: c has priority 0: it never takes the lease
         1000 reply: x was not heard from in the last 3 s
         1000 reply: a holds the lease already
         5100 reply: d was not heard from in the last 3 s
         5100 reply: no other member is fit to take the lease",
    );
}

#[test]
fn one_that_cannot_succeed_when_it_is_due_is_refused_before_anything_is_touched() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch b in 5000
         2000 b dies
         9000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         6040 switch-over refused: b was not heard from in the last 3 s",
    );
}

#[test]
fn a_successor_that_does_not_make_ready_is_not_waited_for_for_ever() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch b
         5000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         1020 switch-over: b makes ready
         3040 switch-over refused: b did not make ready within 2 s; nothing was touched",
    );
}

#[test]
fn one_can_be_cancelled_until_it_begins() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch b in 5000
         2000 op cancel 702
         2500 op cancel 1234
         9000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         2010 reply: done
         2020 switch-over refused: it was cancelled
         2510 reply: no such switch-over waits",
    );
}

#[test]
fn two_do_not_run_at_once() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch b in 5000
         2000 op switch b
         3000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         2000 reply: another switch-over (id 000000000000000000000000000002be) waits: cancel it first",
    );
}

#[test]
fn requests_under_way_are_waited_for_but_not_for_ever() {
    check(
        terms(),
        "0 b 50 is standby
         500 quiet no
         1000 op switch b
         1100 b 50 is prepared
         1300 quiet yes
         2500 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         1020 switch-over: b makes ready
         1120 gives the lease up for b: switch-over
         1300 -> Yield
         1350 -> Without
         1360 nobody holds the lease
         1360 gave the lease up for b: drained in 180 ms, stopped in 50 ms",
    );
    check(
        terms(),
        "0 b 50 is standby
         900 f 0 is busy
         1000 op switch b
         1100 b 50 is prepared
         2500 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         1020 switch-over: b makes ready
         1120 gives the lease up for b: switch-over
         1620 -> Yield
         1670 -> Without
         1680 nobody holds the lease
         1680 gave the lease up for b: drained in 500 ms, stopped in 50 ms",
    );
}

#[test]
fn a_successor_that_is_lost_while_requests_end_leaves_everything_as_it_was() {
    check(
        terms(),
        "0 b 50 is standby
         500 quiet no
         1000 op switch b
         1100 b 50 is prepared
         1300 b 50 is unfit
         3000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         1020 switch-over: b makes ready
         1120 gives the lease up for b: switch-over
         1620 keeps the lease after all: b cannot take the lease now: its child is not known to be gone, or it failed too often
         1630 switch-over failed: b cannot take the lease now: its child is not known to be gone, or it failed too often; a keeps the lease",
    );
}

#[test]
fn a_child_that_does_not_end_is_not_given_away_from_under() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch b
         1100 b 50 is prepared
         1150 child unknown
         4000 child gone
         5000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         1020 switch-over: b makes ready
         1120 gives the lease up for b: switch-over
         1140 -> Yield
         2240 waits: the own child is not known to be gone (it is unknown)
         4000 -> Without
         4010 nobody holds the lease
         4010 gave the lease up for b: drained in 20 ms, stopped in 2.86 s",
    );
}

#[test]
fn a_successor_that_takes_nothing_has_it_taken_back() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch b
         1100 b 50 is prepared
         1500 b dies
         9000 end",
        "...
         1010 reply: done
         1020 switch-over to b was asked for
         1020 switch-over: b makes ready
         1120 gives the lease up for b: switch-over
         1140 -> Yield
         1190 -> Without
         1200 nobody holds the lease
         1200 gave the lease up for b: drained in 20 ms, stopped in 50 ms
         4240 took the lease from a as 1.2: it had run out
         4250 fenced every previous holder in 10 ms
         4260 a holds the lease
         4260 active as 1.2
         4260 -> Held
         4280 switch-over failed: b did not take the lease in time, or could not start: a has it again
         4460 ready as 1.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn one_that_was_started_again_does_not_try_again_what_failed() {
    let rig = play(
        terms(),
        "0 b 50 is standby
         1000 op switch b
         1100 b 50 is prepared
         1500 again
         9000 end",
    );
    let told = |what: &str| rig.log.iter().filter(|line| line.contains(what)).count();
    let times = (told("gives the lease up for b"), told("switch-over failed: b did not take the lease in time"));
    assert_eq!(times, (1, 1), "{:#?}", rig.log);
}

#[test]
fn one_that_has_back_what_it_gave_to_nobody_in_particular_does_not_call_it_done() {
    check(
        terms(),
        "0 b 50 is standby
         1000 op switch
         1100 b 50 is prepared
         1300 b takes
         1350 b dies
         9000 end",
        "...
         1010 reply: done
         1020 switch-over was asked for
         1020 switch-over: b makes ready
         1120 gives the lease up for b: switch-over
         1140 -> Yield
         1190 -> Without
         1200 nobody holds the lease
         1200 gave the lease up for b: drained in 20 ms, stopped in 50 ms
         1460 b holds the lease
         4507 took the lease from b as 1.3: it had run out
         4517 fenced every previous holder in 10 ms
         4527 a holds the lease
         4527 active as 1.3
         4527 -> Held
         4547 switch-over failed: the successor did not take the lease in time, or could not start: a has it again
         4727 ready as 1.3 after 3.27 s: detect 3.04 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn the_successor_makes_ready_takes_it_at_once_and_says_when_it_is_done() {
    check(
        terms(),
        "0 b takes
         500 b asks for a
         600 look
         700 b gives to a
         710 look
         1500 end",
        "10 b holds the lease
         610 switch-over to a was asked for
         610 -> Prepare
         720 nobody holds the lease
         730 took the lease from b as 1.2: it was kept for this member
         740 fenced every previous holder in 10 ms
         750 a holds the lease
         750 active as 1.2
         750 -> Held
         950 ready as 1.2 after 230 ms: detect 0 ms, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms
         970 switch-over done",
    );
}

#[test]
fn the_one_that_was_chosen_ends_a_switch_over_that_named_nobody() {
    check(
        terms(),
        "0 b takes
         500 b asks for a
         500 anybody is asked for
         600 look
         700 b gives to a
         700 b 100 is standby
         710 look
         1500 end",
        "10 b holds the lease
         610 switch-over was asked for
         610 -> Prepare
         720 nobody holds the lease
         730 took the lease from b as 1.2: it was kept for this member
         740 fenced every previous holder in 10 ms
         750 a holds the lease
         750 active as 1.2
         750 -> Held
         950 ready as 1.2 after 230 ms: detect 0 ms, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms
         970 switch-over done",
    );
}

#[test]
fn a_takeover_ends_a_switch_over_that_named_nobody() {
    check(
        terms(),
        "0 b takes
         500 b dies
         600 op switch
         5000 end",
        "10 b holds the lease
         610 reply: done
         620 switch-over was asked for
         3050 took the lease from b as 1.2: it had run out
         3060 fenced every previous holder in 10 ms
         3070 a holds the lease
         3070 active as 1.2
         3070 -> Held
         3270 ready as 1.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms
         3290 switch-over done",
    );
}

#[test]
fn a_successor_says_at_once_that_it_is_ready_and_takes_the_lease_at_once() {
    let rig = play(terms(), "0 b takes\n 500 b asks for a\n 600 look\n 700 b gives to a\n 710 look\n 990 end");
    let expect = "0 look, 600 look, 640 look, 710 look, 720 acquire, 730 fence, 740 activate, 950 renew, 950 settle, \
                  960 look";
    assert_eq!(rig.asked.join(", "), expect);
}

#[test]
fn priority_zero_makes_nothing_ready() {
    let mut terms = terms();
    terms.me.priority = 0;
    check(
        terms,
        "0 b takes
         500 b asks for a
         600 look
         700 end",
        "10 b holds the lease
         610 switch-over to a was asked for",
    );
}

#[test]
fn a_front_says_at_once_that_nothing_is_under_way() {
    let rig = play(terms(), "0 b takes\n 100 quiet no\n 500 quiet yes\n 600 quiet no\n 700 end");
    assert_eq!(rig.asked.join(", "), "0 look, 500 look");
}

#[test]
fn a_successor_that_fails_gives_it_back() {
    check(
        Terms { ready_within: Some(Duration::from_secs(2)), ..terms() },
        "0 starts in 100000
         0 b takes
         500 b asks for a
         600 look
         700 b gives to a
         700 b 100 is standby
         710 look
         5000 end",
        "10 b holds the lease
         610 switch-over to a was asked for
         610 -> Prepare
         720 nobody holds the lease
         730 took the lease from b as 1.2: it was kept for this member
         740 fenced every previous holder in 10 ms
         750 a holds the lease
         750 active as 1.2
         750 -> Held
         2760 gives the lease up for b: the child did not get ready in time
         2760 -> Yield
         2770 switch-over failed: a did not get ready (the child did not get ready in time): b is to take the lease
         2810 -> Without
         2820 nobody holds the lease
         2820 gave the lease up for b: drained in 0 ms, stopped in 50 ms",
    );
    check(
        terms(),
        "0 starts in 100000
         0 b takes
         500 b asks for a
         600 look
         700 b gives to a
         700 b 100 is standby
         710 look
         1500 wish the child ended five times
         5000 end",
        "10 b holds the lease
         610 switch-over to a was asked for
         610 -> Prepare
         720 nobody holds the lease
         730 took the lease from b as 1.2: it was kept for this member
         740 fenced every previous holder in 10 ms
         750 a holds the lease
         750 active as 1.2
         750 -> Held
         1510 gives the lease up for b: the child ended five times
         1510 -> Yield
         1520 switch-over failed: a did not get ready (the child ended five times): b is to take the lease
         1560 -> Without
         1570 nobody holds the lease
         1570 gave the lease up for b: drained in 0 ms, stopped in 50 ms
         4610 took the lease from a as 1.3: it had run out
         4620 fenced every previous holder in 10 ms
         4630 a holds the lease
         4630 active as 1.3
         4630 gives the lease up: the child ended five times
         4630 -> Yield
         4630 -> Without
         4640 nobody holds the lease
         4640 gave the lease up: drained in 0 ms, stopped in 0 ms",
    );
}

#[test]
fn the_lease_is_renewed_all_the_while() {
    let rig =
        play(terms(), "0 b 50 is standby\n 1000 op switch b\n 1100 b 50 is prepared\n 1150 child unknown\n 9000 end");
    let renewals = rig.asked.iter().filter(|asked| asked.ends_with("renew")).count();
    assert!(renewals >= 9, "{:?}", rig.asked);
}
