//! The password of a tenure is the child's, and nobody else's: it is looked for wherever somebody might find it.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;

use mainstay_testkit::Postgres;
use rustix::process::Signal;

use crate::kit;
use crate::running::{Mainstay, command, read};

#[test]
fn a_tenures_password_is_seen_by_its_child_alone() {
    kit::run(async {
        let Some(server) = server("a_tenures_password_is_seen_by_its_child_alone").await else { return };
        let port = server.port();
        let (dir, name) = (kit::dir(), format!("secret-{}-{}", std::process::id(), port));
        let text = |folder: &str, url: &str, password_file: &str| {
            format!(
                "[admin]\nat = 'unix:{folder}/admin.sock'\n[log]\nlevel = 'trace'\n[store]\nurl = '{url}'\n\
                 [lease.bank]\ndatabase = 'partya'\ngroup = 'partya'\nroles = ['partya_1']\n[guard.{name}]\nlease = 'bank'\n\
                 name = 'a'\nrole = 'partya_1'\nrun = ['sh', '-c', 'echo up; sleep 1000']\n\
                 env = {{ DB_USER = '{{role}}', DB_PASSWORD = '{{password}}' }}\npassword_file = '{password_file}'\n"
            )
        };
        let url = format!("postgres://postgres@127.0.0.1:{port}/mainstay");
        let file = dir.file("init.toml");
        std::fs::write(&file, text(&dir.path().display().to_string(), &url, "/no")).expect("a file");
        let file = file.display().to_string();
        let said = [command(&["store", "init", &file]).await, command(&["check", &file]).await];
        assert!(said.iter().all(|said| said.code == Some(0)), "{said:?}");

        let mut it = Mainstay::start(&text("{dir}", &url, "{dir}/password")).await;
        it.says("event=\"ready\"").await;
        let path = it.dir.file("password");
        let mode = std::fs::metadata(&path).expect("it is written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let password = read(path.clone());
        assert!(password.len() >= 16, "{password:?}");

        let mut shown = vec![("the server's log", server.said()), ("the log", it.log())];
        for target in ["/status", "/metrics", "/history", "/health"] {
            shown.push((target, it.ask(target).await));
        }
        for args in [&["status"][..], &["status", "--json"], &["history"], &["history", "--json"]] {
            let said = it.command(args).await;
            assert_eq!(said.code, Some(0), "{said:?}");
            shown.push((args[0], said.out + &said.err));
        }
        let configuration = it.dir.file("mainstay.toml").display().to_string();
        for args in [&["check", &configuration][..], &["store", "check", &configuration]] {
            let said = command(args).await;
            shown.push((args[0], said.out + &said.err));
        }
        shown.push(("the history", rows(&server, "SELECT text FROM mainstay.history").await));
        shown.push(("the lease", rows(&server, "SELECT row_to_json(l)::text FROM mainstay.lease l").await));
        for (what, text) in &shown {
            assert!(!text.is_empty(), "{what} is empty");
            assert!(!text.contains(&password), "{what} shows the password: {text}");
        }
        processes(it.process.id(), &password);

        it.signal(Signal::TERM);
        assert_eq!(it.ended().await, Some(0), "{}", it.log());
        assert!(!it.log().contains(&password), "the log shows the password in the end");
        assert!(!path.exists(), "the password is left behind");
    });
}

#[test]
fn a_password_that_cannot_be_written_is_told_with_what_to_do() {
    kit::run(async {
        let Some(server) = server("a_password_that_cannot_be_written_is_told_with_what_to_do").await else { return };
        let (port, id) = (server.port(), std::process::id());
        let text = format!(
            "[admin]\nat = 'off'\n[store]\nurl = 'postgres://postgres@127.0.0.1:{port}/mainstay'\n\
             [lease.bank]\ndatabase = 'partya'\ngroup = 'partya'\n[guard.unwritten-{id}-{port}]\nlease = 'bank'\nname = 'a'\n\
             role = 'partya_1'\nrun = ['sleep', '1000']\npassword_file = '{{dir}}/none/password'\n"
        );
        let dir = kit::dir();
        let file = dir.file("init.toml");
        std::fs::write(&file, text.replace("{dir}", "/tmp")).expect("a file");
        assert_eq!(command(&["store", "init", &file.display().to_string()]).await.code, Some(0));
        let mut it = Mainstay::start(&text).await;
        it.says("ERROR could not start the child: its password cannot be written to ").await;
        it.says("make the folder, and let this user write there").await;
        it.signal(Signal::TERM);
        assert_eq!(it.ended().await, Some(0), "{}", it.log());
    });
}

/// No process but those of the child has it in its words or its environment.
fn processes(mainstay: u32, password: &str) {
    // The sentinel hands the environment on, and is as much the child's own user's.
    let childs: HashSet<u32> = kit::below(mainstay).into_iter().collect();
    assert!(childs.len() >= 2, "{childs:?}");
    let mut has = 0;
    for entry in std::fs::read_dir("/proc").expect("there is a /proc").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let holds = |file: &str| {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            bytes.windows(password.len()).any(|part| part == password.as_bytes())
        };
        assert!(!holds("cmdline"), "process {id} has the password among its words");
        let held = holds("environ");
        assert!(!held || childs.contains(&id), "process {id} has the password in its environment");
        has += usize::from(held);
    }
    assert!(has > 0, "the child lacks its password");
}

async fn rows(server: &Postgres, query: &str) -> String {
    let client = server.connect("mainstay").await.expect("it can be asked");
    let rows = client.query(query, &[]).await.expect("it answers");
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

/// A server with two databases; `None` where there is no PostgreSQL.
async fn server(test: &str) -> Option<Postgres> {
    let settings = ["log_statement=all", "log_min_messages=debug1"];
    let server = kit::had(test, Postgres::start_with(&settings).await)?;
    server.create("mainstay").await.expect("a database");
    server.create("partya").await.expect("a database");
    Some(server)
}
