//! Two programs keep one lease, over real stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_core::lease::{
    ChildState, Identity, LeaseView, Member, MemberState, Name, Order, Phase, Report, Standing, Terms, Wanted,
};
use mainstay_store::keeper::{Gate, draw};
use mainstay_store::{Keeper, Location, Settings, Store, open};
use mainstay_testkit::until;
use tokio::task::JoinHandle;

use crate::postgres::Kit;
use crate::suite::name;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_changes_hands_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = Location::Sqlite(dir.path().join("mainstay.db"));
    changes_hands(|_| open(&Settings::new(at.clone())).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_changes_hands_in_postgresql() {
    let Some(kit) = Kit::start("a_lease_changes_hands_in_postgresql", &[]).await else { return };
    changes_hands(|role| kit.guard(role)).await;
}

/// The server ends the session, as when it is shut down or dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_is_frozen_as_soon_as_the_store_is_lost() {
    let Some(kit) = Kit::start("a_child_is_frozen_as_soon_as_the_store_is_lost", &[]).await else { return };
    let admin = kit.admin("mainstay").await;
    for lossless in [false, true] {
        let lease = name(if lossless { "bank-b" } else { "bank-a" });
        let program = Program::with(kit.guard("partya_1"), &lease, "a", |terms| terms.lossless = lossless);
        program.holds().await;
        let mut told = program.keeper.happenings();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mainstay'";
        admin.query(end, &[]).await.unwrap();
        let mut words = Vec::new();
        let renewed = program.keeper.counters().renewals_total();
        until("it did not go on", BOUND, async || {
            words.extend(
                std::iter::from_fn(|| told.try_recv().ok()).map(|told| mainstay_store::keeper::word(&told.happening)),
            );
            program.keeper.counters().renewals_total() > renewed + 1
                && matches!(program.standing(), Standing::Held { .. })
        })
        .await
        .unwrap_or_else(|trouble| panic!("{trouble}: {words:?}"));
        let froze: Vec<_> = words.iter().filter(|word| matches!(**word, "frozen" | "thawed" | "lost")).collect();
        assert_eq!(froze, if lossless { vec![] } else { vec![&"frozen", &"thawed"] });
    }
}

/// The lease is free and the guard's child gone, but it is not its turn yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_behind_a_gate_follows_until_it_opens() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::new(Location::Sqlite(dir.path().join("mainstay.db")));
    let lease = name("bank-a");
    let me = Identity { name: name("b"), instance: draw(), priority: 100 };
    let terms = Terms::new(lease.clone(), me, Duration::from_secs(1), Duration::from_secs(3));
    let whom = Member {
        name: name("b (starts)"),
        instance: terms.me.instance,
        priority: 0,
        state: MemberState::Unfit,
        quiet: true,
        age: Duration::ZERO,
    };
    let (open_it, whom) = tokio::sync::watch::channel(Some(whom));
    let gate = Gate { whom, quiet: tokio::sync::watch::channel(true).0 };
    let store = open(&settings).unwrap();
    let keeper = Arc::new(Keeper::start_behind(Arc::clone(&store), terms, gate).unwrap());
    let waits = Program { guard: tokio::spawn(guard(keeper.orders(), keeper.reports())), keeper, store };
    let status = waits.keeper.status();
    let as_asking = async || status.borrow().members.iter().map(|it| &*it.name).eq(["b (starts)"]);
    until("it does not look", BOUND, as_asking).await.unwrap();
    let asked = waits.keeper.counters().asked_total();
    until("it looks no more", BOUND, async || waits.keeper.counters().asked_total() > asked + 1).await.unwrap();
    assert_eq!((waits.standing(), waits.keeper.counters().tenures_total()), (Standing::Without, 0));
    let (_, paused) = waits.keeper.command(Wanted::Pause(name("ann"))).await;
    assert_eq!(paused, Ok(()));
    let (_, resumed) = waits.keeper.command(Wanted::Resume).await;
    assert_eq!(resumed, Ok(()));
    let other = Program::start(open(&settings).unwrap(), &lease, "a");
    other.holds().await;
    waits.sees("a").await;
    open_it.send_replace(None);
    let standby = async || other.keeper.status().borrow().members.iter().any(|it| &*it.name == "b" && it.priority > 0);
    until("it is no member", BOUND, standby).await.unwrap();
    waits.sees("a").await;
    drop(other);
    waits.holds().await;
}

async fn changes_hands(store: impl Fn(&str) -> Arc<dyn Store>) {
    let lease = name("bank-a");
    let one = Program::start(store("partya_1"), &lease, "a");
    one.holds().await;
    let two = Program::start(store("partya_2"), &lease, "b");
    two.sees("a").await;
    assert_eq!(two.standing(), Standing::Without);
    let begun = Instant::now();
    drop(one);
    two.holds().await;
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(500) && took < Duration::from_millis(2500), "taken over early: {took:?}");
    let counters = two.keeper.counters();
    assert_eq!((counters.tenures_total(), counters.lost_total()), (1, 0));
    assert!(counters.left(mainstay_io::clock::boot()) > Duration::from_millis(500));
    let three = Program::start(store("partya_1"), &lease, "c");
    three.sees("b").await;
    let status = two.keeper.status();
    let fit = async || status.borrow().members.iter().any(|it| &*it.name == "c" && it.state == MemberState::Standby);
    until("it is not known as fit", BOUND, fit).await.unwrap();
    let wanted = Wanted::Switch { to: Some(name("c")), after: Duration::ZERO };
    let (_, asked) = two.keeper.command(wanted).await;
    assert_eq!(asked, Ok(()));
    three.holds().await;
    two.sees("c").await;
    assert_eq!(two.standing(), Standing::Without);
    let mut entries = Vec::new();
    until("the history is not written", BOUND, async || {
        entries = three.store.history(Some(&lease), 100).await.unwrap_or_default();
        entries.iter().filter(|entry| &*entry.what == "ready").count() >= 3
    })
    .await
    .unwrap_or_else(|trouble| panic!("{trouble}: {entries:?}"));
    let by: Vec<&str> = entries.iter().filter(|it| &*it.what == "acquired").map(|it| &*it.by).collect();
    assert_eq!(by, ["a", "b", "c"]);
}

/// A program with a guard whose child does at once whatever it is told.
struct Program {
    keeper: Arc<Keeper>,
    store: Arc<dyn Store>,
    guard: JoinHandle<()>,
}

impl Program {
    fn start(store: Arc<dyn Store>, lease: &Name, holder: &str) -> Self {
        Self::with(store, lease, holder, |_| ())
    }

    fn with(store: Arc<dyn Store>, lease: &Name, holder: &str, change: impl FnOnce(&mut Terms)) -> Self {
        let me = Identity { name: name(holder), instance: draw(), priority: 100 };
        let mut terms = Terms::new(lease.clone(), me, Duration::from_secs(1), Duration::from_secs(3));
        terms.early = Some(Duration::from_millis(500));
        change(&mut terms);
        let keeper = Arc::new(Keeper::start(Arc::clone(&store), terms).unwrap());
        let guard = tokio::spawn(guard(keeper.orders(), keeper.reports()));
        Self { keeper, store, guard }
    }

    fn standing(&self) -> Standing {
        self.keeper.orders().borrow().standing.clone()
    }

    async fn holds(&self) {
        let (orders, view) = (self.keeper.orders(), self.keeper.view());
        let me = self.keeper.terms().me.name.clone();
        let held = until("it does not hold the lease", BOUND, async || {
            matches!(orders.borrow().standing, Standing::Held { .. }) && is_led(&view.borrow(), &me)
        });
        held.await.unwrap_or_else(|trouble| panic!("{me}: {trouble}: {:?}", self.keeper.status().borrow()));
    }

    async fn sees(&self, holder: &str) {
        let (view, holder) = (self.keeper.view(), name(holder));
        let seen = until("it does not see the leader", BOUND, async || is_led(&view.borrow(), &holder));
        seen.await.unwrap_or_else(|trouble| panic!("{trouble}: {:?}", *view.borrow()));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.guard.abort();
    }
}

fn is_led(view: &LeaseView, holder: &Name) -> bool {
    view.phase == Phase::Ready && view.holder.as_ref() == Some(holder)
}

async fn guard(mut orders: tokio::sync::watch::Receiver<Order>, reports: tokio::sync::watch::Sender<Option<Report>>) {
    loop {
        let Order { number, standing } = orders.borrow_and_update().clone();
        let (nonce, child, prepared) = match standing {
            Standing::Without => (None, ChildState::Gone, None),
            Standing::Prepare { switch } => (None, ChildState::Gone, Some(switch)),
            Standing::Held { tenure, .. } => (Some(tenure.nonce), ChildState::Ready, None),
            Standing::Frozen { tenure, .. } => (Some(tenure.nonce), ChildState::Frozen, None),
            Standing::Yield { tenure, .. } => (Some(tenure.nonce), ChildState::Gone, None),
        };
        reports.send_replace(Some(Report { order: number, nonce, child, wish: None, prepared }));
        if orders.changed().await.is_err() {
            return;
        }
    }
}

/// Longest time for anything to happen.
const BOUND: Duration = Duration::from_secs(10);
