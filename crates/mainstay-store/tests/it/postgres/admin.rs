//! `store init` and `store check`.

use mainstay_core::lease::{Answer, Failure, Nonce, Request};
use mainstay_store::{AdminFault, Check, Finding, LeasePlan, Settings, Tier, check, init, init_script};
use mainstay_testkit::{Launch, Process, free_port, skipped, until};
use std::time::Duration;
use tokio_postgres::{Config, NoTls};

use super::kit::{Kit, LEASE, acquire, plan, settings, take_over};
use crate::suite::name;

/// What the store's user may not is said, and nothing is half made. For a server without a store.
pub(super) async fn says_which_rights_are_missing(kit: &Kit) {
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
        init(&kit.settings(None), &[plan()]).await.unwrap();
    }
    fit(kit).await;
    admin
        .batch_execute("ALTER ROLE mainstay NOCREATEROLE; REVOKE UPDATE ON mainstay.lease FROM mainstay")
        .await
        .unwrap();
    faults(&check(&kit.settings(None), &[plan()]).await, &["lacks UPDATE on mainstay.lease"]);
    admin.batch_execute("GRANT UPDATE ON mainstay.lease TO mainstay").await.unwrap();
    let found = check(&kit.settings(None), &[plan()]).await;
    faults(&found, &["may not bar any role: ALTER ROLE \"mainstay\" CREATEROLE;"]);
    assert_eq!(found.tier, Some(Tier::Advisory));
    let fenced = bar(kit).await;
    assert!(
        matches!(&fenced, Err(Failure::NotDone(why)) if why.contains("a right is missing: `mainstay store init`")),
        "{fenced:?}"
    );
    admin.batch_execute("ALTER ROLE mainstay CREATEROLE").await.unwrap();
    fit(kit).await;
}

/// Roles that somebody else has made are used once he says so. For a server without a store.
pub(super) async fn takes_roles_that_are_there(kit: &Kit) {
    let admin = kit.admin("mainstay").await;
    admin.batch_execute("CREATE ROLE partya; CREATE ROLE partya_1; CREATE ROLE partya_2").await.unwrap();
    let mut said = init(&kit.settings(None), &[plan()]).await;
    if let Err(AdminFault::Rights { statements, .. }) = &said {
        admin.batch_execute(&statements.join("\n")).await.unwrap();
        said = init(&kit.settings(None), &[plan()]).await;
    }
    assert!(said.is_ok_and(|said| said.iter().any(|it| it.contains("`partya_1` was there already"))));
    fit(kit).await;
}

/// A superuser's store is as good.
pub(super) async fn serves_a_superuser(kit: &Kit) {
    let settings = settings(&kit.server.url("mainstay"), Some("partya_1"));
    init(&settings, &[plan()]).await.unwrap();
    let found = check(&settings, &[plan()]).await;
    assert!(found.is_good() && found.tier == Some(Tier::Fenced), "{found:#?}");
    take_over(&*mainstay_store::open(&settings).unwrap(), &name(LEASE), 1, "a").await;
}

/// Nothing is wrong with it, and it does what it says.
async fn fit(kit: &Kit) {
    let found = check(&kit.settings(None), &[plan()]).await;
    assert!(found.is_good() && found.tier == Some(Tier::Fenced), "{found:#?}");
    assert!(matches!(bar(kit).await, Ok(Answer::Done { .. })));
    take_over(&*kit.guard("partya_1"), &name(LEASE), 2, "a").await;
}

/// Takes the lease and fences everybody.
async fn bar(kit: &Kit) -> Result<Answer, Failure> {
    kit.admin("mainstay").await.batch_execute("ALTER ROLE partya_2 LOGIN").await.unwrap();
    let (store, lease) = (kit.guard("partya_1"), name(LEASE));
    acquire(&*store, &lease, 1, "a").await;
    store.ask(&lease, Request::Fence { nonce: Nonce(1) }, Duration::from_secs(15)).await
}

/// An administrator runs the script instead. For a server without a store.
pub(super) async fn has_a_script_for_an_administrator(kit: &Kit) {
    let admin = kit.admin("mainstay").await;
    admin
        .batch_execute("REVOKE CREATE ON DATABASE mainstay FROM mainstay; ALTER ROLE mainstay NOCREATEROLE")
        .await
        .unwrap();
    let script = init_script(&kit.settings(None).at, &[plan()]).unwrap();
    admin.batch_execute(&script).await.unwrap_or_else(|error| panic!("{error:?} in {script}"));
    admin.batch_execute(&script).await.unwrap();
    init(&kit.settings(None), &[plan()]).await.unwrap();
    fit(kit).await;
}

/// A database that is not there is noticed before anything is made, and later too. For a server without a store.
pub(super) async fn misses_a_leases_database(kit: &Kit) {
    let plan = LeasePlan { database: Some(name("absent")), ..plan() };
    let fault = init(&kit.settings(None), std::slice::from_ref(&plan)).await.unwrap_err();
    assert!(fault.to_string().contains("CREATE DATABASE \"absent\";"), "{fault}");
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'mainstay'";
    assert_eq!(kit.admin("mainstay").await.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 0);
    init(&kit.settings(None), &[super::kit::plan()]).await.unwrap();
    faults(&check(&kit.settings(None), &[plan]).await, &["database `absent` of lease `bank-a` is not there"]);
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
    let Some(standby) = kit.standby("a_check_says").await else { return };
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
