//! A standby of the database is promoted.

use std::time::Duration;

use super::rig::{check, play, terms};
use crate::lease::{Standing, Terms};

/// Whichever database is promoted may lack what was acknowledged.
fn lossy() -> Terms {
    Terms { lossless: false, ..terms() }
}

#[test]
fn a_tenure_ends_with_its_history_where_commits_may_be_lost() {
    check(
        lossy(),
        "1500 promote
        9000 end",
        "...
         2250 the database was promoted: timeline 2 after 1
         2250 lease lost: a promoted database may lack what the child believes to be written
         2250 -> Without
         5290 took the lease from a as 2.2: it had run out
         5300 fenced every previous holder in 10 ms
         5310 a holds the lease
         5310 active as 2.2
         5310 -> Held
         5510 ready as 2.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn a_tenure_goes_on_where_nothing_can_have_been_lost() {
    check(
        terms(),
        "1500 promote
        4000 end",
        "...
         2250 the database was promoted: timeline 2 after 1
         2260 goes on as 2.1 in the promoted database
         2270 fenced every previous holder in 10 ms",
    );
}

#[test]
fn it_goes_on_from_frozen_as_well() {
    check(
        terms(),
        "1000 cut
        5000 promote
        5500 open
        8000 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         5850 the database was promoted: timeline 2 after 1
         5850 the store answers again after 5.6 s
         5860 goes on as 2.1 in the promoted database
         5860 lease confirmed: child runs again after 2.75 s
         5860 -> Held
         5870 fenced every previous holder in 10 ms",
    );
}

#[test]
fn it_does_not_go_on_if_the_row_shows_that_something_was_lost() {
    check(
        terms(),
        "3300 promote
        3301 forgets 1
        9000 end",
        "...
         4250 the database was promoted: timeline 2 after 1
         4250 lease lost: a promoted database may lack what the child believes to be written
         4250 -> Without
         7290 took the lease from a as 2.2: it had run out
         7300 fenced every previous holder in 10 ms
         7310 a holds the lease
         7310 active as 2.2
         7310 -> Held
         7510 ready as 2.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn it_does_not_go_on_for_somebody_who_was_overtaken() {
    check(
        terms(),
        "1000 cut
        4200 b takes
        4300 promote
        4400 open
        9000 end",
        "...
         2240 the store is of no use: no answer in time
         3110 child frozen: the store was not heard from in time
         3110 -> Frozen
         4600 the database was promoted: timeline 2 after 1
         4600 the store answers again after 4.35 s
         4600 b holds the lease
         4600 lease lost: a promoted database may lack what the child believes to be written
         4600 -> Without",
    );
}

#[test]
fn a_step_into_the_promoted_database_whose_answer_was_lost_is_found() {
    check(
        terms(),
        "1500 promote
        2245 deaf
        2300 open
        5000 end",
        "...
         2250 the database was promoted: timeline 2 after 1
         3250 the store is of no use: no answer in time
         3310 the store answers again after 1.06 s
         3310 goes on as 2.1 in the promoted database
         3320 fenced every previous holder in 10 ms",
    );
}

#[test]
fn and_counts_from_when_it_was_first_asked_for() {
    let rig = play(terms(), "1500 promote\n 2245 deaf\n 2300 open\n 3311 end");
    let Standing::Held { until, .. } = rig.machine.standing() else { panic!("{:?}", rig.log) };
    assert_eq!(until.as_millis(), 2250 + 2870);
}

#[test]
fn nobody_acquires_in_a_promoted_database_before_the_old_tenures_have_ended() {
    check(
        terms(),
        "0 b takes
        1500 b dies
        2500 promote
        9000 end",
        "10 b holds the lease
         2635 the database was promoted: timeline 2 after 1
         5675 took the lease from b as 2.2: it had run out
         5685 fenced every previous holder in 10 ms
         5695 a holds the lease
         5695 active as 2.2
         5695 -> Held
         5895 ready as 2.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
    let early = Terms { early: Some(Duration::from_millis(500)), ..terms() };
    check(
        early,
        "0 b takes
        1500 b dies
        1600 promote
        1700 gone
        9000 end",
        "10 b holds the lease
         1700 the holder's session with the store ended
         1710 the database was promoted: timeline 2 after 1
         4750 took the lease from b as 2.2: it had run out
         4760 fenced every previous holder in 10 ms
         4770 a holds the lease
         4770 active as 2.2
         4770 -> Held
         4970 ready as 2.2 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn not_even_if_it_is_free() {
    check(
        terms(),
        "5 promote
        9000 end",
        "10 nobody holds the lease
         3050 took the lease as 2.1: it was free
         3060 fenced every previous holder in 10 ms
         3070 a holds the lease
         3070 active as 2.1
         3070 -> Held
         3270 ready as 2.1 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
    check(
        terms(),
        "0 b takes
        100 b dies
        200 child unknown
        4000 promote
        5000 child gone
        9000 end",
        "10 b holds the lease
         3040 waits: the own child is not known to be gone (it is unknown)
         4235 the database was promoted: timeline 2 after 1
         7275 took the lease from b as 2.2: it had run out
         7285 fenced every previous holder in 10 ms
         7295 a holds the lease
         7295 active as 2.2
         7295 -> Held",
    );
}

#[test]
fn an_epoch_is_higher_than_any_ever_seen_though_the_store_forgot() {
    check(
        terms(),
        "0 b takes
        500 c takes
        1000 d takes
        1500 promote
        1501 d dies
        1502 forget epochs
        9000 end",
        "10 b holds the lease
         1115 d holds the lease
         2115 the database was promoted: timeline 2 after 1
         5155 took the lease from d as 2.4: it had run out
         5165 fenced every previous holder in 10 ms
         5175 a holds the lease
         5175 active as 2.4
         5175 -> Held
         5375 ready as 2.4 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms",
    );
}

#[test]
fn a_replaced_database_is_not_listened_to() {
    check(
        terms(),
        "0 promote
        5000 demote
        5001 b takes
        9000 promote
        9500 end",
        "10 nobody holds the lease
         3050 took the lease as 2.1: it was free
         3060 fenced every previous holder in 10 ms
         3070 a holds the lease
         3070 active as 2.1
         3070 -> Held
         3270 ready as 2.1 after 3.26 s: detect 3.03 s, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms
         5280 a database on timeline 1 answered though 2 is known: it was replaced and must be stopped
         7140 child frozen: the store was not heard from in time
         7140 -> Frozen
         9040 b holds the lease
         9040 lease lost: b has it
         9040 -> Without",
    );
}
