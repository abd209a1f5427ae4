//! `mainstay model-node`: a key-value service as a stand-in for a ledger node.
//!
//! `POST /kv/KEY` writes, `GET /kv/KEY` reads the last write, `GET /health` says whether new work is welcome. It is
//! deliberately *not* idempotent: every accepted POST is a row of its own, written before the answer is given, so that
//! a request done twice behind its client's back leaves a second row.

mod postgres;
mod serve;
mod store;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serve::Phase;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Options of `mainstay model-node`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to listen: `host:port` (port 0: one the system gives) or `unix:/path`.
    #[arg(long, default_value = "127.0.0.1:0")]
    at: String,
    /// The database that all nodes share: a file, or `postgres://...`.
    #[arg(long)]
    store: String,
    /// What this node calls itself in its answers.
    #[arg(long, default_value = "a")]
    name: String,
    /// Milliseconds between a write (or read) and its answer.
    #[arg(long, default_value_t = 0)]
    think_ms: u64,
    /// Milliseconds a node told to stop goes on serving, so that whoever checks it can see it coming.
    #[arg(long, default_value_t = 1000)]
    grace_ms: u64,
}

/// Serves until SIGTERM, then drains: `/health` answers 503 at once, requests are served with `Connection: close` for
/// the grace time, then no more connections are taken, idle ones are closed and what is under way is finished.
pub fn run(args: &Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(args, "start", &error),
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(args, "serve", &error),
    }
}

async fn serve(args: &Args) -> std::io::Result<()> {
    let token = std::env::var(TOKEN).unwrap_or_default();
    let author = store::Author { node: args.name.clone(), token };
    let store = if args.store.starts_with("postgres") {
        store::Store::connect(&args.store, author).await.map_err(std::io::Error::other)?
    } else {
        store::Store::open(Path::new(&args.store), author).map_err(std::io::Error::other)?
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let door = serve::Door::open(&args.at).await?;
    let (phase, phases) = watch::channel(Phase::Serving);
    let service = serve::Service {
        store,
        name: args.name.clone(),
        think: Duration::from_millis(args.think_ms),
        phase: phases.clone(),
    };
    // Whoever started this process reads the address from here.
    println!("ready {}", door.address()?);
    let serving = serve::connections(door, service, phases);
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => return result,
        _ = terminate.recv() => {}
    }
    phase.send_replace(Phase::Draining);
    tokio::select! {
        result = &mut serving => return result,
        () = tokio::time::sleep(Duration::from_millis(args.grace_ms)) => {}
    }
    phase.send_replace(Phase::Closing);
    tokio::time::timeout(MAX_CLOSING, serving).await.unwrap_or(Ok(()))
}

fn failed(args: &Args, verb: &str, error: &std::io::Error) -> ExitCode {
    eprintln!("model node {}: could not {verb}: {error}", args.name);
    ExitCode::FAILURE
}

/// Where a guarded node finds the fencing token of its tenure.
const TOKEN: &str = "TOKEN";

/// Longest time for what is under way when a node closes.
const MAX_CLOSING: Duration = Duration::from_secs(10);
