//! `cargo xtask failover`: plays the drills often, and writes what they took into docs/failover.md.

mod merge;
mod page;
mod rows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::target;
use merge::merge;
use rows::{ROWS, Row, Runs, Store};

/// Plays the drills and writes their figures into docs/failover.md, row by row as they are had. The machine should be
/// quiet. What the drills say goes to target/failover.
#[derive(Args, Debug)]
pub(crate) struct Failover {
    /// How often each is played.
    #[arg(long, default_value_t = 30)]
    runs: u32,
    /// How often a holder is frozen and woken with a lease of 0.3 s.
    #[arg(long, default_value_t = 1000)]
    frozen: u32,
    /// These rows alone; see --list. The others stay as they are.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// This row and those behind it: goes on where it was ended.
    #[arg(long, value_name = "NAME", conflicts_with = "only")]
    from: Option<String>,
    /// What the rows are called.
    #[arg(long)]
    list: bool,
    /// The program that is tried, instead of one that is built now.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Leaves docs/failover.md as it is.
    #[arg(long)]
    dry: bool,
}

impl Failover {
    /// Plays them all; an error when one fails, once the others were played too.
    pub(crate) fn run(self) -> Result<()> {
        if self.list {
            ROWS.iter().for_each(|row| println!("{}", row.name));
            return Ok(());
        }
        let rows = self.rows()?;
        crate::debian::install(&["postgresql", "faketime"])?;
        let program = self.program.clone().map_or_else(build, Ok)?;
        let logs = target().join("failover");
        fs::create_dir_all(&logs).with_context(|| format!("make {}", logs.display()))?;
        let (begun, mut failed) = (Instant::now(), Vec::new());
        for row in rows {
            let runs = match row.runs {
                Runs::Usual => self.runs,
                Runs::Frozen => self.frozen,
            };
            let row_begun = Instant::now();
            let report = merge(&play(&program, row, runs, &logs)?);
            let broken: Vec<&str> =
                report["broken"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let line = page::line(row, &report);
            println!("{line}");
            eprintln!("{}: {:.0} s", row.name, row_begun.elapsed().as_secs_f64());
            if !broken.is_empty() {
                let shown: Vec<&str> = broken.iter().take(SHOWN).copied().collect();
                failed.push(format!("{}: {}: {}", row.name, broken.len(), shown.join("; ")));
            }
            if !self.dry {
                page::write(row, &line)?;
            }
        }
        eprintln!("all in {:.0} s; what was said is in {}", begun.elapsed().as_secs_f64(), logs.display());
        if failed.is_empty() { Ok(()) } else { bail!("drills failed:\n{}", failed.join("\n")) }
    }

    fn rows(&self) -> Result<Vec<&'static Row>> {
        let known = |name: &String| ROWS.iter().any(|row| row.name == name);
        if let Some(name) = self.only.iter().chain(&self.from).find(|name| !known(name)) {
            bail!("no row is called {name}: see --list");
        }
        let behind = ROWS.iter().skip_while(|row| self.from.as_deref().is_some_and(|from| row.name != from));
        Ok(behind.filter(|row| self.only.is_empty() || self.only.iter().any(|name| name == row.name)).collect())
    }
}

fn build() -> Result<PathBuf> {
    let status = Command::new("cargo").args(["build", "--quiet", "--profile", "quick", "-p", "mainstay"]).status();
    if !status.context("run cargo")?.success() {
        bail!("mainstay does not build");
    }
    Ok(target().join("quick/mainstay"))
}

/// Plays a row in several sets at once, each with a store of its own: most of their time is spent waiting.
fn play(program: &Path, row: &Row, runs: u32, logs: &Path) -> Result<Vec<Result<Value, String>>> {
    let sets = row.sets.min(runs).max(1);
    eprintln!("{}: {runs} times, in {sets} sets at once", row.name);
    let mut playing = Vec::new();
    for set in 0..sets {
        let share = runs / sets + u32::from(set < runs % sets);
        let log = logs.join(format!("{}-{set}.log", row.name));
        playing.push((start(program, row, share, &log)?, log));
    }
    Ok(playing.into_iter().map(|(child, log)| report(child, &log)).collect())
}

fn start(program: &Path, row: &Row, runs: u32, log: &Path) -> Result<Child> {
    let log = fs::File::create(log).with_context(|| format!("make {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(["drill", row.drill, "--json", "--renew", row.renew, "--runs", &runs.to_string()]);
    command.args(["--rate", row.rate]);
    if row.store == Store::Postgres {
        command.arg("--postgres");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().context("run the drill")
}

/// What a drill reports, or why there is no report.
fn report(child: Child, log: &Path) -> Result<Value, String> {
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = fs::read_to_string(log).unwrap_or_default();
        let last = said.lines().last().unwrap_or("it said nothing");
        format!("no report: {last}")
    })
}

/// So many of the faults of a row are shown.
const SHOWN: usize = 5;
