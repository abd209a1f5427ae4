//! Which host of a database is written to.

use std::time::Duration;

use mainstay_core::database::{Choice, Why};
use mainstay_store::{Database, DatabaseSettings, Sight};
use mainstay_testkit::{Postgres, Trouble, skipped};
use tokio::sync::watch;

/// Servers that are asked, each as somebody without any right.
async fn watched(servers: &[&Postgres], every: Duration) -> Database {
    let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    let settings = DatabaseSettings {
        name: "test".into(),
        url: format!("postgres://asks@{}/postgres?sslmode=disable", hosts.join(",")).parse().unwrap(),
        password_file: None,
        ca: None,
        every,
        timeout: Duration::from_secs(5),
    };
    Database::watch(&settings).unwrap()
}

async fn primary(test: &str) -> Option<Postgres> {
    match Postgres::start().await {
        Ok(server) => {
            let admin = server.connect("postgres").await.unwrap();
            admin.batch_execute("CREATE ROLE asks LOGIN").await.unwrap();
            Some(server)
        }
        Err(trouble @ Trouble::Missing(_)) => {
            skipped(test, &trouble);
            None
        }
        Err(trouble) => panic!("{trouble}"),
    }
}

async fn until(sight: &mut watch::Receiver<Sight>, what: &str, wanted: impl Fn(&Sight) -> bool) {
    let found = tokio::time::timeout(SOON, sight.wait_for(|sight| wanted(sight))).await;
    assert!(found.is_ok(), "not {what}");
}

/// The host that is written to, and whether it answers.
fn at(host: usize, live: bool) -> impl Fn(&Sight) -> bool {
    move |sight| matches!(sight.choice, Choice::Primary { host: its, answers, .. } if (its, answers) == (host, live))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_is_found_and_the_replaced_primary_left() {
    let Some(old) = primary("a_promoted_standby_is_found").await else { return };
    let new = old.standby("new").await.unwrap();
    let database = watched(&[&new, &old], Duration::from_millis(100)).await;
    let mut sight = database.sight();
    until(&mut sight, "the primary", at(1, true)).await;
    let others = |sight: &Sight| sight.hosts.first().is_some_and(|host| host.to_string().starts_with("a standby"));
    until(&mut sight, "a standby", others).await;

    // The old one goes on and takes writes.
    new.promote().await.unwrap();
    until(&mut sight, "the promoted one", at(0, true)).await;
    drop(new);
    until(&mut sight, "without an answer", at(0, false)).await;
    let asked = |host: usize| {
        database.counts().get(host).map_or(0, |counts| counts.asked.load(std::sync::atomic::Ordering::Relaxed))
    };
    let goal = asked(1) + 10;
    let seen = tokio::time::timeout(SOON, async {
        while asked(1) < goal {
            assert!(!at(1, true)(&sight.borrow()), "a replaced primary is written to");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    seen.await.expect("it is asked more often");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_primary_is_followed_by_whoever_is_promoted() {
    let Some(old) = primary("a_crashed_primary_is_followed").await else { return };
    let new = old.standby("new").await.unwrap();
    let database = watched(&[&old, &new], Duration::from_secs(60)).await;
    let mut sight = database.sight();
    until(&mut sight, "the primary", at(0, true)).await;
    old.crash().unwrap();
    // Long before the next question is due.
    until(&mut sight, "without an answer", at(0, false)).await;
    new.promote().await.unwrap();
    until(&mut sight, "the promoted one", at(1, true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_contradict_each_other_are_not_written_to() {
    let Some(one) = primary("servers_that_contradict").await else { return };
    let Some(other) = primary("servers_that_contradict").await else { return };
    let database = watched(&[&one, &other], Duration::from_millis(100)).await;
    let strangers = |sight: &Sight| matches!(sight.choice, Choice::Nobody(Why::Strangers { .. }));
    until(&mut database.sight(), "refused", strangers).await;
    let database = watched(&[&one, &one], Duration::from_millis(100)).await;
    let torn = |sight: &Sight| matches!(sight.choice, Choice::Nobody(Why::Torn { .. }));
    until(&mut database.sight(), "refused", torn).await;
    // Set read only by its configuration, and not only for the user who asks.
    let admin = one.connect("postgres").await.unwrap();
    admin.batch_execute("ALTER ROLE asks SET default_transaction_read_only = on").await.unwrap();
    let database = watched(&[&one], Duration::from_millis(100)).await;
    until(&mut database.sight(), "the primary", at(0, true)).await;
    admin.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    admin.batch_execute("ALTER ROLE asks RESET default_transaction_read_only").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let database = watched(&[&one], Duration::from_millis(100)).await;
    let nobody = |sight: &Sight| {
        sight.choice == Choice::Nobody(Why::NoPrimary) && sight.hosts.iter().all(|it| it.fault.is_none())
    };
    let answered = |sight: &Sight| nobody(sight) && sight.hosts.iter().any(|it| it.to_string().contains("read only"));
    until(&mut database.sight(), "read only", answered).await;
}

const SOON: Duration = Duration::from_secs(60);
