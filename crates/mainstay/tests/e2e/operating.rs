//! What operators do: reload, stop, look, drain.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::kit;
use crate::running::{Client, Mainstay, Puppet, command, read};
use mainstay::demo::stage::until;

#[test]
fn a_good_reload_takes_hold_and_a_bad_one_changes_nothing() {
    kit::run(async {
        let (old, new) = (Puppet::new().await, Puppet::new().await);
        let (old_at, new_at) = (old.at(), new.at());
        tokio::task::LocalSet::new()
            .run_until(async move {
                tokio::task::spawn_local(async move { old.serve("old").await });
                tokio::task::spawn_local(async move { new.serve("new").await });
                let it = Mainstay::start(&configuration(&[old_at.to_string()])).await;
                let mut client = Client::connect(it.listener("front")).await;
                let mut ask = async || {
                    client.get("/").await;
                    client.answered().await.1
                };
                assert_eq!(ask().await, "old");

                it.write("[listen.front]\nat = 7\nunknown = true\n");
                let said = it.command(&["reload"]).await;
                assert_eq!(said.code, Some(1), "{said:?}");
                assert!(said.err.contains("unknown") && said.err.contains("mainstay.toml:"), "{said:?}");
                assert_eq!(ask().await, "old");
                let status = it.command(&["status"]).await;
                assert!(status.out.contains("REFUSED") && status.out.contains("front"), "{status:?}");
                assert!(it.ask("/metrics").await.contains("\nmainstay_last_reload_ok 0\n"));

                it.write(&configuration(&[new_at.to_string()]).replace("workers = 2", "workers = 7"));
                let said = it.command(&["reload"]).await;
                assert_eq!(said.code, Some(0), "{said:?}");
                assert!(said.out.contains("workers stays 2 until Mainstay is restarted"), "{said:?}");
                assert_eq!(ask().await, "new", "on the connection of before");
                assert!(it.ask("/metrics").await.contains("\nmainstay_last_reload_ok 1\n"));
            })
            .await;
    });
}

#[test]
fn sighup_reloads() {
    kit::run(async {
        let node = Puppet::new().await;
        let mut it = Mainstay::start(&configuration(&[node.at().to_string()])).await;
        it.write("nonsense");
        it.signal(Signal::HUP);
        it.says("the old configuration is kept").await;
        it.write(&(configuration(&[node.at().to_string()]) + &listener("second")));
        it.signal(Signal::HUP);
        it.says("new configuration: 2 listeners").await;
    });
}

#[test]
fn sigterm_lets_what_is_under_way_finish() {
    kit::run(async {
        let node = Puppet::new().await;
        let mut it = Mainstay::start(&configuration(&[node.at().to_string()])).await;
        let front = it.listener("front");
        let mut idle = Client::connect(front).await;
        let mut client = Client::connect(front).await;
        client.get("/slow").await;
        let mut asked = node.asked().await;
        it.signal(Signal::TERM);
        it.says("stopping").await;
        until("it still listens", SOON, async || TcpStream::connect(front).await.is_err()).await.expect("it closes");
        assert!(it.ask("/health").await.starts_with("HTTP/1.1 503 "), "its own health says that it drains");
        assert!(it.command(&["status"]).await.out.contains("draining"));
        assert_eq!(idle.head().await, "", "an idle connection is closed");
        assert!(it.process.runs(), "a request is under way");
        asked.answer("at last").await;
        let (head, body) = client.answered().await;
        assert_eq!(body, "at last");
        assert!(head.to_ascii_lowercase().contains("connection: close"), "the client is told: {head}");
        assert_eq!(it.ended().await, Some(0), "{}", it.log());
        assert!(it.log().contains("everything was finished"));
        assert!(!it.dir.file("admin.sock").exists());
    });
}

#[test]
fn an_idle_client_gets_one_more_answer_when_its_listener_ends() {
    kit::run(async {
        for by_reload in [true, false] {
            let node = Puppet::new().await;
            let kept = configuration(&[node.at().to_string()]);
            // An address of its own, for listeners are told apart by theirs.
            let second = listener("second").replace("127.0.0.1", "127.0.0.2");
            let mut it = Mainstay::start(&(kept.clone() + &second)).await;
            let mut client = Client::connect(it.listener("second")).await;
            client.get("/first").await;
            let mut asked = node.asked().await;
            asked.answer("1").await;
            client.answered().await;
            // It has idled for longer than it gets at last.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            if by_reload {
                it.write(&kept);
                assert_eq!(it.command(&["reload"]).await.code, Some(0));
            } else {
                it.signal(Signal::TERM);
                it.says("stopping").await;
            }
            client.get("/last").await;
            asked.head().await;
            asked.answer("2").await;
            assert_eq!(client.answered().await.1, "2");
            assert_eq!(client.head().await, "", "but not a second one");
        }
    });
}

#[test]
fn a_mainstay_that_lacks_a_worker_does_not_stay() {
    kit::run(async {
        let mut lacked = 0;
        for files in (10..32).step_by(2) {
            let dir = kit::dir();
            let admin = format!("unix:{}", dir.file("admin.sock").display());
            let text = configuration(&["127.0.0.1:9".to_owned()]).replace("unix:{dir}/admin.sock", &admin);
            std::fs::write(dir.file("mainstay.toml"), text).expect("it can be written");
            let run = format!("ulimit -n {files}; exec \"$0\" run \"$1\"");
            let mut process = tokio::process::Command::new("/bin/sh")
                .args(["-c", &run])
                .args([kit::exe(), &dir.file("mainstay.toml")])
                .stderr(std::fs::File::create(dir.file("log")).expect("a file"))
                .kill_on_drop(true)
                .spawn()
                .expect("it starts");
            let log = || read(dir.file("log"));
            let mut code = || process.try_wait().expect("it can be asked").map(|status| status.code());
            let settled = until("either", SOON, async || log().contains("ready: ") || code().is_some()).await;
            settled.expect("it starts or ends");
            // The workers begin while it says that it is ready.
            let _ = until("ended", Duration::from_millis(300), async || code().is_some()).await;
            if log().contains(" a worker: ") {
                lacked += 1;
                until("it stays", SOON, async || code() == Some(Some(1))).await.expect("it ends");
            }
        }
        assert!(lacked > 0, "no limit was right for this test");
    });
}

#[test]
fn a_second_sigterm_and_a_first_sigint_end_it_at_once() {
    for signals in [&[Signal::TERM, Signal::TERM][..], &[Signal::INT]] {
        kit::run(async {
            let node = Puppet::new().await;
            let mut it = Mainstay::start(&configuration(&[node.at().to_string()])).await;
            let mut client = Client::connect(it.listener("front")).await;
            client.get("/never").await;
            let _asked = node.asked().await;
            let begun = Instant::now();
            for signal in signals {
                it.signal(*signal);
                it.says("stopping").await;
            }
            assert_eq!(it.ended().await, Some(0), "{}", it.log());
            assert!(begun.elapsed() < SOON, "the drain would have taken a minute");
            assert!(it.log().contains("what was still under way was cut"), "{}", it.log());
        });
    }
}

#[test]
fn a_drained_node_gets_no_new_work_until_it_is_admitted() {
    kit::run(async {
        let (a, b) = (Puppet::new().await, Puppet::new().await);
        let names = [a.at().to_string(), b.at().to_string()];
        tokio::task::LocalSet::new()
            .run_until(async move {
                tokio::task::spawn_local(async move { a.serve("a").await });
                tokio::task::spawn_local(async move { b.serve("b").await });
                let it = Mainstay::start(&configuration(&names)).await;
                let mut client = Client::connect(it.listener("front")).await;
                let mut answers = async |count: usize| {
                    let mut bodies = Vec::new();
                    for _ in 0..count {
                        client.get("/").await;
                        bodies.push(client.answered().await.1);
                    }
                    bodies.sort();
                    bodies.dedup();
                    bodies
                };
                assert_eq!(answers(10).await, ["a", "b"]);
                let said = it.command(&["drain", &names[0]]).await;
                assert_eq!((said.code, said.out), (Some(0), format!("{} gets no new work\n", names[0])));
                until("a still gets work", SOON, async || answers(2).await == ["b"]).await.expect("it drains");
                assert_eq!(answers(20).await, ["b"]);
                let status = it.command(&["status", "--json"]).await.out;
                assert!(status.contains("\"standing\": \"draining\""), "{status}");
                assert_eq!(it.command(&["drain", "nobody"]).await.code, Some(1));
                assert_eq!(it.command(&["admit", &format!("kv/{}", names[0])]).await.code, Some(0));
                until("a gets no work", SOON, async || answers(10).await == ["a", "b"]).await.expect("it is back");
            })
            .await;
    });
}

#[test]
fn status_says_why_a_node_is_out() {
    kit::run(async {
        let node = Puppet::new().await;
        let text = configuration(&[node.at().to_string()]) + "check = { tcp = true, every = \"50ms\", fall = 2 }\n";
        let it = Mainstay::start(&text).await;
        drop(node);
        until("the node is still in", SOON, async || {
            let status = it.command(&["status"]).await;
            assert_eq!(status.code, Some(0), "{status:?}");
            status.out.lines().any(|line| line.contains(" out ") && line.contains("refused"))
        })
        .await
        .expect("it goes out");
        let mut client = Client::connect(it.listener("front")).await;
        client.get("/").await;
        assert!(client.answered().await.0.starts_with("HTTP/1.1 503 "));
    });
}

#[test]
fn metrics_count_what_happened() {
    kit::run(async {
        let node = Puppet::new().await;
        let at = node.at().to_string();
        tokio::task::LocalSet::new()
            .run_until(async move {
                tokio::task::spawn_local(async move { node.serve("ok").await });
                let it = Mainstay::start(&configuration(std::slice::from_ref(&at))).await;
                let mut client = Client::connect(it.listener("front")).await;
                for _ in 0..3 {
                    client.get("/").await;
                    client.answered().await;
                }
                client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
                assert!(client.head().await.starts_with("HTTP/1.1 400 "));
                let lines = [
                    "mainstay_listener_accepted_total{listener=\"front\"} 1".to_owned(),
                    "mainstay_listener_answers_total{listener=\"front\",class=\"2xx\"} 3".to_owned(),
                    "mainstay_listener_answers_total{listener=\"front\",class=\"4xx\"} 1".to_owned(),
                    format!("mainstay_node_requests_total{{pool=\"kv\",node=\"{at}\"}} 3"),
                    format!("mainstay_node_connects_total{{pool=\"kv\",node=\"{at}\"}} 1"),
                    format!("mainstay_node_reused_total{{pool=\"kv\",node=\"{at}\"}} 2"),
                ];
                let mut answer = String::new();
                // An answer is counted when it was written, which its client may see sooner.
                let counted = async || {
                    answer = it.ask("/metrics").await;
                    lines.iter().all(|line| answer.lines().any(|one| one == line))
                };
                let counted = until("all is counted", Duration::from_secs(20), counted).await;
                let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
                counted.unwrap_or_else(|mishap| panic!("{mishap}: {lines:#?} in {body}"));
                assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
                well_formed(body);
            })
            .await;
    });
}

/// Every sample stands below its type, and is a name, labels and a number.
fn well_formed(text: &str) {
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap_or_default();
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            assert!(sample.starts_with(current) && !current.is_empty(), "{line} below {current}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[test]
fn the_admin_socket_is_its_users_alone_and_has_one_owner() {
    kit::run(async {
        let node = Puppet::new().await;
        let it = Mainstay::start(&configuration(&[node.at().to_string()])).await;
        let socket = it.dir.file("admin.sock");
        let mode = std::fs::metadata(&socket).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = command(&["run", &it.dir.file("mainstay.toml").display().to_string()]).await;
        assert_eq!(second.code, Some(1), "{second:?}");
        assert!(second.err.contains("a running process listens there already"), "{second:?}");
        assert!(second.err.contains("--admin"), "it says what to do: {second:?}");
        assert_eq!(it.command(&["status"]).await.code, Some(0), "the first goes on");
    });
}

#[test]
fn exit_codes_are_those_of_the_manual() {
    kit::run(async {
        let dir = kit::dir();
        let nobody = format!("unix:{}", dir.file("none.sock").display());
        for args in [&["status"][..], &["reload"], &["drain", "a"], &["admit", "a", "--json"]] {
            let said = command(&[args, &["--admin", &nobody]].concat()).await;
            assert_eq!(said.code, Some(3), "{args:?}: {said:?}");
            assert!(said.err.contains(&nobody) && said.out.is_empty(), "{said:?}");
        }
        for args in [&["status", "--admin", "9"][..], &["drain"], &["run"], &["fly"], &[]] {
            assert_eq!(command(args).await.code, Some(2), "{args:?}");
        }
        assert_eq!(command(&["run", &dir.file("none.toml").display().to_string()]).await.code, Some(1));
        assert_eq!(command(&["--version"]).await.code, Some(0));
    });
}

#[test]
fn systemd_is_told() {
    kit::run(async {
        let dir = kit::dir();
        let told = tokio::net::UnixDatagram::bind(dir.file("notify")).expect("a socket");
        let file = dir.file("mainstay.toml");
        let text = configuration(&["127.0.0.1:9".to_owned()]).replace("{dir}", &dir.file("").display().to_string());
        std::fs::write(&file, text).expect("it can be written");
        let mut it = tokio::process::Command::new(kit::exe())
            .args(["run".as_ref(), file.as_os_str()])
            .env("NOTIFY_SOCKET", dir.file("notify"))
            .env("WATCHDOG_USEC", "300000")
            .env_remove("WATCHDOG_PID")
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let expect = async |what: &str| {
            let mut message = vec![0; 4096];
            loop {
                let received = tokio::time::timeout(SOON, told.recv(&mut message)).await;
                let length = received.unwrap_or_else(|_| panic!("{what} does not come")).expect("a message");
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                if text.starts_with(what) {
                    return text;
                }
            }
        };
        assert!(expect("READY=1").await.contains("STATUS=serving 1 listener, 1 pool"));
        expect("WATCHDOG=1").await;
        let id = i32::try_from(it.id().expect("it runs")).ok().and_then(rustix::process::Pid::from_raw);
        let signal = |signal| rustix::process::kill_process(id.expect("a process"), signal).expect("it takes a signal");
        signal(Signal::HUP);
        assert!(expect("RELOADING=1").await.contains("MONOTONIC_USEC="));
        expect("READY=1").await;
        signal(Signal::TERM);
        assert!(expect("STOPPING=1").await.contains("EXTEND_TIMEOUT_USEC=65000000"));
        assert_eq!(it.wait().await.expect("it ends").code(), Some(0));
    });
}

/// A front before these nodes. It ends with the pool's table, so that a test can add to it.
fn configuration(nodes: &[String]) -> String {
    format!(
        "[run]\nworkers = 2\ndrain = \"60s\"\n[admin]\nat = \"unix:{{dir}}/admin.sock\"\n{}[pool.kv]\nnodes = {nodes:?}\n",
        listener("front"),
    )
}

fn listener(name: &str) -> String {
    format!("[listen.{name}]\nat = \"127.0.0.1:0\"\nto = \"http://kv\"\n")
}

/// Longest time for what should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(15);
