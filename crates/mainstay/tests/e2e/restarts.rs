//! A Mainstay that is started again: what it does while it waits, and that it need not wait for what it held itself.

use std::time::Duration;

use mainstay::admin::document::{Lease, Status};
use mainstay::demo::stage::{Dir, until};
use mainstay_testkit::Postgres;
use rustix::process::Signal;

use crate::kit;
use crate::running::{Mainstay, command};

/// A record of its name, from a machine of which nothing is known, is as young as can be.
#[test]
fn who_waits_for_a_namesake_serves_and_ends_when_told() {
    kit::run_alone(async {
        let Some(world) = World::start("who_waits_for_a_namesake").await else { return };
        let b = Mainstay::start(&world.member("b")).await;
        leads(&b, "b").await;
        world.namesake("a").await;
        let mut a = Mainstay::start(&world.member("a")).await;
        let mut waits = String::new();
        until("it does not wait, or does not follow", SOON, async || {
            let Some(lease) = lease(&a).await else { return false };
            assert_eq!(lease.standing, "without", "{}", a.log());
            waits = lease.waits.unwrap_or_default();
            waits.contains("waits at most") && lease.holder.as_deref() == Some("b") && lease.phase == "ready"
        })
        .await
        .unwrap_or_else(|mishap| panic!("{mishap}: {waits:?}: {}", a.log()));
        assert!(waits.contains("on host `otherhost`, in process 7 there"), "{waits}");
        let shown = a.command(&["status"]).await.out;
        assert!(shown.contains("waits at most") && shown.contains("  a ("), "{shown}");
        for order in ["pause", "resume"] {
            let said = a.command(&[order, "ledger"]).await;
            assert_eq!(said.code, Some(0), "{order}: {said:?}");
        }
        a.signal(Signal::TERM);
        assert_eq!(a.ended().await, Some(0), "{}", a.log());
        leads(&b, "b").await;

        // It serves, and then the other turns out to live.
        world.namesake("a").await;
        let mut a = Mainstay::start(&world.member("a")).await;
        until("it goes on", SOON, async || {
            world.namesake("a").await;
            !a.process.runs()
        })
        .await
        .unwrap_or_else(|mishap| panic!("{mishap}: {}", a.log()));
        assert_eq!(a.ended().await, Some(1), "{}", a.log());
        let why = "a Mainstay called `a` lives already (on host `otherhost`, in process 7 there";
        assert!(a.log().contains(why), "{}", a.log());
        assert!(!a.log().contains("child is starting"), "{}", a.log());
        leads(&b, "b").await;
    });
}

/// Killed, it leaves a tenure that lasts for ten minutes; its child is dead, which its next life knows.
#[test]
fn one_that_is_started_again_does_not_wait_for_its_own_tenure() {
    kit::run_alone(async {
        let dir = kit::dir();
        let store = format!("sqlite:{}", dir.file("leases.db").display());
        started_again(&text(&dir, &store, "file", "a", "early = false", "")).await;
        let Some(world) = World::start("one_that_is_started_again_does_not_wait").await else { return };
        started_again(&world.member("a")).await;
    });
}

async fn started_again(text: &str) {
    let mut first = Mainstay::start(text).await;
    leads(&first, "a").await;
    let before = lease(&first).await.expect("a lease").token;
    first.signal(Signal::KILL);
    let _killed = first.ended().await;
    let mut again = Mainstay::start(text).await;
    // What it follows until it begins is its own former tenure.
    let held = async || lease(&again).await.is_some_and(|it| it.standing == "held");
    until("it does not hold it again", SOON, held).await.unwrap_or_else(|mishap| panic!("{mishap}: {}", again.log()));
    leads(&again, "a").await;
    let after = lease(&again).await.expect("a lease").token;
    assert_ne!(before, after, "another tenure");
    again.says("the tenure of this member's former life was given up").await;
    let history = again.command(&["history", "--json"]).await.out;
    assert!(history.contains("former-given"), "{history}");
    for of in [&first, &again] {
        assert!(!of.log().contains("TWO AT ONCE"), "{}", of.log());
    }
    again.signal(Signal::TERM);
    assert_eq!(again.ended().await, Some(0), "{}", again.log());
}

/// A server with a store, and roles.
struct World {
    server: Postgres,
    dir: Dir,
}

impl World {
    async fn start(test: &str) -> Option<Self> {
        let server = kit::had(test, Postgres::start().await)?;
        let world = Self { server, dir: kit::dir() };
        for database in ["mainstay", "ledger"] {
            world.server.create(database).await.expect("a database");
        }
        let make = "CREATE ROLE mainstay LOGIN CREATEROLE; GRANT CREATE ON DATABASE mainstay TO mainstay";
        world.execute("postgres", make).await;
        for name in ["a", "b"] {
            let file = world.dir.file(&format!("{name}.toml")).display().to_string();
            let text = world.member(name).replace("{dir}", &world.dir.file("").display().to_string());
            std::fs::write(&file, text).expect("a file");
            let said = command(&["store", "init", &file]).await;
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        Some(world)
    }

    fn member(&self, name: &str) -> String {
        let port = self.server.port();
        let store = format!("postgres://mainstay@127.0.0.1:{port}/mainstay");
        let lease = "database = \"ledger\"\ngroup = \"ledger\"\nroles = [\"ledger_a\", \"ledger_b\"]";
        let guard = format!("role = \"ledger_{name}\"\nenv = {{ ROLE = \"{{role}}\", PASSWORD = \"{{password}}\" }}");
        text(&self.dir, &store, &port.to_string(), name, lease, &guard)
    }

    /// Another of this name writes that it is there.
    async fn namesake(&self, name: &str) {
        let write = format!(
            "INSERT INTO mainstay.member (lease, instance, name, priority, state, quiet, place, seen)
             VALUES ('ledger', '00000000-0000-0000-0000-0000000000ff', '{name}', 100, 'standby', true,
                     '7 99 another-boot space otherhost', clock_timestamp())
             ON CONFLICT (lease, instance) DO UPDATE SET seen = excluded.seen"
        );
        self.execute("mainstay", &write).await;
    }

    async fn execute(&self, database: &str, text: &str) {
        let client = self.server.connect(database).await.expect("it answers");
        client.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

fn text(shared: &Dir, store: &str, table: &str, name: &str, lease: &str, guard: &str) -> String {
    let (id, lock) = (std::process::id(), shared.file("lock").display().to_string());
    format!(
        r#"
[admin]
at = "unix:{{dir}}/admin.sock"
[store]
url = "{store}"
[lease.ledger]
renew = "1s"
ttl = "600s"
{lease}
[guard.restarts-{name}-{id}-{table}]
lease = "ledger"
name = "{name}"
run = ["sh", "-c", "flock -n -E 7 {lock} sleep 3600; test $? = 7 && echo TWO AT ONCE"]
{guard}
"#
    )
}

async fn lease(of: &Mainstay) -> Option<Lease> {
    let answer = of.ask("/status").await;
    let status: Status = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    status.leases.into_iter().next()
}

async fn leads(of: &Mainstay, holder: &str) {
    until(&format!("{holder} does not lead"), SOON, async || {
        lease(of).await.is_some_and(|it| it.holder.as_deref() == Some(holder) && it.phase == "ready")
    })
    .await
    .unwrap_or_else(|mishap| panic!("{mishap}: {}", of.log()));
}

/// Much less than a tenure.
const SOON: Duration = Duration::from_secs(60);
