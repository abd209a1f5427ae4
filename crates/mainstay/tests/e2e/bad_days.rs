//! Bad days of a store in PostgreSQL, with the whole program: never two children at once, a clear word, and all is well again
//! when the fault is gone.

use std::time::Duration;

use mainstay::admin::document::Status;
use mainstay::demo::stage::{Dir, until};
use mainstay_testkit::Postgres;
use rustix::process::Signal;

use crate::kit;
use crate::running::{Mainstay, command};

#[test]
fn a_server_set_read_only_stops_the_child_and_is_outlived() {
    kit::run_alone(async {
        let Some(mut pair) = Pair::start("a_server_set_read_only").await else { return };
        pair.admin("ALTER SYSTEM SET default_transaction_read_only = on").await;
        pair.admin("SELECT pg_reload_conf()").await;
        pair.nobody().await;
        pair.says("set read only").await;
        pair.admin("ALTER SYSTEM RESET default_transaction_read_only").await;
        pair.admin("SELECT pg_reload_conf()").await;
        pair.somebody().await;
        pair.one_at_a_time();
    });
}

#[test]
fn a_role_that_was_dropped_is_named_and_the_other_member_goes_on() {
    kit::run_alone(async {
        let Some(mut pair) = Pair::start("a_role_that_was_dropped").await else { return };
        pair.admin("REVOKE ledger FROM ledger_b; DROP OWNED BY ledger_b; DROP ROLE ledger_b").await;
        pair.a.signal(Signal::STOP);
        pair.b.says("role \"ledger_b\" does not exist").await;
        assert!(!pair.b.log().contains("active as"), "{}", pair.b.log());
        let said = command(&["store", "init", &pair.config("b")]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        pair.b.says("active as").await;
        pair.a.signal(Signal::CONT);
        pair.somebody().await;
        pair.one_at_a_time();
    });
}

#[test]
fn a_server_that_refuses_the_stores_user_is_named_and_outlived() {
    kit::run_alone(async {
        let Some(mut pair) = Pair::start("a_server_that_refuses").await else { return };
        pair.admin("ALTER ROLE mainstay NOLOGIN").await;
        pair.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mainstay'").await;
        pair.nobody().await;
        pair.says("role \"mainstay\" is not permitted to log in").await;
        pair.admin("ALTER ROLE mainstay LOGIN").await;
        pair.somebody().await;
        pair.one_at_a_time();
    });
}

/// Two members, of which `a` leads first.
struct Pair {
    a: Mainstay,
    b: Mainstay,
    server: Postgres,
    // The last to go.
    dir: Dir,
}

impl Pair {
    async fn start(test: &str) -> Option<Self> {
        let server = kit::had(test, Postgres::start().await)?;
        let dir = kit::dir();
        server.create("mainstay").await.expect("a database");
        server.create("ledger").await.expect("a database");
        execute(&server, "CREATE ROLE mainstay LOGIN CREATEROLE; GRANT CREATE ON DATABASE mainstay TO mainstay").await;
        for name in ["a", "b"] {
            let text = text(&server, &dir, name).replace("{dir}", &dir.file("").display().to_string());
            std::fs::write(dir.file(&format!("{name}.toml")), text).expect("a file");
            let said = command(&["store", "init", &dir.file(&format!("{name}.toml")).display().to_string()]).await;
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        let a = Mainstay::start(&text(&server, &dir, "a")).await;
        leads(&a).await;
        let mut b = Mainstay::start(&text(&server, &dir, "b")).await;
        b.says("a holds the lease").await;
        Some(Self { a, b, server, dir })
    }

    fn config(&self, name: &str) -> String {
        self.dir.file(&format!("{name}.toml")).display().to_string()
    }

    async fn admin(&self, text: &str) {
        execute(&self.server, text).await;
    }

    /// Waits until no child may run.
    async fn nobody(&self) {
        until("a child still runs", SOON, async || {
            let held = [standing(&self.a).await, standing(&self.b).await];
            held.iter().all(|it| it.as_deref().is_some_and(|standing| standing != "held"))
        })
        .await
        .unwrap_or_else(|mishap| panic!("{mishap}: {}\n{}", self.a.log(), self.b.log()));
    }

    /// Waits until one leads.
    async fn somebody(&self) {
        until("nobody leads", SOON, async || is_leading(&self.a).await || is_leading(&self.b).await)
            .await
            .unwrap_or_else(|mishap| panic!("{mishap}: {}\n{}", self.a.log(), self.b.log()));
    }

    /// Waits until each member has said this.
    async fn says(&mut self, what: &str) {
        self.a.says(what).await;
        self.b.says(what).await;
    }

    /// Each child takes a lock, and says when somebody else has it.
    fn one_at_a_time(&self) {
        for of in [&self.a, &self.b] {
            assert!(!of.log().contains("TWO AT ONCE"), "{}", of.log());
        }
    }
}

async fn execute(server: &Postgres, text: &str) {
    let admin = server.connect("postgres").await.expect("it answers");
    for one in ["SET default_transaction_read_only = off"].into_iter().chain(text.split("; ")) {
        admin.batch_execute(one).await.unwrap_or_else(|error| panic!("{one}: {error}"));
    }
}

async fn lease(of: &Mainstay) -> Option<mainstay::admin::document::Lease> {
    let answer = of.ask("/status").await;
    let status: Status = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    status.leases.into_iter().next()
}

async fn standing(of: &Mainstay) -> Option<String> {
    lease(of).await.map(|lease| lease.standing)
}

async fn is_leading(of: &Mainstay) -> bool {
    lease(of).await.is_some_and(|it| it.standing == "held" && it.phase == "ready")
}

async fn leads(of: &Mainstay) {
    until("it does not lead", SOON, async || is_leading(of).await)
        .await
        .unwrap_or_else(|mishap| panic!("{mishap}: {}", of.log()));
}

fn text(server: &Postgres, shared: &Dir, name: &str) -> String {
    let (port, id) = (server.port(), std::process::id());
    let lock = shared.file("lock").display().to_string();
    format!(
        r#"
[admin]
at = "unix:{{dir}}/admin.sock"
[store]
url = "postgres://mainstay@127.0.0.1:{port}/mainstay"
[lease.ledger]
renew = "300ms"
ttl = "1s"
database = "ledger"
group = "ledger"
roles = ["ledger_a", "ledger_b"]
[guard.{name}-{id}-{port}]
lease = "ledger"
name = "{name}"
role = "ledger_{name}"
run = ["sh", "-c", "flock -n -E 7 {lock} sleep 3600; test $? = 7 && echo TWO AT ONCE"]
env = {{ ROLE = "{{role}}", PASSWORD = "{{password}}" }}
"#
    )
}

const SOON: Duration = Duration::from_secs(60);
