use std::path::PathBuf;
use std::{fmt, io};

use mainstay_core::lease::Name;

/// Why a guard did not start.
#[derive(Debug)]
pub enum StartError {
    /// A guard of this name runs on this machine already.
    Twice {
        /// The guard's name.
        name: Name,
        /// The process that runs it.
        pid: u32,
        /// The lock file.
        file: PathBuf,
    },
    /// What an earlier guard of this name left behind would not die.
    Leftovers {
        /// The guard's name.
        name: Name,
        /// The processes.
        pids: Vec<u32>,
    },
    /// There is no cgroup to be had, and one is required. Why.
    Cgroup(String),
    /// The operating system refused something.
    System {
        /// What was to be done.
        what: String,
        /// What it said.
        source: io::Error,
    },
}

impl StartError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice { name, pid, file } => write!(
                f,
                "guard `{name}` runs already on this machine, in process {pid} (it holds {}): end that one, or name \
                 the table of this one otherwise: [guard.ANOTHER]",
                file.display()
            ),
            Self::Leftovers { name, pids } => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "processes of an earlier guard `{name}` are still there and cannot be killed: {}; see why (waiting \
                     for a disk or a network file system?), end them, and start again",
                    if pids.is_empty() { "their ids are not known".to_owned() } else { pids.join(", ") }
                )
            }
            Self::Cgroup(why) => write!(
                f,
                "no cgroup can be made for the child: {why}; run the service with `Delegate=yes`, or let the guard do \
                 without one"
            ),
            Self::System { what, .. } => write!(f, "could not {what}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
