//! `cargo xtask failover`: plays the drills often, and writes what they took into docs/failover.md.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::{root, target};

/// Plays the drills and writes their figures into docs/failover.md. The machine should be quiet.
#[derive(Args, Debug)]
pub(crate) struct Failover {
    /// How often each is played.
    #[arg(long, default_value_t = 30)]
    runs: u32,
    /// How often a holder is frozen and woken with a lease of 0.3 s.
    #[arg(long, default_value_t = 100)]
    frozen: u32,
    /// Leaves docs/failover.md as it is.
    #[arg(long)]
    dry: bool,
}

/// A line of the table.
struct Row {
    what: &'static str,
    drill: &'static str,
    store: Store,
    renew: &'static str,
    runs: Runs,
    wanted: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy)]
enum Runs {
    Usual,
    Frozen,
}

impl Failover {
    /// Plays them all; an error when one fails.
    pub(crate) fn run(self) -> Result<()> {
        crate::debian::install(&["postgresql"])?;
        let program = build()?;
        let postgres = Postgres::start()?;
        let mut lines = Vec::new();
        let mut failed = Vec::new();
        for row in ROWS {
            let runs = match row.runs {
                Runs::Usual => self.runs,
                Runs::Frozen => self.frozen,
            };
            let report = play(&program, row, runs, &postgres.url)?;
            if report["passed"] != true {
                failed.push(format!("{} on {}: {}", row.drill, row.store.name(), report["broken"]));
            }
            lines.push(line(row, runs, &report));
        }
        let table = table(&lines);
        println!("{table}");
        if !self.dry {
            write(&table)?;
        }
        if failed.is_empty() { Ok(()) } else { bail!("drills failed:\n{}", failed.join("\n")) }
    }
}

impl Store {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

fn build() -> Result<PathBuf> {
    let status = Command::new("cargo").args(["build", "--quiet", "--profile", "quick", "-p", "mainstay"]).status();
    if !status.context("run cargo")?.success() {
        bail!("mainstay does not build");
    }
    Ok(target().join("quick/mainstay"))
}

fn play(program: &Path, row: &Row, runs: u32, url: &str) -> Result<Value> {
    eprintln!("{}, {runs} times, on {}", row.drill, row.store.name());
    let mut command = Command::new(program);
    command.args(["drill", row.drill, "--json", "--renew", row.renew, "--runs", &runs.to_string()]);
    if row.store == Store::Postgres {
        command.args(["--store", url, "--yes"]);
    }
    let output = command.stderr(Stdio::inherit()).stdin(Stdio::null()).output().context("run the drill")?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} on {} gave no report", row.drill, row.store.name()))
}

fn line(row: &Row, runs: u32, report: &Value) -> String {
    let spread = |what: &str| match &report[what] {
        Value::Null => "-".to_owned(),
        spread => {
            let of = |which: &str| spread[which].as_f64().unwrap_or_default();
            format!("{:.0} / {:.0}", of("median"), of("worst"))
        }
    };
    format!(
        "| {} | {} | {} | {runs} | {} | {} | {} | {} of {} | {} | {} |",
        row.what,
        row.store.name(),
        report["ttl_ms"],
        spread("active_ms"),
        spread("ready_ms"),
        spread("longest_gap_ms"),
        report["lost"],
        report["requests"],
        report["stale_writes"],
        row.wanted,
    )
}

fn table(lines: &[String]) -> String {
    let mut text = String::from(
        "| what happens | store | ttl, ms | runs | successor active, ms | its node ready, ms | longest gap for clients, ms | requests lost | stale writes | wanted |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for line in lines {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{line}");
    }
    text
}

/// Puts the table between its marks.
fn write(table: &str) -> Result<()> {
    let path = root().join("docs/failover.md");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("docs/failover.md has no place for the figures")?;
    let (_, after) = rest.split_once(END).context("docs/failover.md has no end of the figures")?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').nth(1).unwrap_or("?");
    let machine = format!(
        "Median / worst of so many runs; {cores} cores of {model}, load {load} over the last five minutes; the whole set on
\
         this one machine, PostgreSQL without fsync."
    );
    fs::write(&path, format!("{before}{BEGIN}\n{machine}\n\n{table}{END}{after}")).context("write docs/failover.md")
}

/// A server that ends with this handle.
struct Postgres {
    process: Child,
    _out: BufReader<ChildStdout>,
    url: String,
}

impl Postgres {
    fn start() -> Result<Self> {
        let mut command = Command::new("cargo");
        command.args(["run", "--quiet", "-p", "mainstay-testkit", "--bin", "private-postgres", "--"]);
        command.args(["max_prepared_transactions=10", "fsync=off"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start PostgreSQL")?;
        let mut out = BufReader::new(process.stdout.take().context("PostgreSQL has no output")?);
        let mut url = String::new();
        out.read_line(&mut url).context("read PostgreSQL's URL")?;
        if url.trim().is_empty() {
            bail!("PostgreSQL does not start");
        }
        Ok(Self { process, _out: out, url: url.trim().to_owned() })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It ends by itself when its input does.
        let _ended = self.process.wait();
    }
}

const BEGIN: &str = "<!-- figures: cargo xtask failover -->";
const END: &str = "<!-- end of figures -->";

const ROWS: &[Row] = &[
    row("child killed", "kill-child", Store::Sqlite, "300ms", "active <= 700"),
    row("child killed", "kill-child", Store::Postgres, "300ms", "active <= 700"),
    row("guard killed", "kill-guard", Store::Sqlite, "300ms", "active <= 700"),
    row("guard killed", "kill-guard", Store::Postgres, "300ms", "active <= 700"),
    row("machine frozen for 2 x ttl, then woken", "freeze-machine", Store::Postgres, "1s", "active <= 3,500; 0 stale"),
    row("holder cut off from the store", "partition-store", Store::Postgres, "300ms", "0 stale"),
    Row {
        what: "guard frozen for 2 x ttl, then woken",
        drill: "freeze-guard",
        store: Store::Postgres,
        renew: "100ms",
        runs: Runs::Frozen,
        wanted: "0 stale",
    },
    row("store away for less than ttl", "blink-store", Store::Postgres, "1s", "no takeover"),
    row("second start with the same name", "double-start", Store::Postgres, "300ms", "refused; 0 lost"),
    row("planned switch-over", "switchover", Store::Sqlite, "300ms", "0 lost; gap < 1,000"),
    row("planned switch-over", "switchover", Store::Postgres, "300ms", "0 lost; gap < 1,000"),
];

const fn row(what: &'static str, drill: &'static str, store: Store, renew: &'static str, wanted: &'static str) -> Row {
    Row { what, drill, store, renew, runs: Runs::Usual, wanted }
}
