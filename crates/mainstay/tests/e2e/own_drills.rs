//! Drills on what an operator runs himself: a pair of Mainstays that this test has started.

use std::time::Duration;

use mainstay::demo::load::Target;
use mainstay::demo::stage::until;
use serde_json::Value;

use crate::failover::Pair;
use crate::kit;
use crate::running::{Said, command};

#[test]
fn nothing_is_done_before_the_operator_agrees() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let files = files(&pair);
        for kind in ["kill-child", "kill-guard", "freeze-guard", "switchover", "double-start"] {
            let said = drill(kind, &files, &[]).await;
            assert_eq!(said.code, Some(1), "{said:?}");
            for sentence in ["This is done for real", "Lease `ledger`, held by a as 1.1", "Say --yes", "--audit"] {
                assert!(said.err.contains(sentence), "{sentence}: {said:?}");
            }
        }
        pair.leads(&pair.b, "a").await;
        let check = async |args: &[&str], files: &[String], expect: &str| {
            let said = drill("kill-guard", files, args).await;
            assert!(said.code == Some(1) && said.err.contains(expect), "{args:?}: {said:?}");
        };
        check(&["--yes"], &files[..1], "nobody is left to be asked").await;
        check(&["--yes"], &files[1..], "none of the files is of the holder of `ledger`").await;
        check(&["--yes", "--lease", "other"], &files, "nobody guards `other` here: ledger").await;
        let said = drill("crash-database", &files, &["--yes"]).await;
        assert!(said.code == Some(1) && said.err.contains("is not done to what others run"), "{said:?}");
        assert_eq!(pair.b.command(&["pause", "ledger"]).await.code, Some(0));
        check(&["--yes"], &files, "nobody would take over").await;
        pair.leads(&pair.b, "a").await;
    });
}

#[test]
fn a_pair_that_runs_is_struck_and_judged() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let files = files(&pair);
        let front = pair.b.listener("front");
        let load = kit::load(Target::Tcp(front));
        let probe = format!("http://{front}/health");
        let audit = format!("sqlite:{}", pair.dir.file("data.db").display());
        let query = "SELECT token FROM writes ORDER BY rowid";
        let more = ["--yes", "--json", "--rate", "50", "--probe", &probe, "--audit", &audit, "--audit-query", query];
        // On a file, who was frozen may be the first to take the lease again when it wakes.
        for (kind, moves, holder) in [
            ("double-start", false, Some("a")),
            ("switchover", true, Some("b")),
            ("kill-child", true, Some("a")),
            ("freeze-guard", true, None),
        ] {
            let said = drill(kind, &files, &more).await;
            let report = report(&said);
            assert_eq!((said.code, &report["passed"]), (Some(0), &true.into()), "{report:#}");
            let run = &report["runs"][0];
            assert_eq!(run["takeovers"], u32::from(moves), "{report:#}");
            assert_eq!((&report["stale_writes"], &report["overlaps"]), (&0.into(), &0.into()), "{report:#}");
            assert!(report["rows"].as_u64() > Some(20) && report["requests"].as_u64() > Some(20), "{report:#}");
            assert_eq!(run["ready_ms"].is_number(), moves, "{report:#}");
            if let Some(holder) = holder {
                pair.leads(&pair.b, holder).await;
            }
        }
        load.finish();
    });
}

#[test]
fn a_killed_mainstay_that_stays_away_is_left_to_its_operator() {
    kit::run_alone(async {
        let mut pair = Pair::start().await;
        let files = files(&pair);
        let said = drill("kill-guard", &files, &["--yes", "--json", "--runs", "3", "--back-within", "500ms"]).await;
        let report = report(&said);
        assert_eq!((said.code, &report["passed"]), (Some(0), &true.into()), "{report:#}");
        assert_eq!(report["runs"].as_array().map(Vec::len), Some(1), "{report:#}");
        assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("is not back")), "{report:#}");
        assert_eq!((&report["requests"], &report["stale_writes"]), (&Value::Null, &Value::Null), "{report:#}");
        until("it lives on", SOON, async || !pair.a.process.runs()).await.expect("it was killed");
        pair.leads(&pair.b, "b").await;
    });
}

#[test]
fn a_probe_of_the_one_that_is_killed_is_told_of() {
    kit::run_alone(async {
        let pair = Pair::start().await;
        let files = files(&pair);
        let probe = format!("http://{}/health", pair.a.listener("front"));
        let said = drill("kill-guard", &files, &["--yes", "--json", "--back-within", "500ms", "--probe", &probe]).await;
        let report = report(&said);
        assert_eq!((said.code, &report["passed"]), (Some(1), &false.into()), "{report:#}");
        assert!(said.out.contains("if --probe names a listener of the Mainstay that was struck"), "{report:#}");
    });
}

fn files(pair: &Pair) -> [String; 2] {
    [&pair.a, &pair.b].map(|one| one.dir.file("mainstay.toml").display().to_string())
}

async fn drill(kind: &str, files: &[String], more: &[&str]) -> Said {
    let mut args = vec!["drill", kind];
    args.extend(files.iter().map(String::as_str));
    args.extend(more);
    command(&args).await
}

fn report(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("a report in JSON: {error}\n{said:?}"))
}

const SOON: Duration = Duration::from_secs(30);
