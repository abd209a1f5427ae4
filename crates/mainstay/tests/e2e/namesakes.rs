//! Two Mainstays of one name on one lease: the second is refused, and one that was started again is not.
//!
//! Another machine is a space of process ids of its own: what runs in it is as unknown to others as if it were.

use std::path::Path;
use std::time::Duration;

use mainstay::admin::document::Status;
use mainstay::demo::stage::{Process, until};
use mainstay_testkit::{Postgres, skipped};
use rustix::process::Signal;

use crate::kit;
use crate::running::{Mainstay, command};

#[test]
fn a_name_that_lives_elsewhere_is_refused() {
    kit::run_alone(async {
        let Some(world) = World::start("a_name_that_lives_elsewhere_is_refused").await else { return };
        let mut a = world.elsewhere("one", "a");
        leads(&mut a, "a").await;
        refused(world.elsewhere("two", "a"), "a").await;
        // One that only waits is there as well.
        let mut b = world.elsewhere("three", "b");
        b.says("ready: ").await;
        refused(world.elsewhere("four", "b"), "b").await;
        leads(&mut a, "a").await;
        assert!(b.process.runs() && !b.log().contains("the same name"), "{}", b.log());
    });
}

#[test]
fn a_name_that_lives_on_this_machine_is_refused_at_once() {
    kit::run_alone(async {
        let Some(world) = World::start("a_name_that_lives_on_this_machine").await else { return };
        let mut a = world.here("one", "a");
        leads(&mut a, "a").await;
        let mut again = world.here("two", "a");
        assert_eq!(again.ended().await, Some(1), "{}", again.log());
        let (said, pid) = (again.log(), a.process.id());
        assert!(said.contains(&format!("`a` runs already on this machine, in process {pid}")), "{said}");
        assert!(!said.contains("waits at most"), "{said}");
    });
}

#[test]
fn one_that_is_started_again_is_not_its_own_namesake() {
    kit::run_alone(async {
        let Some(world) = World::start("one_that_is_started_again").await else { return };
        let mut a = world.here("one", "a");
        leads(&mut a, "a").await;
        a.signal(Signal::KILL);
        let _killed = a.ended().await;
        let mut again = world.here("one", "a");
        leads(&mut again, "a").await;
        assert!(!again.log().contains("waits at most"), "{}", again.log());
    });
}

#[test]
fn a_machine_that_was_started_again_waits_for_its_former_life() {
    kit::run_alone(async {
        let Some(world) = World::start("a_machine_that_was_started_again").await else { return };
        let mut a = world.elsewhere("one", "a");
        leads(&mut a, "a").await;
        a.signal(Signal::KILL);
        let _killed = a.ended().await;
        let mut again = world.elsewhere("two", "a");
        leads(&mut again, "a").await;
        assert!(again.log().contains("waits at most"), "{}", again.log());
    });
}

#[test]
fn of_two_that_start_together_one_serves() {
    kit::run_alone(async {
        let Some(world) = World::start("of_two_that_start_together").await else { return };
        let mut both = [world.elsewhere("one", "a"), world.elsewhere("two", "a")];
        until("both go on", SOON, async || both.iter_mut().any(|it| !it.process.runs())).await.expect("one is refused");
        let [one, two] = &mut both;
        let (lives, other) = if one.process.runs() { (one, two) } else { (two, one) };
        assert!(other.log().contains("a Mainstay called `a`"), "{}", other.log());
        leads(lives, "a").await;
    });
}

#[test]
fn without_its_store_it_begins_all_the_same() {
    kit::run_alone(async {
        let Some(world) = World::start("without_its_store_it_begins").await else { return };
        world.server.signal(Signal::STOP).expect("it stops");
        let mut a = world.here("one", "a");
        a.says("begins without having seen whether another member is called a").await;
        a.says("ready: ").await;
        world.server.signal(Signal::CONT).expect("it goes on");
        leads(&mut a, "a").await;
    });
}

/// A server with a store.
struct World {
    server: Postgres,
}

impl World {
    async fn start(test: &str) -> Option<Self> {
        let may = std::process::Command::new("unshare").args(ELSEWHERE).arg("true").status();
        if !may.is_ok_and(|status| status.success()) {
            skipped(test, &"processes may not have a space of ids of their own here");
            return None;
        }
        let server = kit::had(test, Postgres::start().await)?;
        server.create("mainstay").await.expect("a database");
        let store = format!("postgres://postgres@127.0.0.1:{}/mainstay", server.port());
        let said = command(&["store", "init", &store]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        Some(Self { server })
    }

    /// A Mainstay that is called `name`, whose guard's table is `table`.
    fn here(&self, table: &str, name: &str) -> Mainstay {
        self.run(table, name, &[])
    }

    /// The same on another machine.
    fn elsewhere(&self, table: &str, name: &str) -> Mainstay {
        self.run(table, name, &[&["unshare"], ELSEWHERE].concat())
    }

    fn run(&self, table: &str, name: &str, under: &[&str]) -> Mainstay {
        let dir = kit::dir();
        let (port, id, at) = (self.server.port(), std::process::id(), dir.file("").display().to_string());
        let text = format!(
            r#"
[admin]
at = "unix:{at}/admin.sock"
[store]
url = "postgres://postgres@127.0.0.1:{port}/mainstay"
[lease.ledger]
renew = "300ms"
ttl = "1s"
takeover_unfenced = true
[guard.{table}-{id}-{port}]
lease = "ledger"
name = "{name}"
run = ["sleep", "3600"]
kill_after = "500ms"
"#
        );
        std::fs::write(dir.file("mainstay.toml"), text).expect("it can be written");
        let (exe, file) = (kit::exe().display().to_string(), dir.file("mainstay.toml").display().to_string());
        let words = [under, &[exe.as_str(), "run", &file]].concat();
        let (log, parent) = (dir.file("log"), id.to_string());
        let leash = [&["leash", "--parent", &parent, "--by", "kill", "--"], &*words].concat();
        let process = match under {
            [] => Process::start("mainstay", kit::exe(), words.get(1..).expect("words"), &log),
            _ => Process::start("elsewhere", Path::new(kit::exe()), &leash, &log),
        };
        Mainstay { dir, process: process.expect("it starts") }
    }
}

/// It ends, and says why; the one that was there is left alone.
async fn refused(mut it: Mainstay, name: &str) {
    assert_eq!(it.ended().await, Some(1), "{}", it.log());
    let said = it.log();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let words =
        [format!("a Mainstay called `{name}` lives already (on host `{host}`, in process "), "by `name` in".into()];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

async fn leads(of: &mut Mainstay, holder: &str) {
    of.says("ready: ").await;
    until(&format!("{holder} does not lead"), SOON, async || {
        let answer = of.ask("/status").await;
        let status = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Status>(body).ok());
        let leases = status.map(|status| status.leases).unwrap_or_default();
        leases.iter().any(|lease| lease.standing == "held" && lease.holder.as_deref() == Some(holder))
    })
    .await
    .unwrap_or_else(|mishap| panic!("{mishap}: {}", of.log()));
}

/// Runs what follows with ids of its own, of which nothing is left when it is killed.
const ELSEWHERE: &[&str] = &["--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
const SOON: Duration = Duration::from_secs(60);
