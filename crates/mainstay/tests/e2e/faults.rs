//! What the front is for: faults of nodes under load, and what they may cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay::demo::load::{Account, Book, Load, Lost, Plan, Target};
use mainstay::demo::stage::{Dir, Fault, Front, Node, until};

use crate::kit;

/// Two nodes, the front before them, and 400 requests a second, half of them writes.
struct Pair {
    front: Front,
    a: Node,
    b: Node,
    load: Load,
    dir: Dir,
}

#[test]
fn a_killed_node_takes_along_its_own_writes_only() {
    kit::run_alone(async {
        let mut pair = Pair::start(PATIENT).await;
        let mut faults = Vec::new();
        for round in 0..6 {
            let (name, node) = if round % 2 == 0 { ("a", &mut pair.a) } else { ("b", &mut pair.b) };
            kit::done(pair.load.book(), 200).await;
            let fault = node.kill().await.expect("it dies");
            kit::done(pair.load.book(), 200).await;
            node.restart().await.expect("it lives again");
            back(pair.load.book(), name).await;
            faults.push((name, fault));
        }
        let account = pair.finish();
        assert!(account.longest_gap < SMALL, "{account}");
        for lost in &account.lost {
            let guilty = faults.iter().any(|(name, fault)| owed_to(lost, name, *fault));
            assert!(guilty, "no write under way on a node that was killed: {lost}\n{faults:?}");
        }
    });
}

/// Whether this is a write that was under way when `name` was killed, and no other node's.
fn owed_to(lost: &Lost, name: &str, fault: Fault) -> bool {
    let own = lost.written_by.as_deref().is_none_or(|node| node == name);
    lost.record.write && lost.record.under_way(fault.from, fault.to) && own
}

#[test]
fn a_frozen_node_is_found_out() {
    kit::run_alone(async {
        let pair = Pair::start(STRICT).await;
        let mut faults = Vec::new();
        for (name, node) in [("a", &pair.a), ("b", &pair.b)] {
            kit::done(pair.load.book(), 200).await;
            let fault = node.freeze().await.expect("it freezes");
            tokio::time::sleep(FROZEN).await;
            node.thaw().expect("it thaws");
            back(pair.load.book(), name).await;
            faults.push(fault);
        }
        let account = pair.finish();
        assert!(account.longest_gap < SMALL && account.slowest < SMALL, "held up by the frozen node: {account}");
        for fault in &faults {
            let near = |lost: &&Lost| lost.record.under_way(fault.from, fault.to + FOUND_OUT);
            let lost = account.lost.iter().filter(near).count();
            assert!(lost <= MAX_LOST_FROZEN, "{lost} lost: {account}");
        }
        for lost in &account.lost {
            let in_time = |fault: &Fault| {
                lost.record.start >= fault.from - FOUND_OUT && lost.record.start <= fault.to + FOUND_OUT
            };
            assert!(lost.record.write, "a read can be asked again: {lost}");
            assert!(faults.iter().any(in_time), "not within {FOUND_OUT:?}: {lost}\n{faults:?}");
        }
    });
}

#[test]
fn a_rolling_restart_loses_nothing() {
    kit::run_alone(async {
        let mut pair = Pair::start(PATIENT).await;
        for _ in 0..2 {
            for (name, node) in [("a", &mut pair.a), ("b", &mut pair.b)] {
                kit::done(pair.load.book(), 100).await;
                node.stop().await.expect("it drains");
                node.restart().await.expect("it starts again");
                back(pair.load.book(), name).await;
            }
        }
        assert_eq!(pair.finish().lost.len(), 0);
    });
}

#[test]
fn a_hundred_reloads_lose_nothing() {
    kit::run_alone(async {
        let pair = Pair::start(PATIENT).await;
        let nodes = [pair.a.at().to_string(), pair.b.at().to_string()];
        for change in 0..100 {
            // Every other time the listener or the pool is another one than before.
            let pool = format!("{PATIENT}\nidle = \"{}s\"", 30 + change / 2);
            let rest = format!("[limit.default]\nrequests = {}", 1000 + change % 2);
            let text = kit::configuration(&pair.dir, &nodes, pair.front.at(), [&pool, "", &rest]);
            pair.front.reload(&text).await.expect("it reloads");
        }
        kit::done(pair.load.book(), 200).await;
        assert_eq!(pair.finish().lost.len(), 0);
    });
}

impl Pair {
    async fn start(pool: &str) -> Self {
        let dir = kit::dir();
        let a = Node::start("a", kit::exe(), &dir, THINK).await.expect("a node starts");
        let b = Node::start("b", kit::exe(), &dir, THINK).await.expect("a node starts");
        let nodes = [a.at().to_string(), b.at().to_string()];
        let front = kit::front(&dir, &nodes, pool, "", "").await;
        let target = Target::Tcp(front.at());
        let plan = Plan { target, rate: 400, fresh_every: 2, timeout: Duration::from_secs(10) };
        let load = Load::start(plan).expect("a load starts");
        back(load.book(), "a").await;
        back(load.book(), "b").await;
        Self { front, a, b, load, dir }
    }

    /// Ends the load; nothing may be missing or done twice, whatever the faults.
    fn finish(self) -> Account {
        let Self { load, dir, front, .. } = self;
        let start = load.book().look(|records| records.first().map(|record| record.start)).expect("a record");
        let book = load.finish();
        let account = Account::of(&book, &kit::rows(&dir), start, Instant::now());
        let said = std::fs::read_to_string(front.log()).unwrap_or_default();
        println!("the front said:\n{said}");
        println!("{account}");
        assert_eq!((account.missing, account.twice), (0, 0), "{account}");
        account
    }
}

/// Waits until a node gets requests again.
async fn back(book: &Arc<Book>, node: &str) {
    let since = Instant::now();
    let answers = async || book.answers_of(node, since) >= 20;
    until("it gets no requests", Duration::from_secs(15), answers).await.expect("it is back");
}

/// Patient enough for a busy machine: what is killed or says that it drains needs no patience to be found out.
const PATIENT: &str = r#"
check = { http = "/health", every = "100ms", every_in_doubt = "20ms", timeout = "2s", rise = 2, fall = 1 }
all_out = "try"
"#;
/// As in the demo: finds out a frozen node within 0.3 s.
const STRICT: &str = r#"
check = { http = "/health", every = "100ms", every_in_doubt = "20ms", timeout = "180ms", rise = 2, fall = 1 }
doubt_after = "30ms"
all_out = "try"
"#;
const THINK: Duration = Duration::from_millis(10);
const FROZEN: Duration = Duration::from_secs(4);
const FOUND_OUT: Duration = Duration::from_millis(300);
/// Far less than a node is down or frozen.
const SMALL: Duration = Duration::from_secs(1);
const MAX_LOST_FROZEN: usize = 60;
