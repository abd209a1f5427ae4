//! Mainstay keeps permissioned-ledger nodes available.

use std::process::ExitCode;

use clap::Parser;
use mainstay::demo;

#[derive(Parser)]
#[command(name = "mainstay", about)]
enum Cli {
    /// Shows on this machine, in under a minute, what Mainstay does.
    Demo(demo::Args),
    /// A model node, as the demo starts two of.
    #[command(hide = true)]
    ModelNode(demo::NodeArgs),
    /// Runs a command that ends with its parent.
    #[command(hide = true)]
    Leash(demo::LeashArgs),
}

fn main() -> ExitCode {
    match Cli::parse() {
        Cli::Demo(args) => demo::run(args),
        Cli::ModelNode(args) => demo::model_node(&args),
        Cli::Leash(args) => demo::leash(&args),
    }
}
