//! Two Mainstays on one store, each guarding a model node: faults for real, judged by the database's own order.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::kit;
use crate::running::{Mainstay, Said, command};
use mainstay::admin::document::{Lease, Status};
use mainstay::demo::load::{Account, Rows, Target};
use mainstay::demo::stage::{Dir, until};

#[test]
fn a_killed_child_is_followed_by_the_other_member() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let child = pair.child(&pair.a).await;
        pair.under_load(&pair.b, async || {
            kill_process(child, Signal::KILL).expect("it lives");
            pair.leads(&pair.b, "b").await;
        })
        .await;
    });
}

#[test]
fn a_killed_guard_takes_its_child_with_it() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let child = pair.child(&pair.a).await;
        pair.under_load(&pair.b, async || {
            pair.a.signal(Signal::KILL);
            pair.leads(&pair.b, "b").await;
            assert!(test_kill_process(child).is_err(), "the child of a killed guard lives on");
        })
        .await;
    });
}

#[test]
fn a_stopped_guard_is_followed_before_it_wakes() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let child = pair.child(&pair.a).await;
        pair.under_load(&pair.b, async || {
            pair.a.signal(Signal::STOP);
            let from = Instant::now();
            pair.leads(&pair.b, "b").await;
            println!("followed after {:?}, ttl {TTL:?}", from.elapsed());
            assert!(test_kill_process(child).is_err(), "the child of a stopped guard lives on");
            pair.a.signal(Signal::CONT);
            let stands = async || lease(&pair.a).await.is_some_and(|it| it.holder.as_deref() == Some("b"));
            until("the woken one does not see who leads", SOON, stands).await.expect("it does");
            pair.leads(&pair.b, "b").await;
        })
        .await;
        pair.b.signal(Signal::KILL);
        pair.leads(&pair.a, "a").await;
    });
}

#[test]
fn a_switchover_under_load_fails_no_request() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let account = pair
            .under_load(&pair.b, async || {
                let said = pair.b.command(&["switchover", "ledger", "--to", "b"]).await;
                assert_eq!(said.code, Some(0), "{said:?}");
                assert!(said.out.starts_with("done after"), "{said:?}");
                for step in ["was asked for", "makes ready", "gives the lease up", "ready as"] {
                    assert!(said.err.contains(step), "{step}: {said:?}");
                }
                pair.leads(&pair.b, "b").await;
            })
            .await;
        assert!(account.lost.is_empty(), "{} of {} failed: {:?}", account.lost.len(), account.requests, account.lost);
        assert!(account.longest_gap < Duration::from_secs(1), "{account:?}");
        let refused = pair.b.command(&["switchover", "ledger", "--to", "c"]).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("c was not heard from"), "{refused:?}");
        pair.leads(&pair.b, "b").await;
    });
}

#[test]
fn nobody_takes_over_while_it_is_paused() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        assert_eq!(pair.b.command(&["pause", "ledger"]).await.code, Some(0));
        pair.a.signal(Signal::KILL);
        until("the lease does not run out", SOON, async || {
            pair.lease(&pair.b).await.is_some_and(|lease| lease.phase == "vacant")
        })
        .await
        .expect("it runs out");
        let from = Instant::now();
        until("the time is not over", SOON, async || {
            let lease = pair.lease(&pair.b).await.expect("it answers");
            assert_ne!(lease.standing, "held", "it took a paused lease");
            from.elapsed() > TTL * 2
        })
        .await
        .expect("it is over");
        assert_eq!(pair.b.command(&["resume", "ledger"]).await.code, Some(0));
        pair.leads(&pair.b, "b").await;
        let history = pair.b.command(&["history", "ledger"]).await;
        assert!(history.out.contains("paused by") && history.out.contains("resumed"), "{history:?}");
    });
}

#[test]
fn sigterm_frees_the_lease_once_the_child_is_gone() {
    kit::run_alone(async {
        let mut pair = Pair::start().await;
        let child = pair.child(&pair.a).await;
        pair.a.signal(Signal::TERM);
        pair.leads(&pair.b, "b").await;
        assert!(test_kill_process(child).is_err(), "the lease was freed before the child was gone");
        assert_eq!(pair.a.ended().await, Some(0));
        assert!(pair.order().stale == 0);
    });
}

#[test]
fn a_guard_of_the_same_name_is_not_started_twice() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let text = pair.text("a", 0).replace("a.sock", "twice.sock");
        let file = pair.dir.file("twice.toml");
        std::fs::write(&file, text.replace("{dir}", &pair.dir.file("").display().to_string())).expect("a file");
        let said: Said = command(&["run", &file.display().to_string()]).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("runs already on this machine"), "{said:?}");
        pair.leads(&pair.b, "a").await;
    });
}

#[test]
fn who_cannot_listen_takes_no_lease() {
    kit::run_alone(async {
        let (dir, taken) = (kit::dir(), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let at = taken.local_addr().expect("it has one");
        let own = std::process::id();
        // So many that the last one's failure comes long after a lease could have been taken.
        let many = (0..400).map(|n| format!("[listen.l{n}]\nat = \"unix:{{dir}}/{n}.sock\"\nreply = 204\n"));
        let text = format!(
            "[admin]\nat = \"off\"\n[store]\nurl = \"sqlite:{{dir}}/leases.db\"\n[lease.early]\n[guard.early-{own}]\nlease = \"early\"\n\
             run = [\"touch\", \"{{dir}}/ran\"]\n{}[listen.last]\nat = \"{at}\"\nreply = 204\n",
            many.collect::<String>()
        );
        let file = dir.file("early.toml");
        std::fs::write(&file, text.replace("{dir}", &dir.path().display().to_string())).expect("a file");
        let said: Said = command(&["run", &file.display().to_string()]).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(!said.err.contains("took the lease"), "{said:?}");
        assert!(!dir.file("ran").exists(), "its child ran");
    });
}

#[test]
fn a_guard_without_a_file_ends_as_its_command_does() {
    kit::run(async {
        let dir = kit::dir();
        let store = format!("sqlite:{}", dir.file("leases.db").display());
        let name = format!("e2e-{}", std::process::id());
        let said = command(&["guard", "--lease", &name, "--store", &store, "--", "sh", "-c", "echo out; exit 7"]).await;
        assert_eq!(said.code, Some(7), "{said:?}");
        assert!(said.out.contains("out"), "{said:?}");
        let said = command(&["guard", "--lease", "no name", "--store", "nowhere", "--", "true"]).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("no name for a lease") && said.err.contains("this is no store"), "{said:?}");
        let said = command(&["store", "check", &store]).await;
        assert_eq!((said.code, said.out.contains("tier: exclusive")), (Some(0), true), "{said:?}");
    });
}

/// Two Mainstays on one store. `a` leads.
pub(crate) struct Pair {
    // Before the directory, which goes last.
    pub(crate) a: Mainstay,
    pub(crate) b: Mainstay,
    nodes: [SocketAddr; 2],
    pub(crate) dir: Dir,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let (dir, nodes) = (kit::dir(), [free(), free()]);
        let a = Mainstay::start(&text(&dir, nodes, "a", 0)).await;
        until("a does not lead", SOON, async || lease(&a).await.is_some_and(|lease| lease.phase == "ready"))
            .await
            .unwrap_or_else(|mishap| panic!("{mishap}: {}", a.log()));
        let b = Mainstay::start(&text(&dir, nodes, "b", 1)).await;
        let pair = Self { a, b, nodes, dir };
        pair.leads(&pair.b, "a").await;
        until("b is no standby", SOON, async || {
            let seen = |lease: Lease| lease.members.iter().any(|it| it.name == "b" && it.state == "standby");
            pair.lease(&pair.a).await.is_some_and(seen)
        })
        .await
        .expect("it waits");
        pair
    }

    fn text(&self, name: &str, at: usize) -> String {
        text(&self.dir, self.nodes, name, at)
    }

    async fn lease(&self, of: &Mainstay) -> Option<Lease> {
        lease(of).await
    }

    /// Waits until the child of this member is ready, by that member's word or its store's.
    pub(crate) async fn leads(&self, asked: &Mainstay, holder: &str) {
        let leads =
            async || lease(asked).await.is_some_and(|it| it.holder.as_deref() == Some(holder) && it.phase == "ready");
        let lead = until(&format!("{holder} does not lead"), SOON, leads).await;
        lead.unwrap_or_else(|mishap| panic!("{mishap}: {}", asked.log()));
    }

    async fn child(&self, of: &Mainstay) -> Pid {
        let pid = lease(of).await.and_then(|lease| lease.child?.pid).expect("it runs a child");
        Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("a process id")
    }

    fn rows(&self) -> Rows {
        Rows::read(&self.dir.file("data.db")).expect("the database can be read")
    }

    fn order(&self) -> mainstay::demo::load::Order {
        self.rows().order()
    }

    /// Does this while clients come to that member's front: nothing written by a former holder, nothing done twice,
    /// nothing acknowledged that is not there.
    async fn under_load(&self, front: &Mainstay, what: impl AsyncFnOnce()) -> Account {
        let (from, load) = (Instant::now(), kit::load(Target::Tcp(front.listener("front"))));
        let book = load.book().clone();
        kit::done(&book, 50).await;
        what().await;
        kit::done(&book, 50).await;
        let book = load.finish();
        let rows = self.rows();
        let account = Account::of(&book, &rows, from, Instant::now());
        assert_eq!((account.missing, account.twice), (0, 0), "{account:?}");
        let order = rows.order();
        assert_eq!((order.stale, order.overlaps), (0, 0), "{order:?}");
        account
    }
}

async fn lease(of: &Mainstay) -> Option<Lease> {
    let answer = of.ask("/status").await;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str::<Status>(body).ok()?.leases.pop()
}

/// The configuration of one member; `at` is the place of its node.
fn text(dir: &Dir, nodes: [SocketAddr; 2], name: &str, at: usize) -> String {
    let (dir, exe, id) = (dir.file("").display().to_string(), kit::exe().display(), std::process::id());
    let [a, b] = nodes;
    let own = nodes.get(at).expect("one of two");
    format!(
        r#"
[admin]
at = "unix:{{dir}}/admin.sock"
[run]
workers = 1
[store]
url = "sqlite:{dir}/leases.db"
[lease.ledger]
renew = "200ms"
ttl = "600ms"
[guard.{name}-{id}-{port}]
lease = "ledger"
name = "{name}"
run = ["{exe}", "model-node", "--at", "{own}", "--store", "{dir}/data.db", "--name", "{name}", "--think-ms", "2", "--grace-ms", "0"]
env = {{ TOKEN = "{{token}}" }}
ready = {{ http = "http://{own}/health", every = "10ms" }}
restart = {{ times = 0 }}
kill_after = "500ms"
[pool.ledger]
policy = {{ leader = "ledger" }}
nodes = [{{ at = "{a}", holder = "a" }}, {{ at = "{b}", holder = "b" }}]
[listen.front]
at = "127.0.0.1:0"
to = "http://ledger"
"#,
        port = own.port()
    )
}

/// An address that nobody listens at.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port")
}

/// Longest wait for anything here.
const SOON: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_millis(600);
