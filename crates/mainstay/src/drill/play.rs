//! The failures, one after the other, and what came of each.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use serde::Serialize;

use super::kind::Kind;
use super::set::{LEASE, Set};
use crate::demo::load::{Account, Order};
use crate::demo::stage::{Mishap, until};

/// What came of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    /// From the failure (or the wish) until the successor was fenced and active, in milliseconds.
    pub(super) active_ms: Option<f64>,
    /// The same until its node was ready.
    pub(super) ready_ms: Option<f64>,
    /// Longest time in which no client had a good answer, in milliseconds.
    pub(super) longest_gap_ms: f64,
    /// Requests of that time.
    pub(super) requests: usize,
    /// Those whose client saw no success.
    pub(super) lost: usize,
    /// How often the lease changed hands.
    pub(super) takeovers: usize,
    /// What the successor said of its steps.
    pub(super) steps: Option<String>,
    /// What was not as it must be.
    pub(super) broken: Vec<String>,
}

/// Plays a drill so often.
///
/// Ends the load, and says how what was written lies in the database.
pub(super) async fn all(set: &mut Set, kind: Kind, runs: u32) -> Result<(Vec<Run>, Order), Mishap> {
    let mut played = Vec::new();
    tokio::time::sleep(CALM).await;
    for number in 1..=runs {
        let run = one(set, kind).await?;
        let moved =
            run.ready_ms.map_or_else(|| "the lease stayed".to_owned(), |ready| format!("ready after {ready:.0} ms"));
        eprintln!("run {number} of {runs}: {moved}, {} of {} requests lost", run.lost, run.requests);
        played.push(run);
    }
    set.finish();
    Ok((played, set.rows().await?.order()))
}

async fn one(set: &mut Set, kind: Kind) -> Result<Run, Mishap> {
    let holder = set.holder().await?;
    let (from, at) = (Instant::now(), SystemTime::now());
    let mut run = Run::default();
    match kind {
        Kind::KillChild => kill_child(set, holder)?,
        Kind::KillGuard => signal(set, holder, Signal::KILL)?,
        Kind::FreezeGuard => freeze(set, holder, false).await?,
        Kind::FreezeMachine => freeze(set, holder, true).await?,
        Kind::PartitionStore => cut(set, &[holder], set.ttl() * 3).await,
        Kind::BlinkStore => cut(set, &[0, 1], set.ttl() / 3).await,
        Kind::DoubleStart => double_start(set, holder, &mut run).await?,
        Kind::Switchover => switchover(set, holder, &mut run).await?,
    }
    if kind.moves() {
        let what = "nobody took over";
        until(what, TAKEOVER_WITHIN, async || set.happened("ready", at).await.is_some()).await?;
    }
    // What comes late is to be seen too: a woken holder's writes, a second takeover.
    tokio::time::sleep(AFTERMATH.max(set.ttl())).await;
    told(set, at, &mut run).await;
    if kind == Kind::KillGuard {
        set.start(holder)?;
    }
    until("the other guard is not back", TAKEOVER_WITHIN, async || set.is_attended().await).await?;
    account(set, from, &mut run).await?;
    judge(kind, &mut run);
    Ok(run)
}

/// Reads from the history when the successor was active and ready.
async fn told(set: &Set, at: SystemTime, run: &mut Run) {
    let entries = set.since(at).await;
    let first = |what: &str| entries.iter().find(|entry| *entry.what == *what);
    let after = |entry: &mainstay_store::Entry| entry.at.duration_since(at).unwrap_or_default().as_secs_f64() * 1000.0;
    run.active_ms = first("activated").map(after);
    run.ready_ms = first("ready").map(after);
    run.steps = first("ready").map(|entry| entry.text.to_string());
    run.takeovers = entries.iter().filter(|entry| &*entry.what == "activated").count();
}

async fn account(set: &Set, from: Instant, run: &mut Run) -> Result<(), Mishap> {
    let to = Instant::now();
    let Some(book) = set.book() else { return Ok(()) };
    until("requests never end", ENDING, async || book.all_ended(to)).await?;
    let account = Account::of(book, &set.rows().await?, from, to);
    run.longest_gap_ms = account.longest_gap.as_secs_f64() * 1000.0;
    run.requests = account.requests;
    run.lost = account.lost.len();
    if account.missing > 0 {
        run.broken.push(format!("{} confirmed writes are missing", account.missing));
    }
    if account.twice > 0 {
        run.broken.push(format!("{} writes were done twice", account.twice));
    }
    Ok(())
}

fn judge(kind: Kind, run: &mut Run) {
    let expected = usize::from(kind.moves());
    if run.takeovers != expected {
        run.broken.push(format!("{} takeovers instead of {expected}", run.takeovers));
    }
    if !kind.may_lose() && run.lost > 0 {
        run.broken.push(format!("{} requests were lost, none may be", run.lost));
    }
}

fn signal(set: &mut Set, guard: usize, signal: Signal) -> Result<(), Mishap> {
    set.guard(guard).map_or(Ok(()), |process| process.signal(signal))
}

/// SIGKILL of the command that the guard's sentinel started.
fn kill_child(set: &mut Set, guard: usize) -> Result<(), Mishap> {
    let below = below(set, guard);
    // The sentinel is the guard's child, the node the sentinel's.
    let Some(node) = below.last().copied().filter(|_| below.len() > 1) else {
        return Err(Mishap::new("could not kill the child", "the guard has none"));
    };
    send(node, Signal::KILL)
}

/// SIGSTOP of the guard, or of all its processes, for twice the lease's time.
async fn freeze(set: &mut Set, guard: usize, whole: bool) -> Result<(), Mishap> {
    let below = if whole { below(set, guard) } else { Vec::new() };
    signal(set, guard, Signal::STOP)?;
    below.iter().try_for_each(|process| send(*process, Signal::STOP))?;
    tokio::time::sleep(set.ttl() * 2).await;
    // The node first: what it does before anybody can stop it is the point.
    below.iter().rev().try_for_each(|process| send(*process, Signal::CONT))?;
    signal(set, guard, Signal::CONT)
}

async fn cut(set: &Set, guards: &[usize], time: Duration) {
    let relays = || guards.iter().filter_map(|guard| set.relay(*guard));
    relays().for_each(super::relay::Relay::cut);
    tokio::time::sleep(time).await;
    relays().for_each(super::relay::Relay::mend);
}

async fn double_start(set: &Set, guard: usize, run: &mut Run) -> Result<(), Mishap> {
    let (mut second, log) = set.second(guard)?;
    let status = second.ended(TAKEOVER_WITHIN).await?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    if status.success() || !said.contains("runs already on this machine") {
        run.broken.push(format!("the second guard was not refused: {}", said.trim()));
    }
    Ok(())
}

async fn switchover(set: &Set, guard: usize, run: &mut Run) -> Result<(), Mishap> {
    let admin = format!("--admin=unix:{}", set.admin(guard).display());
    let (well, said) = set.command(&["switchover".to_owned(), LEASE.to_owned(), admin], TAKEOVER_WITHIN).await?;
    if !well {
        run.broken.push(format!("the switch-over failed: {}", said.trim()));
    }
    Ok(())
}

/// The processes below a guard, parents before children.
fn below(set: &mut Set, guard: usize) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open: Vec<u32> = set.guard(guard).map(|process| process.id()).into_iter().collect();
    while let Some(parent) = open.pop() {
        let children = children(parent);
        found.extend(&children);
        open.extend(children);
    }
    found
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

fn send(process: u32, signal: Signal) -> Result<(), Mishap> {
    let Some(pid) = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw) else { return Ok(()) };
    match rustix::process::kill_process(pid, signal) {
        // It ended by itself meanwhile.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(Mishap::new("could not signal a process", error)),
    }
}

/// Before the first failure.
const CALM: Duration = Duration::from_secs(1);
/// After each.
const AFTERMATH: Duration = Duration::from_millis(500);
const TAKEOVER_WITHIN: Duration = Duration::from_secs(60);
/// Longest time for requests under way.
const ENDING: Duration = Duration::from_secs(40);
