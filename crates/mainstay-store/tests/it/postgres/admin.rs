//! `store init` and `store check`.

use mainstay_store::{AdminFault, Check, Finding, Settings, Tier, check, init, init_script};
use mainstay_testkit::{Launch, Process, free_port, skipped, until};
use std::time::Duration;
use tokio_postgres::{Config, NoTls};

use super::kit::{Kit, LEASE, plan, take_over};
use crate::suite::name;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_stores_user_may_not_is_said_and_nothing_is_half_made() {
    let Some(kit) = Kit::bare("what_the_stores_user_may_not", &[]).await else { return };
    let admin = kit.admin("mainstay").await;
    admin
        .batch_execute("ALTER ROLE mainstay NOCREATEROLE; REVOKE CREATE ON DATABASE mainstay FROM mainstay")
        .await
        .unwrap();
    let fault = init(&kit.settings(None), &[plan()]).await.unwrap_err();
    let AdminFault::Rights { user, statements } = &fault else { panic!("{fault}") };
    assert_eq!(user, "mainstay");
    assert_eq!(
        statements,
        &["GRANT CREATE ON DATABASE \"mainstay\" TO \"mainstay\";", "ALTER ROLE \"mainstay\" CREATEROLE;"]
    );
    let left = "SELECT count(*) FROM pg_namespace, pg_roles WHERE nspname = 'mainstay' OR rolname LIKE 'partya%'";
    assert_eq!(admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    admin.batch_execute(&statements.join("\n")).await.unwrap();
    for _ in 0..2 {
        init(&kit.settings(None), &[plan()]).await.expect("with these it works, and again");
    }
    let found = check(&kit.settings(None), &[plan()]).await;
    assert!(found.is_good() && found.tier == Some(Tier::Fenced), "{found:#?}");
    admin
        .batch_execute("ALTER ROLE mainstay NOCREATEROLE; REVOKE UPDATE ON mainstay.lease FROM mainstay")
        .await
        .unwrap();
    faults(&check(&kit.settings(None), &[plan()]).await, &["lacks UPDATE on mainstay.lease"]);
    admin.batch_execute("GRANT UPDATE ON mainstay.lease TO mainstay").await.unwrap();
    faults(
        &check(&kit.settings(None), &[plan()]).await,
        &["may not bar `partya_1`", "may not bar `partya_2`", "may not bar `partya`"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_runs_the_script_instead() {
    let Some(kit) = Kit::bare("an_administrator_runs_the_script", &[]).await else { return };
    let admin = kit.admin("mainstay").await;
    admin
        .batch_execute("REVOKE CREATE ON DATABASE mainstay FROM mainstay; ALTER ROLE mainstay NOCREATEROLE")
        .await
        .unwrap();
    let script = init_script(&kit.settings(None), &[plan()], 15).unwrap();
    admin.batch_execute(&script).await.unwrap_or_else(|error| panic!("{error:?} in {script}"));
    admin.batch_execute(&script).await.expect("it may be run again");
    let found = check(&kit.settings(None), &[plan()]).await;
    assert!(found.is_good() && found.tier == Some(Tier::Fenced), "{found:#?}");
    let password = take_over(&*kit.guard("partya_1"), &name(LEASE), 1, "a").await;
    assert_eq!(password.len(), 64);
    let newer = init_script(&kit.settings(None), &[plan()], 16).unwrap();
    assert!(
        newer.contains("WITH ADMIN TRUE, INHERIT TRUE, SET TRUE") && !newer.contains("\"mainstay\" CREATEROLE"),
        "{newer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_says_what_an_operator_should_know() {
    let Some(kit) = Kit::start("a_check_says", &[]).await else { return };
    let admin = kit.admin("mainstay").await;
    admin
        .batch_execute("CREATE ROLE report LOGIN; GRANT partya TO report; GRANT pg_monitor TO mainstay")
        .await
        .unwrap();
    let found = check(&kit.settings(None), &[plan()]).await;
    notes(&found, &["no standby", "`report` is a member of `partya` too", "not encrypted"]);
    let standby = kit.server.standby("east").await.unwrap();
    until("it is not connected", Duration::from_secs(10), async || {
        let count = admin.query_one("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", &[]).await;
        count.unwrap().get::<_, i64>(0) == 1
    })
    .await
    .unwrap();
    notes(&check(&kit.settings(None), &[plan()]).await, &["1 standbys, asynchronous"]);
    admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'east'").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until("it is not synchronous", Duration::from_secs(10), async || {
        let found = check(&kit.settings(None), &[plan()]).await;
        found.findings.iter().any(|it| it.to_string().contains("ok: timeline 1, synchronous with 1 of 1 standbys"))
    })
    .await
    .unwrap();
    let both = format!("postgres://mainstay@127.0.0.1:{},127.0.0.1:{}/mainstay", standby.port(), kit.server.port());
    let found = check(&Settings::new(both.parse().unwrap()), &[]).await;
    assert!(found.findings.iter().any(|it| it.to_string().contains("is a standby")), "{found:#?}");
    assert_eq!(found.tier, Some(Tier::Advisory));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_is_noticed() {
    let Some(kit) = Kit::start("a_pooler_in_transaction_mode", &[]).await else { return };
    for (mode, is_good) in [("transaction", false), ("session", true)] {
        let Some((_pooler, port)) = pooler(&kit, mode).await else {
            return skipped("a_pooler_in_transaction_mode", &"no pgbouncer: install Debian's");
        };
        let settings = Settings::new(format!("postgres://mainstay@127.0.0.1:{port}/mainstay").parse().unwrap());
        let found = check(&settings, &[]).await;
        assert_eq!(found.is_good(), is_good, "{mode}: {found:#?}");
        if !is_good {
            faults(&found, &["a pooler in transaction mode is in between"]);
        }
        let store = mainstay_store::open(&settings).unwrap();
        let mut said = None;
        for _ in 0..20 {
            let me = crate::suite::member(1);
            let (lease, look) = (name("pooled"), mainstay_core::lease::Request::Look { me });
            said = store.ask(&lease, look, Duration::from_secs(1)).await.err();
            if said.is_some() {
                break;
            }
        }
        assert_eq!(said.is_none(), is_good, "{mode}: {said:?}");
    }
}

async fn pooler(kit: &Kit, mode: &str) -> Option<(Process, u16)> {
    let binary = std::path::Path::new("/usr/sbin/pgbouncer");
    if !binary.exists() {
        return None;
    }
    let (dir, port) = (kit.server.dir(), free_port().unwrap());
    let users = dir.join("users");
    std::fs::write(&users, "\"mainstay\" \"\"\n").unwrap();
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         auth_type = trust\nauth_file = {}\npool_mode = {mode}\nunix_socket_dir =\nignore_startup_parameters = extra_float_digits\n",
        kit.server.port(),
        users.display()
    );
    let file = dir.join(format!("{mode}.ini"));
    std::fs::write(&file, text).unwrap();
    let user = rustix::process::geteuid().is_root().then_some("postgres");
    let mut process = Launch::new("pgbouncer", binary).args([&file]).user(user).start(&dir.join("pooler.log")).unwrap();
    let ready = async || {
        let mut config = Config::new();
        config.host("127.0.0.1").port(port).user("mainstay").dbname("mainstay");
        config.connect(NoTls).await.is_ok()
    };
    process.ready(Duration::from_secs(10), ready).await.unwrap();
    Some((process, port))
}

fn faults(found: &Check, expect: &[&str]) {
    let faults: Vec<&String> =
        found.findings.iter().filter_map(|it| if let Finding::Fault(text) = it { Some(text) } else { None }).collect();
    assert_eq!(faults.len(), expect.len(), "{faults:#?}");
    assert!(faults.iter().zip(expect).all(|(fault, expect)| fault.contains(expect)), "{faults:#?}");
}

fn notes(found: &Check, expect: &[&str]) {
    let all: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
    for expect in expect {
        assert!(all.iter().any(|it| it.starts_with("note: ") && it.contains(expect)), "{expect}: {all:#?}");
    }
}
