//! Requests and answers, in few words.

use std::time::Duration;

use mainstay_core::lease::{Answer, Member, MemberState, Name, Nonce, Request, Row, Serving, Timeline, Version};
use mainstay_store::{Hint, Store};
use tokio::sync::mpsc;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// For one request; the machine may be busy with other tests.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Where the programs of all members run.
pub(crate) const PLACE: &str = "here";
/// Longest time for anything to happen.
pub(crate) const BOUND: Duration = Duration::from_secs(10);
/// How long nothing must happen. Far longer than a store takes to tell.
const QUIET: Duration = Duration::from_millis(500);

pub(crate) fn name(text: &str) -> Name {
    text.into()
}

pub(crate) fn member(instance: u128) -> Member {
    Member {
        name: name("a"),
        instance: Nonce(instance),
        priority: 100,
        state: MemberState::Standby,
        quiet: false,
        age: Duration::ZERO,
    }
}

pub(crate) async fn answer(store: &dyn Store, lease: &Name, request: Request) -> Answer {
    let answer = store.ask(lease, request.clone(), BOUND).await;
    answer.unwrap_or_else(|failure| panic!("{lease}: {request:?}: {failure:?}"))
}

pub(crate) async fn look(store: &dyn Store, lease: &Name, instance: u128) -> Answer {
    answer(store, lease, Request::Look { me: member(instance) }).await
}

/// What must be done is.
pub(crate) async fn done(store: &dyn Store, lease: &Name, request: Request) -> Row {
    match answer(store, lease, request.clone()).await {
        Answer::Done { row, .. } => row,
        other => panic!("{lease}: {request:?}: {other:?}"),
    }
}

pub(crate) fn row_of(answer: &Answer) -> Row {
    let (Answer::Done { row, .. } | Answer::Overtaken { row, .. }) = answer;
    row.clone()
}

pub(crate) fn acquire(seen: Version, nonce: Nonce, holder: &str, ttl: Duration) -> Request {
    let (timeline, holder) = (Timeline(1), name(holder));
    Request::Acquire { seen, timeline, epoch_at_least: 0, nonce, holder, ttl, early: false }
}

pub(crate) fn activate(row: &Row, ttl: Duration) -> Request {
    Request::Activate { nonce: row.nonce, timeline: row.timeline, ttl }
}

pub(crate) fn renew(row: &Row, ttl: Duration) -> Request {
    let (serving, next) = (row.serving, None);
    Request::Renew { nonce: row.nonce, timeline: row.timeline, ttl, serving, next }
}

pub(crate) fn transfer(nonce: Nonce, next: Option<&str>) -> Request {
    Request::Transfer { nonce, next: next.map(name), ttl: HOUR }
}

/// The next hint, or that none comes. More of the same may follow and count as one.
pub(crate) async fn hint(hints: &mut mpsc::Receiver<Hint>, expect: Option<Hint>) {
    let bound = if expect.is_some() { BOUND } else { QUIET };
    let got = tokio::time::timeout(bound, hints.recv()).await;
    match (got, expect) {
        (Err(_), None) => {}
        (Ok(Some(got)), Some(expect)) if got == expect => while hints.try_recv() == Ok(expect) {},
        (got, expect) => panic!("got {got:?}, not {expect:?}"),
    }
}

/// Waits until no hint comes any more.
pub(crate) async fn quiet(hints: &mut mpsc::Receiver<Hint>) {
    while tokio::time::timeout(QUIET, hints.recv()).await.is_ok() {}
}

pub(crate) fn serving(number: u32) -> Serving {
    [Serving::Starting, Serving::Ready, Serving::Yielding][number as usize % 3]
}
