//! `cargo xtask bench`: Mainstay, nginx and HAProxy side by side, in one run, on the same load.
//!
//! The figure is the processor time a proxy spends on a request, kernel included: it depends little on how fast the
//! load generator is, and it is what an operator pays. The proxy has one core, load and backend have another.

mod backend;
mod calls;
mod client;
mod floods;
mod floor;
mod head;
mod link;
mod poll;
mod process;
mod report;
mod rig;
mod row;
mod subject;
mod syscalls;
mod tls;

use std::fs;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{debian, root};
pub(crate) use floods::Floods;
pub(crate) use floor::Floor;
use report::{Sample, Table};
use rig::{Rig, Shape};
use row::Row;
use subject::{Running, Site, Subject};
use tls::Credentials;

/// Compares processor time per request, memory and latency with nginx and HAProxy.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Rows to measure, e.g. `--only get300,new`; all of them otherwise.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Row>,
    /// Proxies to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["mainstay", "nginx", "haproxy", "floor"])]
    proxies: Vec<Subject>,
    /// Rounds; in each, the proxies take turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds measured for each proxy, row and round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Three rounds of half a second: for a first impression.
    #[arg(long)]
    quick: bool,
    /// Connections of the load, instead of each row's own number.
    #[arg(long)]
    connections: Option<usize>,
    /// Counts system calls per request with strace instead of measuring.
    #[arg(long)]
    syscalls: bool,
    /// Mainstay's executable; by default it is built (profile `release`).
    #[arg(long, value_name = "PATH")]
    mainstay: Option<PathBuf>,
    /// The proxy's core.
    #[arg(long, default_value_t = 0)]
    proxy_cpu: usize,
    /// The core of load and backend.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Leaves docs/benchmarks.md as it is. It is only ever written by a run of all rows and proxies in full.
    #[arg(long)]
    no_write: bool,
}

impl Bench {
    /// Runs it; an error when a row is void.
    pub(crate) fn run(mut self) -> Result<()> {
        if self.quick {
            (self.rounds, self.seconds) = (3, 0.5);
        }
        let complete = self.only.is_empty()
            && self.proxies.len() == 4
            && !self.quick
            && self.connections.is_none()
            && !self.syscalls;
        let rows = if self.only.is_empty() { Row::all() } else { self.only.clone() };
        debian::install(&self.packages())?;
        let mainstay = self.build()?;
        process::raise_open_files(16_000)?;
        process::pin(self.load_cpu)?;
        process::hurry();
        let folder = tempfile::Builder::new().prefix("mainstay-bench-").tempdir()?;
        let site = Site {
            folder: folder.path().to_owned(),
            mainstay,
            proxy_cpu: self.proxy_cpu,
            load_cpu: self.load_cpu,
            tls: Credentials::make(folder.path())?,
        };
        let mut rig = Rig::new()?;
        if self.syscalls {
            return syscalls::run(&mut rig, &site, &self.proxies, &rows);
        }
        let mut table = Table::new(&self.proxies, self.rounds, self.seconds);
        self.measure(&mut rig, &site, &rows, &mut table)?;
        let text = table.markdown(&site)?;
        println!("{}", table.short());
        if complete && !self.no_write && table.faults().is_empty() {
            let path = root().join("docs/benchmarks.md");
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        match table.faults() {
            [] => Ok(()),
            faults => bail!("void:\n{}", faults.join("\n")),
        }
    }

    fn measure(&self, rig: &mut Rig, site: &Site, rows: &[Row], table: &mut Table) -> Result<()> {
        let loads: Vec<Row> = rows.iter().copied().filter(|row| !row.is_memory()).collect();
        if !loads.is_empty() {
            let mut running = Vec::new();
            for &subject in &self.proxies {
                let own: Vec<Row> = loads.iter().copied().filter(|&row| subject.has(row)).collect();
                running.push(subject.start(site, rig, &own)?);
            }
            same_terms(&running)?;
            for &row in &loads {
                for round in 0..self.rounds {
                    for proxy in running.iter_mut().filter(|proxy| proxy.subject.has(row)) {
                        progress(&format!("{row}: round {} of {}, {}", round + 1, self.rounds, proxy.subject));
                        let sample = self.sample(rig, proxy, row);
                        table.add(row, proxy.subject, sample.with_context(|| format!("{row}, {}", proxy.subject))?);
                    }
                }
            }
        }
        for row in rows.iter().copied().filter(|row| row.is_memory()) {
            for &subject in self.proxies.iter().filter(|subject| subject.has(row)) {
                progress(&format!("{row}: {subject}"));
                table.add(row, subject, hold(rig, site, subject, row)?);
            }
        }
        progress("");
        Ok(())
    }

    fn sample(&self, rig: &mut Rig, proxy: &mut Running, row: Row) -> Result<Sample> {
        proxy.process.must_run()?;
        let job = row.job(proxy.doors.of(row));
        let shape = Shape {
            connections: self.connections.unwrap_or_else(|| row.connections()),
            warm: Duration::from_secs_f64(self.seconds * 0.25),
            measure: Duration::from_secs_f64(self.seconds),
        };
        let cpu = || proxy.process.cpu();
        if row == Row::P99 {
            let outcome = rig.open(&job, shape, RATE, &cpu, &mut || Ok(()))?;
            return Ok(Sample::latency(outcome));
        }
        Ok(Sample::cost(rig.closed(&job, shape, &cpu)?))
    }

    fn packages(&self) -> Vec<&'static str> {
        let mut packages = Vec::new();
        if self.proxies.contains(&Subject::Nginx) {
            packages.extend(["nginx-light", "libnginx-mod-stream"]);
        }
        if self.proxies.contains(&Subject::Haproxy) {
            packages.push("haproxy");
        }
        if self.syscalls {
            packages.push("strace");
        }
        packages
    }

    fn build(&self) -> Result<PathBuf> {
        if let Some(path) = &self.mainstay {
            return Ok(path.clone());
        }
        if self.proxies.contains(&Subject::Mainstay) {
            let status = Command::new("cargo")
                .args(["build", "--release", "--package", "mainstay", "--bin", "mainstay"])
                .current_dir(root())
                .status()
                .context("run cargo")?;
            if !status.success() {
                bail!("Mainstay does not build");
            }
        }
        Ok(crate::target().join("release/mainstay"))
    }
}

/// Fails when two proxies agreed with the load on different TLS, which would be different work.
fn same_terms(running: &[Running]) -> Result<()> {
    let said: Vec<_> = running.iter().filter_map(|proxy| Some((proxy.subject, proxy.terms.as_ref()?))).collect();
    for (subject, terms) in &said {
        println!("{subject} speaks {terms}");
    }
    match said.windows(2).find(|pair| pair[0].1 != pair[1].1) {
        Some(pair) => bail!("{} and {} do not speak the same TLS", pair[0].0, pair[1].0),
        None => Ok(()),
    }
}

/// What a proxy's memory grows by for each of a row's connections or calls.
fn hold(rig: &mut Rig, site: &Site, subject: Subject, row: Row) -> Result<Sample> {
    let proxy = subject.start(site, rig, &[row])?;
    let job = row.job(proxy.doors.of(row));
    let (before, after, errors) = rig.idle(&job, row.connections(), &mut || proxy.process.resident())?;
    let each = after.saturating_sub(before) as f64 / (row.connections() * row.held()) as f64;
    let note = format!("{:.1} MB -> {:.1} MB", before as f64 / 1e6, after as f64 / 1e6);
    Ok(Sample { figure: each, errors, note, ..Sample::default() })
}

/// A line that the next one replaces, where somebody looks.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

/// Requests a second in the open loop.
const RATE: f64 = 15_000.0;
