//! Several guards in one file: each lease of a Mainstay goes its own way.

use std::time::Duration;

use mainstay::admin::document::{Lease, Status};
use mainstay::demo::stage::{Dir, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::kit;
use crate::running::Mainstay;

#[test]
fn each_lease_of_a_file_goes_its_own_way() {
    kit::run_alone(async {
        let dir = kit::dir();
        let a = Mainstay::start(&text(&dir, "a")).await;
        for lease in LEASES {
            leads(&a, lease, "a").await;
        }
        let b = Mainstay::start(&text(&dir, "b")).await;
        until("b is no standby of both", SOON, async || {
            let waits =
                |lease: &Lease| lease.members.iter().any(|member| member.name == "b" && member.state == "standby");
            leases(&a).await.iter().filter(|lease| waits(lease)).count() == LEASES.len()
        })
        .await
        .expect("it waits");

        switch(&b, "bank", "b").await;
        leads(&a, "bank", "b").await;
        leads(&b, "notary", "a").await;

        let [bank, notary] = [child(&b, "bank").await, child(&a, "notary").await];
        kill_process(bank, Signal::KILL).expect("it lives");
        leads(&b, "bank", "a").await;
        leads(&b, "notary", "a").await;
        test_kill_process(notary).expect("the child of the other lease is left alone");

        // That b failed with one lease does not keep it from the other.
        switch(&a, "notary", "b").await;
        leads(&a, "notary", "b").await;
        leads(&b, "bank", "a").await;

        let [bank, notary] = [child(&a, "bank").await, child(&b, "notary").await];
        b.signal(Signal::KILL);
        leads(&a, "notary", "a").await;
        leads(&a, "bank", "a").await;
        test_kill_process(bank).expect("the child of the other lease is left alone");
        assert!(test_kill_process(notary).is_err(), "the child of a killed guard lives on");
        for lease in LEASES {
            let history = a.command(&["history", lease]).await.out;
            assert_eq!(history.matches("active as").count(), 3, "{history}");
        }
    });
}

#[test]
fn sigterm_gives_every_lease_up_in_order() {
    kit::run_alone(async {
        let dir = kit::dir();
        let mut a = Mainstay::start(&text(&dir, "a")).await;
        for lease in LEASES {
            leads(&a, lease, "a").await;
        }
        let children = [child(&a, "bank").await, child(&a, "notary").await];
        a.signal(Signal::TERM);
        assert_eq!(a.ended().await, Some(0));
        for child in children {
            assert!(test_kill_process(child).is_err(), "a child outlives its guard");
        }
        let said = a.log();
        assert_eq!(said.matches("gave the lease up").count(), LEASES.len(), "{said}");
    });
}

async fn switch(asked: &Mainstay, lease: &str, to: &str) {
    let said = asked.command(&["switchover", lease, "--to", to]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

async fn leases(of: &Mainstay) -> Vec<Lease> {
    let answer = of.ask("/status").await;
    let status = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Status>(body).ok());
    status.map(|status| status.leases).unwrap_or_default()
}

/// Waits until the child of this member is ready, by the word of the Mainstay that is asked.
async fn leads(asked: &Mainstay, lease: &str, holder: &str) {
    let is_so = |it: &Lease| it.name == lease && it.holder.as_deref() == Some(holder) && it.phase == "ready";
    until(&format!("{holder} does not lead {lease}"), SOON, async || leases(asked).await.iter().any(is_so))
        .await
        .unwrap_or_else(|mishap| panic!("{mishap}: {}", asked.log()));
}

async fn child(of: &Mainstay, lease: &str) -> Pid {
    let found = leases(of).await.into_iter().find(|it| it.name == lease);
    let pid = found.and_then(|lease| lease.child?.pid).expect("it runs a child");
    Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("a process id")
}

/// A member of both leases. Its children do nothing.
fn text(dir: &Dir, name: &str) -> String {
    let (dir, id) = (dir.file("").display().to_string(), std::process::id());
    let store = format!("[admin]\nat = \"unix:{{dir}}/admin.sock\"\n[store]\nurl = \"sqlite:{dir}/leases.db\"\n");
    let lease = |lease: &str| {
        format!(
            r#"
[lease.{lease}]
renew = "200ms"
ttl = "600ms"
[guard.{lease}-{name}-{id}]
lease = "{lease}"
name = "{name}"
run = ["sleep", "600"]
stop_within = "1s"
restart = {{ times = 0 }}
kill_after = "500ms"
"#
        )
    };
    store + &LEASES.map(lease).concat()
}

const LEASES: [&str; 2] = ["bank", "notary"];
/// Longest wait for anything here.
const SOON: Duration = Duration::from_secs(30);
