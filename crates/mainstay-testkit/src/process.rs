//! Child processes that do not outlive the test.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};

use crate::{Netns, Trouble};

/// How a child is started.
#[derive(Debug)]
pub struct Launch<'a> {
    name: &'a str,
    program: PathBuf,
    args: Vec<OsString>,
    netns: Option<&'a Netns>,
    user: Option<&'a str>,
    dies_by: &'static str,
}

impl<'a> Launch<'a> {
    /// A child called `name` in what is said of it.
    pub fn new(name: &'a str, program: impl Into<PathBuf>) -> Self {
        Self { name, program: program.into(), args: Vec::new(), netns: None, user: None, dies_by: "KILL" }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Runs it in a network namespace, with the names that are known there.
    #[must_use]
    pub fn within(mut self, netns: Option<&'a Netns>) -> Self {
        self.netns = netns;
        self
    }

    /// Runs it as another user, which only root can.
    #[must_use]
    pub fn user(mut self, user: Option<&'a str>) -> Self {
        self.user = user;
        self
    }

    /// The signal it gets, by name without `SIG`, when the thread that started it ends; `KILL` unless said.
    #[must_use]
    pub fn dies_by(mut self, signal: &'static str) -> Self {
        self.dies_by = signal;
        self
    }

    /// The command: each wrapper becomes the next, so that the process id is the program's own.
    pub fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(netns) = self.netns {
            words.extend(["ip", "netns", "exec", netns.name()].map(OsString::from));
        }
        words.extend(["setpriv", "--pdeathsig", self.dies_by].map(OsString::from));
        if let Some(user) = self.user {
            words.extend(["--reuid", user, "--regid", user, "--init-groups"].map(OsString::from));
        }
        words.push(self.program.clone().into());
        words.extend(self.args.iter().cloned());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Starts it; what it says goes to the end of `log`.
    pub fn start(&self, log: &Path) -> Result<Process, Trouble> {
        let start = || {
            let log = OpenOptions::new().create(true).append(true).open(log)?;
            self.command().stdout(log.try_clone()?).stderr(log).spawn()
        };
        let child = start().map_err(|error: io::Error| Trouble::failed(format!("start {}", self.name), error))?;
        Ok(Process { name: self.name.to_owned(), child, log: log.to_owned() })
    }

    /// Runs it to its end, within `bound`; an error, with what it said, when it fails.
    pub async fn run(&self, log: &Path, bound: Duration) -> Result<(), Trouble> {
        let mut process = self.start(log)?;
        let status = process.ended(bound).await?;
        if status.success() { Ok(()) } else { Err(process.trouble(&format!("ended with {status}"))) }
    }
}

/// A child of ours, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. One that has ended takes it without a word.
    pub fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
        kill_process(pid, signal).map_err(|error| Trouble::failed(format!("signal {}", self.name), error))
    }

    /// Kills it as a crash does, and waits for its end.
    pub async fn kill(&mut self) -> Result<(), Trouble> {
        self.signal(Signal::KILL)?;
        self.ended(TAKING_HOLD).await.map(|_| ())
    }

    /// Freezes it, and waits until that has taken hold of all its threads.
    pub async fn freeze(&self) -> Result<(), Trouble> {
        self.signal(Signal::STOP)?;
        let tasks = format!("/proc/{}/task", self.child.id());
        until(&format!("{} does not stop", self.name), TAKING_HOLD, async || {
            std::fs::read_dir(&tasks)
                .is_ok_and(|mut tasks| tasks.all(|task| task.is_ok_and(|task| is_stopped(&task.path().join("stat")))))
        })
        .await
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<(), Trouble> {
        self.signal(Signal::CONT)
    }

    /// Whether it still runs (or is stopped).
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self, bound: Duration) -> Result<ExitStatus, Trouble> {
        let mut status = None;
        until(&format!("{} does not end", self.name), bound, async || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })
        .await?;
        status.ok_or_else(|| Trouble::failed("wait for", &self.name))
    }

    /// Waits until `condition` holds; an error, with what the process said, when it ends before that or takes too long.
    pub async fn ready(&mut self, bound: Duration, mut condition: impl AsyncFnMut() -> bool) -> Result<(), Trouble> {
        let mut ended = false;
        let waited = until("it is not ready", bound, async || {
            ended = !self.runs();
            ended || condition().await
        });
        match waited.await {
            Ok(()) if !ended => Ok(()),
            Ok(()) => Err(self.trouble("it has ended")),
            Err(trouble) => Err(self.trouble(&trouble.to_string())),
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for one that is about to end.
    pub(crate) fn wait(&mut self) {
        // There is nothing to wait for when this fails.
        let _ended = self.child.wait();
    }

    fn trouble(&self, what: &str) -> Trouble {
        Trouble::failed(format!("{}: {what}", self.name), self.said())
    }
}

/// Reads the state from a `stat` file of /proc: the letter after the name, which stands in parentheses.
fn is_stopped(stat: &Path) -> bool {
    let text = std::fs::read_to_string(stat).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended and been waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Waits until `condition` holds, for at most `bound`.
pub async fn until(what: &str, bound: Duration, mut condition: impl AsyncFnMut() -> bool) -> Result<(), Trouble> {
    let start = Instant::now();
    while !condition().await {
        if start.elapsed() > bound {
            return Err(Trouble::failed(what, format_args!("not within {bound:?}")));
        }
        tokio::time::sleep(GRAIN).await;
    }
    Ok(())
}

/// A port of 127.0.0.1 that the system gives to nobody who does not ask for it while this process lives. Who is told the
/// number can listen there, again and again, with `SO_REUSEADDR` as servers do.
pub fn free_port() -> Result<u16, Trouble> {
    let take = || {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        held.set_reuse_address(true)?;
        held.set_reuse_port(true)?;
        held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let at = held.local_addr()?.as_socket();
        HELD.lock().unwrap_or_else(PoisonError::into_inner).push(held);
        at.ok_or_else(|| io::Error::other("it has no address"))
    };
    take().map(|at| at.port()).map_err(|error| Trouble::failed("find a free port", error))
}

/// What keeps ports from being given away as the near end of somebody's connection.
static HELD: Mutex<Vec<Socket>> = Mutex::new(Vec::new());
/// How often a condition is looked at.
const GRAIN: Duration = Duration::from_millis(5);
/// Longest time for a SIGSTOP or SIGKILL to take hold.
const TAKING_HOLD: Duration = Duration::from_secs(10);
