//! The session with the store ends, and whichever database is promoted may lack what was acknowledged.

use super::rig::{check, terms};
use crate::lease::Terms;

fn lossy() -> Terms {
    Terms { lossless: false, ..terms() }
}

#[test]
fn a_child_is_still_until_the_same_history_has_answered() {
    check(
        lossy(),
        "1500 lost
        2000 end",
        "...
         1500 child frozen until the lease is confirmed: the store was lost, and another may be promoted in its place
         1500 -> Frozen
         1510 lease confirmed: child runs again after 10 ms
         1510 -> Held",
    );
}

#[test]
fn it_never_goes_on_in_another_history() {
    check(
        lossy(),
        "1500 cut
        1501 lost
        1900 promote
        1950 open
        2000 own session ended
        3000 end",
        "...
         1501 child frozen until the lease is confirmed: the store was lost, and another may be promoted in its place
         1501 -> Frozen
         2501 the store is of no use: no answer in time
         2561 the database was promoted: timeline 2 after 1
         2561 the store answers again after 1.31 s
         2561 lease lost: a promoted database may lack what the child believes to be written
         2561 -> Without",
    );
}

#[test]
fn what_was_asked_before_confirms_nothing() {
    check(
        lossy(),
        "1242 lost
        2000 end",
        "...
         1242 child frozen until the lease is confirmed: the store was lost, and another may be promoted in its place
         1242 -> Frozen
         1260 lease confirmed: child runs again after 18 ms
         1260 -> Held",
    );
}

#[test]
fn a_store_that_does_not_answer_is_lost() {
    check(
        lossy(),
        "1000 cut
        2260 open
        3300 end",
        "...
         2240 the store is of no use: no answer in time
         2240 child frozen until the lease is confirmed: the store was lost, and another may be promoted in its place
         2240 -> Frozen
         2300 the store answers again after 2.05 s
         2300 lease confirmed: child runs again after 60 ms
         2300 -> Held",
    );
}

#[test]
fn a_child_that_begins_meanwhile_waits_as_well() {
    check(
        lossy(),
        "32 lost
        100 end",
        "10 nobody holds the lease
         20 took the lease as 1.1: it was free
         30 fenced every previous holder in 10 ms
         40 a holds the lease
         40 active as 1.1
         40 child frozen until the lease is confirmed: the store was lost, and another may be promoted in its place
         40 -> Frozen
         50 lease confirmed: child runs again after 10 ms
         50 -> Held
         50 ready as 1.1 after 40 ms: detect 0 ms, acquire 10 ms, fence 10 ms, activate 10 ms, start 10 ms",
    );
}

#[test]
fn a_child_that_is_about_to_end_is_killed() {
    check(
        lossy(),
        "1500 wish leave
        1510 lost
        1700 end",
        "...
         1500 gives the lease up: the program is ending
         1510 child killed before it could end in order: the store was lost, and another may be promoted in its place
         1510 -> Yield
         1560 -> Without
         1570 nobody holds the lease
         1570 gave the lease up: drained in 10 ms, stopped in 50 ms",
    );
}

#[test]
fn where_nothing_can_be_lost_or_nobody_may_be_frozen_it_runs_on() {
    for terms in [terms(), Terms { frozen: None, ..lossy() }] {
        check(terms, "1500 lost\n 2000 end", "...");
    }
}
