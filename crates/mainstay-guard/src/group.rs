//! All processes of a run, and what is done to them as one.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpgrp, kill_process_group};

use crate::cgroup::Cgroup;
use crate::processes::{self, Process};

/// What descends from a sentinel, or is in the run's cgroup. A process that has lost its parent descends from the
/// sentinel too: the kernel gives it to the nearest ancestor that asked for that.
#[derive(Debug)]
pub(crate) struct Group {
    sentinel: Pid,
    cgroup: Option<Cgroup>,
}

impl Group {
    pub(crate) fn open(sentinel: Pid, cgroup: Option<&Path>) -> io::Result<Self> {
        Ok(Self { sentinel, cgroup: cgroup.map(Cgroup::open).transpose()? })
    }

    /// Freezes what runs. Whether all of it stands already; if not, ask again.
    pub(crate) fn freeze(&self) -> io::Result<bool> {
        let within = self.cgroup.as_ref().map(|cgroup| cgroup.freeze(true));
        let outside = self.outside()?;
        let moving: Vec<&Process> = outside.iter().filter(|process| !process.stands()).collect();
        self.signal_all(&moving, Signal::STOP)?;
        within.transpose()?;
        let stands = self.cgroup.as_ref().map_or(Ok(true), Cgroup::is_frozen)?;
        Ok(stands && moving.is_empty())
    }

    /// Lets everything go on.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        let all = processes::descendants(self.sentinel)?;
        let standing: Vec<&Process> = all.iter().filter(|process| process.stands()).collect();
        self.signal_all(&standing, Signal::CONT)?;
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| cgroup.freeze(false))
    }

    /// Kills everything. Whoever calls does so until [`Self::is_gone`]: a process may have forked meanwhile.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let within = self.cgroup.as_ref().map_or(Ok(()), Cgroup::kill);
        let all = processes::descendants(self.sentinel)?;
        self.signal_all(&all.iter().collect::<Vec<_>>(), Signal::KILL)?;
        within
    }

    /// Whether nothing of it lives.
    pub(crate) fn is_gone(&self) -> io::Result<bool> {
        Ok(self.is_cgroup_empty()? && processes::descendants(self.sentinel)?.is_empty())
    }

    /// Whether nothing lives in the cgroup, where there is one.
    pub(crate) fn is_cgroup_empty(&self) -> io::Result<bool> {
        self.cgroup.as_ref().map_or(Ok(true), Cgroup::is_empty)
    }

    /// Removes the cgroup, which must be empty.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.cgroup.as_ref().map_or(Ok(()), Cgroup::remove)
    }

    /// How many live.
    pub(crate) fn count(&self) -> io::Result<usize> {
        Ok(processes::descendants(self.sentinel)?.len())
    }

    /// What the cgroup does not reach: all of it without one, and else what has left it.
    fn outside(&self) -> io::Result<Vec<Process>> {
        let mut all = processes::descendants(self.sentinel)?;
        if let Some(cgroup) = &self.cgroup {
            all.retain(|process| !cgroup.holds(process));
        }
        Ok(all)
    }

    /// Signals their process groups first: the kernel does that in one step, in which nothing can be forked away. Only a
    /// sentinel's descendants can be in a group of one of them, but for its own.
    fn signal_all(&self, processes: &[&Process], signal: Signal) -> io::Result<()> {
        let mut groups: Vec<i32> = processes.iter().map(|process| process.group).collect();
        groups.sort_unstable();
        groups.dedup();
        let others = [self.sentinel, getpgrp()];
        let mut result = Ok(());
        for group in groups.into_iter().filter_map(Pid::from_raw).filter(|group| !others.contains(group)) {
            if let Err(error) = kill_process_group(group, signal)
                && error != Errno::SRCH
            {
                result = Err(error.into());
            }
        }
        for process in processes {
            result = process.signal(signal).and(result);
        }
        result
    }
}
