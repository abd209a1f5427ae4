//! What is done to a set.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Mishap, Set, until};
use crate::demo::stage::Fault;

/// SIGKILL of a guard's child, once it is gone.
pub(crate) async fn kill_child(set: &mut Set, guard: usize) -> Result<Fault, Mishap> {
    let child = child(set, guard)?;
    let from = Instant::now();
    send(child, Signal::KILL)?;
    gone(child, from).await
}

/// SIGKILL of a guard, once its child is gone too.
pub(crate) async fn kill_guard(set: &mut Set, guard: usize) -> Result<Fault, Mishap> {
    let child = child(set, guard)?;
    let from = Instant::now();
    signal(set, guard, Signal::KILL)?;
    gone(child, from).await
}

/// SIGSTOP of a guard for twice the lease's time, then SIGCONT, once its child is gone too: its sentinel or, once woken,
/// the guard itself has ended it.
pub(crate) async fn freeze_guard(set: &mut Set, guard: usize) -> Result<Fault, Mishap> {
    let asleep = set.ttl() * 2;
    let child = child(set, guard)?;
    let from = Instant::now();
    signal(set, guard, Signal::STOP)?;
    let wake = async {
        tokio::time::sleep(asleep).await;
        signal(set, guard, Signal::CONT)
    };
    let (fault, woken) = tokio::join!(gone(child, from), wake);
    woken.and(fault)
}

/// SIGSTOP of all processes of a guard for twice the lease's time, then SIGCONT.
pub(crate) async fn freeze_machine(set: &mut Set, guard: usize) -> Result<(), Mishap> {
    let below = below(set, guard);
    signal(set, guard, Signal::STOP)?;
    below.iter().try_for_each(|process| send(*process, Signal::STOP))?;
    tokio::time::sleep(set.ttl() * 2).await;
    // The node first: what it does before anybody can stop it is the point.
    below.iter().rev().try_for_each(|process| send(*process, Signal::CONT))?;
    signal(set, guard, Signal::CONT)
}

/// Cuts guards off from the store for so long.
pub(crate) async fn cut(set: &Set, guards: &[usize], time: Duration) {
    let relays = || guards.iter().filter_map(|guard| set.relay(*guard));
    relays().for_each(super::Relay::cut);
    tokio::time::sleep(time).await;
    relays().for_each(super::Relay::mend);
}

/// Asks a guard for a planned switch-over, as an operator does, and waits for its end. What was said if it failed.
pub(crate) async fn switchover(set: &Set, guard: usize) -> Result<Result<(), String>, Mishap> {
    let words =
        ["switchover".to_owned(), set.lease().to_owned(), format!("--admin=unix:{}", set.admin(guard).display())];
    let (well, said) = set.command(&words, SWITCHING).await?;
    Ok(if well { Ok(()) } else { Err(said.trim().to_owned()) })
}

fn signal(set: &mut Set, guard: usize, signal: Signal) -> Result<(), Mishap> {
    set.guard(guard).map_or(Ok(()), |process| process.signal(signal))
}

/// The command that a guard's sentinel started.
pub(crate) fn child(set: &mut Set, guard: usize) -> Result<u32, Mishap> {
    let below = below(set, guard);
    // The sentinel is the guard's child, the node the sentinel's.
    let node = below.last().copied().filter(|_| below.len() > 1);
    node.ok_or_else(|| Mishap::new("could not strike the holder", "its guard has no child"))
}

/// Waits until a process is gone: between when it was seen whole last, `from` at the earliest, and when it is seen no more.
async fn gone(process: u32, mut from: Instant) -> Result<Fault, Mishap> {
    until("a node outlives its guard", ENDING, async || {
        let look = Instant::now();
        let life = Life::of(process);
        if life == Life::Whole {
            from = look;
        }
        life == Life::Gone
    })
    .await?;
    Ok(Fault { from, to: Instant::now() })
}

/// How much of a process there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// None of its connections has ended.
    Whole,
    /// Some may have. Connections are still made to a port whose process ends, and lost with it.
    Ending,
    /// All have.
    Gone,
}

impl Life {
    /// Files are closed with the last thread that has them: the first one being a zombie says nothing of the others.
    fn of(process: u32) -> Self {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Self::Gone };
        let stats = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
        stats.map(|stat| Self::of_thread(&stat)).min_by_key(|life| *life as u8).unwrap_or(Self::Gone)
    }

    /// From `/proc/PID/task/TID/stat`: behind the name in parentheses are the state and, six words on, the flags.
    fn of_thread(stat: &str) -> Self {
        let mut words = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_whitespace();
        let state = words.next().unwrap_or("X");
        let flags: u32 = words.nth(5).and_then(|flags| flags.parse().ok()).unwrap_or(0);
        match state {
            "Z" | "X" => Self::Gone,
            _ if flags & ENDS != 0 => Self::Ending,
            _ => Self::Whole,
        }
    }
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

/// Longest time for a child to end.
const ENDING: Duration = Duration::from_secs(20);
/// Longest time for a switch-over.
const SWITCHING: Duration = Duration::from_secs(60);
/// The kernel's flag of a thread that ends.
const ENDS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::Life;

    #[test]
    fn a_process_is_gone_with_the_last_of_its_threads() {
        let thread = |state: &str, flags: u32| Life::of_thread(&format!("7 (a ) b) {state} 1 7 7 0 -1 {flags} 99 0"));
        assert_eq!(thread("S", 0x0040_0000), Life::Whole);
        assert_eq!(thread("D", 0x0040_0004), Life::Ending);
        assert_eq!(thread("Z", 0x0040_0004), Life::Gone);
        assert_eq!(Life::of(std::process::id()), Life::Whole);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(Life::of(child.id()), Life::Whole);
        child.kill().unwrap();
        // Not reaped yet when it is a zombie; `wait` reaps it.
        child.wait().unwrap();
        assert_eq!(Life::of(child.id()), Life::Gone);
    }
}
