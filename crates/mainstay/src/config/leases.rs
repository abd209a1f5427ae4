//! What the process does beside its front: the leases it keeps or follows, and the children it guards.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_core::lease::Terms;
use mainstay_store::Location;

/// Leases, and where they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leases {
    /// Where.
    pub store: Store,
    /// Each that is guarded or followed, in the order of the file.
    pub all: Vec<Lease>,
}

/// Where leases are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Its place.
    pub at: Location,
    /// File with the password of its user.
    pub password_file: Option<PathBuf>,
    /// File of certificates that its own is signed by.
    pub ca: Option<PathBuf>,
    /// Longest time for one request.
    pub timeout: Duration,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What its machine is told. Who this member is gets its last part, the instance, when the program runs; a program
    /// that only follows the lease has an empty name there.
    pub terms: Terms,
    /// What runs within its tenures; `None`: it is only followed.
    pub guard: Option<Guard>,
    /// The database that holders' children work in.
    pub database: Option<String>,
    /// The role that owns what they create.
    pub group: Option<String>,
    /// The login roles of all holders, the own one among them.
    pub roles: Vec<String>,
}

/// A guarded child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Name of the guard's table.
    pub name: String,
    /// Program and arguments; never empty.
    pub run: Vec<String>,
    /// Where it runs.
    pub dir: Option<PathBuf>,
    /// What is added to its environment, with places for what a tenure brings.
    pub env: Vec<(String, String)>,
    /// Its login role.
    pub role: Option<String>,
    /// Where its password is written.
    pub password_file: Option<PathBuf>,
    /// When it is ready.
    pub ready: Option<Ready>,
    /// Another takes over when it has not been ready for so long.
    pub unwell_after: Option<Duration>,
    /// How one that stands still is recognized.
    pub progress: Option<Progress>,
    /// Makes ready for a switch-over.
    pub prepare: Option<Hook>,
    /// Runs before each start.
    pub before: Option<Hook>,
    /// Runs when it is gone.
    pub after: Option<Hook>,
    /// What asks it to end.
    pub stop_signal: StopSignal,
    /// Then it is killed.
    pub stop_within: Duration,
    /// When it is started again; `None`: its lease is given up and the guard ends as it did.
    pub restart: Option<Restart>,
    /// Whether it is frozen rather than killed while the store is away.
    pub freeze: bool,
    /// Whether it gets a control group.
    pub cgroup: Cgroup,
}

/// When a child is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What is tried.
    pub probe: Probe,
    /// How often.
    pub every: Duration,
    /// Longest time for one.
    pub timeout: Duration,
    /// Longest time from its start.
    pub within: Option<Duration>,
}

/// What a ready check tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A connection to `host:port`.
    Tcp(String),
    /// A GET.
    Http {
        /// `host:port`
        at: String,
        /// Path and query.
        path: String,
        /// The one good status; `None`: 200 to 299.
        status: Option<u16>,
    },
    /// A command.
    Run(Vec<String>),
}

/// How a child that stands still is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// A command whose output changes.
    pub run: Vec<String>,
    /// How often.
    pub every: Duration,
    /// Longest time for one.
    pub timeout: Duration,
    /// The same output for so long is standing still.
    pub within: Duration,
}

/// A command that is run at a certain time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Program and arguments; never empty.
    pub run: Vec<String>,
    /// Longest time for it.
    pub within: Duration,
}

/// How often a child is started again in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// So many times ...
    pub times: u32,
    /// ... in this time.
    pub within: Duration,
    /// Wait before the first.
    pub backoff: Duration,
}

/// What asks a child to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM
    Term,
    /// SIGINT
    Int,
    /// SIGQUIT
    Quit,
    /// SIGHUP
    Hup,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
}

/// Whether a child gets a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroup {
    /// Where it can be.
    Auto,
    /// No.
    Never,
    /// It must be possible.
    Required,
}

impl Leases {
    /// How many are guarded here.
    #[must_use]
    pub fn guards(&self) -> usize {
        self.all.iter().filter(|lease| lease.guard.is_some()).count()
    }
}
