//! One child process.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Mishap, until};
use crate::demo::leash::By;

/// A child of ours, killed when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    by: By,
}

/// How a command other than Mainstay's own is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Numbers of a user and a group, where it is not to run as root.
    pub(crate) owner: Option<(u32, u32)>,
    /// How it is ended.
    pub(crate) by: By,
}

impl Launch {
    /// Of this command.
    pub(crate) fn new<S: Into<OsString>>(program: &Path, args: impl IntoIterator<Item = S>) -> Self {
        Self { program: program.to_owned(), args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The command, with what sets its environment: what leads to it is to have none of that.
    fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        if !self.env.is_empty() {
            words.push("env".into());
            words.extend(
                self.env.iter().map(|(name, value)| [name.as_os_str(), value.as_os_str()].join(OsStr::new("="))),
            );
        }
        words.push(self.program.clone().into());
        words.extend(self.args.iter().cloned());
        words
    }
}

impl Process {
    /// Runs `exe` (a Mainstay binary) with `args`; what it says goes to the end of `log`. Its group is its own, so that
    /// a Ctrl-C on the terminal reaches us alone and we end what we started, in order.
    ///
    /// The child dies with the *thread* that calls this.
    pub fn start<S: AsRef<OsStr>>(name: &str, exe: &Path, args: &[S], log: &Path) -> Result<Self, Mishap> {
        Self::launch(name, exe, &Launch::new(exe, args.iter().map(|arg| arg.as_ref().to_owned())), log)
    }

    /// The same with any command; `exe` is a Mainstay binary all the same.
    pub(crate) fn launch(name: &str, exe: &Path, launch: &Launch, log: &Path) -> Result<Self, Mishap> {
        let owner = launch.owner.map(|(user, group)| ["--owner".to_owned(), user.to_string(), group.to_string()]);
        let start = || {
            let log = OpenOptions::new().create(true).append(true).open(log)?;
            Command::new(exe)
                .args(["leash", "--parent", &std::process::id().to_string()])
                .args(["--by", if launch.by == By::Quit { "quit" } else { "kill" }])
                .args(owner.into_iter().flatten())
                .arg("--")
                .args(launch.words())
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(File::try_clone(&log)?)
                .stderr(log)
                .spawn()
        };
        match start() {
            Ok(child) => Ok(Self { name: name.to_owned(), child, by: launch.by }),
            Err(error) => Err(Mishap::new(format!("could not start {name}"), error)),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. One that has ended takes it without a word.
    pub fn signal(&self, signal: Signal) -> Result<(), Mishap> {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
        kill_process(pid, signal).map_err(|error| Mishap::new(format!("could not signal {}", self.name), error))
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self, bound: Duration) -> Result<ExitStatus, Mishap> {
        let mut status = None;
        until(&format!("{} does not end", self.name), bound, async || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })
        .await?;
        status.ok_or_else(|| Mishap::new("could not wait for", &self.name))
    }

    /// Whether it still runs (or is stopped).
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until a SIGSTOP has taken hold of all its threads.
    ///
    /// # Errors
    /// It does not stop in time.
    pub async fn stopped(&self) -> Result<(), Mishap> {
        let tasks = format!("/proc/{}/task", self.child.id());
        until(&format!("{} does not stop", self.name), STOPPING, async || {
            std::fs::read_dir(&tasks)
                .is_ok_and(|mut tasks| tasks.all(|task| task.is_ok_and(|task| is_stopped(&task.path().join("stat")))))
        })
        .await
    }
}

/// Reads the state from a `stat` file of /proc: the letter after the name, which stands in parentheses.
fn is_stopped(stat: &Path) -> bool {
    let text = std::fs::read_to_string(stat).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

impl Drop for Process {
    fn drop(&mut self) {
        // These fail only for a process that has ended and been waited for.
        if self.by == By::Quit && self.signal(Signal::QUIT).is_ok() {
            let begun = std::time::Instant::now();
            while self.runs() && begun.elapsed() < QUITTING {
                std::thread::park_timeout(GRAIN);
            }
        }
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Longest time for a SIGSTOP to take hold.
const STOPPING: Duration = Duration::from_secs(2);
/// Longest time for a SIGQUIT to end a process that is to end by it.
const QUITTING: Duration = Duration::from_secs(6);
/// How often that is looked at.
const GRAIN: Duration = Duration::from_millis(5);
