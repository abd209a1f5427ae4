//! A drill from the command line: load, a stroke, and the verdict.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser as _;
use tokio_postgres::NoTls;

use super::super::grpc::Endpoint;
use super::super::tls;
use super::strike::{Stroke, strike};
use super::{Load, Plan, Struck, Verdict};
use crate::program;

/// Streams and commands on a Ledger API, a stroke at its active replica or at the front, and what came of it.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "canton-drill")]
pub(super) struct Args {
    /// The Ledger API: a front.
    #[arg(long, value_name = "HOST:PORT")]
    ledger: String,
    /// The name its certificate must have.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// Anchors of its certificate. Without it plain HTTP/2 is spoken.
    #[arg(long)]
    pub(super) ca: Option<PathBuf>,
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
    /// Fail when a stream ended later than this after the stroke.
    #[arg(long, value_name = "MS")]
    ended_within: Option<u64>,
    #[command(flatten)]
    pub(super) stroke: Stroke,
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
    let ended_within = args.ended_within.map(Duration::from_millis);
    let struck = Struck { at: Instant::now(), timeout, ended_within, unnoticed: args.stroke.is_unnoticed() };
    let findings = strike(&args).await?;
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let back = async || load.book().open() == args.streams;
    if let Err(trouble) = crate::until("not all streams are open again", STARTING, back).await {
        eprintln!("canton-drill: {trouble}; the last call ended with {}", refused());
    }
    let book = load.finish().await;
    let verdict = Verdict::of(&book, &database, struck, findings).await.map_err(|error| error.to_string())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&verdict).map_err(|error| error.to_string())?);
    } else {
        print!("{verdict}");
    }
    Ok(verdict.broken().is_empty())
}

/// The front, as the clients of the drill speak to it over TLS.
pub(super) fn endpoint(args: &Args) -> Result<Endpoint, String> {
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

/// Longest time for all streams to be open.
const STARTING: Duration = Duration::from_secs(60);
