//! Processes, as /proc shows them.

use std::collections::HashSet;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mainstay_io::lock;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

/// A process at one moment. Its id may be somebody else's the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    state: u8,
    /// When it was started, in the kernel's ticks. With the id, this names a process for good.
    pub(crate) start: u64,
}

impl Process {
    /// The process with this id.
    pub(crate) fn find(pid: Pid) -> Option<Self> {
        Self::parse(&std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?)
    }

    /// Reads a `stat` file. The name, in parentheses, may hold anything.
    fn parse(stat: &[u8]) -> Option<Self> {
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let head = std::str::from_utf8(stat.get(..stat.iter().position(|byte| *byte == b' ')?)?).ok()?;
        let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid: Pid::from_raw(head.parse().ok()?)?,
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    /// Whether it has ended, and only waits for its parent to hear of it.
    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Whether it does nothing: it is stopped, or has ended.
    pub(crate) const fn stands(&self) -> bool {
        matches!(self.state, b'T' | b't') || self.has_ended()
    }

    /// Sends it a signal; nothing if it is gone, whoever may have its id by now.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let gone = |error: Errno| if error == Errno::SRCH { Ok(()) } else { Err(error.into()) };
        let handle = match pidfd_open(self.pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(error) => return gone(error),
        };
        match Self::find(self.pid) {
            Some(now) if now.start == self.start => pidfd_send_signal(&handle, signal).or_else(gone),
            _ => Ok(()),
        }
    }

    /// Its place in the cgroups of version 2, as a path from their root.
    pub(crate) fn cgroup(&self) -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid.as_raw_nonzero())).ok()?;
        text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
    }

    /// Whether it has this text in the environment it was started with.
    fn has_in_environment(&self, setting: &str) -> bool {
        std::fs::read(format!("/proc/{}/environ", self.pid.as_raw_nonzero()))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == setting.as_bytes()))
    }

    /// Whether it has the lock of this file, taken or inherited.
    fn has_lock_of(&self, file: FileId) -> bool {
        let folder = format!("/proc/{}", self.pid.as_raw_nonzero());
        let Ok(open) = std::fs::read_dir(format!("{folder}/fd")) else { return false };
        open.flatten().filter(|entry| FileId::of(&entry.path()) == Some(file)).any(|entry| {
            let number = entry.file_name();
            let info = std::fs::read_to_string(format!("{folder}/fdinfo/{}", number.to_string_lossy()));
            info.is_ok_and(|info| lock::shows(&info))
        })
    }
}

/// All processes there are. Those that end meanwhile are left out.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    let is_number = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(entry) = entry else { continue };
        if is_number(entry.file_name().as_bytes())
            && let Ok(stat) = std::fs::read(entry.path().join("stat"))
        {
            found.extend(Process::parse(&stat));
        }
    }
    Ok(found)
}

/// Everything that descends from `root`, and has not ended.
pub(crate) fn descendants(root: Pid) -> io::Result<Vec<Process>> {
    Ok(descend(&all()?, root))
}

fn descend(all: &[Process], root: Pid) -> Vec<Process> {
    let mut family = HashSet::from([root.as_raw_nonzero().get()]);
    // Parents need not be listed before their children: ids are used again.
    loop {
        let before = family.len();
        for process in all {
            if family.contains(&process.parent) {
                family.insert(process.pid.as_raw_nonzero().get());
            }
        }
        if family.len() == before {
            break;
        }
    }
    let is_one = |process: &&Process| process.pid != root && !process.has_ended();
    all.iter().filter(is_one).filter(|process| family.contains(&process.pid.as_raw_nonzero().get())).copied().collect()
}

/// A file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok()?;
        Some(Self { device: data.dev(), inode: data.ino() })
    }
}

/// Finds everything but this process that carries a guard's mark: it was started with `setting` in its environment, or
/// has the lock of `file`. Each is given to `found` as soon as it is known.
pub(crate) fn marked(setting: &str, file: Option<FileId>, mut found: impl FnMut(Process)) -> io::Result<()> {
    let mine = getpid().as_raw_nonzero().get();
    let mut all = all()?;
    all.retain(|process| {
        let others = process.pid.as_raw_nonzero().get() != mine && !process.has_ended();
        let is_marked = others && process.has_in_environment(setting);
        if is_marked {
            found(*process);
        }
        // A child of this process that is just being started has all that this process has.
        others && !is_marked && process.parent != mine
    });
    // This takes longer: there are many descriptors.
    all.into_iter().filter(|process| file.is_some_and(|file| process.has_lock_of(file))).for_each(found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let check = |stat: &str, expect: Option<(i32, i32, i32, u64)>| {
            let read = Process::parse(stat.as_bytes());
            let facts = read.map(|it| (it.pid.as_raw_nonzero().get(), it.parent, it.group, it.start));
            assert_eq!(facts, expect, "{stat}");
        };
        let rest = "S 7 8 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 2";
        check(&format!("12 (sh) {rest}"), Some((12, 7, 8, 4711)));
        check(&format!("12 (a) Z 1 (b) {rest}"), Some((12, 7, 8, 4711)));
        check("12 (sh) S 7", None);
        check("", None);
        let me = Process::find(getpid()).unwrap();
        assert!(!me.stands() && me.start > 0);
    }

    #[test]
    fn a_family_is_found_in_any_order() {
        let process =
            |pid, parent, state| Process { pid: Pid::from_raw(pid).unwrap(), parent, group: 0, state, start: 0 };
        let all = [
            process(5, 9, b'S'),
            process(9, 2, b'S'),
            process(2, 1, b'S'),
            process(3, 1, b'S'),
            process(6, 9, b'Z'),
            process(7, 6, b'T'),
        ];
        let found = descend(&all, Pid::from_raw(2).unwrap());
        let ids: Vec<i32> = found.iter().map(|it| it.pid.as_raw_nonzero().get()).collect();
        assert_eq!(ids, [5, 9, 7]);
    }

    #[test]
    fn marks_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        std::fs::write(&path, "").unwrap();
        let setting = format!("MAINSTAY_TEST={}", path.display());
        let (name, value) = setting.split_once('=').unwrap();
        let sleep = |command: &mut std::process::Command| command.arg("30").spawn().unwrap();
        let mut by_environment = sleep(std::process::Command::new("sleep").env(name, value));
        let open = std::fs::File::open(&path).unwrap();
        rustix::fs::flock(&open, rustix::fs::FlockOperation::LockExclusive).unwrap();
        // It is no child of this process: its parent is a shell that waits.
        let mut by_lock = std::process::Command::new("sh");
        let mut by_lock = by_lock.args(["-c", "sleep 30; :"]).stdin(open).spawn().unwrap();
        let other = std::fs::File::open(&path).unwrap();
        let mut without = sleep(std::process::Command::new("sleep").stdin(other));
        let file = FileId::of(&path);
        let marked = || {
            let mut found = Vec::new();
            marked(&setting, file, |process| found.push(process)).unwrap();
            found
        };
        let begun = std::time::Instant::now();
        while marked().len() < 2 {
            assert!(begun.elapsed().as_secs() < 10, "{:?}", marked());
            std::thread::yield_now();
        }
        let parents: Vec<u32> = marked().iter().map(|it| it.parent.unsigned_abs()).collect();
        assert!(parents.contains(&by_lock.id()) && parents.contains(&std::process::id()), "{parents:?}");
        marked().iter().for_each(|process| process.signal(Signal::KILL).unwrap());
        by_environment.wait().unwrap();
        by_lock.wait().unwrap();
        without.kill().unwrap();
        without.wait().unwrap();
        assert!(marked().is_empty());
    }
}
