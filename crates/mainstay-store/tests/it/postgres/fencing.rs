//! Who held the lease before can write no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainstay_core::lease::{Answer, Name, Nonce, Request};
use mainstay_store::Tier;
use mainstay_testkit::{Relay, Way};

use super::kit::{Kit, LEASE, acquire, fence, take_over};
use crate::suite::{answer, name};

/// Passwords are asked for, so that a wrong one is noticed.
async fn with_passwords(kit: &Kit) {
    let hba = kit.server.dir().join("data/pg_hba.conf");
    let text = "host all mainstay all trust\nhost all postgres all trust\nlocal all all trust\nhost all all all scram-sha-256\n";
    std::fs::write(hba, text).unwrap();
    kit.admin("partya").await.batch_execute("SELECT pg_reload_conf(); GRANT CREATE ON DATABASE partya TO partya; GRANT CREATE ON SCHEMA public TO partya").await.unwrap();
}

/// The holder before is barred, and the next uses its tables.
pub(super) async fn bars_the_holder_before(kit: &Kit) {
    with_passwords(kit).await;
    let (one, two, lease) = (kit.guard("partya_1"), kit.guard("partya_2"), name(LEASE));
    assert_eq!((one.tier(&lease), kit.store().tier(&lease)), (Tier::Fenced, Tier::Advisory));
    assert!(kit.login("partya_1", "").await.is_err(), "nobody holds the lease yet");
    let first = take_over(&*one, &lease, 1, "a").await;
    assert_eq!(first.len(), 64);
    assert!(!format!("{:?} {:?}", one, one.grant(&lease, Nonce(1))).contains(&first));
    assert!(kit.login("partya_1", "wrong").await.is_err());
    let node = kit.login("partya_1", &first).await.unwrap();
    node.batch_execute("CREATE TABLE vault (state int); INSERT INTO vault VALUES (1)").await.unwrap();
    let second = take_over(&*two, &lease, 2, "b").await;
    assert!(node.batch_execute("INSERT INTO vault VALUES (2)").await.is_err(), "its session was ended");
    assert!(kit.login("partya_1", &first).await.is_err(), "and it does not get in again");
    let next = kit.login("partya_2", &second).await.unwrap();
    next.batch_execute("ALTER TABLE vault ADD COLUMN more int; INSERT INTO vault VALUES (3)").await.unwrap();
    let late = answer(&*one, &lease, Request::Fence { nonce: Nonce(1) }).await;
    assert!(matches!(late, Answer::Overtaken { .. }), "who was overtaken fences nobody: {late:?}");
    next.batch_execute("INSERT INTO vault VALUES (4)").await.unwrap();
    let again = take_over(&*one, &lease, 3, "a").await;
    assert!(kit.login("partya_1", &first).await.is_err(), "the password is of one tenure");
    kit.login("partya_1", &again).await.unwrap();
    assert!(!kit.server.said().contains(&again), "and never sent to the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fencing_and_activating_may_be_done_again() {
    let Some(kit) = Kit::start("fencing_may_be_done_again", &[]).await else { return };
    with_passwords(&kit).await;
    let (one, lease) = (kit.guard("partya_1"), name(LEASE));
    let password = take_over(&*one, &lease, 1, "a").await;
    let node = kit.login("partya_1", &password).await.unwrap();
    fence(&*one, &lease, 1).await;
    node.batch_execute("SELECT 1").await.expect("an active tenure's own sessions stay");
    let row = super::super::suite::row_of(&crate::suite::look(&*one, &lease, 1).await);
    crate::suite::done(&*one, &lease, crate::suite::activate(&row, crate::suite::HOUR)).await;
    assert_eq!(one.grant(&lease, Nonce(1)).credential.unwrap().password.reveal(), password);
    kit.login("partya_1", &password).await.expect("the password is still the same");
    // The same guard again, after it was killed: what it left behind has its own role.
    acquire(&*one, &lease, 2, "a").await;
    fence(&*one, &lease, 2).await;
    assert!(node.batch_execute("SELECT 1").await.is_err(), "a new tenure ends its own role's old sessions too");
}

/// Prepared transactions are rolled back. For a server that has some.
pub(super) async fn rolls_back_what_was_prepared(kit: &Kit) {
    with_passwords(kit).await;
    let (one, two, lease) = (kit.guard("partya_1"), kit.guard("partya_2"), name(LEASE));
    let password = take_over(&*one, &lease, 1, "a").await;
    let node = kit.login("partya_1", &password).await.unwrap();
    node.batch_execute("CREATE TABLE promised (state int)").await.unwrap();
    node.batch_execute("BEGIN; INSERT INTO promised VALUES (1); PREPARE TRANSACTION 'as the group''s'").await.unwrap();
    node.batch_execute("RESET ROLE; BEGIN; SELECT 1; SET ROLE NONE; PREPARE TRANSACTION 'as itself'").await.unwrap();
    let admin = kit.admin("partya").await;
    admin.batch_execute("BEGIN; CREATE TABLE other (); PREPARE TRANSACTION 'somebody else''s'").await.unwrap();
    take_over(&*two, &lease, 2, "b").await;
    let left = admin.query("SELECT gid FROM pg_prepared_xacts", &[]).await.unwrap();
    assert_eq!(left.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["somebody else's"]);
    admin.batch_execute("ROLLBACK PREPARED 'somebody else''s'").await.unwrap();
}

/// A login that has seen that its role may log in, and then waits for longer than anybody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_stuck_does_nothing_when_it_goes_on() {
    let Some(kit) = Kit::start("a_login_that_is_stuck", &[]).await else { return };
    with_passwords(&kit).await;
    let (one, two, lease) = (kit.guard("partya_1"), kit.guard("partya_2"), name(LEASE));
    let password = take_over(&*one, &lease, 1, "a").await;
    let text = "CREATE TABLE audit (who text); GRANT ALL ON audit TO partya";
    kit.admin("partya").await.batch_execute(text).await.unwrap();
    crate::suite::look(&*two, &lease, 2).await;
    // The database is locked after that, and before the session shows.
    let (admin, locker) = (kit.admin("postgres").await, kit.admin("postgres").await);
    locker.batch_execute("BEGIN; ALTER DATABASE partya RENAME TO elsewhere").await.unwrap();
    let late = async {
        let node = kit.login("partya_1", &password).await?;
        node.batch_execute("INSERT INTO audit VALUES ('a')").await
    };
    let takeover = async {
        until_waiting(&admin).await;
        acquire(&*two, &lease, 2, "b").await;
        fence(&*two, &lease, 2).await;
        locker.batch_execute("ROLLBACK").await.unwrap();
    };
    let (wrote, ()) = tokio::join!(late, takeover);
    let rows: i64 = kit.admin("partya").await.query_one("SELECT count(*) FROM audit", &[]).await.unwrap().get(0);
    assert!(wrote.is_err() && rows == 0, "{wrote:?}, {rows} rows");
}

/// A login whose client is slow with its password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_slow_finds_its_role_barred() {
    let Some(kit) = Kit::start("a_login_that_is_slow", &[]).await else { return };
    with_passwords(&kit).await;
    let (one, two, lease) = (kit.guard("partya_1"), kit.guard("partya_2"), name(LEASE));
    let password = take_over(&*one, &lease, 1, "a").await;
    crate::suite::look(&*two, &lease, 2).await;
    let relay = Relay::start(kit.server.port()).await.unwrap();
    // What the server says first is that it wants a password.
    relay.hold_after(1, Way::Down);
    let url = format!("postgres://partya_1:{password}@127.0.0.1:{}/partya", relay.port());
    let config: tokio_postgres::Config = url.parse().unwrap();
    let takeover = async {
        relay.held().await;
        acquire(&*two, &lease, 2, "b").await;
        fence(&*two, &lease, 2).await;
        relay.stall(false);
    };
    let (login, ()) = tokio::join!(config.connect(tokio_postgres::NoTls), takeover);
    let refused = login.err().unwrap();
    assert_eq!(
        refused.code(),
        Some(&tokio_postgres::error::SqlState::INVALID_AUTHORIZATION_SPECIFICATION),
        "{refused:?}"
    );
}

/// Waits until a login waits for its database.
async fn until_waiting(admin: &tokio_postgres::Client) {
    let query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND classid = 'pg_database'::regclass";
    mainstay_testkit::until("nobody waits", Duration::from_secs(20), async || {
        admin.query_one(query, &[]).await.is_ok_and(|row| row.get::<_, i64>(0) > 0)
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_logins_leaves_nobody_in() {
    let Some(kit) = Kit::start("a_storm_of_logins", &[]).await else { return };
    with_passwords(&kit).await;
    let kit = Arc::new(kit);
    let (one, two, lease): (_, _, Name) = (kit.guard("partya_1"), kit.guard("partya_2"), name(LEASE));
    let admin = kit.admin("partya").await;
    admin.batch_execute("CREATE TABLE audit (id bigserial, who text, term int)").await.unwrap();
    admin
        .batch_execute(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO partya; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO partya",
        )
        .await
        .unwrap();
    for round in 0..4_u128 {
        let (term, logins) = (round * 2 + 1, Arc::new(AtomicU64::new(0)));
        let password = take_over(&*one, &lease, term, "a").await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut storm = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (kit, password, stop, logins) =
                (Arc::clone(&kit), password.clone(), Arc::clone(&stop), Arc::clone(&logins));
            storm.spawn(async move {
                let mut held = Vec::new();
                while !stop.load(Ordering::Acquire) {
                    let Ok(client) = kit.login("partya_1", &password).await else { continue };
                    logins.fetch_add(1, Ordering::AcqRel);
                    held.push(client);
                    for client in &held {
                        let _barred = client.batch_execute("INSERT INTO audit (who) VALUES ('a')").await;
                    }
                    held.retain(|client| !client.is_closed());
                    held.truncate(8);
                }
                held
            });
        }
        mainstay_testkit::until("a storm", Duration::from_secs(20), async || logins.load(Ordering::Acquire) > 40)
            .await
            .unwrap();
        let begun = Instant::now();
        take_over(&*two, &lease, term + 1, "b").await;
        let took = begun.elapsed();
        let query = "SELECT count(*), (SELECT coalesce(max(id), 0) FROM audit) FROM pg_stat_activity WHERE usename = 'partya_1'";
        let row = admin.query_one(query, &[]).await.unwrap();
        let (left, last): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(left, 0, "round {round}: nobody is left after {took:?}");
        // More attempts than it takes to get in when the door is open.
        let failures = 20;
        for _ in 0..failures {
            assert!(kit.login("partya_1", &password).await.is_err(), "round {round}");
        }
        let written: i64 = admin.query_one("SELECT coalesce(max(id), 0) FROM audit", &[]).await.unwrap().get(0);
        assert_eq!(written, last, "round {round}: nothing was written since");
        stop.store(true, Ordering::Release);
        storm.join_all().await;
    }
}
