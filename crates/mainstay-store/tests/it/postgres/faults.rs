//! Connections that are lost, slow or half answered, and servers that are not what they should be.

use std::time::{Duration, Instant};

use mainstay_core::lease::{Answer, Failure, Nonce, Request, Row, RowState, Timeline};
use mainstay_store::{Settings, Store, open};
use mainstay_testkit::{Postgres, Relay, Way, until};
use rustix::process::Signal;

use super::kit::{Kit, LEASE, acquire, settings, take_over};
use crate::suite::{HOUR, SECOND, activate, done, look, member, name, renew, row_of};

/// Cuts the connection at every so many bytes of a renewal and its answer. What is said not to be done never is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_not_to_be_done_is_not_wherever_the_connection_breaks() {
    let Some(kit) = Kit::start("wherever_the_connection_breaks", &[]).await else { return };
    let relay = Relay::start(kit.server.port()).await.unwrap();
    let near = through(&relay);
    let (far, lease) = (kit.store(), name("cut"));
    let mut row = acquire(&*far, &lease, 1, "a").await;
    let (mut unknown, mut were_done) = (0, 0);
    for (way, length) in [(Way::Up, 420_u32), (Way::Down, 560)] {
        for bytes in (0..length).step_by(23) {
            for request in [renew(&row, HOUR), activate(&row, HOUR)] {
                connected(&*near, &lease).await;
                let before = row_of(&look(&*far, &lease, 1).await);
                relay.cut_after(bytes, way);
                let answer = near.ask(&lease, request.clone(), SECOND).await;
                relay.cut();
                let after = settled(&*far, &lease, &before, &answer).await;
                let changed = after.seq != before.seq;
                match &answer {
                    Ok(Answer::Done { row, .. }) => assert_eq!(row.seq, after.seq, "{way:?} {bytes}"),
                    Err(Failure::NotDone(why)) => assert!(!changed, "{way:?} {bytes}: {why}: {before:?} {after:?}"),
                    Err(Failure::Unknown(_)) => {
                        unknown += 1;
                        were_done += u32::from(changed);
                    }
                    other @ Ok(_) => panic!("{way:?} {bytes}: {other:?}"),
                }
                row = after;
            }
        }
    }
    assert!(unknown > 20 && were_done > 5 && were_done < unknown, "{unknown} unknown, {were_done} of them done");
}

/// Looks until it is answered: the end of the connection that was cut may be seen only now.
async fn connected(store: &dyn Store, lease: &mainstay_core::lease::Name) {
    let begun = std::time::Instant::now();
    while let Err(failure) = store.ask(lease, Request::Look { me: member(2) }, SECOND).await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{failure:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was on its way when the connection broke may still be done: the row is read until it stays.
async fn settled(
    store: &dyn Store,
    lease: &mainstay_core::lease::Name,
    before: &Row,
    answer: &Result<Answer, Failure>,
) -> Row {
    let mut last = row_of(&look(store, lease, 1).await);
    if answer.is_err() && last == *before {
        tokio::time::sleep(Duration::from_millis(15)).await;
        last = row_of(&look(store, lease, 1).await);
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_costs_no_more_than_the_time_limit() {
    let Some(kit) = Kit::start("a_server_that_is_silent", &[]).await else { return };
    let (store, lease) = (kit.store(), name("silent"));
    let row = acquire(&*store, &lease, 1, "a").await;
    kit.server.signal(Signal::STOP).unwrap();
    let begun = Instant::now();
    let limit = Duration::from_millis(400);
    let asked = tokio::join!(
        store.ask(&lease, renew(&row, HOUR), limit),
        store.ask(&lease, Request::Pause(None), limit),
        store.ask(&lease, Request::Fence { nonce: Nonce(1) }, limit),
    );
    let took = begun.elapsed();
    let later = store.ask(&lease, Request::Pause(None), limit).await;
    kit.server.signal(Signal::CONT).unwrap();
    for answer in [asked.0, asked.1, asked.2] {
        assert!(matches!(answer, Err(Failure::Unknown(_))), "{answer:?}");
    }
    assert!(took < Duration::from_millis(700), "{took:?}");
    assert!(matches!(later, Err(Failure::NotDone(_))), "no connection, so nothing was sent: {later:?}");
    until("the store is not used again", Duration::from_secs(10), async || {
        matches!(store.ask(&lease, renew(&row, HOUR), SECOND).await, Ok(Answer::Done { .. }))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_has_locked_is_not_waited_for() {
    let Some(kit) = Kit::start("a_row_that_somebody_has_locked", &[]).await else { return };
    let (store, lease, other) = (kit.store(), name("locked"), name("free"));
    let (row, free) = (acquire(&*store, &lease, 1, "a").await, acquire(&*store, &other, 2, "a").await);
    let admin = kit.admin("mainstay").await;
    let lock = "BEGIN; SELECT FROM mainstay.lease WHERE name = 'locked' FOR UPDATE;
        SELECT FROM mainstay.member WHERE lease = 'locked' FOR UPDATE";
    admin.batch_execute(lock).await.unwrap();
    let begun = Instant::now();
    for _ in 0..5 {
        tokio::join!(look(&*store, &lease, 1), look(&*store, &other, 2));
    }
    let took = begun.elapsed();
    assert!(took < SECOND, "who looks waits for no lock: {took:?}");
    let begun = Instant::now();
    let (locked, good) =
        tokio::join!(store.ask(&lease, renew(&row, HOUR), SECOND), store.ask(&other, renew(&free, HOUR), SECOND));
    assert!(matches!(&locked, Err(Failure::NotDone(why)) if why.contains("locked")), "{locked:?}");
    assert!(matches!(good, Ok(Answer::Done { .. })), "{good:?}");
    let paused = store.ask(&lease, Request::Pause(None), SECOND).await;
    assert!(matches!(&paused, Err(Failure::NotDone(why)) if why.contains("pg_locks")), "{paused:?}");
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    admin.batch_execute("ROLLBACK").await.unwrap();
    done(&*store, &lease, renew(&row, HOUR)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_store_is_said_with_what_to_do() {
    let Some(kit) = Kit::bare("what_is_wrong_with_a_store", &[]).await else { return };
    says(&kit.settings(None), "mainstay store init").await;
    mainstay_store::init(&kit.settings(None), &[]).await.unwrap();
    let admin = kit.admin("mainstay").await;
    admin.batch_execute("UPDATE mainstay.version SET version = 7").await.unwrap();
    says(&kit.settings(None), "schema 7, this Mainstay knows 1: run the newer one").await;
    admin.batch_execute("UPDATE mainstay.version SET version = 1; CREATE ROLE weak LOGIN").await.unwrap();
    let port = kit.server.port();
    says(&settings(&format!("postgres://weak@127.0.0.1:{port}/mainstay"), None), "permission denied").await;
    says(&settings(&format!("postgres://mainstay@127.0.0.1:{port}/absent"), None), "make the database").await;
    says(&settings("postgres://mainstay@127.0.0.1:1/mainstay", None), "127.0.0.1:1").await;
    let hba = kit.server.dir().join("data/pg_hba.conf");
    std::fs::write(hba, "local all all trust\nhost all all all scram-sha-256\n").unwrap();
    admin.batch_execute("SELECT pg_reload_conf(); ALTER ROLE mainstay PASSWORD 'right'").await.unwrap();
    let wrong = settings(&format!("postgres://mainstay:wrong@127.0.0.1:{port}/mainstay"), None);
    says(&wrong, "see the user and password").await;
    let right = settings(&format!("postgres://mainstay:right@127.0.0.1:{port}/mainstay"), None);
    look(&*open(&right).unwrap(), &name("a"), 1).await;
    assert!(!format!("{right:?} {:?}", open(&right).unwrap()).contains("right"));
}

async fn says(settings: &Settings, expect: &str) {
    let store = open(settings).unwrap();
    let answer = store.ask(&name("a"), Request::Pause(None), SECOND).await;
    let Err(Failure::NotDone(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains(expect), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_found_and_followed() {
    let Some(kit) = Kit::start("the_primary_is_found", &[]).await else { return };
    let lease = name(LEASE);
    let Some(standby) = kit.standby("the_primary_is_found").await else { return };
    let only = format!("postgres://mainstay@127.0.0.1:{}/mainstay", standby.port());
    says(&settings(&only, None), "is a standby: name the primary").await;
    let both = format!("postgres://mainstay@127.0.0.1:{},127.0.0.1:{}/mainstay", standby.port(), kit.server.port());
    let store = open(&settings(&both, Some("partya_1"))).unwrap();
    take_over(&*store, &lease, 1, "a").await;
    let row = row_of(&look(&*store, &lease, 1).await);
    caught_up(&kit, &standby).await;
    kit.server.crash().unwrap();
    let away = store.ask(&lease, renew(&row, HOUR), SECOND).await;
    assert!(away.is_err(), "{away:?}");
    standby.promote().await.unwrap();
    let mut answer = None;
    until("the promoted standby is not found", Duration::from_secs(10), async || {
        answer = store.ask(&lease, renew(&row, HOUR), SECOND).await.ok();
        answer.is_some()
    })
    .await
    .unwrap();
    let Some(Answer::Overtaken { row: after, timeline, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!((timeline, after.nonce, after.state), (Timeline(2), Nonce(1), RowState::Active));
    let (from, to) = (Timeline(1), Timeline(2));
    let carry = Request::Carry { nonce: Nonce(1), from, to, seq_at_least: row.seq, ttl: HOUR };
    assert_eq!(done(&*store, &lease, carry).await.timeline, Timeline(2));
    take_over(&*store, &lease, 2, "a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_lives_on_is_left() {
    let Some(kit) = Kit::start("an_old_primary_that_lives_on", &[]).await else { return };
    let lease = name("zombie");
    let Some(standby) = kit.standby("an_old_primary_that_lives_on").await else { return };
    let both = format!("postgres://mainstay@127.0.0.1:{},127.0.0.1:{}/mainstay", kit.server.port(), standby.port());
    let store = open(&settings(&both, None)).unwrap();
    acquire(&*store, &lease, 1, "a").await;
    caught_up(&kit, &standby).await;
    standby.promote().await.unwrap();
    until("the old primary is still asked", Duration::from_secs(20), async || {
        let me = crate::suite::member(1);
        let answer = store.ask(&lease, Request::Look { me }, SECOND).await;
        matches!(answer, Ok(Answer::Done { timeline: Timeline(2), .. }))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_for_a_standby_is_unknown_even_if_it_is_let_go() {
    let Some(kit) = Kit::start("a_commit_that_waits", &[]).await else { return };
    let (store, lease) = (kit.store(), name("sync"));
    let row = acquire(&*store, &lease, 1, "a").await;
    let admin = kit.admin("postgres").await;
    admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until("the server does not wait", Duration::from_secs(10), async || {
        let shown = admin.query_one("SHOW synchronous_standby_names", &[]).await.unwrap();
        shown.get::<_, &str>(0) == "nobody"
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waits = store.ask(&lease, renew(&row, HOUR), Duration::from_millis(300)).await;
    assert!(matches!(waits, Err(Failure::Unknown(_))), "{waits:?}");
    let seen = row_of(&look(&*store, &lease, 2).await);
    assert_eq!(seen.seq, row.seq, "who looks waits for nobody, and does not see what is not committed everywhere");
    let again = store.ask(&lease, renew(&row, HOUR), SECOND).await;
    assert!(matches!(again, Err(Failure::NotDone(_))), "the row is locked as long as that one waits: {again:?}");
    // An administrator cancels the wait: the server answers that it was done, with a warning.
    cancel_wait(&admin).await;
    let again = store.ask(&lease, renew(&row, HOUR), Duration::from_secs(5));
    let (answer, ()) = tokio::join!(again, cancel_wait(&admin));
    assert!(matches!(&answer, Err(Failure::Unknown(why)) if why.contains("warned")), "{answer:?}");
}

async fn cancel_wait(admin: &tokio_postgres::Client) {
    let query = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let cancelled = until("nobody waits", Duration::from_secs(5), async || {
        admin.query(query, &[]).await.is_ok_and(|rows| !rows.is_empty())
    });
    cancelled.await.unwrap();
    let left = until("it still waits", Duration::from_secs(5), async || {
        admin.query(query, &[]).await.is_ok_and(|rows| rows.is_empty())
    });
    left.await.unwrap();
}

async fn caught_up(kit: &Kit, standby: &Postgres) {
    let (primary, standby) = (kit.admin("postgres").await, standby.connect("postgres").await.unwrap());
    let at: String = primary.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    until("the standby lags", Duration::from_secs(10), async || {
        let query = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        standby.query_one(query, &[&at]).await.unwrap().get(0)
    })
    .await
    .unwrap();
}

fn through(relay: &Relay) -> std::sync::Arc<dyn Store> {
    let url = format!("postgres://mainstay@127.0.0.1:{}/mainstay", relay.port());
    open(&Settings::new(url.parse().unwrap())).unwrap()
}
