//! Keeping the lease: silence of the store, answers that were lost, clocks that move apart.

use std::time::Duration;

use super::rig::{check, play, terms};
use crate::lease::{Standing, Terms};

#[test]
fn a_store_that_is_away_for_less_than_the_tenure_costs_nothing() {
    check(
        terms(),
        "1000 cut
        3800 open
        6000 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         4600 the store answers again after 4.35 s
         4600 lease confirmed: child runs again after 1.49 s
         4600 -> Held",
    );
}

#[test]
fn a_store_that_is_away_for_longer_costs_a_pause() {
    check(
        terms(),
        "1000 cut
        6000 open
        7500 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         7100 the store answers again after 6.85 s
         7100 lease confirmed: child runs again after 3.99 s
         7100 -> Held",
    );
}

#[test]
fn a_store_that_stays_away_costs_the_child() {
    check(
        terms(),
        "1000 cut
        15000 open
        17000 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         8110 lease lost: the store was not heard from for too long
         8110 -> Without
         15850 the store answers again after 15.6 s
         15850 nobody holds the lease
         15850 gave the lease up: drained in 0 ms, stopped in 0 ms
         15860 took the lease from a as 1.2: it was free
         15870 fenced every previous holder in 10 ms
         15880 a holds the lease
         15880 active as 1.2
         15880 -> Held
         16080 ready as 1.2 after 230 ms: detect 0 ms, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn without_a_freezer_the_child_is_killed_when_the_tenure_ends() {
    check(
        Terms { frozen: None, ..terms() },
        "1000 cut
        9000 end",
        "...
         2240 the store is of no use: no answer in time
         3110 lease lost: the store was not heard from for too long
         3110 -> Without",
    );
}

#[test]
fn a_holder_that_was_overtaken_while_it_was_cut_off_never_thaws() {
    check(
        terms(),
        "1000 cut
        6000 b takes
        6100 open
        7500 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         7100 the store answers again after 6.85 s
         7100 b holds the lease
         7100 lease lost: b has it
         7100 -> Without",
    );
}

#[test]
fn a_child_that_may_live_on_keeps_the_lease_from_others() {
    check(
        terms(),
        "1000 cut
        2000 child unknown
        12000 open
        20000 child gone
        21000 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         8110 lease lost: the store was not heard from for too long
         8110 -> Without
         8110 waits: the own child is not known to be gone (it is unknown)
         12100 the store answers again after 11.9 s
         20010 nobody holds the lease
         20010 gave the lease up: drained in 0 ms, stopped in 0 ms
         20020 took the lease from a as 1.2: it was free
         20030 fenced every previous holder in 10 ms
         20040 a holds the lease
         20040 active as 1.2
         20040 -> Held",
    );
}

/// What `Held` says at the end of a script, in milliseconds.
fn held(script: &str) -> (u64, u64) {
    match play(terms(), script).machine.standing() {
        Standing::Held { until, kill_at, .. } => (until.as_millis(), kill_at.as_millis()),
        other => panic!("{other:?} after {script}"),
    }
}

#[test]
fn a_tenure_counts_from_before_its_renewal_was_sent() {
    let check = |script: &str, from: u64| {
        let until = from + 2970 - 100;
        assert_eq!(held(script), (until, until + 5000), "{script}");
    };
    check("35 end\n 45 end", 30);
    check("1000 end", 240);
    check("1249 end", 240);
    check("1251 end", 1240);
}

#[test]
fn a_renewal_of_unknown_outcome_extends_nothing_until_the_row_shows_it() {
    // Sent at 1240 and done, the answer lost; the next one, at 2290, is not done.
    assert_eq!(held("1200 deaf\n 1300 cut\n 2900 end"), (240 + 2870, 240 + 2870 + 5000));
    // The next one's answer is what counts, not when the lost one was done.
    assert_eq!(held("1200 deaf\n 1300 open\n 2400 end").0, 2290 + 2870);
}

#[test]
fn somebody_elses_word_in_the_row_is_no_renewal() {
    assert_eq!(held("1200 cut\n 1250 paused\n 2280 open\n 2285 look\n 2301 end").0, 2290 + 2870);
}

#[test]
fn a_late_renewal_of_an_older_try_is_no_copy() {
    check(
        terms(),
        "1200 slow
        1300 open
        6000 end",
        "...
         2240 the store is of no use: no answer in time
         2300 the store answers again after 2.05 s",
    );
}

#[test]
fn a_renewal_that_is_known_not_to_have_been_done_explains_no_step() {
    check(
        terms(),
        "1200 refusing
        1300 open
        1500 twin renews
        3000 end",
        "...
         1250 the store is of no use: connection refused
         1310 the store answers again after 1.06 s
         2310 lease lost: a copy of this machine renews it too
         2310 -> Without",
    );
}

#[test]
fn a_copy_of_this_machine_ends_the_tenure_and_is_left_alone() {
    check(
        terms(),
        "1500 twin renews
        3000 end",
        "...
         2250 lease lost: a copy of this machine renews it too
         2250 -> Without",
    );
}

#[test]
fn a_store_that_forgot_ends_the_tenure() {
    check(
        terms(),
        "3500 forgets 2
        4500 end",
        "...
         4250 lease lost: the store went back in time
         4250 -> Without",
    );
}

#[test]
fn a_stores_clock_that_is_set_costs_a_blink() {
    check(
        terms(),
        "1500 clock 3600000
        6000 clock -3600000
        9000 end",
        "...
         2250 the store's clock ran 60 min ahead of this machine's: it was set, or this machine was paused
         2250 child frozen until the lease is confirmed: clocks moved apart
         2250 -> Frozen
         2260 lease confirmed: child runs again after 10 ms
         2260 -> Held
         6280 the store's clock was set back by 60 min",
    );
}

#[test]
fn a_machine_that_was_paused_is_not_sure_before_it_has_renewed() {
    check(
        terms(),
        "1500 sleeps 2000
        6000 end",
        "...
         4250 the store's clock ran 1.99 s ahead of this machine's: it was set, or this machine was paused
         4250 child frozen until the lease is confirmed: clocks moved apart
         4250 -> Frozen
         4260 lease confirmed: child runs again after 10 ms
         4260 -> Held",
    );
}

#[test]
fn an_answer_that_comes_after_its_tenure_has_run_out_thaws_nothing() {
    let terms = Terms { timeout: Duration::from_secs(3), ..terms() };
    check(
        terms,
        "1000 tardy
        9000 end",
        "...
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen",
    );
}

#[test]
fn without_a_freezer_a_doubt_ends_with_the_tenure() {
    check(
        Terms { frozen: None, ..terms() },
        "1500 sleeps 2000
        4245 cut
        9000 end",
        "...
         4250 the store's clock ran 1.99 s ahead of this machine's: it was set, or this machine was paused
         4250 child frozen until the lease is confirmed: clocks moved apart
         4250 -> Frozen
         5250 the store is of no use: no answer in time
         7110 lease lost: the store was not heard from for too long
         7110 -> Without",
    );
}

#[test]
fn one_that_is_overtaken_while_its_child_is_not_gone_leaves_the_row_alone() {
    let script = "1000 cut
        2000 child unknown
        9000 b takes
        9100 open
        12000 child gone
        13000 end";
    check(
        terms(),
        script,
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         8110 lease lost: the store was not heard from for too long
         8110 -> Without
         8110 waits: the own child is not known to be gone (it is unknown)
         9600 the store answers again after 9.35 s
         9600 b holds the lease",
    );
    let rig = play(terms(), script);
    let last = rig.asked.iter().rposition(|asked| asked.ends_with("renew")).expect("one");
    assert!(rig.asked.iter().skip(last + 1).all(|asked| asked.ends_with("look")), "{:?}", rig.asked);
}

/// It may just be started again, on the order that it ran under.
#[test]
fn a_child_that_was_gone_before_the_tenure_was_lost_is_not_known_to_be_gone() {
    let rig = play(terms(), "1500 child gone\n 1600 clock 3600000\n 2600 clock 3600000\n 4500 end");
    let last = rig.log.iter().position(|told| told.ends_with("-> Without")).unwrap_or_else(|| panic!("{:?}", rig.log));
    assert!(rig.log[..last].iter().any(|told| told.contains("ran ahead again")), "{:?}", rig.log);
    assert!(!rig.asked.iter().any(|asked| asked.ends_with("transfer")), "{:?}", rig.asked);
}

#[test]
fn a_machine_that_was_paused_for_long_finds_its_lease_gone() {
    check(
        terms(),
        "1500 b follows
        1501 sleeps 9000
        12000 end",
        "...
         11250 b holds the lease
         11250 lease lost: b has it
         11250 -> Without",
    );
}

#[test]
fn a_clock_that_keeps_standing_still_is_not_relied_on() {
    check(
        terms(),
        "1500 sleeps 700
        3500 sleeps 700
        6000 end",
        "...
         2950 the store's clock ran 690 ms ahead of this machine's: it was set, or this machine was paused
         2950 child frozen until the lease is confirmed: clocks moved apart
         2950 -> Frozen
         2960 lease confirmed: child runs again after 10 ms
         2960 -> Held
         4680 the store's clock ran 690 ms ahead of this machine's: it was set, or this machine was paused
         4680 lease lost: the store's clock ran ahead again: this machine's clock cannot be relied on
         4680 -> Without
         4700 nobody holds the lease
         4700 gave the lease up: drained in 0 ms, stopped in 0 ms",
    );
}

#[test]
fn the_own_session_ending_is_answered_by_a_renewal() {
    let rig = play(terms(), "1500 own session ended\n 1501 end");
    assert_eq!(rig.asked.last().map(String::as_str), Some("1500 renew"));
    let rig = play(terms(), "1500 gone\n 1501 end");
    assert_eq!(rig.asked.last().map(String::as_str), Some("1500 renew"));
}

#[test]
fn retries_back_off_and_are_never_more_than_one_at_a_time() {
    let rig = play(terms(), "1000 refusing\n 3000 end");
    let times: Vec<&str> = rig.asked.iter().filter(|asked| asked.ends_with("renew")).map(String::as_str).collect();
    let expect = "240 1240 1300 1410 1620 1880 2140 2400 2660 2920";
    assert_eq!(times.join(" ").replace(" renew", ""), expect);
}

#[test]
fn a_row_that_fails_to_answer_is_told_once() {
    let terms = Terms { timeout: Duration::from_millis(300), ..terms() };
    check(
        terms,
        "1000 cut
        2500 refusing
        3500 open
        4000 end",
        "...
         1540 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         3570 the store answers again after 3.32 s
         3570 lease confirmed: child runs again after 460 ms
         3570 -> Held",
    );
}
