//! One run of a command, as the guard sees it: its sentinel, and what to do when that fails.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mainstay_core::guard::Ending;
use mainstay_core::lease::Name;
use mainstay_io::spawn;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc;

use crate::alarm::Alarm;
use crate::env::Env;
use crate::group::Group;
use crate::lock::Lock;
use crate::params::Command;
use crate::sentinel::{Lines, Order, Orders, Word};

/// What a run is made of.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) number: u64,
    pub(crate) sentinel: Command,
    pub(crate) orders: Orders,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) env: Env,
    pub(crate) inherit: Vec<OwnedFd>,
    pub(crate) out: OwnedFd,
    pub(crate) err: OwnedFd,
}

/// What a run has to say.
#[derive(Debug)]
pub(crate) enum Said {
    /// Its command runs, as this process.
    Started(u32),
    /// Its command has ended, with so many processes left that are being killed.
    Ended(Ending, usize),
    /// All of it is gone. The last that is said.
    Gone(Ending),
    /// Something went wrong.
    Trouble(Name),
}

/// A run that is not known to be gone.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) group: Arc<Group>,
    line: Arc<Line>,
}

/// The way to the sentinel.
#[derive(Debug)]
struct Line {
    stream: UnixStream,
    /// Orders sent, and not heard yet.
    unheard: AtomicU32,
    kills: AtomicBool,
    /// An order could not be sent: the sentinel has not read for very long.
    stuck: AtomicBool,
}

impl Run {
    /// Starts the run's sentinel; [`Self::order`] lets it start the command. What it says is sent with the run's number.
    pub(crate) fn start(
        spec: Spec,
        lock: &Arc<Lock>,
        alarm: &Alarm,
        to: &mpsc::Sender<(u64, Said)>,
    ) -> io::Result<Self> {
        let (mine, theirs) = Pair::pair()?;
        mine.set_nonblocking(true)?;
        let stream = UnixStream::from_std(mine)?;
        let cgroup = spec.orders.cgroup.clone();
        let number = spec.number;
        let child = start_sentinel(spec, theirs, lock)?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.ok_or_else(|| io::Error::other("the sentinel ended at once"))?;
        let group = Arc::new(Group::open(id, cgroup.as_deref())?);
        let (unheard, kills, stuck) = (AtomicU32::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let line = Arc::new(Line { stream, unheard, kills, stuck });
        let keeper = Keeper {
            number,
            line: line.clone(),
            group: group.clone(),
            lock: lock.clone(),
            alarm: alarm.clone(),
            sentinel: child,
            id,
            inbox: Lines::default(),
            ending: None,
            to: to.clone(),
        };
        tokio::spawn(keeper.run());
        Ok(Self { number, group, line })
    }

    /// Tells the sentinel; never waits.
    pub(crate) fn order(&self, order: Order) {
        if order == Order::Kill {
            self.line.kills.store(true, Ordering::Relaxed);
        }
        let text = order.to_string();
        self.line.unheard.fetch_add(1, Ordering::Relaxed);
        // Not through the event loop, which learns only later that there is room.
        match rustix::io::write(&self.line.stream, text.as_bytes()) {
            Ok(written) if written == text.len() => {}
            _ => self.line.stuck.store(true, Ordering::Relaxed),
        }
    }
}

fn start_sentinel(spec: Spec, control: Pair, lock: &Lock) -> io::Result<Child> {
    if let Some(dir) = spec.dir.as_ref().filter(|dir| !dir.is_dir()) {
        return Err(io::Error::other(format!("its directory {} is none", dir.display())));
    }
    let mut command = std::process::Command::new(&spec.sentinel.program);
    command.args(&spec.sentinel.args).args(spec.orders.words());
    for name in NOT_FOR_CHILDREN {
        command.env_remove(name);
    }
    let (name, value) = lock.mark();
    command.envs(spec.env.iter()).env(name, value);
    command.stdin(Stdio::from(OwnedFd::from(control))).stdout(spec.out).stderr(spec.err);
    if let Some(dir) = spec.dir {
        command.current_dir(dir);
    }
    let mut inherit = spec.inherit;
    inherit.push(lock.descriptor()?);
    spawn::inherit(&mut command, inherit);
    tokio::process::Command::from(command).spawn()
}

/// Hears a sentinel, and does its work when it cannot.
struct Keeper {
    number: u64,
    line: Arc<Line>,
    group: Arc<Group>,
    lock: Arc<Lock>,
    alarm: Alarm,
    sentinel: Child,
    id: Pid,
    inbox: Lines,
    ending: Option<Ending>,
    to: mpsc::Sender<(u64, Said)>,
}

/// How hearing a sentinel ended.
enum Last {
    /// It said that everything is gone.
    Gone,
    /// It is dead, or does not answer.
    Lost(&'static str),
}

impl Keeper {
    async fn run(mut self) {
        match self.hear().await {
            // The sentinel waits for this, so that it need not do what is for a guard that hears nothing.
            Last::Gone => drop(rustix::net::shutdown(&self.line.stream, rustix::net::Shutdown::Both)),
            Last::Lost(how) => {
                self.say(Said::Trouble(format!("the sentinel {how}: everything is killed without it").into())).await;
                self.kill().await;
            }
        }
        // The sentinel's id may be anybody's once it is buried.
        self.alarm.release();
        drop(self.group);
        // It is dead or dying; what it ended with says nothing more.
        let _buried = self.sentinel.wait().await;
        let nobody_saw = || Ending::Failed("nobody saw how it ended".into());
        let gone = Said::Gone(self.ending.unwrap_or_else(nobody_saw));
        // Nobody is told when the guard itself has ended.
        let _told = self.to.send((self.number, gone)).await;
    }

    async fn hear(&mut self) -> Last {
        let (mut silent, mut woken) = (Duration::ZERO, false);
        loop {
            match tokio::time::timeout(LOOK, self.line.stream.readable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Last::Lost("cannot be heard"),
                Err(_) => {
                    let waits = self.line.unheard.load(Ordering::Relaxed) > 0;
                    silent = if waits { silent + LOOK } else { Duration::ZERO };
                    if self.line.stuck.load(Ordering::Relaxed) || silent >= self.patience() {
                        return Last::Lost("does not answer");
                    }
                    if silent >= WAKE && !woken {
                        woken = true;
                        self.wake().await;
                    }
                    continue;
                }
            }
            (silent, woken) = (Duration::ZERO, false);
            let mut bytes = [0_u8; 4096];
            match self.line.stream.try_read(&mut bytes) {
                Ok(0) => return Last::Lost("is dead"),
                Ok(read) if self.inbox.push(bytes.get(..read).unwrap_or_default()).is_err() => {
                    return Last::Lost("says what cannot be understood");
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return Last::Lost("is dead"),
            }
            while let Some(line) = self.inbox.next() {
                match Word::parse(&line) {
                    None => return Last::Lost("says what cannot be understood"),
                    Some(Word::Gone) => return Last::Gone,
                    Some(word) => self.take(word).await,
                }
            }
        }
    }

    async fn take(&mut self, word: Word) {
        match word {
            Word::Heard => {
                self.line.unheard.fetch_sub(1, Ordering::Relaxed);
            }
            Word::Started { pid } => self.say(Said::Started(pid)).await,
            Word::Ended { ending, left } => {
                self.ending = Some(ending.clone());
                self.say(Said::Ended(ending, left)).await;
            }
            Word::Trouble(text) => self.say(Said::Trouble(text.into())).await,
            Word::Gone => {}
        }
    }

    fn patience(&self) -> Duration {
        if self.line.kills.load(Ordering::Relaxed) { PATIENCE_KILLING } else { PATIENCE }
    }

    /// Somebody may have stopped it by accident.
    async fn wake(&mut self) {
        // It fails for one that is dead, which is noticed at once.
        let _sent = kill_process(self.id, Signal::CONT);
        self.say(Said::Trouble("the sentinel does not answer; it was sent SIGCONT".into())).await;
    }

    /// Kills all of the run, over and over until there is none, and then the sentinel.
    async fn kill(&mut self) {
        let (mut passes, mut told) = (0_u32, 0);
        loop {
            let (group, lock, id) = (self.group.clone(), self.lock.clone(), self.id);
            let pass = move || -> io::Result<(Vec<u32>, bool)> {
                let killed = group.kill();
                let left = lock.sweep(id)?;
                killed?;
                Ok((left, group.is_gone()?))
            };
            let done = tokio::task::spawn_blocking(pass).await.unwrap_or_else(|error| Err(io::Error::other(error)));
            if matches!(&done, Ok((left, true)) if left.is_empty()) {
                break;
            }
            passes = passes.saturating_add(1);
            if passes / PASSES_PER_WORD > told {
                told = passes / PASSES_PER_WORD;
                let text = match done {
                    Ok((left, _)) => format!("processes do not die: {left:?}"),
                    Err(error) => format!("could not kill its processes: {error}"),
                };
                self.say(Said::Trouble(text.into())).await;
            }
            tokio::time::sleep(PASS).await;
        }
        // It has no other to care for, and may be stopped.
        let _dead = kill_process(self.id, Signal::KILL);
    }

    async fn say(&self, said: Said) {
        // Nobody is told when the guard itself has ended.
        let _told = self.to.send((self.number, said)).await;
    }
}

/// How often a sentinel that says nothing is thought of.
const LOOK: Duration = Duration::from_millis(250);
/// So long without an answer, and it is sent SIGCONT.
const WAKE: Duration = Duration::from_secs(2);
/// So long without an answer, and it is given up: a busy machine may take a while.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same after it was told to kill.
const PATIENCE_KILLING: Duration = Duration::from_secs(1);
/// Between two passes of killing without a sentinel.
const PASS: Duration = Duration::from_millis(5);
/// How many passes without success are said to be one.
const PASSES_PER_WORD: u32 = 400;
/// What a service manager gives to this process alone.
const NOT_FOR_CHILDREN: &[&str] =
    &["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
