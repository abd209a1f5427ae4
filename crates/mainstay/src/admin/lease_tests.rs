//! Leases as operators reach them, over a real socket and with a real store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{ChildState, Identity, Report, Terms};
use mainstay_guard::Containment;
use mainstay_io::clock;
use mainstay_store::keeper::draw;
use mainstay_store::{Keeper, Settings};
use tokio::sync::watch;

use super::document::{History, Progress, Said, Status};
use super::tests::{Stage, run};
use crate::run::leases::{Kept, KeptLease};

/// A lease in a file, kept here, with a guard whose child never runs.
pub(super) fn kept(dir: &Path) -> Arc<Kept> {
    let at = format!("sqlite:{}", dir.join("leases.db").display()).parse().unwrap();
    let store = mainstay_store::open(&Settings::new(at)).unwrap();
    let me = Identity { name: "a".into(), instance: draw(), priority: 100 };
    let terms = Terms::new("bank".into(), me, Duration::from_secs(1), Duration::from_secs(3));
    let keeper = Arc::new(Keeper::start(store.clone(), terms).unwrap());
    keeper.report(Report { order: 0, nonce: None, child: ChildState::Gone, wish: None, prepared: None });
    let (_, status) = watch::channel(mainstay_guard::Status {
        child: ChildState::Gone,
        since: clock::boot(),
        pid: None,
        starts: 0,
        ended: None,
        reason: None,
        trouble: None,
        containment: Containment::Descent("no cgroup".into()),
        output: Arc::default(),
        over: false,
    });
    let lease = KeptLease { name: "bank".into(), keeper, guard: Some(("node".into(), status)), waits: None };
    Arc::new(Kept { store, leases: vec![lease] })
}

/// Asks for the status until it is so.
async fn until(it: &Stage, what: impl Fn(&Status) -> bool) -> Status {
    loop {
        let answer = it.ask("GET", "/status").await;
        let status: Status = serde_json::from_str(&answer.body).unwrap();
        if what(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_lease_is_shown() {
    run(async |it| {
        let status = until(&it, |status| status.leases[0].standing == "held").await;
        let lease = &status.leases[0];
        assert_eq!(
            (lease.name.as_str(), lease.holder.as_deref(), lease.tier.as_str()),
            ("bank", Some("a"), "exclusive")
        );
        assert!(lease.left_s.is_some_and(|left| left > 0.0 && left < 3.0), "{lease:?}");
        assert_eq!(
            lease.child.as_ref().map(|child| (child.guard.as_str(), child.state.as_str())),
            Some(("node", "gone"))
        );
        let shown = crate::status::render(&status, false);
        let row = shown.lines().find(|line| line.starts_with("bank ")).unwrap();
        assert!(row.contains(" a ") && row.contains("exclusive"), "{shown}");
        assert!(shown.contains("priority 100, this one"), "{shown}");
        let metrics = it.ask("GET", "/metrics").await.body;
        assert!(metrics.contains("\nmainstay_lease_held{lease=\"bank\"} 1\n"), "{metrics}");
        assert!(metrics.contains("\nmainstay_guard_child{guard=\"node\",state=\"gone\"} 1\n"), "{metrics}");
    });
}

#[test]
fn orders_are_taken_or_refused_with_the_reason() {
    run(async |it| {
        until(&it, |status| status.leases[0].standing == "held").await;
        for (method, target, status, says) in [
            ("POST", "/pause?lease=bank&by=ann%40host", 200, "is paused"),
            ("POST", "/resume?lease=bank", 200, "is resumed"),
            ("POST", "/pause?lease=other", 404, "there is bank"),
            ("POST", "/pause", 400, "?lease=NAME"),
            ("GET", "/pause?lease=bank", 405, "use POST"),
            ("POST", "/switchover?lease=bank&to=a", 409, "a holds the lease already"),
            ("POST", "/switchover?lease=bank&to=b", 409, "b was not heard from"),
            ("POST", "/switchover?lease=bank", 409, "no other member"),
            ("POST", "/switchover/cancel?lease=bank", 409, "no switch-over of bank waits"),
            ("GET", "/history?lease=other", 404, "there is bank"),
        ] {
            let answer = it.ask(method, target).await;
            let said: Said = serde_json::from_str(&answer.body).unwrap();
            assert_eq!((answer.status, said.ok), (status, status == 200), "{method} {target}: {answer:?}");
            assert!(said.message.contains(says), "{method} {target}: {said:?}");
        }
    });
}

#[test]
fn a_switchover_is_followed_and_cancelled() {
    run(async |it| {
        until(&it, |status| status.leases[0].standing == "held").await;
        let said = it.ask("POST", "/switchover?lease=bank&to=b&after_ms=3600000").await;
        let id = serde_json::from_str::<Said>(&said.body).unwrap().id.unwrap();
        let status = until(&it, |status| status.leases[0].switchover.is_some()).await;
        assert!(crate::status::render(&status, false).contains("switch-over to b"));
        let progress = async || -> Progress {
            let answer = it.ask("GET", &format!("/switchover?lease=bank&id={id}")).await;
            serde_json::from_str(&answer.body).unwrap()
        };
        assert_eq!(progress().await.state, "waiting");
        assert_eq!(it.ask("POST", "/switchover/cancel?lease=bank").await.status, 200);
        until(&it, |status| status.leases[0].switchover.is_none()).await;
        assert_eq!(progress().await.state, "refused");
        let history =
            async || -> History { serde_json::from_str(&it.ask("GET", "/history?limit=20").await.body).unwrap() };
        while !history().await.events.iter().any(|event| event.what == "settled") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(history().await.events.iter().any(|event| event.by == "a" && event.text.contains("was asked for")));
    });
}

/// What the log calls an event, and what docs/operating.md says it does.
#[test]
fn every_event_is_documented() {
    let words = |text: &str, before: &str| -> Vec<String> {
        let mut words: Vec<_> = text
            .match_indices(before)
            .filter_map(|(at, _)| {
                let word = text.get(at + before.len()..)?.split(['"', '`']).next()?;
                Some(word.to_owned())
            })
            .collect();
        words.sort();
        words
    };
    let keeper = include_str!("../../../mainstay-store/src/keeper/telling.rs");
    let (_, matched) = keeper.split_once("pub const fn word").unwrap();
    let matched = matched.split_once("\n}\n").unwrap().0;
    // Two are constants, since they are told from two places.
    let away = words(keeper, "const AWAY: &str = \"");
    let frozen = words(keeper, "const FROZEN: &str = \"");
    let told = [words(matched, "=> \""), away, frozen, words(include_str!("../run/leases/paused.rs"), "event = \"")];
    let former = words(include_str!("../run/leases/former.rs"), "const EVENT: &str = \"");
    let mut told = [told.concat(), former].concat();
    told.sort();
    let manual = include_str!("../../../../docs/operating.md");
    let (_, table) = manual.split_once("| event | says |").unwrap();
    let documented = words(table.split_once("\n\n").unwrap().0, "\n| `");
    assert_eq!(told, documented);
    assert!(told.len() > 30, "{told:?}");
}
