//! The sentinel's own loop.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_core::guard::Ending;
use mainstay_io::deadline::Deadline;
use mainstay_io::{clock, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::mm::MlockAllFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group};
use signal_hook::consts::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};

use super::Orders;
use super::launch::{self, Launch};
use super::protocol::{Lines, Order, Word};
use crate::group::Group;

/// Watches over one run, to its end.
pub(super) fn main(orders: &Orders, words_before: Vec<OsString>) -> ExitCode {
    match Watch::begin(orders, words_before) {
        Ok(mut watch) => watch.run(),
        // Nothing was started; the guard sees the socket end.
        Err(_) => ExitCode::FAILURE,
    }
}

struct Watch {
    control: UnixStream,
    /// Whether the guard is there.
    guarded: bool,
    inbox: Lines,
    orders: Orders,
    launch: Launch,
    group: Group,
    locks: Vec<OwnedFd>,
    /// Until then the tenure is good, as far as was heard.
    good_until: Moment,
    deadline: Deadline,
    /// Readable when a child of this process has changed.
    children: UnixStream,
    phase: Phase,
    command: Command,
    /// Said last, so that it is not said again and again.
    trouble: Option<String>,
}

/// What is done to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was ordered yet.
    Waiting,
    /// It may run.
    Running { until: Moment, kill_at: Moment },
    /// It is to stand still, and does or does not yet.
    Frozen { kill_at: Moment, stands: bool },
    /// It was asked to end.
    Stopping { by: Moment },
    /// It is being killed, and was so many times.
    Killing { times: u32 },
    /// Nothing of it is left. The guard has until then to take notice.
    Over { at: Moment },
}

/// How the command itself is.
enum Command {
    NotStarted,
    /// It has been forked, and `why` tells whether it could be run.
    Starting {
        pid: Pid,
        why: OwnedFd,
        text: Vec<u8>,
    },
    Runs {
        pid: Pid,
    },
    Ended,
}

impl Command {
    /// Reaches most of the run in one step, before anybody is looked for. What it does not reach is found.
    fn signal_group(&self, signal: Signal) {
        if let Self::Starting { pid, .. } | Self::Runs { pid } = self {
            let _sent = kill_process_group(*pid, signal);
        }
    }
}

impl Watch {
    fn begin(orders: &Orders, words_before: Vec<OsString>) -> io::Result<Self> {
        // Fails for one that leads a session already, which is as good.
        let _own_session = rustix::process::setsid();
        let noticed = Arc::new(AtomicBool::new(false));
        // Handled and not ignored: what is ignored stays so in the command, what is handled does not.
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP] {
            signal_hook::flag::register(signal, noticed.clone())?;
        }
        let (children, told) = UnixStream::pair()?;
        children.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, told)?;
        rustix::process::set_child_subreaper(Some(getpid()))?;
        // One that somebody stopped goes on when its guard dies. The end of the guard's thread that started it says the same,
        // and does no harm.
        rustix::process::set_parent_process_death_signal(Some(Signal::CONT))?;
        let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        control.set_nonblocking(true)?;
        let group = Group::open(getpid(), orders.cgroup.as_deref())?;
        let locks = orders.locks.iter().map(|number| spawn::inherited(*number)).collect::<io::Result<_>>()?;
        let inherited = launch::prefer();
        let launch = Launch { words_before, cgroup: orders.cgroup.clone(), inherited, command: orders.command.clone() };
        let watch = Self {
            control,
            guarded: true,
            inbox: Lines::default(),
            orders: orders.clone(),
            launch,
            group,
            locks,
            good_until: Moment::ZERO,
            deadline: Deadline::new()?,
            children,
            phase: Phase::Waiting,
            command: Command::NotStarted,
            trouble: None,
        };
        watch.warm()?;
        Ok(watch)
    }

    /// Does once, to nobody, what will have to be done: its code is in memory then, and kept there.
    fn warm(&self) -> io::Result<()> {
        self.group.freeze()?;
        self.group.kill()?;
        self.group.thaw()?;
        // Not everybody may, and it works without.
        let _locked = rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT);
        Ok(())
    }

    fn run(&mut self) -> ExitCode {
        loop {
            // Orders first: a deadline that was moved in time is not to be acted upon.
            self.hear();
            let left = self.reap();
            self.look();
            let now = clock::boot();
            self.phase = self.due(now);
            self.act();
            if !left && self.is_over() {
                self.say(&Word::Gone);
                if self.guarded {
                    self.let_go();
                } else {
                    // What fails here, the next guard does again.
                    let _removed = self.group.remove();
                }
                return ExitCode::SUCCESS;
            }
            self.wait(now);
        }
    }

    /// Nothing of the run is left. Waits until the guard has taken notice of it, and lets go of the tenure's locks if it does
    /// not. It has to be well over its time for that: a guard that is merely slow goes on with its tenure.
    fn let_go(&mut self) {
        let unheard = clock::boot() + UNHEARD;
        while !self.locks.is_empty() && self.guarded {
            let now = clock::boot();
            let at = self.good_until.max(unheard);
            if now >= at {
                for lock in self.locks.drain(..) {
                    // It fails for what is no lock. Whoever has another handle on it, the guard above all, has it no more.
                    let _unlocked = flock(&lock, FlockOperation::Unlock);
                }
                return;
            }
            self.phase = Phase::Over { at };
            self.wait(now);
            self.hear();
        }
    }

    /// Reads and obeys what the guard says.
    fn hear(&mut self) {
        let mut bytes = [0_u8; 4096];
        self.guarded = self.guarded
            && loop {
                match self.control.read(&mut bytes) {
                    Ok(0) => break false,
                    Ok(read) => {
                        if self.inbox.push(bytes.get(..read).unwrap_or_default()).is_err() {
                            break false;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break true,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break false,
                }
            };
        while let Some(line) = self.inbox.next() {
            let order = Order::parse(&line);
            // What cannot be understood is no permission to go on.
            self.obey(order.unwrap_or(Order::Kill), clock::boot());
            self.say(&Word::Heard);
        }
    }

    fn obey(&mut self, order: Order, now: Moment) {
        if let Order::Allow { until, .. } = order {
            self.good_until = until;
        }
        self.phase = match (order, self.phase) {
            (_, Phase::Killing { .. } | Phase::Over { .. }) => self.phase,
            (Order::Allow { until, kill_at }, Phase::Waiting) if now < until && now < kill_at => {
                self.start();
                Phase::Running { until, kill_at }
            }
            (Order::Allow { until, kill_at }, Phase::Running { .. }) => Phase::Running { until, kill_at },
            (Order::Allow { until, kill_at }, Phase::Frozen { .. }) if now < until => {
                self.attempt("let its processes go on", self.group.thaw());
                Phase::Running { until, kill_at }
            }
            (Order::Allow { .. }, Phase::Frozen { .. } | Phase::Stopping { .. }) => self.phase,
            (Order::Freeze { kill_at }, Phase::Running { .. }) => Phase::Frozen { kill_at, stands: false },
            (Order::Freeze { kill_at }, Phase::Frozen { stands, .. }) => Phase::Frozen { kill_at, stands },
            (Order::Stop { by }, Phase::Stopping { .. }) => Phase::Stopping { by },
            (Order::Stop { by }, Phase::Running { .. }) => {
                self.ask_to_end();
                Phase::Stopping { by }
            }
            (Order::Stop { by }, Phase::Frozen { .. }) => {
                self.ask_to_end();
                self.attempt("let its processes go on", self.group.thaw());
                Phase::Stopping { by }
            }
            (_, Phase::Waiting) => {
                self.ended(Ending::Unstarted);
                Phase::Killing { times: 0 }
            }
            (Order::Freeze { .. }, Phase::Stopping { .. }) | (Order::Kill, _) => Phase::Killing { times: 0 },
        };
    }

    /// What is to be done by now.
    fn due(&self, now: Moment) -> Phase {
        let kill = Phase::Killing { times: 0 };
        let ended = matches!(self.command, Command::Ended);
        match self.phase {
            Phase::Killing { .. } | Phase::Over { .. } => self.phase,
            _ if !self.guarded => kill,
            Phase::Waiting => Phase::Waiting,
            Phase::Running { .. } | Phase::Frozen { .. } if ended => kill,
            Phase::Running { kill_at, .. } | Phase::Frozen { kill_at, .. } if now >= kill_at => kill,
            Phase::Running { until, kill_at } if now >= until => {
                if self.orders.freeze {
                    Phase::Frozen { kill_at, stands: false }
                } else {
                    kill
                }
            }
            Phase::Stopping { by } if now >= by => kill,
            phase => phase,
        }
    }

    fn act(&mut self) {
        match &mut self.phase {
            Phase::Waiting | Phase::Running { .. } | Phase::Stopping { .. } | Phase::Over { .. } => {}
            Phase::Frozen { stands, .. } => {
                if !*stands && self.orders.cgroup.is_none() {
                    self.command.signal_group(Signal::STOP);
                }
                let frozen = self.group.freeze();
                *stands = matches!(frozen, Ok(true));
                self.attempt("freeze its processes", frozen.map(drop));
            }
            Phase::Killing { times } => {
                *times = times.saturating_add(1);
                self.command.signal_group(Signal::KILL);
                let killed = self.group.kill();
                self.attempt("kill its processes", killed);
            }
        }
    }

    fn start(&mut self) {
        match self.launch.start() {
            Ok((id, why)) => {
                if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                    self.command = Command::Starting { pid, why, text: Vec::new() };
                }
            }
            Err(error) => self.ended(Ending::Failed(format!("no process could be made for it: {error}").into())),
        }
    }

    /// Hears from a command that is being started.
    fn look(&mut self) {
        let Command::Starting { pid, why, text } = &mut self.command else { return };
        let mut bytes = [0_u8; 1024];
        loop {
            match rustix::io::read(&*why, &mut bytes) {
                Ok(0) if text.is_empty() => {
                    let pid = *pid;
                    self.command = Command::Runs { pid };
                    return self.say(&Word::Started { pid: pid.as_raw_nonzero().get().unsigned_abs() });
                }
                Ok(0) => return,
                Ok(read) => text.extend_from_slice(bytes.get(..read).unwrap_or_default()),
                Err(Errno::INTR) => {}
                // Its end says the rest.
                Err(_) => return,
            }
        }
    }

    /// Buries what has died. Whether any child is left, and so any process of the run outside its cgroup.
    fn reap(&mut self) -> bool {
        let mut noted = [0_u8; 64];
        while matches!(self.children.read(&mut noted), Ok(1..)) {}
        self.look();
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.died(pid, status),
                Ok(None) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn died(&mut self, dead: Pid, status: WaitStatus) {
        let ending = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ending::Code(code),
            (_, Some(signal)) => Ending::Signal(signal),
            _ => return,
        };
        // It may have said why it failed, or started and ended, since it was last looked at.
        self.look();
        match &self.command {
            Command::Runs { pid } if *pid == dead => self.ended(ending),
            Command::Starting { pid, text, .. } if *pid == dead => {
                let text = String::from_utf8_lossy(text);
                let why = if text.is_empty() { format!("it {ending} before it ran") } else { text.into_owned() };
                self.ended(Ending::Failed(why.into()));
            }
            _ => {}
        }
    }

    fn ended(&mut self, ending: Ending) {
        self.command = Command::Ended;
        let left = if matches!(self.phase, Phase::Killing { .. }) { Ok(0) } else { self.group.count() };
        self.say(&Word::Ended { ending, left: left.unwrap_or(0) });
    }

    /// Sends the stop signal to the command's process group: a shell that waits for a program does not hand it on.
    fn ask_to_end(&mut self) {
        let (Command::Runs { pid } | Command::Starting { pid, .. }) = &self.command else { return };
        let signal = self.orders.stop_signal;
        let sent = match kill_process_group(*pid, signal) {
            // It has no group of its own yet.
            Err(Errno::SRCH) => kill_process(*pid, signal),
            other => other,
        };
        self.attempt("ask it to end", sent.map_err(io::Error::from));
    }

    /// With no child left: whether nothing of the run is.
    fn is_over(&self) -> bool {
        let over = match self.phase {
            Phase::Waiting => false,
            Phase::Killing { .. } | Phase::Over { .. } => true,
            Phase::Running { .. } | Phase::Frozen { .. } | Phase::Stopping { .. } => {
                matches!(self.command, Command::Ended)
            }
        };
        over && self.group.is_cgroup_empty().unwrap_or(false)
    }

    fn wait(&mut self, now: Moment) {
        let (at, most) = match self.phase {
            Phase::Waiting => (None, None),
            Phase::Running { until, kill_at } => (Some(until.min(kill_at)), None),
            Phase::Frozen { kill_at, stands: false } => (Some(kill_at), Some(SOON)),
            Phase::Frozen { kill_at, stands: true } => (Some(kill_at), Some(LOOK_AGAIN)),
            Phase::Over { at } => (Some(at), None),
            Phase::Stopping { by } => (Some(by), matches!(self.command, Command::Ended).then_some(SOON)),
            Phase::Killing { times } => (None, Some(if times < EAGER { SOON } else { LATER })),
        };
        let set = self.deadline.set(at);
        // Without the timer: so long, on a clock that stops with the machine, but not longer.
        let most =
            if set.is_err() { at.map(|at| at.since(now).min(LATER)).into_iter().chain(most).min() } else { most };
        self.attempt("set a timer", set);
        let flags = PollFlags::IN;
        let mut waits = vec![PollFd::new(&self.children, flags), PollFd::new(&self.deadline, flags)];
        if self.guarded {
            waits.push(PollFd::new(&self.control, flags));
        }
        if let Command::Starting { why, text, .. } = &self.command
            && text.is_empty()
        {
            waits.push(PollFd::new(why, flags));
        }
        let most = most.map(|most| Timespec { tv_sec: 0, tv_nsec: i64::from(most.subsec_nanos()) });
        // A signal may cut it short; there is no harm in looking too often.
        let _ready = poll(&mut waits, most.as_ref());
    }

    fn attempt(&mut self, what: &str, result: io::Result<()>) {
        let Err(error) = result else { return };
        let text = format!("could not {what}: {error}");
        if self.trouble.as_ref() != Some(&text) {
            self.say(&Word::Trouble(text.clone()));
            self.trouble = Some(text);
        }
    }

    /// Says something, if the guard reads it; never waits for that.
    fn say(&mut self, word: &Word) {
        let _heard = self.control.write(word.to_string().as_bytes());
    }
}

/// How long a guard may take, after its tenure's time, to notice that a run is gone.
const UNHEARD: Duration = Duration::from_millis(250);
/// How soon to look again while something should be over in no time.
const SOON: Duration = Duration::from_millis(1);
/// How soon to kill again what was killed often.
const LATER: Duration = Duration::from_millis(20);
/// How often to kill at the first pace.
const EAGER: u32 = 200;
/// How often to see whether somebody let a frozen process go on.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
