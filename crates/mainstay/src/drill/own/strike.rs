//! What is done to processes that an operator runs.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::super::kind::Kind;
use super::crew::{Member, Target};
use crate::demo::stage::Mishap;

/// Whether this can be done to processes that somebody else started.
pub(super) const fn can(kind: Kind) -> bool {
    matches!(kind, Kind::KillChild | Kind::KillGuard | Kind::FreezeGuard | Kind::DoubleStart | Kind::Switchover)
}

/// Whether it cannot be asked while, or after, this is done to it.
pub(super) const fn silences(kind: Kind) -> bool {
    matches!(kind, Kind::KillGuard | Kind::FreezeGuard)
}

/// Does it. What was not as it must be.
pub(super) async fn strike(kind: Kind, target: &Target, member: &Member) -> Result<Option<String>, Mishap> {
    if !is_below(target.child, target.pid) {
        let why = format!("process {} is not one of {}'s on this machine", target.child, target.pid);
        return Err(Mishap::new("nothing was done", why));
    }
    match kind {
        Kind::KillChild => send(target.child, Signal::KILL).map(|()| None),
        Kind::KillGuard => send(target.pid, Signal::KILL).map(|()| None),
        Kind::FreezeGuard => freeze(target.pid, Duration::from_secs_f64(target.lease.ttl_s * 2.0)).await.map(|()| None),
        Kind::DoubleStart => double_start(target).await,
        _ => switchover(target, member).await,
    }
}

/// SIGSTOP, and SIGCONT after a while, even if this program is killed meanwhile.
async fn freeze(pid: u32, time: Duration) -> Result<(), Mishap> {
    let thaw = Thaw::arrange(pid)?;
    send(pid, Signal::STOP)?;
    tokio::time::sleep(time).await;
    drop(thaw);
    send(pid, Signal::CONT)
}

/// Lets a process go on when this is dropped, or this program ends.
struct Thaw(Child);

impl Thaw {
    fn arrange(pid: u32) -> Result<Self, Mishap> {
        let script = format!("read -r _; kill -CONT {pid}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Of a group of its own: Ctrl-C is not for it.
        let started = command.process_group(0).spawn();
        started.map(Self).map_err(|error| Mishap::new("could not arrange for the process to go on afterwards", error))
    }
}

impl Drop for Thaw {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // It reads the end of its input as well.
            let _ended = input.write_all(b"\n");
        }
        let _waited = self.0.wait();
    }
}

async fn double_start(target: &Target) -> Result<Option<String>, Mishap> {
    let exe = std::env::current_exe().map_err(|error| Mishap::new("could not find this program", error))?;
    let mut command = tokio::process::Command::new(exe);
    command.arg("run").arg(&target.file).args(["--admin", "off"]).stdin(Stdio::null()).kill_on_drop(true);
    let failed = |error| Mishap::new("could not start it a second time", error);
    let second = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let Ok(output) = tokio::time::timeout(REFUSING, second.wait_with_output()).await else {
        return Ok(Some(format!("the second one was not refused within {REFUSING:?}, and was killed")));
    };
    let output = output.map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    if !output.status.success() && said.contains("runs already on this machine") {
        return Ok(None);
    }
    Ok(Some(format!("the second one was not refused: {}", said.trim())))
}

async fn switchover(target: &Target, member: &Member) -> Result<Option<String>, Mishap> {
    let exe = std::env::current_exe().map_err(|error| Mishap::new("could not find this program", error))?;
    let mut command = tokio::process::Command::new(exe);
    command.arg("switchover").arg(&target.lease.name).args(member.words()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| Mishap::new("could not ask for a switch-over", error))?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok((!output.status.success()).then(|| format!("the switch-over failed: {}", said.trim())))
}

/// Whether a process descends from another.
fn is_below(process: u32, above: u32) -> bool {
    let mut at = process;
    for _ in 0..GENERATIONS {
        let Some(parent) = parent(at) else { return false };
        if parent == above {
            return true;
        }
        at = parent;
    }
    false
}

fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name in parentheses: the state, then the parent.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// When a process started, so that another of its number is not taken for it; `None` once it is gone.
pub(super) fn started(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    if rest.starts_with(['Z', 'X']) {
        return None;
    }
    rest.split(' ').nth(STARTED_AT)?.parse().ok()
}

fn send(process: u32, signal: Signal) -> Result<(), Mishap> {
    let failed = |why: &str| Mishap::new(format!("could not signal process {process}"), why);
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or_else(|| failed("it is no process id"))?;
    rustix::process::kill_process(pid, signal).map_err(|error| match error {
        Errno::PERM => failed("run the drill as root, or as the user that Mainstay runs as"),
        error => failed(&error.to_string()),
    })
}

/// Longest time for a second start to be refused.
const REFUSING: Duration = Duration::from_secs(20);
/// More than are between a guard and its child.
const GENERATIONS: usize = 16;
/// Place of a process's start among the fields behind its name.
const STARTED_AT: usize = 19;
