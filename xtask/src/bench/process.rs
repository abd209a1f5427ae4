//! A proxy as the kernel sees it: its threads, processor time, memory and cores.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::family;

/// A process and its descendants, ended when this is dropped.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts it on one core. The calling thread stays on its own.
    pub(super) fn start(command: &mut Command, cpu: usize, own: usize) -> Result<Self> {
        pin(cpu)?;
        let child = command.spawn().with_context(|| format!("start {command:?}"));
        pin(own)?;
        Ok(Self { child: child? })
    }

    /// Fails when it has ended.
    pub(super) fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended by itself: {status}"),
        }
    }

    /// The process ids: its own and its descendants'.
    pub(super) fn pids(&self) -> Vec<u32> {
        family::pids(self.child.id())
    }

    /// Processor time used so far by all threads.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let mut total = 0;
        for task in self.pids().into_iter().flat_map(family::tasks) {
            let Ok(text) = fs::read_to_string(task.join("schedstat")) else { continue };
            let first = text.split_whitespace().next().context("an empty schedstat: does the kernel keep it?")?;
            total += first.parse::<u64>().context("a schedstat that is no number")?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Resident memory in bytes, shared pages counted once for each process.
    pub(super) fn resident(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most it was since [`forget_peak`](Self::forget_peak).
    pub(super) fn peak(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// Begins anew with the most there was.
    pub(super) fn forget_peak(&self) -> Result<()> {
        for pid in self.pids() {
            let path = format!("/proc/{pid}/clear_refs");
            fs::write(&path, "5").with_context(|| format!("write {path}"))?;
        }
        Ok(())
    }

    fn memory(&self, what: &str) -> Result<u64> {
        let mut total = 0;
        for pid in self.pids() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix(what));
            let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
            total += kib * 1024;
        }
        Ok(total)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        family::end(&mut self.child, Duration::from_secs(3));
    }
}

/// Keeps the calling thread, and what it starts, on one core.
pub(super) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("move to core {cpu}"))
}

/// Goes before whatever else runs on the machine, where that is allowed. What is started inherits it. Where the kernel
/// groups processes by session, the group's own priority is what counts.
pub(super) fn hurry() {
    let _ = rustix::process::setpriority_process(None, -15);
    let _ = fs::write("/proc/self/autogroup", "-15");
}

/// Raises the bound on open files, for this process and what it starts, as far as it may.
pub(super) fn raise_open_files(wanted: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = now.maximum.map(|maximum| maximum.max(wanted));
    let high = Rlimit { current: Some(wanted), maximum };
    let low = Rlimit { current: now.maximum, maximum: now.maximum };
    setrlimit(Resource::Nofile, high).or_else(|_| setrlimit(Resource::Nofile, low)).context("raise the open files")?;
    match getrlimit(Resource::Nofile).current {
        Some(current) if current < wanted => bail!("{wanted} open files are needed, {current} allowed: ulimit -n"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn sees_time_and_memory_of_the_whole_family() {
        let script = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 60' & wait";
        let process = Process { child: Command::new("sh").args(["-c", script]).spawn().expect("sh") };
        let limit = Instant::now() + Duration::from_secs(20);
        while process.pids().len() < 2 || process.cpu().expect("schedstat") < Duration::from_millis(20) {
            assert!(Instant::now() < limit, "a child that works, its time not seen");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        assert!(process.resident().expect("status") > 100 << 10);
    }
}
