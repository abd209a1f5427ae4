//! `to = "postgres://..."`: real PostgreSQL behind the real binary, promoted, replaced, and cut off with the tenure.

use std::time::{Duration, Instant};

use mainstay::admin::document::Status;
use mainstay::demo::stage::until;
use mainstay_testkit::Postgres;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::{Client, Config, NoTls};

use crate::kit;
use crate::running::{Mainstay, command};

#[test]
fn sessions_follow_a_promotion_and_a_replaced_primary_gets_none() {
    kit::run_alone(async {
        let Some(old) = server("sessions_follow_a_promotion").await else { return };
        let new = old.standby("new").await.expect("a standby");
        let front = Mainstay::start(&alone(&[&new, &old], "10s")).await;
        let at = front.listener("db").port();
        let load = tokio::spawn(write(at));
        rows(&old, 20).await;
        new.promote().await.expect("it is promoted");
        // The old one still takes writes from whoever comes.
        rows(&new, 20).await;
        let (last, first) = (written(&old, "max").await, written(&new, "min").await);
        assert!(last < first + 1.0, "the replaced primary was written to for {} s", last - first);
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writer'";
        until("sessions are left", SOON, async || number(&old, left).await == 0).await.expect("they are reset");

        // The new one is gone: nobody is written to, the replaced one least of all.
        drop(new);
        until("nobody waits", SOON, async || held(&front).await > 0).await.expect("the load is held");
        let before = number(&old, COUNT).await;
        let asked = Instant::now();
        until("the time is not over", SOON, async || asked.elapsed() > Duration::from_secs(2)).await.expect("it is");
        assert_eq!(number(&old, COUNT).await, before, "written to the replaced one");
        load.abort();
    });
}

#[test]
fn a_crash_is_survived_by_whoever_connects_again() {
    kit::run_alone(async {
        let Some(old) = server("a_crash_is_survived").await else { return };
        let new = old.standby("new").await.expect("a standby");
        let front = Mainstay::start(&alone(&[&old, &new], "30s")).await;
        let load = tokio::spawn(write(front.listener("db").port()));
        rows(&old, 20).await;
        old.crash().expect("it is killed");
        new.promote().await.expect("it is promoted");
        let promoted = Instant::now();
        rows(&new, 1).await;
        let took = promoted.elapsed();
        println!("written again {took:?} after the promotion was seen");
        assert!(took < Duration::from_secs(10), "{took:?}");
        load.abort();
    });
}

#[test]
fn what_is_of_the_protocol_passes() {
    kit::run(async {
        let Some(server) = server("what_is_of_the_protocol_passes").await else { return };
        let front = Mainstay::start(&alone(&[&server], "5s")).await;
        let at = front.listener("db");
        let client = connect(at.port(), "sleeper").await.expect("a session");
        let cancel = client.cancel_token();
        let sleeping = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(600)").await });
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sleeper' AND state = 'active'";
        until("it does not sleep", SOON, async || number(&server, sleeps).await == 1).await.expect("it sleeps");
        cancel.cancel_query(NoTls).await.expect("a cancel request is taken");
        let said = sleeping.await.expect("it ends").expect_err("it was cancelled");
        assert_eq!(said.code().map(|code| code.code()), Some("57014"), "{said}");

        let psql = |mode: &str| {
            let info = format!("host=127.0.0.1 port={} user=postgres dbname=postgres sslmode={mode}", at.port());
            let mut psql = tokio::process::Command::new("psql");
            psql.args(["-XAtqc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &info]);
            psql
        };
        if let Ok(output) = psql("prefer").output().await {
            assert_eq!(String::from_utf8_lossy(&output.stdout), "f\n", "{output:?}");
            encrypt(&server).await;
            let output = psql("require").output().await.expect("psql is there");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "t\n", "{output:?}");
        }
        let mut bad = TcpStream::connect(at).await.expect("it listens");
        bad.write_all(&[0xff; 4096]).await.expect("it is taken");
        let mut rest = Vec::new();
        let _reset = tokio::time::timeout(SOON, bad.read_to_end(&mut rest)).await.expect("the server ends it");
        connect(at.port(), "after").await.expect("a session after that");

        // Without a primary it waits, and hears why.
        drop(server);
        let refused = connect(at.port(), "late").await.expect_err("there is nobody");
        assert_eq!(refused.code().map(|code| code.code()), Some("57P03"), "{refused}");
    });
}

#[test]
fn only_the_holder_reaches_the_database_and_one_that_was_frozen_does_not() {
    kit::run_alone(async {
        let Some(server) = server("only_the_holder_reaches").await else { return };
        server.create("mainstay").await.expect("a database");
        let store = format!("postgres://postgres@127.0.0.1:{}/mainstay", server.port());
        let said = command(&["store", "init", &store]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let a = Mainstay::start(&member(&[&server], "a", "2s")).await;
        leads(&a, "a").await;
        let b = Mainstay::start(&member(&[&server], "b", "2s")).await;
        leads(&b, "a").await;
        let mine = reach(a.listener("db").port(), "a").await;
        mine.batch_execute("INSERT INTO rows (who) VALUES ('a, held')").await.expect("it writes");
        let refused = connect(b.listener("db").port(), "b").await.expect_err("no tenure there");
        assert!(is_refusal(&refused), "{refused}");

        // Stopped, with a statement under way to it.
        a.signal(Signal::STOP);
        // Until then one of its threads may still pass something on.
        a.process.stopped().await.expect("it stops");
        let late = tokio::spawn(async move { mine.batch_execute("INSERT INTO rows (who) VALUES ('a, late')").await });
        leads(&b, "b").await;
        let other = reach(b.listener("db").port(), "b").await;
        other.batch_execute("INSERT INTO rows (who) VALUES ('b')").await.expect("it writes");
        a.signal(Signal::CONT);
        late.await.expect("it ends").expect_err("its session was reset");
        assert_eq!(number(&server, "SELECT count(*) FROM rows WHERE who = 'a, late'").await, 0);
        assert_eq!(number(&server, "SELECT count(*) FROM rows WHERE who IN ('a, held', 'b')").await, 2);
        let refused = connect(a.listener("db").port(), "a").await.expect_err("its tenure is over");
        assert!(is_refusal(&refused), "{refused}");
        let status = a.ask("/status").await;
        assert!(status.contains("lease ledger is not held here"), "{status}");
        let metrics = a.ask("/metrics").await;
        assert!(metrics.contains("mainstay_database_open{database=\"database db\"} 0"), "{metrics}");
    });
}

/// Mainstay's own session with the store is ended; those of the listener are none of its business while the time lasts.
#[test]
fn sessions_stay_while_the_store_is_lost_until_the_time_is_over() {
    kit::run_alone(async {
        let Some(server) = server("sessions_stay_while_the_store_is_lost").await else { return };
        server.create("mainstay").await.expect("a database");
        let store = format!("postgres://postgres@127.0.0.1:{}/mainstay", server.port());
        let said = command(&["store", "init", &store]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let a = Mainstay::start(&member(&[&server], "a", "60s").replace("ttl = \"1s\"", "ttl = \"10s\"")).await;
        leads(&a, "a").await;
        let port = a.listener("db").port();
        let mine = reach(port, "mine").await;
        let admin = server.connect("postgres").await.expect("it answers");
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'mainstay'";
        // On a busy machine it may be once more than it was made to.
        let frozen = async || -> u64 {
            let metrics = a.ask("/metrics").await;
            let counted =
                metrics.lines().find_map(|line| line.strip_prefix("mainstay_lease_frozen_total{lease=\"ledger\"} "));
            counted.and_then(|count| count.parse().ok()).expect("it is counted")
        };
        let froze = async |before: u64| {
            until("it is not frozen", SOON, async || frozen().await > before).await.expect("it is frozen");
        };
        for _ in 0..3 {
            let before = frozen().await;
            admin.batch_execute(cut).await.expect("they end");
            froze(before).await;
            leads(&a, "a").await;
            mine.batch_execute("INSERT INTO rows (who) VALUES ('stays')").await.expect("the session stays");
            reach(port, "new").await.batch_execute("SELECT 1").await.expect("a session after that");
        }
        assert_eq!(a.log().matches("`synchronous = true` in this lease").count(), 1, "{}", a.log());

        let before = frozen().await;
        admin.batch_execute("ALTER DATABASE mainstay ALLOW_CONNECTIONS false").await.expect("it is closed");
        admin.batch_execute(cut).await.expect("they end");
        froze(before).await;
        mine.batch_execute("INSERT INTO rows (who) VALUES ('stays')").await.expect("its time is not over");
        let late = tokio::spawn(async move { reach(port, "late").await.batch_execute("SELECT 1").await });
        until("it does not wait", SOON, async || held(&a).await > 0).await.expect("a new one waits");
        until("it goes on past its time", SOON, async || mine.is_closed()).await.expect("it is reset");
        admin.batch_execute("ALTER DATABASE mainstay ALLOW_CONNECTIONS true").await.expect("it is open");
        late.await.expect("it ends").expect("it is let in at last");
    });
}

/// The old primary lives, and the store's session with it: for seconds nobody but the listener hears of the promotion.
#[test]
fn a_promoted_database_is_reached_only_in_a_tenure_of_its_own() {
    kit::run_alone(async {
        let Some(old) = server("a_promoted_database_is_reached").await else { return };
        old.create("mainstay").await.expect("a database");
        let store = format!("postgres://postgres@127.0.0.1:{}/mainstay", old.port());
        let said = command(&["store", "init", &store]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let table = "CREATE TABLE tenures (port int DEFAULT inet_server_port(), tli bigint)";
        old.connect("mainstay").await.expect("it answers").batch_execute(table).await.expect("a table");
        let new = old.standby("new").await.expect("a standby");
        let a = Mainstay::start(&member(&[&old, &new], "a", "30s")).await;
        leads(&a, "a").await;
        let load = tokio::spawn(write_tenures(a.listener("db").port()));
        let from = |server: &Postgres, more: &str| {
            format!("SELECT count(*) FROM tenures WHERE port = {} {more}", server.port())
        };
        let count = async |server: &Postgres, asked: &str| {
            let client = server.connect("mainstay").await.expect("it answers");
            client.query_one(asked, &[]).await.expect("it answers").get::<_, i64>(0)
        };
        until("nothing is written", SOON, async || count(&old, &from(&old, "")).await > 20).await.expect("rows come");
        new.promote().await.expect("it is promoted");
        until("nobody waits", SOON, async || held(&a).await > 0).await.expect("the load is held");
        let status = a.ask("/status").await;
        assert!(status.contains("the tenure is of timeline 1"), "{status}");
        until("nothing is written", SOON, async || count(&new, &from(&new, "")).await > 20).await.expect("rows come");
        load.abort();
        assert_eq!(count(&new, &from(&new, "AND tli <> 2")).await, 0, "written in a tenure of the old history");
    });
}

/// A server with a table for rows, and when they came.
async fn server(test: &str) -> Option<Postgres> {
    let server = kit::had(test, Postgres::start_with(&["wal_level=replica"]).await)?;
    let admin = server.connect("postgres").await.expect("it answers");
    let table = "CREATE TABLE rows (who text, at timestamptz DEFAULT clock_timestamp()); CREATE ROLE asks LOGIN";
    admin.batch_execute(table).await.expect("a table");
    Some(server)
}

/// Lets the server encrypt, with a certificate of its own.
async fn encrypt(server: &Postgres) {
    let data = server.dir().join("data");
    let files = [data.join("server.key"), data.join("server.crt")];
    let run = |program: &str, words: &[&str]| {
        let output = std::process::Command::new(program).args(words).args(&files).output().expect("it runs");
        assert!(output.status.success(), "{program}: {output:?}");
    };
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(&files[0])
        .arg("-out")
        .arg(&files[1])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    run("chmod", &["0600"]);
    run("chown", &["--reference", &data.join("PG_VERSION").display().to_string()]);
    let admin = server.connect("postgres").await.expect("it answers");
    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.expect("it is set");
    admin.batch_execute("SELECT pg_reload_conf()").await.expect("it is read");
    until("it does not encrypt", SOON, async || {
        number(server, "SELECT (current_setting('ssl') = 'on')::int::bigint").await == 1
    })
    .await
    .expect("it encrypts");
}

/// A Mainstay that follows the primary among these alone.
fn alone(servers: &[&Postgres], hold: &str) -> String {
    let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    format!(
        r#"
[admin]
at = "unix:{{dir}}/admin.sock"
[run]
workers = 1
[listen.db]
at = "127.0.0.1:0"
to = "postgres://asks@{}/postgres"
hold = {{ time = "{hold}" }}
ask_every = "200ms"
"#,
        hosts.join(",")
    )
}

/// A member of a lease that is kept in the same servers, before which it is the only way.
fn member(servers: &[&Postgres], name: &str, hold: &str) -> String {
    let ports: Vec<String> = servers.iter().map(|server| server.port().to_string()).collect();
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (port, hosts, id) = (&ports[0], hosts.join(","), std::process::id());
    format!(
        r#"
[store]
url = "postgres://postgres@{hosts}/mainstay"
[lease.ledger]
renew = "300ms"
ttl = "1s"
takeover_unfenced = true
[guard.database-{name}-{id}-{port}]
lease = "ledger"
name = "{name}"
run = ["sleep", "3600"]
kill_after = "500ms"
{}"#,
        alone(servers, hold)
    )
}

/// Writes row after row through this port, with whoever is there, and connects again whenever that ends.
async fn write(port: u16) {
    loop {
        if let Ok(client) = connect(port, "writer").await {
            while client.batch_execute("INSERT INTO rows (who) VALUES (inet_server_port()::text)").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The same with the timeline of the tenure that there is, as the database knows it.
async fn write_tenures(port: u16) {
    loop {
        if let Ok(client) = connect_to("mainstay", port, "writer").await {
            let insert = "INSERT INTO tenures (tli) SELECT tli FROM mainstay.lease WHERE state = 'active'";
            while client.batch_execute(insert).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn connect(port: u16, name: &str) -> Result<Client, tokio_postgres::Error> {
    connect_to("postgres", port, name).await
}

async fn connect_to(database: &str, port: u16, name: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user("postgres").dbname(database).application_name(name);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The same, where a listener may just be about to open.
async fn reach(port: u16, name: &str) -> Client {
    let begun = Instant::now();
    loop {
        match connect(port, name).await {
            Ok(client) => return client,
            Err(error) => assert!(begun.elapsed() < SOON, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether nobody was let in: in words, or at the door.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    error.code().is_some_and(|code| code.code() == "57P03")
        || source.is_some_and(|source| source.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Waits until so many rows were written to this very server.
async fn rows(server: &Postgres, count: i64) {
    let own = format!("{COUNT} WHERE who = '{}'", server.port());
    until("no rows come", SOON, async || number(server, &own).await >= count).await.expect("they come");
}

/// When its own first or last row was written, in seconds.
async fn written(server: &Postgres, which: &str) -> f64 {
    let admin = server.connect("postgres").await.expect("it answers");
    let asked = format!("SELECT extract(epoch FROM {which}(at))::float8 FROM rows WHERE who = '{}'", server.port());
    admin.query_one(&asked, &[]).await.expect("it answers").get(0)
}

async fn number(server: &Postgres, asked: &str) -> i64 {
    let admin = server.connect("postgres").await.expect("it answers");
    admin.query_one(asked, &[]).await.expect("it answers").get(0)
}

async fn status(of: &Mainstay) -> Option<Status> {
    let answer = of.ask("/status").await;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Connections that wait for a primary.
async fn held(front: &Mainstay) -> u64 {
    status(front).await.and_then(|status| status.pools.first().map(|pool| pool.held)).unwrap_or_default()
}

async fn leads(of: &Mainstay, holder: &str) {
    until(&format!("{holder} does not lead"), SOON, async || {
        let leases = status(of).await.map(|status| status.leases).unwrap_or_default();
        leases.iter().any(|lease| lease.holder.as_deref() == Some(holder) && lease.phase == "ready")
    })
    .await
    .unwrap_or_else(|mishap| panic!("{mishap}: {}", of.log()));
}

const COUNT: &str = "SELECT count(*) FROM rows";
const SOON: Duration = Duration::from_secs(60);
