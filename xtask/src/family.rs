//! A process and all that descend from it, as the kernel lists them.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// The process id and those of its descendants, ancestors first.
pub(crate) fn pids(of: u32) -> Vec<u32> {
    let mut pids = vec![of];
    let mut at = 0;
    while let Some(&pid) = pids.get(at) {
        for task in tasks(pid) {
            let children = fs::read_to_string(task.join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    pids
}

/// The folders of a process's threads.
pub(crate) fn tasks(pid: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Waits for the end of a child. False when it still runs after this time.
pub(crate) fn ends_within(child: &mut Child, time: Duration) -> bool {
    if let Ok(fd) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) {
        let timeout = Timespec::try_from(time).ok();
        let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], timeout.as_ref());
    }
    !matches!(child.try_wait(), Ok(None))
}

/// Asks a child to end, and after this time ends it and its descendants.
pub(crate) fn end(child: &mut Child, patience: Duration) {
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    if ends_within(child, patience) {
        return;
    }
    let descendants = pids(child.id());
    let _ = child.kill();
    let _ = child.wait();
    for pid in descendants.into_iter().skip(1).filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process(pid, Signal::KILL);
    }
}
