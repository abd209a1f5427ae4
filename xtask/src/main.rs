//! The project's own commands. `cargo xtask help` lists them.

mod bench;
mod debian;
mod failover;
mod family;
mod fuzz;
mod step;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Bench(bench::Bench),
    Floods(bench::Floods),
    Floor(bench::Floor),
    /// Holds the rules of the house: sizes, arrows between crates, what each crate never does, links.
    Tidy,
    Test(test::Test),
    Fuzz(fuzz::Fuzz),
    Failover(failover::Failover),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Bench(bench) => bench.run(),
        Task::Floods(floods) => floods.run(),
        Task::Floor(floor) => floor.run(),
        Task::Tidy => tidy::run(&root()),
        Task::Test(test) => test.run(),
        Task::Fuzz(fuzz) => fuzz.run(),
        Task::Failover(failover) => failover.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
