//! `cargo xtask floods`: what a good client notices while somebody floods the same listener over HTTP/2.

mod attacker;
mod kind;
mod page;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::client::{Expect, Job};
use super::poll::Target;
use super::process::{self, Process};
use super::rig::{Rig, Shape};
use super::subject::free_port;
use crate::root;
use attacker::{Attacker, Told};
use kind::Kind;

/// Measures the latency of a good client with and without floods of HTTP/2, and what they cost in memory; writes
/// docs/floods.md.
#[derive(Args, Debug)]
pub(crate) struct Floods {
    /// Kinds, e.g. `--only ping,reset`; all of them otherwise.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Rounds; in each, a time without the flood and one with it.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Mainstay's executable; by default it is built (profile `quick`).
    #[arg(long, value_name = "PATH")]
    mainstay: Option<PathBuf>,
    /// The proxy's core.
    #[arg(long, default_value_t = 0)]
    proxy_cpu: usize,
    /// The core of load, backend and attacker.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Leaves docs/floods.md as it is. It is only ever written by a run of all kinds.
    #[arg(long)]
    no_write: bool,
}

/// What was measured of a kind.
#[derive(Clone, Debug, Default)]
struct Measured {
    /// p99 of each round, in microseconds: without, and with the flood.
    quiet: Vec<f64>,
    flooded: Vec<f64>,
    /// By how much memory was larger at its largest than before, in each round, in bytes.
    growth: Vec<u64>,
    told: Vec<Told>,
    errors: u64,
}

impl Floods {
    /// Runs it; an error when a figure is not as it must be.
    pub(crate) fn run(self) -> Result<()> {
        let kinds = if self.only.is_empty() { Kind::all() } else { self.only.clone() };
        let mainstay = self.mainstay.clone().map_or_else(build, Ok)?;
        process::pin(self.load_cpu)?;
        process::hurry();
        let folder = tempfile::Builder::new().prefix("mainstay-floods-").tempdir()?;
        let mut rig = Rig::new()?;
        let mut front = Front::start(&self, &mainstay, folder.path().to_owned(), &mut rig)?;
        let mut rows = Vec::new();
        for kind in kinds {
            let measured = self.measure(&mut rig, &mut front, kind).with_context(|| format!("{kind:?}"))?;
            println!("{}", page::row(kind, &measured));
            rows.push((kind, measured));
        }
        if self.only.is_empty() && !self.no_write {
            let path = root().join("docs/floods.md");
            let text = page::write(&rows, self.rounds, self.seconds);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        let faults: Vec<String> = rows
            .iter()
            .flat_map(|(kind, measured)| measured.faults().map(move |why| format!("{kind:?}: {why}")))
            .collect();
        if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n")) }
    }

    fn measure(&self, rig: &mut Rig, front: &mut Front, kind: Kind) -> Result<Measured> {
        let mut measured = Measured::default();
        let shape = Shape {
            connections: CONNECTIONS,
            warm: Duration::from_secs_f64(self.seconds * 0.25),
            measure: Duration::from_secs_f64(self.seconds),
        };
        for _ in 0..self.rounds {
            let quiet = rig.open(&front.job, shape, RATE, &|| Ok(Duration::ZERO), &mut || Ok(()))?;
            let before = front.process.resident()?;
            front.process.forget_peak()?;
            let mut attacker = Attacker::new(kind, front.at);
            let flooded = rig.open(&front.job, shape, RATE, &|| Ok(Duration::ZERO), &mut || attacker.step())?;
            measured.growth.push(front.process.peak()?.saturating_sub(before));
            measured.told.push(attacker.end());
            measured.errors += quiet.errors + flooded.errors;
            measured.quiet.push(p99(quiet.latencies)?);
            measured.flooded.push(p99(flooded.latencies)?);
            front.process.must_run()?;
            // What lingers of it is over.
            rig.serve(Duration::from_millis(300))?;
        }
        Ok(measured)
    }
}

impl Measured {
    /// What is not as it must be.
    fn faults(&self) -> impl Iterator<Item = String> {
        let ratio = page::median(&self.flooded) / page::median(&self.quiet);
        let growth = self.growth.iter().copied().max().unwrap_or_default();
        let is_cut = |told: &Told| !told.cut.is_empty() && told.uncut.is_none_or(|since| since < LONGEST);
        let faults = [
            (ratio >= MOST_RATIO).then(|| format!("p99 is {ratio:.2} times what it is without it")),
            (growth >= MOST_GROWTH).then(|| format!("memory grows by {} KiB", growth >> 10)),
            (!self.told.iter().all(is_cut)).then(|| "the attacker is not cut".to_owned()),
            (self.errors > 0).then(|| format!("{} answers were wrong or missing", self.errors)),
        ];
        faults.into_iter().flatten()
    }
}

/// The front under attack.
struct Front {
    process: Process,
    at: SocketAddr,
    job: Job,
}

impl Front {
    fn start(floods: &Floods, mainstay: &Path, folder: PathBuf, rig: &mut Rig) -> Result<Self> {
        let at = free_port()?;
        let [one, other] = rig.addresses()?.calls;
        let file = folder.join("mainstay.toml");
        let text = format!(
            "[run]\nworkers = 1\n[admin]\nat = \"unix:{}/admin.sock\"\n[log]\nlevel = \"warn\"\naccess = \"off\"\n\
             [limit.default]\nrequests = 1000000000\nidle = \"600s\"\nsend_timeout = \"500ms\"\n\
             [pool.calls]\nnodes = [\"{one}\", \"{other}\"]\nidle = \"600s\"\nrequests_per_connection = 1000000000\n\
             [listen.calls]\nat = \"{at}\"\nto = \"grpc://calls\"\n",
            folder.display()
        );
        fs::write(&file, text)?;
        let log = File::create(folder.join("log"))?;
        let mut command = Command::new(mainstay);
        command.arg("run").arg(file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut process = Process::start(&mut command, floods.proxy_cpu, floods.load_cpu)?;
        let job = Job { target: Target::Tcp(at), request: Arc::from([]), expect: Expect::Paced, fresh: false };
        let limit = Instant::now() + Duration::from_secs(10);
        while let Err(error) = rig.once(&job, Duration::from_secs(2)) {
            process.must_run()?;
            if Instant::now() > limit {
                bail!("no good answer: {error:#}");
            }
            rig.serve(Duration::from_millis(50))?;
        }
        rig.serve(Duration::from_secs(1))?;
        Ok(Self { process, at, job })
    }
}

fn build() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--profile", "quick", "-p", "mainstay"]).current_dir(root());
    if !cargo.status().context("run cargo")?.success() {
        bail!("mainstay does not build");
    }
    Ok(crate::target().join("quick/mainstay"))
}

fn p99(mut latencies: Vec<Duration>) -> Result<f64> {
    latencies.sort_unstable();
    let at = latencies.len() * 99 / 100;
    latencies.get(at).map(|latency| latency.as_secs_f64() * 1e6).context("no answers")
}

/// Connections of the good client, and its calls a second.
const CONNECTIONS: usize = 16;
const RATE: f64 = 2_000.0;
/// Longest life of an attacker's connection.
const LONGEST: Duration = Duration::from_millis(1500);
/// What is too much: of the p99, and of memory.
const MOST_RATIO: f64 = 2.0;
const MOST_GROWTH: u64 = 1 << 20;
