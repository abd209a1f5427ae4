//! What a guard is told.

use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::guard::Finish;
use mainstay_core::lease::{Name, Nonce};
use rustix::process::Signal;

use crate::output::Output;
use crate::template::Template;

/// How one child is guarded.
#[derive(Clone, Debug)]
pub struct Params {
    /// The guard's name. No two guards of a machine have one name and one state directory.
    pub name: Name,
    /// The child.
    pub run: Command,
    /// Where the child and its hooks run; `None`: where this process does.
    pub dir: Option<PathBuf>,
    /// What is added to this process's environment for the child and its hooks.
    pub env: Vec<(OsString, Template)>,
    /// A file that the tenure's password is written to before the child starts, readable by its owner only, and that is
    /// removed when the child is gone.
    pub password_file: Option<PathBuf>,
    /// What comes with a tenure.
    pub grants: Grants,
    /// When the child is ready; `None`: once it is started.
    pub ready: Option<Ready>,
    /// Another is to take over when the ready check has failed for so long; `None`: never for that.
    pub unwell_after: Option<Duration>,
    /// How a child that stands still is recognized.
    pub progress: Option<Progress>,
    /// Makes ready for a planned switch-over, before the tenure.
    pub prepare: Option<Hook>,
    /// Runs before each start of the child, within the tenure.
    pub before: Option<Hook>,
    /// Runs each time when the child is gone.
    pub after: Option<Hook>,
    /// What asks the child to end. All of its process group gets it.
    pub stop_signal: Signal,
    /// From the stop signal until it is killed.
    pub stop_within: Duration,
    /// Whether it is frozen while the store is not heard from; otherwise it is killed then.
    pub freeze: bool,
    /// What follows when it ends by itself.
    pub finish: Finish,
    /// When the program is ending: how long the lease's keeper has to give it up in order, before the child is stopped
    /// without that.
    pub leave_within: Duration,
    /// Where the lock file is that keeps a second guard of this name away; see [`state_dir`].
    pub state_dir: PathBuf,
    /// What starts a [`sentinel`](crate::sentinel): a program, and the arguments before the sentinel's own.
    pub sentinel: Command,
    /// Whether a cgroup is made.
    pub cgroup: CgroupUse,
    /// Where the child's output goes.
    pub output: Output,
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// A path, or a name that is looked for in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Command {
    /// Of words, the first of which is the program; `None` if there are none.
    pub fn new<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Option<Self> {
        let mut words = words.into_iter().map(Into::into);
        Some(Self { program: words.next()?, args: words.collect() })
    }

    /// The program that runs just now, however it was called and whatever became of its file since.
    #[must_use]
    pub fn this_program(args: &[&str]) -> Self {
        Self { program: "/proc/self/exe".into(), args: args.iter().map(Into::into).collect() }
    }
}

/// A command that is run at a certain time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What is run. An exit code other than 0 is a failure.
    pub run: Command,
    /// Then it is killed, which is a failure too.
    pub within: Duration,
}

/// The ready check.
#[derive(Clone, Debug)]
pub struct Ready {
    /// What is tried.
    pub probe: Probe,
    /// How often.
    pub every: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// The child must be ready so long after its start, else it is killed; `None`: no bound.
    pub within: Option<Duration>,
}

/// What a check tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// That a connection to `host:port` can be made.
    Tcp(String),
    /// That a GET is answered with a status from 200 to 299, or with `status`.
    Http {
        /// The address to connect to, `host:port`.
        at: String,
        /// What is asked for: a path, with a query if there is one.
        path: String,
        /// The one status that will do.
        status: Option<u16>,
    },
    /// That a command ends with exit code 0.
    Run(Command),
}

/// The progress check: a command that prints something which changes as long as the child does its work.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is run.
    pub run: Command,
    /// How often.
    pub every: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// The same output for so long is a child that stands still.
    pub within: Duration,
}

/// Whether a cgroup is made for the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupUse {
    /// Where it can be.
    Auto,
    /// Not at all.
    Never,
    /// It must be possible.
    Required,
}

/// What comes with a tenure.
#[derive(Clone, Default)]
pub struct Grant {
    /// The database role of this holder.
    pub role: Option<Name>,
    /// Its password.
    pub password: Option<Secret>,
    /// Descriptors that the child inherits, and with it each of its processes: locks that live as long as they do. When none
    /// of them is left, the tenure's time is over and the guard does not react, the sentinel unlocks them, for all who have
    /// them: [`Grants::of`] must not give one again that is not locked.
    pub inherit: Vec<Arc<OwnedFd>>,
}

/// Gives what comes with the tenure of a nonce.
#[derive(Clone)]
pub struct Grants(Arc<Give>);

type Give = dyn Fn(Nonce) -> Result<Grant, String> + Send + Sync;

impl Grants {
    /// Asks this. An error says why nothing may be started in the tenure any more.
    #[must_use]
    pub fn new(give: impl Fn(Nonce) -> Result<Grant, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(give))
    }

    /// For tenures that bring nothing with them.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_| Ok(Grant::default()))
    }

    /// What comes with this tenure.
    ///
    /// # Errors
    /// Why nothing may be started in it, as a sentence.
    pub fn of(&self, nonce: Nonce) -> Result<Grant, String> {
        (self.0)(nonce)
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grants(..)")
    }
}

/// A text that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who must have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where guards keep their lock files unless told otherwise: the folder that systemd made for the service
/// (`RUNTIME_DIRECTORY`), `/run/mainstay` for root, the user's own runtime folder, or one in `/tmp`.
#[must_use]
pub fn state_dir() -> PathBuf {
    let user = rustix::process::geteuid();
    let of_service = std::env::var_os("RUNTIME_DIRECTORY").filter(|dir| !dir.is_empty());
    let of_user = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    match (of_service, of_user) {
        // Several are separated by colons.
        (Some(dirs), _) => std::env::split_paths(&dirs).next().unwrap_or_default(),
        _ if user.is_root() => PathBuf::from("/run/mainstay"),
        (None, Some(dir)) => PathBuf::from(dir).join("mainstay"),
        (None, None) => PathBuf::from(format!("/tmp/mainstay-{}", user.as_raw())),
    }
}
