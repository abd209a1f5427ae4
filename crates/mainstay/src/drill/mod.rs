//! `mainstay drill`: rehearses a failure, and says what came of it.
//!
//! Two Mainstays guard a model node each under one lease, a third is the front that follows it; a steady load runs while
//! the failure is made, as often as is asked for. The verdict counts what clients lost, what the database holds twice, and,
//! in the database's own order, what a holder wrote that had been replaced.

mod kind;
mod own;
mod play;
mod report;
mod strike;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum as _;

use crate::demo::guarded::{Own, Plan, Set};
use crate::demo::stage::Mishap;
use kind::Kind;
use report::Report;

/// Options of `mainstay drill`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is rehearsed.
    #[arg(value_enum, required_unless_present = "list")]
    name: Option<Kind>,
    /// Say what each of them does.
    #[arg(long)]
    list: bool,
    /// How often.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Where the leases are kept: `postgres://USER@HOST/DATABASE`, as a user that may make roles. A schema `mainstay`, a
    /// table `writes` and three roles `mainstay_drill...` are made there. [default: a file of the drill's own]
    #[arg(long, conflicts_with = "files")]
    store: Option<String>,
    /// Keep the leases in a PostgreSQL of the drill's own, which is made for it and removed afterwards. Drills that need a
    /// database have one anyway, when none is named.
    #[arg(long, conflicts_with_all = ["store", "files"])]
    postgres: bool,
    /// Requests per second.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
    rate: u32,
    /// That what is named (a database, or what runs here) may be used so.
    #[arg(long)]
    yes: bool,
    /// Time from one renewal to the next; the lease lasts three of them.
    #[arg(long, default_value = "300ms", value_parser = crate::config::units::time)]
    renew: std::time::Duration,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Leave the files of the drill (logs, configurations, databases) where they are, and say where.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    own: own::Own,
}

/// Plays a drill. Exit code 0: passed; 1: failed, or not possible here.
///
/// Must be called on the main thread: the drill's processes end with the thread that starts them.
pub fn run(args: &Args) -> ExitCode {
    if args.list {
        for kind in Kind::value_variants() {
            println!("{:<24}{}", kind.name(), kind.what());
        }
        return ExitCode::SUCCESS;
    }
    let Some(kind) = args.name else { return ExitCode::from(USAGE) };
    if args.store.is_some() && kind.strikes_database() {
        eprintln!("mainstay drill: {} is done to a database of the drill's own: leave --store out", kind.name());
        return ExitCode::from(USAGE);
    }
    if args.store.is_some() && !args.yes {
        eprintln!(
            "mainstay drill: this makes a schema `mainstay`, a table `writes` and roles `mainstay_drill...` in the database \
             that --store names, and ends sessions of these roles; say --yes if it may"
        );
        return ExitCode::FAILURE;
    }
    match if args.own.files.is_empty() { play(args, kind) } else { play_own(args, kind) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(mishap) => {
            eprintln!("mainstay drill: {mishap}");
            ExitCode::FAILURE
        }
    }
}

fn play(args: &Args, kind: Kind) -> Result<bool, Mishap> {
    let exe = std::env::current_exe().map_err(|error| Mishap::new("could not find this program", error))?;
    runtime()?.block_on(async {
        let plan = Plan {
            lease: LEASE,
            think: THINK,
            store: args.store.clone(),
            own: kind.own().or(args.postgres.then_some(Own::Alone)).filter(|_| args.store.is_none()),
            renew: args.renew,
            relayed: kind.cuts_store(),
            clocked: kind.sets_clocks(),
            rate: args.rate,
            keep: args.keep,
        };
        let mut set = Set::assemble(&exe, plan).await?;
        let kept = args.keep.then(|| set.files());
        let played = tokio::select! {
            played = play::all(&mut set, kind, args.runs) => played?,
            _ = tokio::signal::ctrl_c() => return Ok(false),
        };
        let report = Report::of(kind, args, &set, played);
        drop(set);
        if let Some(files) = kept {
            eprintln!("files: {}", files.display());
        }
        show(args, &report)?;
        Ok(report.passed)
    })
}

/// On Mainstays that somebody else started.
fn play_own(args: &Args, kind: Kind) -> Result<bool, Mishap> {
    let order = own::Order { kind, runs: args.runs, rate: args.rate, agreed: args.yes, args: &args.own };
    let report = runtime()?.block_on(async {
        tokio::select! {
            report = own::run(order) => report,
            _ = tokio::signal::ctrl_c() => Err(Mishap::new("ended by Ctrl-C", "there is no report")),
        }
    })?;
    let Some(report) = report else { return Ok(false) };
    show(args, &report)?;
    Ok(report.passed)
}

fn runtime() -> Result<tokio::runtime::Runtime, Mishap> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Mishap::new("could not start a runtime", error))
}

fn show<R: serde::Serialize + std::fmt::Display>(args: &Args, report: &R) -> Result<(), Mishap> {
    let json =
        serde_json::to_string_pretty(report).map_err(|error| Mishap::new("could not write the report", error))?;
    if let Some(path) = &args.report {
        std::fs::write(path, format!("{json}\n"))
            .map_err(|error| Mishap::new(format!("could not write {}", path.display()), error))?;
    }
    if args.json {
        println!("{json}");
    } else {
        print!("{report}");
    }
    Ok(())
}

/// What the lease is called: the history that a drill finds under this name in a database is taken away.
const LEASE: &str = "drill";
/// What a node takes for an answer.
const THINK: std::time::Duration = std::time::Duration::from_millis(2);
/// Exit code for what makes no sense.
const USAGE: u8 = 2;
