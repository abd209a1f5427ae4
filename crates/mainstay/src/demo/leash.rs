//! `mainstay leash`: runs a command that does not outlive its parent, however the parent ends.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Options of `mainstay leash`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Process id of the parent.
    #[arg(long)]
    parent: i32,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Becomes the command. The kernel's promise (SIGKILL when the parent's thread ends) survives that.
pub fn run(args: &Args) -> ExitCode {
    let Some((program, rest)) = args.command.split_first() else { return ExitCode::FAILURE };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("leash: could not tie {} to its parent: {error}", program.display());
        return ExitCode::FAILURE;
    }
    // A parent that ended before the line above sends no signal any more.
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(args.parent) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(program).args(rest).exec();
    eprintln!("leash: could not run {}: {error}", program.display());
    ExitCode::FAILURE
}
