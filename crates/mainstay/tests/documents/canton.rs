//! Document 004 as `examples/canton` runs it, with model nodes, under drills: through the front over mTLS, to nodes that are
//! verified.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use mainstay_testkit::{Installation, Trouble, skipped};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn document_004_keeps_strangers_out_and_outlives_its_participant() {
    // Streams that linger silently on a demoted node are what the front has to end.
    let Some(scenario) = Scenario::start("--lingering 120000") else { return };
    strangers_are_refused_and_certificates_change_and_nobody_else_notices(&scenario);
    for stroke in ["kill", "demote", "freeze", "pause"] {
        let verdict = scenario.drill(&[stroke]);
        assert_eq!(verdict["streams"], STREAMS, "{stroke}: {verdict:#}");
        let ended = verdict["ended"].as_object().expect("how streams ended");
        // Said by the front, with trailers; nothing was cut, left open or lost.
        let said = ended.iter().filter(|(how, _)| how.starts_with("14 ")).filter_map(|(_, count)| count.as_u64());
        assert_eq!(said.sum::<u64>(), STREAMS, "{stroke}: {verdict:#}");
        assert_eq!(ended.keys().filter(|how| !how.starts_with("14 ")).count(), 0, "{stroke}: {verdict:#}");
    }
}

fn strangers_are_refused_and_certificates_change_and_nobody_else_notices(scenario: &Scenario) {
    let verdict = scenario.drill(&["refuse"]);
    let refused = verdict["refused"].as_array().expect("who was refused");
    for reason in ["no_certificate", "unknown_issuer", "expired", "revoked"] {
        let is_it = |client: &&Value| client.as_str().is_some_and(|client| client.ends_with(&format!(": {reason}")));
        assert_eq!(refused.iter().filter(is_it).count(), 1, "{reason}: {verdict:#}");
    }
    let verdict = scenario.drill(&["rotate", "--times", "5"]);
    assert_eq!((&verdict["rotated"], &verdict["disturbed"]), (&5.into(), &0.into()), "{verdict:#}");
}

/// The scenario, running.
struct Scenario {
    script: Script,
    process: Child,
}

/// How its script is called.
struct Script {
    folder: TempDir,
    net: String,
    model_args: &'static str,
}

impl Scenario {
    /// Starts it; nothing, and a loud word, on a machine that lacks what it is made of.
    fn start(model_args: &'static str) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        if let Err(Trouble::Missing(why)) = runtime.block_on(Installation::usual()) {
            skipped("document 004", &why);
            return None;
        }
        if Command::new("psql").arg("--version").output().is_err() {
            skipped("document 004", &"no psql");
            return None;
        }
        let id = std::process::id();
        let net = format!("127.{}.{}", 100 + (id >> 8) % 100, id % 256);
        let script = Script { folder: TempDir::with_prefix("mainstay-canton-").expect("a folder"), net, model_args };
        let prepared = script.call(&["prepare"]);
        assert!(prepared.status.success(), "{}", told(&prepared));
        let mut run = script.command(&["run"]);
        let mut process = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its output");
        // It says so, or ends by itself when its time is over.
        BufReader::new(stdout).read_line(&mut line).expect("its output can be read");
        assert!(line.starts_with("up"), "it is not up: {line}");
        Some(Self { script, process })
    }

    /// Plays a drill, which must pass; its figures.
    fn drill(&self, stroke: &[&str]) -> Value {
        let options = ["--json", "--streams", "20", "--rate", "20", "--seconds", "3"];
        let played = self.script.call(&[&["drill"], stroke, &options].concat());
        assert!(played.status.success(), "{stroke:?}: {}", told(&played));
        serde_json::from_slice(&played.stdout).expect("figures")
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        // The end of its input ends it, with all that it started.
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
    }
}

impl Script {
    fn command(&self, args: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/canton/scenario");
        let mainstay = PathBuf::from(env!("CARGO_BIN_EXE_mainstay"));
        let models = mainstay.parent().expect("a folder");
        let model = models.join("canton-drill");
        assert!(model.exists(), "no {}: `cargo build -p mainstay-testkit` makes it", model.display());
        let mut command = Command::new(script);
        command.args(args).env("DIR", self.folder.path()).env("NET", &self.net).env("MODEL_ARGS", self.model_args);
        command.env("MAINSTAY", &mainstay).env("MODELS", models).env_remove("PG").env_remove("CANTON");
        command
    }

    fn call(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("the script runs")
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const STREAMS: u64 = 20;
