//! The step between the sentinel and the command: a process that puts itself where it belongs and becomes the command.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, getppid};

use super::LAUNCH;
use crate::cgroup::Cgroup;

/// What the step is told by the sentinel.
pub(super) struct Launch {
    /// Of this process's own words, those that lead to the sentinel.
    pub(super) words_before: Vec<OsString>,
    pub(super) cgroup: Option<PathBuf>,
    /// What the sentinel changed for itself and the command shall not have.
    pub(super) inherited: Inherited,
    /// Never empty.
    pub(super) command: Vec<OsString>,
}

/// What a process hands on to those it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inherited {
    /// How soon the kernel picks it when memory is short.
    pub(super) oom: i32,
    /// How polite it is.
    pub(super) nice: i32,
}

impl Launch {
    /// Starts it. The command's standard output and error are this process's. Gives its id and what to read why it could
    /// not become the command, without waiting: its end means that it did.
    pub(super) fn start(&self) -> std::io::Result<(u32, OwnedFd)> {
        let (why, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&why, true)?;
        let mut command = Command::new("/proc/self/exe");
        // Whatever runs, it is what this process is: the words before the sentinel's own are repeated.
        command.args(&self.words_before).arg(LAUNCH).arg(std::process::id().to_string());
        command.arg(self.inherited.oom.to_string()).arg(self.inherited.nice.to_string());
        command.arg(self.cgroup.clone().unwrap_or_default()).args(&self.command).stdin(Stdio::from(tell));
        Ok((command.spawn()?.id(), why))
    }
}

/// Becomes the command; returns only when that failed.
pub(super) fn main(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    // Standard input is where to say why it failed. It is not handed on.
    let Ok(tell) = std::io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::from(FAILED) };
    let mut number = || words.next()?.to_str()?.parse::<i32>().ok();
    let (parent, oom, nice) = (number(), number(), number());
    let cgroup = words.next().filter(|path| !path.is_empty()).map(PathBuf::from);
    let (Some(parent), Some(oom), Some(nice), Some(program)) = (parent, oom, nice, words.next()) else {
        return fail(tell, "the sentinel was started with words that it does not know".to_owned(), FAILED);
    };
    if let Err(why) = settle(parent, cgroup, Inherited { oom, nice }) {
        return fail(tell, why, FAILED);
    }
    let error = Command::new(&program).args(words).stdin(Stdio::null()).exec();
    let (what, code) = diagnose(&error);
    fail(tell, format!("could not run `{}`: {error}{what}", String::from_utf8_lossy(program.as_bytes())), code)
}

/// What to do about it, to stand behind it, and the exit code.
fn diagnose(error: &std::io::Error) -> (&'static str, u8) {
    match error.kind() {
        std::io::ErrorKind::NotFound => (
            "; write the program's whole path in `run`, and see that the `#!` line of a script names one that is there",
            NOT_FOUND,
        ),
        std::io::ErrorKind::PermissionDenied => {
            ("; let this user execute it (chmod +x), on a file system that is not mounted noexec", NOT_EXECUTABLE)
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            ("; it is no program of this machine: a script needs a `#!` line", NOT_EXECUTABLE)
        }
        _ => ("", NOT_EXECUTABLE),
    }
}

fn settle(parent: i32, cgroup: Option<PathBuf>, inherited: Inherited) -> Result<(), String> {
    let refused = |error: rustix::io::Errno| error.to_string();
    rustix::process::setsid().map_err(refused)?;
    if let Some(path) = cgroup {
        Cgroup::join(&path).map_err(|error| format!("could not enter {}: {error}", path.display()))?;
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(refused)?;
    // It may have died before that took hold.
    if getppid() != Pid::from_raw(parent) {
        return Err("the sentinel has ended".to_owned());
    }
    // Both only give up an advantage, which is always allowed, and are no reason not to run.
    let _worse = fs::write(OOM, inherited.oom.to_string());
    let _politer = rustix::process::setpriority_process(None, inherited.nice);
    Ok(())
}

fn fail(tell: OwnedFd, why: String, code: u8) -> ExitCode {
    // Nobody is there to be told when this fails.
    let _told = fs::File::from(tell).write_all(why.as_bytes());
    ExitCode::from(code)
}

/// Makes this process the last to be picked, and soon to run, as far as it may; gives what it had before.
pub(super) fn prefer() -> Inherited {
    let read = |text: String| text.trim().parse().ok();
    let oom = fs::read_to_string(OOM).ok().and_then(read).unwrap_or(0);
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    // Only root may; it is no reason not to run.
    let _safer = fs::write(OOM, "-1000");
    let _sooner = rustix::process::setpriority_process(None, NICE.min(nice));
    Inherited { oom, nice }
}

const OOM: &str = "/proc/self/oom_score_adj";
const NICE: i32 = -10;
/// Exit codes, as shells give them.
const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
