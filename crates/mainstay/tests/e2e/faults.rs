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
    judged(async || {
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
        let guilty = |lost: &Lost| faults.iter().any(|(name, fault)| owed_to(lost, name, *fault));
        let verdict = match account.lost.iter().find(|lost| !guilty(lost)) {
            Some(lost) => Some(format!("no write under way on a node that was killed: {lost}")),
            None => held_up(account.longest_gap),
        };
        (account, verdict)
    });
}

/// Whether this is a write that was under way when `name` was killed, and no other node's.
fn owed_to(lost: &Lost, name: &str, fault: Fault) -> bool {
    let own = lost.written_by.as_deref().is_none_or(|node| node == name);
    lost.record.write && lost.record.under_way(fault.from, fault.to) && own
}

fn held_up(time: Duration) -> Option<String> {
    (time > SMALL).then(|| format!("held up for {time:?}"))
}

#[test]
fn a_frozen_node_is_found_out() {
    judged(async || {
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
        let verdict = found_out(&account.lost, &faults).or_else(|| held_up(account.longest_gap.max(account.slowest)));
        (account, verdict)
    });
}

/// What is wrong if these were lost to freezes.
fn found_out(lost: &[Lost], faults: &[Fault]) -> Option<String> {
    let of = |lost: &Lost, fault: &Fault| {
        // Those under way at its start count too.
        lost.record.under_way(fault.from, fault.to + FOUND_OUT) && lost.record.start <= fault.to + FOUND_OUT
    };
    if let Some(late) = lost.iter().find(|lost| !faults.iter().any(|fault| of(lost, fault))) {
        return Some(format!("not within {FOUND_OUT:?} of a freeze: {late}"));
    }
    if let Some(read) = lost.iter().find(|lost| !lost.record.write) {
        return Some(format!("it could be asked again: {read}"));
    }
    let most = faults.iter().map(|fault| lost.iter().filter(|lost| of(lost, fault)).count()).max().unwrap_or(0);
    (most > MAX_LOST_FROZEN).then(|| format!("{most} lost to one freeze"))
}

#[test]
fn a_rolling_restart_loses_nothing() {
    judged(async || {
        let mut pair = Pair::start(PATIENT).await;
        for _ in 0..2 {
            for (name, node) in [("a", &mut pair.a), ("b", &mut pair.b)] {
                kit::done(pair.load.book(), 100).await;
                node.stop().await.expect("it drains");
                node.restart().await.expect("it starts again");
                back(pair.load.book(), name).await;
            }
        }
        nothing_lost(pair.finish())
    });
}

#[test]
fn a_hundred_reloads_lose_nothing() {
    judged(async || {
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
        nothing_lost(pair.finish())
    });
}

fn nothing_lost(account: Account) -> (Account, Option<String>) {
    let verdict = (!account.lost.is_empty()).then(|| "none may be lost".to_owned());
    (account, verdict)
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
        assert_eq!((account.missing, account.twice), (0, 0), "{account}");
        account
    }
}

/// Plays until it was on a machine that kept time: one that starves the load starves the nodes too, and finds a node
/// dead that only waits for the processor. The verdict is what went too far, if anything did.
fn judged(play: impl AsyncFn() -> (Account, Option<String>)) {
    kit::run_alone(async {
        for attempt in 1..=ATTEMPTS {
            let (account, verdict) = play().await;
            println!("{account}");
            let Some(fault) = verdict else { return };
            assert!(account.late > BUSY && attempt < ATTEMPTS, "{fault}\n{account}");
            println!("void, for the load itself was {:?} late: {fault}", account.late);
        }
    });
}

/// Waits until a node gets requests again.
async fn back(book: &Arc<Book>, node: &str) {
    let since = Instant::now();
    let answers = async || book.answers_of(node, since) >= 20;
    until("it gets no requests", Duration::from_secs(60), answers).await.expect("it is back");
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
/// Plays at most, and how late a load may start its requests on a machine that keeps time.
const ATTEMPTS: u32 = 4;
const BUSY: Duration = Duration::from_millis(60);
const THINK: Duration = Duration::from_millis(10);
const FROZEN: Duration = Duration::from_secs(4);
const FOUND_OUT: Duration = Duration::from_millis(300);
/// Far less than a node is down or frozen.
const SMALL: Duration = Duration::from_secs(1);
const MAX_LOST_FROZEN: usize = 60;
