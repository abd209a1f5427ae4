//! The instrument first: what the load counts is what happened. No front is involved.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::kit;
use mainstay::demo::load::{Account, Failure, Target};
use mainstay::demo::stage::{Node, Process, until};

#[test]
fn a_good_run_loses_nothing() {
    kit::run(async {
        let dir = kit::dir();
        let node = kit::node("a", &dir).await;
        let start = Instant::now();
        let load = kit::load(Target::Tcp(node.at()));
        kit::done(load.book(), 100).await;
        let book = load.finish();
        let account = Account::of(&book, &kit::rows(&dir), start, Instant::now());
        assert!(account.requests >= 100, "{account}");
        assert_eq!((account.lost.len(), account.missing, account.twice), (0, 0, 0), "{account}");
        assert!(account.slowest >= Duration::from_millis(2), "a node takes its time: {account}");
        assert!(book.look(|records| records.iter().all(|record| record.node.as_deref() == Some("a"))));
    });
}

#[test]
fn rows_too_many_and_too_few_are_counted() {
    kit::run(async {
        let dir = kit::dir();
        let node = kit::node("a", &dir).await;
        let start = Instant::now();
        let load = kit::load(Target::Tcp(node.at()));
        kit::done(load.book(), 50).await;
        let book = load.finish();
        let database = Connection::open(dir.file(Node::STORE)).expect("it opens");
        let again = "INSERT INTO writes SELECT * FROM writes WHERE id IN (?1, ?2)";
        assert_eq!(database.execute(again, [book.id(0), book.id(4)]), Ok(2));
        assert_eq!(database.execute("DELETE FROM writes WHERE id = ?1", [book.id(2)]), Ok(1));
        let account = Account::of(&book, &kit::rows(&dir), start, Instant::now());
        assert_eq!((account.lost.len(), account.missing, account.twice), (0, 1, 2), "{account}");
    });
}

#[test]
fn a_node_writes_a_repeated_request_again() {
    kit::run(async {
        let dir = kit::dir();
        let node = kit::node("a", &dir).await;
        for _ in 0..2 {
            let answer = kit::post(node.at(), "/kv/x", "Write-Id: once\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        }
        assert_eq!(kit::rows(&dir).of("once"), ["a", "a"]);
    });
}

#[test]
fn what_a_killed_node_owes_is_lost() {
    kit::run(async {
        let dir = kit::dir();
        let mut node = kit::node("a", &dir).await;
        let start = Instant::now();
        let load = kit::load(Target::Tcp(node.at()));
        kit::done(load.book(), 50).await;
        let fault = node.kill().await.expect("it dies");
        tokio::time::sleep(DOWN).await;
        let restart = Instant::now();
        node.restart().await.expect("it lives again");
        kit::done(load.book(), 50).await;
        let book = load.finish();
        let account = Account::of(&book, &kit::rows(&dir), start, Instant::now());
        let down = book.look(|all| all.iter().filter(|one| one.start > fault.to && one.start < restart).count());
        assert!(down > 20 && account.lost.len() >= down, "{down} while it was down: {account}");
        assert!(account.lost.iter().all(|lost| lost.record.under_way(fault.from, Instant::now())), "{account}");
        assert!(account.longest_gap >= DOWN, "{account}");
        assert_eq!((account.missing, account.twice), (0, 0), "{account}");
    });
}

#[test]
fn a_frozen_node_answers_late_or_never_but_once() {
    kit::run(async {
        let dir = kit::dir();
        let node = kit::node("a", &dir).await;
        let start = Instant::now();
        let load = kit::load(Target::Tcp(node.at()));
        kit::done(load.book(), 50).await;
        let fault = node.freeze().await.expect("it freezes");
        tokio::time::sleep(Duration::from_millis(2300)).await;
        node.thaw().expect("it thaws");
        kit::done(load.book(), 50).await;
        let book = load.finish();
        let account = Account::of(&book, &kit::rows(&dir), start, Instant::now());
        assert!(account.lost.len() > 20, "{account}");
        for lost in &account.lost {
            assert_eq!(lost.record.failure(), Some(Failure::Timeout), "{lost}");
            assert!(lost.record.under_way(fault.to, Instant::now()), "{lost}");
        }
        let written = account.lost.iter().filter(|lost| lost.written_by.is_some()).count();
        assert!(written > 0, "a thawed node does what its clients gave up on: {account}");
        assert_eq!((account.missing, account.twice), (0, 0), "{account}");
    });
}

#[test]
fn a_process_ends_with_the_thread_that_started_it() {
    let dir = kit::dir();
    let log = dir.file("log");
    let start = async || {
        let args = ["model-node".to_owned(), format!("--store={}", dir.file(Node::STORE).display())];
        let process = Process::start("a node", kit::exe(), &args, &log).expect("it starts");
        let ready = async || std::fs::read_to_string(&log).is_ok_and(|text| text.starts_with("ready "));
        until("it is not ready", Duration::from_secs(5), ready).await.expect("it is ready");
        process
    };
    let mut process =
        std::thread::scope(|scope| scope.spawn(|| kit::perform(start())).join().expect("the thread ends"));
    let status = kit::perform(process.ended(Duration::from_secs(5))).expect("it has ended");
    assert!(!status.success(), "{status}");
}

/// How long a node stays down.
const DOWN: Duration = Duration::from_millis(300);
