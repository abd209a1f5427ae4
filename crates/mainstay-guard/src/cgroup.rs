//! A cgroup, version 2: processes that the kernel freezes and kills as one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::process::{Pid, Signal};

use crate::processes::Process;

/// A cgroup that is a guard's own. Its files are kept open, so that nothing is wanting when it has to be killed.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    /// Its path from the root of the hierarchy, as /proc shows it for the processes in it.
    place: String,
    freeze: File,
    kill: Option<File>,
    events: File,
}

impl Cgroup {
    /// Makes one below that of this process, and tries whether it does what it is for.
    ///
    /// # Errors
    /// Why there is none to be had, as a sentence's end.
    pub(crate) fn make(name: &str) -> Result<Self, String> {
        let parent = own()?;
        let path = parent.join(name);
        let refused = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir(&path).map_err(refused)?;
        let made = Self::open(&path).and_then(|made| {
            // A process is moved by whoever may write in the group above both, and into the new one.
            rustix::fs::access(parent.join(PROCS), Access::WRITE_OK)?;
            made.freeze(false)?;
            made.kill()?;
            Ok(made)
        });
        made.map_err(|error| {
            // What is left is an empty folder of a file system in memory.
            let _removed = fs::remove_dir(&path);
            refused(error)
        })
    }

    /// Opens one that exists.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let write = |file: &str| OpenOptions::new().write(true).open(path.join(file));
        let root = mounts().into_iter().find(|mount| path.starts_with(&mount.point));
        let root = root.ok_or_else(|| io::Error::other("it is in no cgroup file system"))?;
        let below = path.strip_prefix(&root.point).unwrap_or(path);
        Ok(Self {
            place: Path::new(&root.root).join(below).to_string_lossy().into_owned(),
            freeze: write("cgroup.freeze")?,
            // Came with Linux 5.14, three years after the freezer.
            kill: write("cgroup.kill").ok(),
            events: File::open(path.join("cgroup.events"))?,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the calling process into it.
    pub(crate) fn join(path: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).open(path.join(PROCS)).and_then(|file| put(&file, b"0"))
    }

    /// Whether a process is in it, or in one below.
    pub(crate) fn holds(&self, process: &Process) -> bool {
        process.cgroup().is_some_and(|place| {
            place.strip_prefix(&self.place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Begins to freeze it, or thaws it.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        put(&self.freeze, if frozen { b"1" } else { b"0" })
    }

    /// Kills everything in it and below, also what is frozen or being forked.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match &self.kill {
            Some(file) => put(file, b"1"),
            None => kill_each(&self.path),
        }
    }

    /// Whether all of it is frozen.
    pub(crate) fn is_frozen(&self) -> io::Result<bool> {
        self.event("frozen 1")
    }

    /// Whether nothing lives in it or below.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        match self.event("populated 0") {
            // It was removed.
            Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::NODEV) => Ok(true),
            other => other,
        }
    }

    /// The processes in it and below.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut found = Vec::new();
        list(&self.path, &mut found);
        found
    }

    /// Removes it, with what processes have made below it. It must be empty.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }

    fn event(&self, line: &str) -> io::Result<bool> {
        let mut bytes = [0_u8; 128];
        let read = rustix::io::pread(&self.events, &mut bytes, 0)?;
        let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default());
        Ok(text.lines().any(|it| it == line))
    }
}

fn list(path: &Path, found: &mut Vec<u32>) {
    let text = fs::read_to_string(path.join(PROCS)).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    for below in below(path) {
        list(&below, found);
    }
}

/// Kills one by one, for kernels that cannot do it at once. Whoever calls does so until the group is empty.
fn kill_each(path: &Path) -> io::Result<()> {
    let mut pids = Vec::new();
    list(path, &mut pids);
    let pids = pids.into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed()));
    for process in pids.filter_map(Process::find) {
        process.signal(Signal::KILL)?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    for below in below(path) {
        remove(&below)?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn below(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()).collect()
}

fn put(file: &File, bytes: &[u8]) -> io::Result<()> {
    rustix::io::pwrite(file, bytes, 0)?;
    Ok(())
}

/// Where this process's own cgroup is.
fn own() -> Result<PathBuf, String> {
    let text = fs::read_to_string("/proc/self/cgroup").map_err(|error| format!("/proc/self/cgroup: {error}"))?;
    let place = text.lines().find_map(|line| line.strip_prefix("0::"));
    let place = place.ok_or("this system has no cgroups of version 2")?;
    let found = mounts().into_iter().find_map(|mount| mount.find(place));
    found.ok_or_else(|| "no file system of cgroups of version 2 is mounted".to_owned())
}

/// A mounted file system of cgroups.
#[derive(Debug)]
struct Mount {
    /// What of the hierarchy it shows.
    root: String,
    point: PathBuf,
}

impl Mount {
    fn find(&self, place: &str) -> Option<PathBuf> {
        let below = Path::new(place).strip_prefix(&self.root).ok()?;
        Some(self.point.join(below))
    }
}

fn mounts() -> Vec<Mount> {
    parse_mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn parse_mounts(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup2 ").then(|| Mount { root: root.to_owned(), point: point.into() })
    };
    text.lines().filter_map(mount).collect()
}

const PROCS: &str = "cgroup.procs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_file_system() {
        let check = |mountinfo: &str, place: &str, expect: Option<&str>| {
            let found = parse_mounts(mountinfo).into_iter().find_map(|mount| mount.find(place));
            assert_eq!(found.as_deref(), expect.map(Path::new), "{mountinfo}");
        };
        let one = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw";
        check(one, "/system.slice/mainstay.service", Some("/sys/fs/cgroup/system.slice/mainstay.service"));
        check(one, "/", Some("/sys/fs/cgroup/"));
        let mixed = "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                     41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        check(mixed, "/a", Some("/sys/fs/cgroup/unified/a"));
        check("30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 c ro", "/docker/x/y", Some("/sys/fs/cgroup/y"));
        check("30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 c ro", "/elsewhere", None);
        check("30 23 0:26 / /tmp rw - tmpfs tmpfs rw", "/", None);
    }

    #[test]
    fn freezes_and_kills_as_one() {
        let Ok(cgroup) = Cgroup::make(&format!("mainstay-test-{}", std::process::id())) else {
            eprintln!("SKIPPED: no cgroup can be made here");
            return;
        };
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        fs::write(cgroup.path().join(PROCS), child.id().to_string()).unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        assert!(cgroup.holds(&Process::find(pid).unwrap()));
        assert!(!cgroup.holds(&Process::find(rustix::process::getpid()).unwrap()));
        assert!(!cgroup.is_empty().unwrap() && !cgroup.is_frozen().unwrap());
        cgroup.freeze(true).unwrap();
        bounded(|| cgroup.is_frozen().unwrap());
        cgroup.kill().unwrap();
        child.wait().unwrap();
        bounded(|| cgroup.is_empty().unwrap());
        cgroup.remove().unwrap();
        assert!(cgroup.is_empty().unwrap(), "one that was removed is empty");
    }

    fn bounded(holds: impl Fn() -> bool) {
        let begun = std::time::Instant::now();
        while !holds() {
            assert!(begun.elapsed().as_secs() < 10, "it does not come true");
            std::thread::yield_now();
        }
    }
}
