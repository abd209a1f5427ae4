//! `cargo xtask test`: everything that has to hold before a change lands.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::step::{self, Ended};
use crate::{debian, root, tidy};

/// Runs everything: format, lints, rules of the house, documentation, unit and end-to-end tests, fuzz corpus.
#[derive(Args, Debug)]
pub(crate) struct Test {
    /// Lets packages be missing that cannot be installed; what needs them is skipped and said to be.
    #[arg(long)]
    without_packages: bool,
}

impl Test {
    /// Runs every step, whatever became of those before it. An error when one failed.
    pub(crate) fn run(self) -> Result<()> {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        let documentation = ["doc", "--workspace", "--no-deps", "--document-private-items"];
        let flags = "-D warnings -A rustdoc::private-intra-doc-links";
        let steps = [
            self.packages(),
            step::run("format", cargo().args(["fmt", "--all", "--check"]), minutes(2)),
            tidy_step(),
            step::run("lints", cargo().args(lints), minutes(20)),
            step::run("documentation", cargo().args(documentation).env("RUSTDOCFLAGS", flags), minutes(10)),
            step::run("tests", cargo().args(["test", "--workspace", "--no-fail-fast"]), minutes(45)),
        ];
        summary(&steps)
    }

    fn packages(&self) -> Ended {
        eprintln!("== packages");
        let start = Instant::now();
        let mut output = Vec::new();
        let programs = PROGRAMS.iter().filter(|(name, _)| !has(name)).map(|(_, package)| *package);
        let packages: Vec<&str> = PACKAGES.iter().copied().chain(programs).collect();
        if let Err(error) = debian::install(&packages) {
            let skip = "SKIPPED: what needs these packages";
            let advice = "`cargo xtask test --without-packages` skips what needs them";
            output.push(format!("{error:#}\n{}", if self.without_packages { skip } else { advice }));
        }
        let good = output.is_empty() || self.without_packages;
        Ended { name: "packages", time: start.elapsed(), good, output }
    }
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain([PathBuf::from("/usr/local/go/bin")]).any(|folder| folder.join(program).exists())
}

fn tidy_step() -> Ended {
    eprintln!("== tidy");
    let start = Instant::now();
    let output: Vec<String> = match tidy::faults(&root()) {
        Ok(faults) => faults.iter().map(ToString::to_string).collect(),
        Err(error) => vec![format!("{error:#}")],
    };
    Ended { name: "tidy", time: start.elapsed(), good: output.is_empty(), output }
}

fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root()).env("CARGO_TERM_COLOR", "never");
    command
}

fn summary(steps: &[Ended]) -> Result<()> {
    for step in steps.iter().filter(|step| !step.good) {
        println!("\n== {} failed; its last lines:", step.name);
        for line in &step.output[step.output.len().saturating_sub(TAIL)..] {
            println!("{}", line.chars().take(WIDTH).collect::<String>());
        }
    }
    println!("\n== summary");
    let mut counts = Counts::default();
    for step in steps {
        let verdict = if step.good { "good" } else { "FAILED" };
        println!("{:<14} {verdict:<7} {:>5.0} s", step.name, step.time.as_secs_f64());
        counts.add(&step.output);
    }
    for line in steps.iter().flat_map(|step| &step.output).filter(|line| line.contains("SKIPPED")) {
        println!("{}", line.trim());
    }
    for name in &counts.names {
        println!("failed: {name}");
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if steps.iter().any(|step| !step.good) {
        bail!("not everything holds");
    }
    Ok(())
}

/// What the test binaries said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    names: Vec<String>,
}

impl Counts {
    fn add(&mut self, output: &[String]) {
        for line in output {
            if let Some(rest) = line.strip_prefix("test result: ") {
                self.passed += number_before(rest, " passed");
                self.failed += number_before(rest, " failed");
            } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
                self.names.push(name.to_owned());
            }
        }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split_once(word).map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Real systems that the tests run: PostgreSQL under the model of Tessera, network namespaces in which the names of the
/// documents exist, nginx, which is asked whether it reads its files as Mainstay does, and clients of HTTP/2.
const PACKAGES: &[&str] = &[
    "iproute2",
    "libnginx-mod-stream",
    "nghttp2-client",
    "nginx-light",
    "openssl",
    "pgbouncer",
    "postgresql",
    "python3-jwcrypto",
    "python3-pip",
    "unzip",
    "xz-utils",
];
/// What fetches and builds further ones may be there without being a package.
const PROGRAMS: &[(&str, &str)] = &[("go", "golang-go"), ("javac", "default-jdk-headless"), ("mvn", "maven")];
/// Lines shown again of a step that failed.
const TAIL: usize = 60;
/// Characters shown of each.
const WIDTH: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_test_binaries_say() {
        let output = "\
running 2 tests
test a::b ... ok
test a::c ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let mut counts = Counts::default();
        counts.add(&output.lines().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(counts, Counts { passed: 13, failed: 1, names: vec!["a::c".to_owned()] });
    }

    #[test]
    fn a_failed_step_fails_the_whole() {
        let ended = |good| Ended { name: "sample", time: Duration::ZERO, good, output: Vec::new() };
        assert!(summary(&[ended(true), ended(true)]).is_ok());
        assert!(summary(&[ended(true), ended(false)]).is_err());
    }
}
