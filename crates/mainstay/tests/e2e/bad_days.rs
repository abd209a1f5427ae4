//! Bad days of a store in PostgreSQL, with the whole program: never two children at once, a clear word, and all is well again
//! when the fault is gone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay::admin::document::Status;
use mainstay::demo::stage::{Dir, Process, until};
use mainstay_testkit::{Postgres, skipped};
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
        // In the log stands what was heard first, which may be that the session was ended.
        pair.says("the store is of no use: ").await;
        let said = command(&["store", "check", &pair.config("a")]).await;
        assert!(format!("{said:?}").contains("is not permitted to log in"), "{said:?}");
        pair.admin("ALTER ROLE mainstay LOGIN").await;
        pair.somebody().await;
        pair.one_at_a_time();
    });
}

/// The server does not encrypt any more, or shows a certificate that another authority signed.
#[test]
fn a_server_that_cannot_be_trusted_stops_the_child_and_is_outlived() {
    kit::run_alone(async {
        let Some(mut pair) = Pair::encrypted("a_server_that_cannot_be_trusted").await else { return };
        let bad =
            format!("ALTER SYSTEM SET ssl_cert_file = '{}'", pair.server.dir().join("other.server.crt").display());
        for (fault, says, mends) in [
            ("ALTER SYSTEM SET ssl = off", "the server does not encrypt", "ALTER SYSTEM SET ssl = on"),
            (&bad, "another has signed it than `ca` names", "ALTER SYSTEM RESET ssl_cert_file"),
        ] {
            pair.configured(fault).await;
            pair.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mainstay'").await;
            pair.nobody().await;
            pair.says(says).await;
            pair.configured(mends).await;
            pair.somebody().await;
        }
        pair.one_at_a_time();
    });
}

/// The disk with the store's tables is full: what is there can be changed, but nothing can be added.
#[test]
fn a_full_disk_under_the_store_loses_history_alone_and_is_told() {
    const TEST: &str = "bad_days::a_full_disk_under_the_store_loses_history_alone_and_is_told";
    if !in_own_mounts(TEST) {
        return;
    }
    kit::run_alone(async {
        let Some(server) = kit::had(TEST, Postgres::start().await) else { return };
        let small = server.dir().join("small");
        std::fs::create_dir(&small).expect("a folder");
        let mount = "mount -t tmpfs -o size=4m tmpfs small && mkdir small/it && chown --reference data small/it";
        let mounted = std::process::Command::new("sh").args(["-c", mount]).current_dir(server.dir()).status();
        assert!(mounted.expect("it runs").success(), "a small disk");
        let at = small.join("it");
        let make = format!("CREATE TABLESPACE small LOCATION '{}'", at.display());
        let all = "GRANT CREATE ON TABLESPACE small TO public; ALTER ROLE ALL SET default_tablespace = small";
        execute(&server, &format!("{make}; {all}")).await;
        let mut pair = Pair::on(server, false).await;
        let filler = small.join("filler");
        let full = std::io::copy(&mut std::io::repeat(0), &mut std::fs::File::create(&filler).expect("a file"));
        assert_eq!(full.expect_err("it gets full").kind(), std::io::ErrorKind::StorageFull);
        // Each change of holder is worth several entries of its history: what room is left in its last page is soon used.
        for _ in 0..40 {
            let (from, to) = if is_leading(&pair.a).await { (&pair.a, "b") } else { (&pair.b, "a") };
            let said = from.command(&["switchover", "ledger", "--to", to]).await;
            assert_eq!(said.code, Some(0), "{said:?}\n{}\n{}", pair.a.log(), pair.b.log());
            if pair.a.log().contains(UNWRITTEN) || pair.b.log().contains(UNWRITTEN) {
                break;
            }
        }
        let told = async || [&pair.a, &pair.b].iter().any(|it| it.log().contains(UNWRITTEN));
        until("nobody says so", SOON, told).await.unwrap_or_else(|mishap| panic!("{mishap}: {}", pair.a.log()));
        let told = [pair.a.log(), pair.b.log()].concat();
        assert!(told.contains("No space left on device: the server's disk is full: make room"), "{told}");
        if is_leading(&pair.b).await {
            std::mem::swap(&mut pair.a, &mut pair.b);
        }
        pair.a.signal(Signal::KILL);
        pair.a.ended().await;
        leads(&pair.b).await;
        std::fs::remove_file(&filler).expect("there is room again");
        let whole = async || pair.b.command(&["history", "ledger"]).await.out.contains("it had run out");
        until("the history does not go on", SOON, whole)
            .await
            .unwrap_or_else(|mishap| panic!("{mishap}: {}", pair.b.log()));
        pair.one_at_a_time();
    });
}

/// Its wall clock is ten years ahead, by which the server's certificate ended long ago; nothing else goes by that clock.
#[test]
fn a_member_whose_clock_is_far_off_is_told_and_takes_over_when_it_can() {
    kit::run_alone(async {
        let Some(library) = set_clocks("a_member_whose_clock_is_far_off") else { return };
        let Some(mut pair) = Pair::encrypted("a_member_whose_clock_is_far_off").await else { return };
        pair.b.signal(Signal::TERM);
        pair.b.ended().await;
        let clock = pair.dir.file("clock");
        let set = |ahead: &str| {
            let new = clock.with_extension("new");
            std::fs::write(&new, ahead).and_then(|()| std::fs::rename(new, &clock)).expect("it is set");
        };
        set("+315360000\n");
        let env = [
            format!("LD_PRELOAD={}", library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()),
            "FAKETIME_NO_CACHE=1".into(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
        ];
        pair.b.process = under(&env, &pair.b.dir.file("mainstay.toml"), &pair.b.dir.file("log"));
        pair.b.says("see to the server's certificate, or to this machine's clock").await;
        pair.a.signal(Signal::KILL);
        pair.a.ended().await;
        assert!(!is_leading(&pair.b).await, "{}", pair.b.log());
        set("+0\n");
        leads(&pair.b).await;
        // It has its session, and goes on in it.
        set("-315360000\n");
        pair.a = Mainstay::start(&pair.text("a")).await;
        pair.a.says("b holds the lease").await;
        pair.b.signal(Signal::TERM);
        leads(&pair.a).await;
        assert_eq!(pair.b.ended().await, Some(0), "{}", pair.b.log());
        pair.one_at_a_time();
    });
}

/// Two members, of which `a` leads first.
struct Pair {
    a: Mainstay,
    b: Mainstay,
    server: Postgres,
    encrypted: bool,
    // The last to go.
    dir: Dir,
}

impl Pair {
    async fn start(test: &str) -> Option<Self> {
        let server = kit::had(test, Postgres::start().await)?;
        Some(Self::on(server, false).await)
    }

    /// The same, where each compares the server's certificate.
    async fn encrypted(test: &str) -> Option<Self> {
        let server = kit::had(test, Postgres::start().await)?;
        certify(&server).await;
        Some(Self::on(server, true).await)
    }

    async fn on(server: Postgres, encrypted: bool) -> Self {
        let dir = kit::dir();
        let text = |name: &str| text(&server, &dir, encrypted, name);
        server.create("mainstay").await.expect("a database");
        server.create("ledger").await.expect("a database");
        execute(&server, "CREATE ROLE mainstay LOGIN CREATEROLE; GRANT CREATE ON DATABASE mainstay TO mainstay").await;
        for name in ["a", "b"] {
            let text = text(name).replace("{dir}", &dir.file("").display().to_string());
            std::fs::write(dir.file(&format!("{name}.toml")), text).expect("a file");
            let said = command(&["store", "init", &dir.file(&format!("{name}.toml")).display().to_string()]).await;
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        let a = Mainstay::start(&text("a")).await;
        leads(&a).await;
        let mut b = Mainstay::start(&text("b")).await;
        b.says("a holds the lease").await;
        Self { a, b, server, encrypted, dir }
    }

    fn text(&self, name: &str) -> String {
        text(&self.server, &self.dir, self.encrypted, name)
    }

    fn config(&self, name: &str) -> String {
        self.dir.file(&format!("{name}.toml")).display().to_string()
    }

    async fn admin(&self, text: &str) {
        execute(&self.server, text).await;
    }

    /// Changes the server's configuration, and waits until whoever connects finds it changed.
    async fn configured(&self, change: &str) {
        let number = async |asked: &str| -> f64 {
            let client = self.server.connect("postgres").await.expect("it answers");
            client.query_one(asked, &[]).await.expect("it answers").get(0)
        };
        let before = number("SELECT extract(epoch FROM clock_timestamp())::float8").await;
        self.admin(&format!("{change}; SELECT pg_reload_conf()")).await;
        let read = "SELECT extract(epoch FROM pg_conf_load_time())::float8";
        until("it is not read", SOON, async || number(read).await > before).await.expect("it is read");
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

    /// Each child writes the password of its tenure again and again: none does any more once another has begun.
    fn one_at_a_time(&self) {
        let beats = std::fs::read_to_string(self.dir.file("beats")).expect("they write");
        let mut tenures: Vec<&str> = beats.lines().collect();
        tenures.dedup();
        let count = tenures.len();
        tenures.sort_unstable();
        tenures.dedup();
        assert!(count > 0 && tenures.len() == count, "{}\n{}", self.a.log(), self.b.log());
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

/// Lets the server encrypt, with a certificate that `ca` signed; `other` has signed one, too, for the same key.
async fn certify(server: &Postgres) {
    let dir = server.dir();
    let run = |words: &[&str]| {
        let output = std::process::Command::new("openssl").args(words).current_dir(dir).output().expect("openssl runs");
        assert!(output.status.success(), "{words:?}: {output:?}");
    };
    let key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
    run(&[&["req", "-subj", "/CN=localhost", "-out", "server.csr"], &key[..], &["server.key"]].concat());
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").expect("a file");
    for authority in ["ca", "other"] {
        let [own, signed] = [".crt", ".server.crt"].map(|what| format!("{authority}{what}"));
        let (secret, subject) = (format!("{authority}.key"), format!("/CN={authority}"));
        let make =
            ["req", "-x509", "-days", "2", "-subj", &subject, "-addext", "keyUsage=critical,keyCertSign", "-out"];
        run(&[&make[..], &[&own], &key, &[&secret]].concat());
        let sign = ["x509", "-req", "-in", "server.csr", "-days", "2", "-extfile", "names", "-CAcreateserial"];
        run(&[&sign[..], &["-CA", &own, "-CAkey", &secret, "-out", &signed]].concat());
    }
    let data = dir.join("data");
    for (from, to) in [("ca.server.crt", "server.crt"), ("server.key", "server.key")] {
        std::fs::copy(dir.join(from), data.join(to)).expect("a copy");
    }
    let own = "chmod 0600 data/server.key && chown --reference data/PG_VERSION data/server.* *.server.crt";
    let owned = std::process::Command::new("sh").args(["-c", own]).current_dir(dir).status();
    assert!(owned.expect("it runs").success(), "the server can read them");
    execute(server, "ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf()").await;
}

/// Runs a test again with mounts of its own, which end with it; whether this is that run.
fn in_own_mounts(test: &str) -> bool {
    if std::env::var_os(WITHIN).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        skipped(test, &"processes may not have mounts of their own here");
        return false;
    }
    let own = std::env::current_exe().expect("it has a name");
    let words = ["--exact", test, "--nocapture"];
    let output = unshare().arg(own).args(words).env(WITHIN, "1").output().expect("it runs");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    print!("{said}");
    false
}

/// What sets a process's clock, or `None` when the test is to be skipped, which has been said.
fn set_clocks(test: &str) -> Option<PathBuf> {
    let below = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let library = below.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    if library.is_none() {
        skipped(test, &"there is no faketime to set a process's clock");
    }
    library
}

/// A Mainstay with these variables.
fn under(env: &[String], config: &Path, log: &Path) -> Process {
    let (exe, parent) = (kit::exe().display().to_string(), std::process::id().to_string());
    let config = config.display().to_string();
    let mut words = vec!["leash", "--parent", &parent, "--by", "kill", "--", "env"];
    words.extend(env.iter().map(String::as_str));
    words.extend([&*exe, "run", &config]);
    Process::start("far off", kit::exe(), &words, log).expect("it starts")
}

fn text(server: &Postgres, shared: &Dir, encrypted: bool, name: &str) -> String {
    let (port, id) = (server.port(), std::process::id());
    let ca = server.dir().join("ca.crt").display().to_string();
    let plain = ("127.0.0.1", "", String::new());
    let (host, query, ca) =
        if encrypted { ("localhost", "?sslmode=verify-full", format!("ca = \"{ca}\"")) } else { plain };
    let beats = shared.file("beats").display().to_string();
    format!(
        r#"
[admin]
at = "unix:{{dir}}/admin.sock"
[store]
url = "postgres://mainstay@{host}:{port}/mainstay{query}"
{ca}
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
run = ["sh", "-c", 'while :; do echo "$PASSWORD" >> {beats}; sleep 0.05; done']
env = {{ ROLE = "{{role}}", PASSWORD = "{{password}}" }}
"#
    )
}

/// In the environment of a test that was run again.
const WITHIN: &str = "MAINSTAY_TEST_WITHIN";
const UNWRITTEN: &str = "the history cannot be written";
const SOON: Duration = Duration::from_secs(60);
