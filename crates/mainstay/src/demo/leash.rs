//! `mainstay leash`: runs a command that does not outlive its parent, however the parent ends.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::ValueEnum;
use rustix::process::{Gid, Signal, Uid, getppid, set_parent_process_death_signal};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

/// Options of `mainstay leash`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Process id of the parent.
    #[arg(long)]
    parent: i32,
    /// How the command is ended.
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Whom the command runs as: numbers of a user and a group.
    #[arg(long, value_names = ["USER", "GROUP"], num_args = 2)]
    owner: Vec<u32>,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// A signal by which a command ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// SIGKILL.
    #[default]
    Kill,
    /// SIGQUIT: a database server ends its sessions and frees its memory by it, and writes nothing more.
    Quit,
}

impl By {
    const fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::KILL,
            Self::Quit => Signal::QUIT,
        }
    }
}

/// Becomes the command. The kernel's promise (a signal when the parent's thread ends) survives that, but not a change of
/// user: that comes first.
pub fn run(args: &Args) -> ExitCode {
    let Some((program, rest)) = args.command.split_first() else { return ExitCode::FAILURE };
    if let [user, group] = args.owner[..]
        && let Err(error) = become_user(user, group)
    {
        eprintln!("leash: could not become user {user}: {error}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = set_parent_process_death_signal(Some(args.by.signal())) {
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

/// This program has one thread as yet.
fn become_user(user: u32, group: u32) -> rustix::io::Result<()> {
    let group = Gid::from_raw(group);
    set_thread_groups(&[group])?;
    set_thread_gid(group)?;
    set_thread_uid(Uid::from_raw(user))
}
