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
            assert_eq!(directories(id), Vec::<String>::new());
            if judge(&output) || attempt == ATTEMPTS {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
                return;
            }
        }
    });
}

/// Whether it passed. It may fail only on a machine that it found too busy to tell.
fn judge(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a verdict in JSON");
    if let Some(mishap) = verdict["mishap"].as_str() {
        println!("it was not played to its end: {mishap}\n{said}");
        return false;
    }
    let acts = verdict["acts"].as_array().expect("acts");
    let names: Vec<_> = acts.iter().filter_map(|act| act["name"].as_str()).collect();
    assert_eq!(names, ["calm", "kill", "freeze", "rolling_restart", "reloads"]);
    assert!(acts.iter().all(|act| act["requests"].as_u64() > Some(100)), "{verdict:#}");
    assert_eq!((&verdict["done_twice"], &verdict["missing"]), (&0.into(), &0.into()), "{verdict:#}");
    assert!(said.contains("node b: frozen"), "progress goes to standard error: {said}");
    let passed = output.status.success();
    assert_eq!(verdict["passed"], passed, "{verdict:#}");
    assert!(passed || output.stdout.windows(BUSY.len()).any(|text| text == BUSY.as_bytes()), "{verdict:#}\n{said}");
    passed
}

#[test]
fn a_demo_that_is_killed_leaves_no_process_behind() {
    kit::run(async {
        let mut demo = start(&["demo"]);
        let id = demo.id();
        let all = async || children(id).len() == 3;
        until("it does not start two nodes and a front", Duration::from_secs(30), all).await.expect("it starts them");
        let children = children(id);
        demo.kill().expect("it is killed");
        demo.wait().expect("it ends");
        let gone = async || children.iter().all(|id| !std::path::Path::new(&format!("/proc/{id}")).exists());
        until("its children live on", Duration::from_secs(10), gone).await.expect("they end with it");
        for directory in directories(id) {
            std::fs::remove_dir_all(std::env::temp_dir().join(directory)).expect("it can be removed");
        }
    });
}

fn start(args: &[&str]) -> Child {
    let mut command = Command::new(kit::exe());
    command.args(args).env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the demo starts")
}

/// Processes whose parent this is.
fn children(id: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        // Behind the name in parentheses: the state, then the parent.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    ids.filter(|child| parent(child) == Some(id)).collect()
}

/// What a demo of this process id has in the temporary directory.
fn directories(id: u32) -> Vec<String> {
    let all = std::fs::read_dir(std::env::temp_dir()).expect("there is one").flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&format!("mainstay-demo-{id}-"))).collect()
}

/// What a demo says that could not keep time.
const BUSY: &str = "this machine is busy";
const ATTEMPTS: u32 = 4;
