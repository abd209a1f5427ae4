//! Taking the lease from nobody, from somebody who is gone, and not from somebody who is not.

use std::time::Duration;

use super::model::Model;
use super::rig::{check, play, terms};
use crate::Moment;
use crate::lease::{Action, Event, Machine, Nonce, Request, Terms};

#[test]
fn a_free_lease_is_taken_fenced_and_run() {
    check(terms(), "2000 end", "...");
}

#[test]
fn nothing_is_taken_before_the_own_child_is_known_to_be_gone() {
    check(
        terms(),
        "0 b takes
         100 child unknown
         200 b dies
         6000 child gone
         7000 end",
        "10 b holds the lease
         3040 waits: the own child is not known to be gone (it is unknown)
         6010 took the lease from b as 1.2: it had run out
         6020 fenced every previous holder in 10 ms
         6030 a holds the lease
         6030 active as 1.2
         6030 -> Held",
    );
}

#[test]
fn a_holder_that_is_gone_is_followed_when_its_ttl_has_passed_by_both_clocks() {
    check(
        terms(),
        "0 b takes
        1500 b dies
        9000 end",
        "10 b holds the lease
         4155 took the lease from b as 1.2: it had run out
         4165 fenced every previous holder in 10 ms
         4175 a holds the lease
         4175 active as 1.2
         4175 -> Held
         4375 ready as 1.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn a_holder_that_renews_keeps_it_whatever_the_stores_clock_does() {
    check(
        terms(),
        "0 b takes
        1500 clock 3600000
        4500 clock -7200000
        9000 end",
        "10 b holds the lease",
    );
}

#[test]
fn a_stores_clock_that_was_set_back_bars_nobody_for_long() {
    check(
        terms(),
        "0 b takes
        1500 b dies
        1600 clock -3600000
        12000 end",
        "10 b holds the lease
         7185 took the lease from b as 1.2: it had run out
         7195 fenced every previous holder in 10 ms
         7205 a holds the lease
         7205 active as 1.2
         7205 -> Held
         7405 ready as 1.2 after 6.29 s: detect 6.06 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn a_longer_ttl_of_the_holder_is_waited_for() {
    check(
        terms(),
        "0 b takes for 6000
        12000 end",
        "10 b holds the lease
         10 the holder's ttl is 6 s, this member's 3 s: give all members the same
         6080 took the lease from b as 1.2: it had run out
         6090 fenced every previous holder in 10 ms
         6100 a holds the lease
         6100 active as 1.2
         6100 -> Held
         6300 ready as 1.2 after 6.29 s: detect 6.06 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

fn early() -> Terms {
    Terms { early: Some(Duration::from_millis(500)), ..terms() }
}

#[test]
fn a_holder_whose_session_ended_is_followed_early() {
    check(
        early(),
        "0 b takes
        1500 b dies
        1600 gone
        3000 end",
        "10 b holds the lease
         1600 the holder's session with the store ended
         2110 took the lease from b as 1.2: the holder's session had ended
         2120 fenced every previous holder in 10 ms
         2130 a holds the lease
         2130 active as 1.2
         2130 -> Held
         2330 ready as 1.2 after 1.22 s: detect 985 ms, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn a_holder_that_goes_on_renewing_after_its_session_ended_keeps_it() {
    check(
        early(),
        "0 b takes
        600 gone
        1800 gone
        3500 end",
        "10 b holds the lease
         600 the holder's session with the store ended
         1800 the holder's session with the store ended",
    );
}

#[test]
fn without_leave_to_do_so_nobody_takes_over_early_or_unasked() {
    check(
        terms(),
        "0 b takes
        1500 b dies
        1600 gone
        3500 end",
        "10 b holds the lease
         1600 the holder's session with the store ended",
    );
    check(
        Terms { takeover: false, ..early() },
        "0 b takes
        1500 b dies
        1600 gone
        9000 end",
        "10 b holds the lease
         1600 the holder's session with the store ended",
    );
}

#[test]
fn where_nobody_takes_over_unasked_an_operator_may_ask_and_the_last_holder_may_return() {
    check(
        Terms { takeover: false, ..terms() },
        "0 b takes
        1500 b dies
        9000 op switch a
        9500 end",
        "10 b holds the lease
         9010 reply: done
         9020 switch-over to a was asked for
         9032 took the lease from b as 1.2: it had run out
         9042 fenced every previous holder in 10 ms
         9052 a holds the lease
         9052 active as 1.2
         9052 -> Held
         9252 ready as 1.2 after 8.14 s: detect 7.91 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms
         9272 switch-over done",
    );
    check(
        Terms { takeover: false, ..terms() },
        "0 a follows
        9500 end",
        "10 a holds the lease
         3050 took the lease from a as 1.2: it had run out
         3060 fenced every previous holder in 10 ms
         3070 a holds the lease
         3070 active as 1.2
         3070 -> Held
         3270 ready as 1.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn those_who_go_first_are_given_time_to() {
    check(
        terms(),
        "0 b takes
        0 c 200 is standby
        0 d 100 is standby
        0 e 300 is unfit
        0 f 0 is standby
        10 b dies
        9000 end",
        "10 b holds the lease
         3150 took the lease from b as 1.2: it had run out
         3160 fenced every previous holder in 10 ms
         3170 a holds the lease
         3170 active as 1.2
         3170 -> Held
         3370 ready as 1.2 after 3.36 s: detect 3.13 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn priority_zero_never_takes_it() {
    let mut terms = terms();
    terms.me.priority = 0;
    check(terms, "9000 end", "10 nobody holds the lease");
}

#[test]
fn an_acquisition_whose_answer_was_lost_is_recognised_and_counts_from_when_it_was_sent() {
    check(
        terms(),
        "0 b takes
        0 b dies
        3030 deaf
        4035 open
        5000 end",
        "10 b holds the lease
         4040 the store is of no use: no answer in time
         4100 the store answers again after 1.17 s
         4100 took the lease from b as 1.2: it had run out
         4110 fenced every previous holder in 10 ms
         4120 a holds the lease
         4120 active as 1.2
         4120 -> Held
         4320 ready as 1.2 after 4.31 s: detect 3.03 s, acquire 1.06 s, fence 10 ms, activate 10 ms, start 200 ms",
    );
    check(
        terms(),
        "0 b takes
        0 b dies
        3030 slow
        4035 open
        9000 end",
        "10 b holds the lease
         4040 the store is of no use: no answer in time
         4100 the store answers again after 1.17 s
         4100 took the lease from b as 1.2: it had run out
         4110 fenced every previous holder in 10 ms
         4120 a holds the lease
         4120 active as 1.2
         4120 -> Held
         4320 ready as 1.2 after 4.31 s: detect 3.03 s, acquire 1.06 s, fence 10 ms, activate 10 ms, start 200 ms",
    );
    check(
        terms(),
        "0 b takes
        0 b dies
        3030 cut
        4035 open
        9000 end",
        "10 b holds the lease
         4040 the store is of no use: no answer in time
         4100 the store answers again after 1.17 s
         4100 took the lease from b as 1.2: it had run out
         4110 fenced every previous holder in 10 ms
         4120 a holds the lease
         4120 active as 1.2
         4120 -> Held
         4320 ready as 1.2 after 4.31 s: detect 3.03 s, acquire 1.06 s, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn fencing_that_does_not_end_is_given_up() {
    let terms = Terms { fence_within: Duration::from_secs(2), ..terms() };
    check(
        terms,
        "15 cut
        16 end
        4000 end",
        "10 nobody holds the lease
         20 took the lease as 1.1: it was free
         1020 fencing failed and is tried again: no answer in time
         2010 the store is of no use: no answer in time
         2020 lease lost: the previous holder could not be fenced in time",
    );
}

#[test]
fn each_request_has_a_time_limit_of_its_own() {
    check(
        terms(),
        "15 cut
        16 end
        4000 end",
        "10 nobody holds the lease
         20 took the lease as 1.1: it was free
         2010 the store is of no use: no answer in time
         3770 fencing failed and is tried again: no answer in time",
    );
}

#[test]
fn a_new_holder_that_is_overtaken_while_it_fences_starts_nothing() {
    check(
        terms(),
        "20 b takes
        500 end",
        "10 nobody holds the lease
         20 took the lease as 1.1: it was free
         40 b holds the lease
         40 lease lost: b has it",
    );
}

#[test]
fn a_lock_that_is_still_held_on_this_machine_is_tried_for_again() {
    let script = "0 locked
        1000 unlocked
        2000 end";
    check(
        terms(),
        script,
        "10 nobody holds the lease
         1180 took the lease as 1.1: it was free
         1190 fenced every previous holder in 10 ms
         1200 a holds the lease
         1200 active as 1.1
         1200 -> Held
         1400 ready as 1.1 after 1.39 s: detect 1.16 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
    let rig = play(terms(), script);
    let tried: Vec<&str> = rig.asked.iter().filter(|asked| asked.ends_with("acquire")).map(String::as_str).collect();
    assert_eq!(tried.join(" ").replace(" acquire", ""), "10 70 180 390 650 910 1170");
}

#[test]
fn a_store_that_can_only_be_read_is_not_asked_for_ever_faster() {
    let rig = play(terms(), "0 full\n 20000 open\n 24000 end");
    let acquired: Vec<u64> = rig
        .asked
        .iter()
        .filter_map(|asked| asked.strip_suffix(" acquire")?.parse().ok())
        .filter(|at| *at < 20_000)
        .collect();
    assert!(acquired.len() <= 12, "{acquired:?}");
    assert!(rig.log.iter().any(|told| told.contains("ready as 1.1")), "it recovers: {:?}", rig.log.last());
}

#[test]
fn a_machine_whose_guard_never_spoke_takes_nothing() {
    let mut machine = Machine::new(terms(), Moment::ZERO).expect("good terms");
    let mut store = Model::new();
    let mut asked = Vec::new();
    let mut event = Event::Tick;
    for at in (0..200).map(|at| at * 50) {
        let now = Moment::from_millis(at);
        let answer = machine.on(event, now, &mut || Nonce(7)).into_iter().find_map(|action| match action {
            Action::Ask { id, request, .. } => Some((id, request)),
            _ => None,
        });
        event = answer.map_or(Event::Tick, |(id, request)| {
            asked.push(request.clone());
            Event::Answered { id, result: Ok(store.ask(&request, at)) }
        });
    }
    assert!(asked.len() > 5 && asked.iter().all(|request| matches!(request, Request::Look { .. })), "{asked:?}");
}

#[test]
fn a_store_that_refuses_is_tried_again() {
    check(
        terms(),
        "0 refusing
        2000 open
        2600 end",
        "10 the store is of no use: connection refused
         2210 the store answers again after 2.21 s
         2210 nobody holds the lease
         2220 took the lease as 1.1: it was free
         2230 fenced every previous holder in 10 ms
         2240 a holds the lease
         2240 active as 1.1
         2240 -> Held
         2440 ready as 1.1 after 230 ms: detect 0 ms, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}
