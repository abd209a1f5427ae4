//! Children on their bad days, with the real binary: each is told in a sentence that an operator can act on, and nothing
//! is left behind.

use std::time::Duration;

use rustix::process::Signal;

use crate::kit;
use crate::running::{Mainstay, Puppet, command, read};
use mainstay::demo::stage::{Process, until};

/// A bad day: what runs, what else the guard is told, and what is said of it.
struct Day {
    run: &'static str,
    guard: &'static str,
    says: &'static [&'static str],
}

/// `run` of a shell with this script.
macro_rules! sh {
    ($script:literal) => {
        concat!("['sh', '-c', '", $script, "']")
    };
}

#[test]
fn a_child_that_does_not_run_is_told_with_what_to_do() {
    kit::run(async {
        all(&[
            Day {
                run: "['/no/such/node']",
                guard: "",
                says: &[
                    "ERROR",
                    "the child did not run: could not run `/no/such/node`: No such file",
                    "whole path in `run`",
                ],
            },
            Day {
                run: "['{dir}/mainstay.toml']",
                guard: "",
                says: &["ERROR", "the child did not run", "Permission denied", "chmod +x"],
            },
            Day {
                run: sh!("exit 3"),
                guard: "restart = { times = 1, within = '10s', backoff = '10ms' }",
                says: &[
                    "WARN the child ended with exit code 3 by itself",
                    "that was too often in 10 s",
                    "no other member is fit",
                ],
            },
            Day {
                run: sh!("sleep 1000 & exit 0"),
                guard: "",
                says: &["the child left 1 process behind, which is killed: it must run in the foreground"],
            },
            Day {
                run: sh!("setsid sh -c \"setsid sleep 1000 & sleep 1000\" & sleep 0.3; exit 0"),
                guard: "",
                says: &["processes behind, which are killed"],
            },
        ])
        .await;
    });
}

#[test]
fn a_child_that_does_not_get_ready_or_does_not_end_is_told() {
    kit::run(async {
        all(&[
            Day {
                run: sh!("sleep 1000"),
                guard: "ready = { tcp = '127.0.0.1:1', every = '20ms', within = '1500ms' }",
                says: &[
                    "WARN the child is not well: it was not ready within 1.5 s: connect to 127.0.0.1:1: ",
                    "refused",
                ],
            },
            Day {
                run: sh!("trap : TERM; while :; do sleep 0.1; done"),
                guard: "stop_within = '300ms'",
                says: &["the child is ready", "STOP", "WARN the child did not end within 300 ms and was killed"],
            },
            Day { run: sh!("exec >&- 2>&-; sleep 1000"), guard: "", says: &["the child is ready"] },
        ])
        .await;
    });
}

#[test]
fn hooks_that_fail_or_hang_are_told() {
    kit::run(async {
        all(&[
            Day {
                run: sh!("sleep 1000"),
                guard: "before = ['false']",
                says: &["WARN its `before` command ended with exit code 1"],
            },
            Day {
                run: sh!("sleep 1000"),
                guard: "before = { run = ['sleep', '1000'], within = '200ms' }",
                says: &["WARN its `before` command did not end within 200 ms and was killed"],
            },
            Day {
                run: sh!("sleep 1000"),
                guard: "before = ['/no/such/hook']",
                says: &["ERROR its `before` command did not run: could not run `/no/such/hook`"],
            },
            Day {
                run: sh!("sleep 1000"),
                guard: "after = { run = ['sleep', '1000'], within = '200ms' }",
                says: &[
                    "the child is ready",
                    "STOP",
                    "WARN its `after` command did not end within 200 ms and was killed",
                ],
            },
        ])
        .await;
    });
}

#[test]
fn two_guards_without_a_file_share_a_machine() {
    kit::run(async {
        let (dir, lease) = (kit::dir(), format!("bare-{}", std::process::id()));
        let store = format!("sqlite:{}", dir.file("leases.db").display());
        let guard = |name: &str| {
            let script = format!("echo {name} runs; trap \"exit 9\" TERM; while :; do sleep 0.05; done");
            let words = ["guard", "--lease", &lease, "--store", &store, "--name", name, "--renew", "200ms"];
            let command = ["--", "sh", "-c", &script];
            let args: Vec<String> = words.iter().chain(&command).map(ToString::to_string).collect();
            Process::start(name, kit::exe(), &args, &dir.file(name)).expect("it starts")
        };
        let runs = async |name: &str| {
            let runs = async || read(dir.file(name)).contains(&format!("{name} runs"));
            let done = until(&format!("{name} does not run"), SOON, runs).await;
            done.unwrap_or_else(|mishap| panic!("{mishap}: {}", read(dir.file(name))));
        };
        let a = guard("a");
        runs("a").await;
        let mut b = guard("b");
        until("b is not there", SOON, async || read(dir.file("b")).contains("guards a child"))
            .await
            .expect("it starts");
        a.signal(Signal::KILL).expect("it lives");
        runs("b").await;
        b.signal(Signal::TERM).expect("it lives");
        let code = b.ended(SOON).await.expect("it ends").code();
        assert_eq!(code, Some(9), "its command's: {}", read(dir.file("b")));
    });
}

#[test]
fn a_guard_without_a_file_waits_for_its_command_to_be_ready() {
    kit::run(async {
        let node = Puppet::new().await;
        let at = node.at().to_string();
        tokio::task::LocalSet::new()
            .run_until(async move {
                tokio::task::spawn_local(async move { node.serve("ok").await });
                let url = format!("http://{at}/health");
                let dir = kit::dir();
                for (number, (ready, code)) in [(&at, 7), (&url, 8)].into_iter().enumerate() {
                    let store = format!("sqlite:{}", dir.file(&format!("{number}.db")).display());
                    let (lease, script) =
                        (format!("ready-{}-{number}", std::process::id()), format!("sleep 1; exit {code}"));
                    let words =
                        ["guard", "--lease", &lease, "--store", &store, "--ready", ready, "--", "sh", "-c", &script];
                    let said = command(&words).await;
                    assert_eq!(said.code, Some(code), "{said:?}");
                    assert!(said.err.contains("the child is ready"), "{said:?}");
                }
            })
            .await;
        let dir = kit::dir();
        let store = format!("sqlite:{}", dir.file("leases.db").display());
        let lease = format!("killed-{}", std::process::id());
        let said = command(&["guard", "--lease", &lease, "--store", &store, "--", "sh", "-c", "kill -9 $$"]).await;
        assert_eq!(said.code, Some(137), "128 and the signal: {said:?}");
    });
}

/// Plays these days side by side.
async fn all(days: &[Day]) {
    let mut running = Vec::new();
    for (at, day) in days.iter().enumerate() {
        running.push((Mainstay::start(&text(day, at)).await, day));
    }
    for (it, day) in &mut running {
        let mut stopped = false;
        for what in day.says {
            if *what == "STOP" {
                it.signal(Signal::TERM);
                stopped = true;
            } else {
                says(it, what).await;
            }
        }
        if !stopped {
            it.signal(Signal::TERM);
        }
    }
    for (mut it, _) in running {
        assert_eq!(it.ended().await, Some(0), "{}", it.log());
        assert!(it.log().contains("left the lease; its child is gone"), "{}", it.log());
    }
}

/// Waits until it has said this; it may have ended meanwhile.
async fn says(it: &Mainstay, what: &str) {
    let said = async || it.log().contains(what);
    until(&format!("it does not say {what:?}"), SOON, said)
        .await
        .unwrap_or_else(|mishap| panic!("{mishap}: {}", it.log()));
}

fn text(day: &Day, at: usize) -> String {
    let name = format!("day-{}-{}-{at}", std::process::id(), fastrand::u32(..));
    format!(
        "[admin]\nat = 'unix:{{dir}}/admin.sock'\n[store]\nurl = 'sqlite:{{dir}}/leases.db'\n[lease.day]\nrenew = '200ms'\n\
         ttl = '600ms'\n[guard.{name}]\nlease = 'day'\nname = 'a'\nrun = {}\n{}\n",
        day.run, day.guard
    )
}

/// Longest wait for anything here.
const SOON: Duration = Duration::from_secs(60);
