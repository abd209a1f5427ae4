//! A random walk over all requests: a store does exactly what the rules say.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{Answer, Name, Nonce, Outcome, Request, Row, Stamp, Timeline, Version};
use mainstay_store::{Store, apply};

use super::tools::{HOUR, SECOND, look, name, row_of, serving};

pub(super) async fn agrees_with_the_rules(open: &impl Fn() -> Arc<dyn Store>) {
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    let store = open();
    let (mut done, mut refused) = ([0_u32; 9], [0_u32; 9]);
    // What is rare may need more of them.
    for number in 0..40 {
        if number >= 8 && done.iter().chain(&refused[..8]).all(|count| *count > 0) {
            break;
        }
        let lease = name(&format!("walk {number}"));
        let mut row = row_of(&look(&*store, &lease, 1).await);
        for step in 0..120 {
            let context = format!("seed {seed}, lease {number}, step {step}");
            let (kind, request) = any(&mut dice, &row);
            let answer = store.ask(&lease, request.clone(), SECOND).await;
            let answer = answer.unwrap_or_else(|failure| panic!("{context}: {request:?}: {failure:?}"));
            let was_done = matches!(answer, Answer::Done { .. });
            row = agree(&store, &lease, &row, &request, answer, &context).await;
            if was_done { done[kind] += 1 } else { refused[kind] += 1 }
        }
    }
    assert!(done.iter().all(|count| *count > 0), "the walk did each: {done:?}");
    assert!(refused[..8].iter().all(|count| *count > 0), "and was refused each: {refused:?}");
}

async fn agree(
    store: &Arc<dyn Store>,
    lease: &Name,
    old: &Row,
    request: &Request,
    answer: Answer,
    context: &str,
) -> Row {
    let (was_done, row, clock) = match answer {
        Answer::Done { row, clock, .. } => (true, row, clock),
        Answer::Overtaken { row, clock, .. } => (false, row, clock),
    };
    let expect = apply(old, request, Timeline(1), clock);
    assert_eq!(was_done, expect.is_some(), "{context}: {request:?} on {old:?} got {row:?}");
    let expect = expect.unwrap_or_else(|| old.clone());
    // A store may read its clock twice within one step.
    let near = |one: Stamp, two: Stamp| one.0.abs_diff(two.0) < 5_000_000;
    let due = |row: &Row| row.switch.as_ref().map_or(Stamp(0), |switch| switch.due);
    assert!(near(row.expires_at, expect.expires_at) && near(due(&row), due(&expect)), "{context}: {row:?}, {expect:?}");
    let mut same = Row { expires_at: row.expires_at, ..expect };
    if let (Some(switch), Some(got)) = (&mut same.switch, &row.switch) {
        switch.due = got.due;
    }
    assert_eq!(row, same, "{context}: {request:?} on {old:?}");
    let read = row_of(&look(&**store, lease, 1).await);
    assert_eq!(read, row, "{context}: what was answered is what is read");
    row
}

/// Some request that may or may not fit the row.
fn any(dice: &mut fastrand::Rng, row: &Row) -> (usize, Request) {
    let often = |dice: &mut fastrand::Rng| dice.u8(..10) < 8;
    let nonce = if often(dice) { row.nonce } else { Nonce(dice.u128(1..4)) };
    let timeline = Timeline(if often(dice) { 1 } else { 2 });
    // Expires at once, or never.
    let ttl = if dice.bool() { Duration::ZERO } else { HOUR };
    let who = |dice: &mut fastrand::Rng| name(["a", "b", "c"][dice.usize(..3)]);
    let maybe = |dice: &mut fastrand::Rng| dice.bool().then(|| who(dice));
    let id = Nonce(dice.u128(1..3));
    let kind = [0, 0, 0, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8][dice.usize(..13)];
    let request = match kind {
        0 => Request::Acquire {
            seen: Version { epoch: row.epoch, seq: if often(dice) { row.seq } else { row.seq + 1 } },
            timeline,
            epoch_at_least: row.epoch + dice.u64(..4),
            nonce: Nonce(dice.u128(1 << 64..)),
            holder: who(dice),
            ttl,
            early: dice.u8(..4) == 0,
        },
        1 => Request::Fence { nonce },
        2 => Request::Activate { nonce, timeline, ttl },
        3 => {
            let (serving, next) = (serving(dice.u32(..)), maybe(dice));
            Request::Renew { nonce, timeline, ttl, serving, next }
        }
        4 => {
            let seq_at_least = row.seq + dice.u64(..2);
            Request::Carry { nonce, from: Timeline(1), to: timeline, seq_at_least, ttl }
        }
        5 => Request::Transfer { nonce, next: maybe(dice), ttl },
        6 => Request::Switch { id, to: maybe(dice), after: ttl },
        7 => {
            let outcomes = [Outcome::Done, Outcome::Refused(name("no")), Outcome::Failed(name("it's over"))];
            Request::Settle { id, outcome: outcomes[dice.usize(..3)].clone() }
        }
        _ => Request::Pause(if dice.u8(..4) == 0 { maybe(dice) } else { None }),
    };
    (kind, request)
}
