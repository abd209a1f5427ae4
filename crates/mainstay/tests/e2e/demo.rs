//! The demo as a newcomer runs it.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use mainstay::demo::stage::until;

use crate::kit;

#[test]
fn the_demo_passes_and_clears_away() {
    kit::run_alone(async {
        for attempt in 1..=ATTEMPTS {
            let demo = start(&["demo", "--json"]);
            let id = demo.id();
            let output = tokio::task::spawn_blocking(|| demo.wait_with_output()).await.expect("it is waited for");
            let output = output.expect("it ends");
            assert_eq!(kit::directories(id), Vec::<String>::new());
            if judge(&output) || attempt == ATTEMPTS {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
                return;
            }
        }
    });
}

/// Whether it passed. What was lost may be too much where others keep the machine busy, and then it is played again; what
/// must never happen fails the test at once.
fn judge(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a verdict in JSON");
    if let Some(mishap) = verdict["mishap"].as_str() {
        println!("it was not played to its end: {mishap}\n{said}");
        return false;
    }
    let acts = verdict["acts"].as_array().expect("acts");
    let names: Vec<_> = acts.iter().filter_map(|act| act["name"].as_str()).collect();
    let first = ["calm", "kill", "freeze", "rolling_restart", "reloads"];
    let second = ["kill_child", "kill_guard", "freeze_guard", "switchover"];
    assert_eq!(names, [first.as_slice(), &second].concat());
    assert_eq!((&verdict["stale_writes"], &verdict["overlaps"]), (&0.into(), &0.into()), "{verdict:#}");
    assert!(verdict["tenured_rows"].as_u64() > Some(100), "{verdict:#}");
    let succession = acts.iter().filter(|act| second.iter().any(|name| act["name"] == *name));
    assert!(succession.clone().all(|act| act["takeover_ms"].as_f64() > Some(0.0)), "{verdict:#}");
    assert!(acts.iter().all(|act| act["requests"].as_u64() > Some(100)), "{verdict:#}");
    assert_eq!((&verdict["done_twice"], &verdict["missing"]), (&0.into(), &0.into()), "{verdict:#}");
    for progress in ["node b: frozen", "lease of a: ready, token 1.", "lease of b: ready, token 1."] {
        assert!(said.contains(progress), "progress goes to standard error: {said}");
    }
    let passed = output.status.success();
    assert_eq!(verdict["passed"], passed, "{verdict:#}");
    if !passed {
        println!("{verdict:#}\n{said}");
    }
    passed
}

#[test]
fn a_demo_that_is_killed_leaves_no_process_behind() {
    kit::run(async {
        let mut demo = start(&["demo"]);
        let id = demo.id();
        let all = async || kit::children(id).len() == 3;
        until("it does not start two nodes and a front", Duration::from_secs(30), all).await.expect("it starts them");
        let children = kit::children(id);
        demo.kill().expect("it is killed");
        demo.wait().expect("it ends");
        let gone = async || children.iter().all(|id| !std::path::Path::new(&format!("/proc/{id}")).exists());
        until("its children live on", Duration::from_secs(10), gone).await.expect("they end with it");
        kit::sweep(id);
    });
}

fn start(args: &[&str]) -> Child {
    let mut command = Command::new(kit::exe());
    command.args(args).env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the demo starts")
}

const ATTEMPTS: u32 = 4;
