//! A drill from the command line: load, a stroke at the active replica, and the verdict.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::NoTls;

use super::super::grpc::{Channel, Endpoint};
use super::super::participant::path;
use super::super::proto::Nothing;
use super::super::tls;
use super::{Load, Plan, Struck, Verdict};
use crate::program;

/// Streams and commands on a Ledger API, a stroke at its active replica, and what came of it.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "canton-drill")]
struct Args {
    /// The Ledger API: a front.
    #[arg(long, value_name = "HOST:PORT")]
    ledger: String,
    /// The name its certificate must have.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// Anchors of its certificate. Without it plain HTTP/2 is spoken.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The client's certificate.
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// Its key.
    #[arg(long)]
    key: Option<PathBuf>,
    /// The Ledger API is spoken to in plain HTTP/2 all the same (a sidecar), and only the admin API over TLS.
    #[arg(long)]
    plain_ledger: bool,
    /// A file with a token.
    #[arg(long)]
    token: Option<PathBuf>,
    /// The user that the token names.
    #[arg(long, default_value = "alice")]
    user: String,
    /// The participant's database, which is looked into in the end.
    #[arg(long)]
    database: String,
    /// Streams.
    #[arg(long, default_value_t = 200)]
    streams: usize,
    /// Commands a second.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// Seconds of load before the stroke, and after it.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// SIGKILL of this process.
    #[arg(long, value_name = "PID", group = "stroke")]
    kill: Option<i32>,
    /// SIGSTOP of this process, SIGKILL after `--for` (somebody noticed).
    #[arg(long, value_name = "PID", group = "stroke")]
    freeze: Option<i32>,
    /// SIGSTOP of this process, SIGCONT after `--for`.
    #[arg(long, value_name = "PID", group = "stroke")]
    pause: Option<i32>,
    /// SetPassive of the replica with this admin API.
    #[arg(long, value_name = "HOST:PORT", group = "stroke")]
    demote: Option<String>,
    /// Seconds between the signals of `--freeze` and `--pause`.
    #[arg(long = "for", default_value_t = 5)]
    seconds_between: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it. Exit code 0: passed; 1: failed.
pub fn main() -> ExitCode {
    let args = Args::parse();
    program::run("canton-drill", async {
        run(args).await.map(|passed| if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

async fn run(args: Args) -> Result<bool, String> {
    let mut endpoint = endpoint(&args)?;
    if args.plain_ledger {
        endpoint.tls = None;
    }
    let connected = tokio_postgres::connect(&args.database, NoTls).await;
    let (database, driver) = connected.map_err(|error| format!("--database: {error}"))?;
    tokio::spawn(driver);
    let timeout = Duration::from_secs(5);
    let plan = Plan { endpoint, streams: args.streams, rate: args.rate, user: args.user.clone(), timeout };
    let load = Load::start(plan);
    let ready = async || load.book().open() == args.streams && load.book().done() > 0;
    let refused = || load.book().refused().unwrap_or_else(|| "no call has ended".to_owned());
    let opened = crate::until("the streams do not open", STARTING, ready).await;
    opened.map_err(|trouble| format!("{trouble}; the last call ended with {}", refused()))?;
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let struck = Struck { at: Instant::now(), timeout };
    strike(&args).await?;
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let back = async || load.book().open() == args.streams;
    if let Err(trouble) = crate::until("not all streams are open again", STARTING, back).await {
        eprintln!("canton-drill: {trouble}; the last call ended with {}", refused());
    }
    let book = load.finish().await;
    let verdict = Verdict::of(&book, &database, struck).await.map_err(|error| error.to_string())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&verdict).map_err(|error| error.to_string())?);
    } else {
        print!("{verdict}");
    }
    Ok(verdict.broken().is_empty())
}

fn endpoint(args: &Args) -> Result<Endpoint, String> {
    let own = args.cert.as_deref().zip(args.key.as_deref());
    let tls = args.ca.as_deref().map(|ca| tls::client(ca, own)).transpose();
    let token = args.token.as_deref().map(std::fs::read_to_string).transpose();
    let token = token.map_err(|error| format!("--token: {error}"))?.map(|token| token.trim().to_owned());
    Ok(Endpoint {
        at: args.ledger.clone(),
        name: args.name.clone(),
        tls: tls.map_err(|error| format!("TLS: {error}"))?,
        token,
    })
}

async fn strike(args: &Args) -> Result<(), String> {
    let between = Duration::from_secs(args.seconds_between);
    if let Some(pid) = args.kill {
        return signal(pid, Signal::KILL);
    }
    if let Some(pid) = args.freeze.or(args.pause) {
        signal(pid, Signal::STOP)?;
        tokio::time::sleep(between).await;
        return signal(pid, if args.freeze.is_some() { Signal::KILL } else { Signal::CONT });
    }
    let Some(admin) = &args.demote else { return Ok(()) };
    let admin = Channel::new(Endpoint { at: admin.clone(), token: None, ..endpoint(args)? });
    let told = admin.one::<Nothing>(path::SET_PASSIVE, &Nothing {}, Duration::from_secs(5)).await;
    told.map(|_| ()).map_err(|status| format!("SetPassive: {status:?}"))
}

fn signal(pid: i32, signal: Signal) -> Result<(), String> {
    let process = Pid::from_raw(pid).ok_or_else(|| format!("{pid} is no process"))?;
    kill_process(process, signal).map_err(|error| format!("signal {pid}: {error}"))
}

/// Longest time for all streams to be open.
const STARTING: Duration = Duration::from_secs(60);
