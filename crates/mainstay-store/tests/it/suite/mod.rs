//! What every store must do, whatever it is made of.

mod tools;
mod walk;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use mainstay_core::lease::{Answer, Failure, Member, MemberState, Name, Nonce, Request, RowState, Version};
use mainstay_store::{Entry, Hint, Presence, Store, Tier};

pub(crate) use tools::{
    BOUND, HOUR, PLACE, SECOND, acquire, activate, answer, done, hint, look, member, name, quiet, renew, row_of,
    transfer,
};

/// Runs all of it. Each call of `open` is another program's store in the same place.
pub(crate) async fn conforms(open: impl Fn() -> Arc<dyn Store>) {
    walk::agrees_with_the_rules(&open).await;
    only_one_of_many_acquires(&open).await;
    a_tenure_from_its_beginning_to_its_end(&open).await;
    a_lease_without_a_row(&open).await;
    names_are_only_names(&open).await;
    members_are_told_of(&open).await;
    records_say_who_wrote_them(&open).await;
    changes_are_told(&open).await;
    the_end_of_a_holder_is_told(&open).await;
    history_is_kept(&open).await;
}

async fn only_one_of_many_acquires(open: &impl Fn() -> Arc<dyn Store>) {
    let lease = name("many");
    let first = open();
    for round in 0..10_u128 {
        let seen = row_of(&look(&*first, &lease, 1).await);
        let mut tries = tokio::task::JoinSet::new();
        for number in 0..8_u128 {
            let (lease, store) = (lease.clone(), open());
            let nonce = Nonce(1 + round * 100 + number);
            let version = Version { epoch: seen.epoch, seq: seen.seq };
            tries.spawn(async move {
                let answer = store.ask(&lease, acquire(version, nonce, "b", Duration::ZERO), BOUND).await;
                // Whoever got it lives on, so that its lock does too.
                (answer, nonce, store)
            });
        }
        let ended = tries.join_all().await;
        let won: Vec<Nonce> = ended
            .iter()
            .filter(|(answer, ..)| matches!(answer, Ok(Answer::Done { .. })))
            .map(|(_, nonce, _)| *nonce)
            .collect();
        assert_eq!(won.len(), 1, "round {round}: {ended:?}");
        let row = row_of(&look(&*first, &lease, 1).await);
        assert_eq!((row.nonce, row.epoch), (won[0], seen.epoch + 1));
    }
}

async fn a_tenure_from_its_beginning_to_its_end(open: &impl Fn() -> Arc<dyn Store>) {
    let (lease, store) = (name("whole"), open());
    let free = row_of(&look(&*store, &lease, 1).await);
    assert_eq!((free.epoch, free.state, &*free.holder), (0, RowState::Free, ""));
    let version = Version { epoch: 0, seq: free.seq };
    let taken = done(&*store, &lease, acquire(version, Nonce(5), "a", HOUR)).await;
    assert_eq!((taken.state, taken.nonce, taken.epoch), (RowState::Fencing, Nonce(5), 1));
    done(&*store, &lease, Request::Fence { nonce: Nonce(5) }).await;
    let active = done(&*store, &lease, activate(&taken, HOUR)).await;
    assert_eq!(active.state, RowState::Active);
    let renewed = done(&*store, &lease, renew(&taken, HOUR)).await;
    assert!(renewed.seq > active.seq && renewed.expires_at >= active.expires_at);
    let other = open();
    let version = Version { epoch: 1, seq: renewed.seq };
    let refused = answer(&*other, &lease, acquire(version, Nonce(6), "b", HOUR)).await;
    assert!(matches!(refused, Answer::Overtaken { .. }), "{refused:?}");
    let given = done(&*store, &lease, transfer(Nonce(5), Some("b"))).await;
    assert_eq!((given.state, given.next.as_deref()), (RowState::Free, Some("b")));
    let version = Version { epoch: 1, seq: given.seq };
    let third = answer(&*other, &lease, acquire(version, Nonce(7), "c", HOUR)).await;
    assert!(matches!(third, Answer::Overtaken { .. }), "it is kept for b: {third:?}");
    let taken = done(&*other, &lease, acquire(version, Nonce(8), "b", HOUR)).await;
    assert_eq!((taken.epoch, &*taken.holder), (2, "b"));
    let late = answer(&*store, &lease, renew(&active, HOUR)).await;
    assert!(matches!(&late, Answer::Overtaken { row, .. } if row.nonce == Nonce(8)), "{late:?}");
}

async fn a_lease_without_a_row(open: &impl Fn() -> Arc<dyn Store>) {
    let (lease, store) = (name("absent"), open());
    for request in [Request::Fence { nonce: Nonce(1) }, Request::Pause(None), transfer(Nonce(1), None)] {
        let answer = store.ask(&lease, request, SECOND).await;
        assert!(matches!(&answer, Err(Failure::NotDone(why)) if why.contains("absent")), "{answer:?}");
    }
}

async fn names_are_only_names(open: &impl Fn() -> Arc<dyn Store>) {
    let store = open();
    for odd in ["it's", "a/../b", "\"quoted\"", "bank a", "größe", "$tag$", "%s", "a;--", ".", "{a,\"b\"}", "\\x00"] {
        let lease = name(odd);
        let seen = row_of(&look(&*store, &lease, 1).await);
        let version = Version { epoch: seen.epoch, seq: seen.seq };
        let taken = done(&*store, &lease, acquire(version, Nonce(1), odd, HOUR)).await;
        assert_eq!(&*taken.holder, odd);
        done(&*store, &lease, Request::Pause(Some(name(odd)))).await;
        let given = done(&*store, &lease, transfer(Nonce(1), Some(odd))).await;
        assert_eq!((given.next.as_deref(), given.paused.as_deref()), (Some(odd), Some(odd)));
    }
}

async fn members_are_told_of(open: &impl Fn() -> Arc<dyn Store>) {
    let (lease, one, two) = (name("members"), open(), open());
    look(&*one, &lease, 1).await;
    let mut me = member(2);
    (me.state, me.quiet, me.priority) = (MemberState::Prepared(Nonce(9)), true, 7);
    me.age = HOUR;
    let answer = two.ask(&lease, Request::Look { me: me.clone() }, SECOND).await;
    let Ok(Answer::Done { members, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(members.iter().map(|it| it.instance).collect::<Vec<_>>(), [Nonce(1), Nonce(2)]);
    assert!(members.iter().all(|it| it.age < Duration::from_secs(30)), "the store says how old: {members:?}");
    let found = members.into_iter().find(|it| it.instance == Nonce(2)).unwrap();
    me.age = found.age;
    assert_eq!(found, me);
}

async fn records_say_who_wrote_them(open: &impl Fn() -> Arc<dyn Store>) {
    let (lease, one, two) = (name("records"), open(), open());
    assert_eq!(two.presences(&lease).await, Ok(Vec::new()));
    look(&*one, &lease, 1).await;
    let holder = Member { state: MemberState::Holder, name: name("b"), ..member(2) };
    two.ask(&lease, Request::Look { me: holder }, SECOND).await.unwrap();
    let first = two.presences(&lease).await.unwrap();
    let told: Vec<_> = first.iter().map(|it| (&*it.name, it.instance.0, &*it.place, it.holds)).collect();
    assert_eq!(told, [("b", 2, PLACE, true), ("a", 1, PLACE, false)]);
    assert!(first.iter().all(|it| it.age < BOUND), "{first:?}");
    let seen = |of: &[Presence]| of.iter().map(|it| it.seen).collect::<Vec<_>>();
    let second = two.presences(&lease).await.unwrap();
    assert_eq!(seen(&first), seen(&second), "what nobody wrote stays the same");
    look(&*one, &lease, 1).await;
    let third = two.presences(&lease).await.unwrap();
    assert_eq!(third.first().map(|it| it.instance), Some(Nonce(1)));
    assert!(third[0].seen > first[0].seen, "{third:?}");
}

async fn changes_are_told(open: &impl Fn() -> Arc<dyn Store>) {
    let (lease, one, two) = (name("changes"), open(), open());
    let seen = row_of(&look(&*one, &lease, 1).await);
    let (mut near, mut far) = (one.hints(&lease), two.hints(&lease));
    quiet(&mut near).await;
    look(&*two, &lease, 2).await;
    hint(&mut near, Some(Hint::Look)).await;
    hint(&mut far, Some(Hint::Look)).await;
    // The same news may be told twice, and late.
    quiet(&mut near).await;
    quiet(&mut far).await;
    look(&*two, &lease, 2).await;
    hint(&mut near, None).await;
    hint(&mut far, None).await;
    let taken = done(&*one, &lease, acquire(Version { epoch: 0, seq: seen.seq }, Nonce(1), "a", HOUR)).await;
    hint(&mut near, Some(Hint::Look)).await;
    hint(&mut far, Some(Hint::Look)).await;
    done(&*two, &lease, Request::Pause(Some(name("somebody")))).await;
    hint(&mut near, Some(Hint::Look)).await;
    hint(&mut far, Some(Hint::Look)).await;
    quiet(&mut far).await;
    // A renewal is no news. What comes after it is, and is the next that is told.
    done(&*one, &lease, renew(&taken, HOUR)).await;
    hint(&mut far, None).await;
    done(&*one, &lease, transfer(Nonce(1), None)).await;
    hint(&mut far, Some(Hint::Look)).await;
}

async fn the_end_of_a_holder_is_told(open: &impl Fn() -> Arc<dyn Store>) {
    let (lease, one, two) = (name("end"), open(), open());
    let seen = row_of(&look(&*one, &lease, 1).await);
    let taken = done(&*one, &lease, acquire(Version { epoch: 0, seq: seen.seq }, Nonce(1), "a", HOUR)).await;
    done(&*one, &lease, activate(&taken, HOUR)).await;
    look(&*two, &lease, 2).await;
    let mut hints = two.hints(&lease);
    let row = row_of(&look(&*two, &lease, 2).await);
    quiet(&mut hints).await;
    drop(one);
    hint(&mut hints, Some(Hint::HolderGone)).await;
    let version = Version { epoch: row.epoch, seq: row.seq };
    let refused = answer(&*two, &lease, acquire(version, Nonce(2), "b", HOUR)).await;
    assert!(matches!(refused, Answer::Overtaken { .. }), "it has not expired: {refused:?}");
    let Request::Acquire { seen, timeline, epoch_at_least, nonce, holder, ttl, .. } =
        acquire(version, Nonce(2), "b", HOUR)
    else {
        unreachable!()
    };
    let early = Request::Acquire { seen, timeline, epoch_at_least, nonce, holder, ttl, early: true };
    assert_eq!(done(&*two, &lease, early).await.nonce, Nonce(2));
}

async fn history_is_kept(open: &impl Fn() -> Arc<dyn Store>) {
    let (one, two) = (open(), open());
    let entry = |lease: &str, epoch: u64| Entry {
        at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456 + epoch),
        lease: name(lease),
        by: name("a"),
        epoch,
        what: name("acquired"),
        text: name("it's taken"),
    };
    for epoch in 1..=5 {
        one.record(entry("history", epoch)).await.unwrap();
        one.record(entry("another", epoch)).await.unwrap();
    }
    let lease: Name = name("history");
    let last = two.history(Some(&lease), 3).await.unwrap();
    assert_eq!(last, [entry("history", 3), entry("history", 4), entry("history", 5)]);
    let all = two.history(None, 2).await.unwrap();
    assert_eq!(all, [entry("history", 5), entry("another", 5)]);
}

/// Whether an end of a holder is certain, or only likely.
pub(crate) fn is_certain(store: &dyn Store, lease: &Name) -> bool {
    store.tier(lease) == Tier::Exclusive
}
