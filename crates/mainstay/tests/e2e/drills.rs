//! Drills as an operator runs them, on the store that needs nothing: a file.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use mainstay::demo::stage::until;
use serde_json::Value;

use crate::kit;

#[test]
fn a_killed_node_is_succeeded() {
    check("kill-child", &moved);
}

#[test]
fn a_killed_guard_is_succeeded() {
    check("kill-guard", &moved);
}

#[test]
fn a_frozen_guard_is_succeeded_and_writes_nothing_when_woken() {
    check("freeze-guard", &moved);
}

#[test]
fn a_frozen_machine_s_node_writes_nothing_behind_its_successor() {
    check("freeze-machine", &moved);
}

#[test]
fn a_guard_is_not_started_twice() {
    check("double-start", &|report| {
        assert_eq!((&report["active_ms"], &report["lost"]), (&Value::Null, &0.into()), "{report:#}");
    });
}

#[test]
fn a_lease_is_handed_over_without_a_loss() {
    check("switchover", &|report| {
        moved(report);
        assert_eq!(report["lost"], 0, "{report:#}");
    });
}

#[test]
fn a_clock_that_jumps_moves_nothing() {
    check("clock-jump", &|report| {
        stayed(report);
        assert_eq!((&report["lost"], &report["runs"][0]["side"]), (&0.into(), &"guard a".into()), "{report:#}");
    });
}

#[test]
fn a_database_s_clock_that_jumps_moves_nothing() {
    check_with("clock-jump", &["--postgres"], &|report| {
        stayed(report);
        assert_eq!((&report["lost"], &report["runs"][0]["side"]), (&0.into(), &"the database".into()), "{report:#}");
    });
}

#[test]
fn a_crashed_database_costs_no_commit() {
    check("crash-database", &|report| {
        assert!(report["resumed_ms"]["worst"].as_f64() > Some(0.0), "{report:#}");
        assert_eq!((&report["missing"], &report["written_back"]), (&0.into(), &0.into()), "{report:#}");
    });
}

#[test]
fn a_synchronous_standby_goes_on_with_the_same_node() {
    check("promote-database", &|report| {
        stayed(report);
        assert!(report["resumed_ms"]["worst"].as_f64() > Some(0.0), "{report:#}");
        assert_eq!((&report["missing"], &report["written_back"]), (&0.into(), &0.into()), "{report:#}");
    });
}

#[test]
fn what_a_promotion_lost_is_not_written_back() {
    // The holder is replaced in the lost part of the history, and is not.
    check_with("promote-database-lossy", &["--runs", "2"], &|report| {
        moved(report);
        assert!(report["missing"].as_u64() >= Some(20), "{report:#}");
        assert_eq!(report["written_back"], 0, "{report:#}");
    });
}

#[test]
fn drills_that_need_more_say_what() {
    kit::run(async {
        let check = |args: &[&str], expect: &str| {
            let output = drill(args).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains(expect), "{args:?}: {said}");
        };
        check(&["kill-child", "--store", "postgres://nobody@127.0.0.1:1/none"], "say --yes if it may");
        let given = ["--store", "postgres://nobody@127.0.0.1:1/none", "--yes"];
        check(&[&["crash-database"], &given[..]].concat(), "leave --store out");
        check(&["kill-child", "no-such-file.toml", "--yes"], "no-such-file.toml");
        check(&["kill-child", "--store", "postgres://nobody@127.0.0.1:1/none", "--yes"], "could not set the store up");
        check(&["spill-coffee"], "invalid value");
    });
}

#[test]
fn a_drill_that_is_killed_leaves_no_process_behind() {
    kit::run(async {
        let mut drill = drill(&["double-start", "--runs", "1000"]).spawn().expect("the drill starts");
        let id = drill.id();
        let mut below = Vec::new();
        // Two guards, the front, a sentinel and its node.
        let all = async || {
            below = kit::below(id);
            below.len() >= 5
        };
        until("it does not start them all", STARTING, all).await.expect("it starts them");
        drill.kill().expect("it is killed");
        drill.wait().expect("it ends");
        let gone = async || below.iter().all(|id| !Path::new(&format!("/proc/{id}")).exists());
        until("its processes live on", ENDING, gone).await.expect("they end with it");
        kit::sweep(id);
    });
}

/// Plays a drill and looks at its report.
fn check(name: &str, judge: &dyn Fn(&Value)) {
    check_with(name, &[], judge);
}

fn check_with(name: &str, args: &[&str], judge: &dyn Fn(&Value)) {
    kit::run_alone(async {
        let output = drill(&[&[name, "--json"], args].concat()).output().expect("it runs");
        if let Some(why) = lacking(&output) {
            return mainstay_testkit::skipped(name, &why);
        }
        let report = report(&output);
        assert_eq!((&report["drill"], &report["passed"]), (&name.into(), &true.into()), "{report:#}");
        assert_eq!((&report["stale_writes"], &report["overlaps"]), (&0.into(), &0.into()), "{report:#}");
        assert!(report["rows"].as_u64() > Some(50) && report["requests"].as_u64() > Some(50), "{report:#}");
        assert!(output.status.success(), "{report:#}");
        judge(&report);
    });
}

/// What this machine lacks for a drill.
fn lacking(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let lacks = |line: &&str| line.contains("no PostgreSQL here") || line.contains("no library here that sets");
    said.lines().find(lacks).map(str::to_owned)
}

fn stayed(report: &Value) {
    assert_eq!((&report["active_ms"], &report["runs"][0]["takeovers"]), (&Value::Null, &0.into()), "{report:#}");
}

fn moved(report: &Value) {
    let (active, ready) = (report["active_ms"]["worst"].as_f64(), report["ready_ms"]["worst"].as_f64());
    assert!(active > Some(0.0) && ready >= active, "{report:#}");
    assert_eq!(report["runs"][0]["takeovers"], 1, "{report:#}");
}

fn report(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("a report in JSON: {error}\n{said}"))
}

fn drill(args: &[&str]) -> Command {
    let mut command = Command::new(kit::exe());
    command.arg("drill").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

const STARTING: Duration = Duration::from_secs(60);
const ENDING: Duration = Duration::from_secs(10);
