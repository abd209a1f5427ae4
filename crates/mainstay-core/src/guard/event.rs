//! What a guard's machine is told, and what it says is to be done.

use std::fmt;

use crate::Moment;
use crate::lease::{Name, Nonce, Order, Tenure};

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// The last word of the lease.
    Order(Order),
    /// Whatever a predecessor left behind is known to be gone.
    Clean,
    /// The run's command was started.
    Started,
    /// The run has ended, all of its processes: the only proof there is.
    Ended(Ending),
    /// The ready check's result; a failure with its reason.
    Checked(Result<(), Name>),
    /// What the progress check showed; `None`: it failed.
    Progressed(Option<Name>),
    /// The program is to end.
    Leave,
    /// Nothing but that time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start this. There is no other run.
    Run(Job),
    /// The run may go on until `until`, is frozen from then on, and killed at `kill_at`. Thaw it if it is frozen.
    Allow {
        /// See there.
        until: Moment,
        /// See there.
        kill_at: Moment,
    },
    /// Freeze the run now; kill it at `kill_at`.
    Freeze {
        /// See there.
        kill_at: Moment,
    },
    /// Ask the run to end, thaw it if it is frozen, and kill it at `by`.
    Stop {
        /// See there.
        by: Moment,
    },
    /// Kill the run.
    Kill,
}

/// A run: a command with all of its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Makes ready for a switch-over.
    Prepare {
        /// Which one.
        switch: Nonce,
        /// Then it is killed.
        kill_at: Moment,
    },
    /// Comes before the child.
    Before(Permit),
    /// The child.
    Child(Permit),
    /// Comes when the child is gone.
    After {
        /// Then it is killed.
        kill_at: Moment,
    },
}

/// Under which tenure something runs, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The tenure.
    pub tenure: Tenure,
    /// Then it is frozen.
    pub until: Moment,
    /// Then it is killed.
    pub kill_at: Moment,
}

/// How the command of a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started, or nobody saw its end. Why, as a sentence.
    Failed(Name),
    /// It was not started: by the time it could be, the lease was in doubt, or its time over.
    Unstarted,
}

impl fmt::Display for Ending {
    /// What the command did, to stand after its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Unstarted => f.write_str("was not started: by then the lease was in doubt, or its time over"),
        }
    }
}

impl Ending {
    /// The exit code a program gives that ends as its command did: 128 and the signal's number for a signal.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let code = match self {
            Self::Code(code) => *code,
            Self::Signal(signal) => 128_i32.saturating_add(*signal),
            Self::Failed(_) | Self::Unstarted => 1,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}
