//! Mainstay keeps permissioned-ledger nodes available.

use std::process::ExitCode;

use clap::Parser as _;
use mainstay::cli::{self, Cli};

fn main() -> ExitCode {
    cli::dispatch(Cli::parse())
}
