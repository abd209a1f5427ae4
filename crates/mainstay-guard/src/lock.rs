//! The file that keeps a second guard of a name away from one machine, and says what an earlier one left behind.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_core::lease::{Name, Nonce};
use mainstay_io::clock;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, getpid};

use crate::cgroup::Cgroup;
use crate::error::StartError;
use crate::processes::{self, FileId, Process};

/// A guard's name on this machine. The lock lives as long as any process that has inherited it.
#[derive(Debug)]
pub(crate) struct Lock {
    name: Name,
    file: File,
    path: PathBuf,
    tag: String,
    former: Option<Nonce>,
}

impl Lock {
    /// Takes it, once everything that an earlier guard left behind is dead.
    ///
    /// # Errors
    /// A guard of this name lives, or processes of an earlier one cannot be killed, or the folder or the file is not to
    /// be had.
    pub(crate) async fn take(name: &Name, folder: &Path) -> Result<Self, StartError> {
        let path = folder.join(format!("{}.lock", file_name(name)));
        let opened = open(folder, &path);
        let file = opened.map_err(StartError::system(format!("open the lock file {}", path.display())))?;
        let tag = format!("{:x}-{:x}", std::process::id(), clock::boot().as_nanos());
        let mut lock = Self { name: name.clone(), file, path, tag, former: None };
        let mut left = Vec::new();
        for round in 0..ROUNDS {
            let tried = tokio::task::spawn_blocking(move || {
                // The sentinel of a guard that has just died is given time to do its work.
                let found = lock.clear(round >= ROUNDS_OF_SENTINEL);
                (lock, found)
            });
            let failed = |error| StartError::system("look for leftovers")(io::Error::other(error));
            let found;
            (lock, found) = tried.await.map_err(failed)?;
            left = match found? {
                Found::Free => return Ok(lock),
                Found::Left(pids) => pids,
            };
            tokio::time::sleep(ROUND).await;
        }
        Err(StartError::Leftovers { name: name.clone(), pids: left })
    }

    /// What the environment of each process of this guard's runs has in it: name and value.
    pub(crate) fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.tag)
    }

    /// The tenure of which an earlier guard of this name ran something last, while this machine was up: nothing of it is
    /// left, and nothing will be started in it any more.
    pub(crate) const fn former(&self) -> Option<Nonce> {
        self.former
    }

    /// Notes that something is about to run in a tenure. In place, so that a guard that is killed meanwhile leaves either
    /// record.
    pub(crate) fn begin(&self, tenure: Nonce) -> io::Result<()> {
        self.file.write_all_at(tenure.to_string().as_bytes(), TENURE.len() as u64)
    }

    /// Notes where the runs' cgroup is.
    pub(crate) fn record(&self, cgroup: Option<&Path>) -> io::Result<()> {
        let start = Process::find(getpid()).map_or(0, |me| me.start);
        let boot = boot_id();
        let cgroup = cgroup.map(|path| path.display().to_string()).unwrap_or_default();
        // Until something runs in another tenure, whoever comes next is to know of the last one.
        let (tenure, pid, tag) = (self.former.unwrap_or(NONE), std::process::id(), &self.tag);
        let text = format!("{TENURE}{tenure}\npid {pid}\nstart {start}\nboot {boot}\ntag {tag}\ncgroup {cgroup}\n");
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(text.as_bytes())
    }

    /// Lets another have it.
    pub(crate) fn release(&self) {
        // It fails for no lock that is held; and it ends with this process.
        let _released = flock(&self.file, FlockOperation::Unlock);
    }

    /// A descriptor to inherit.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Kills what carries this guard's mark, but for one process. Those that were still there.
    pub(crate) fn sweep(&self, but: Pid) -> io::Result<Vec<u32>> {
        sweep(&self.tag, FileId::of(&self.path), |process| process.pid != but)
    }

    fn clear(&mut self, kills: bool) -> Result<Found, StartError> {
        let told = |what: &str| StartError::system(format!("{what} {}", self.path.display()));
        let locked = flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok();
        let mut text = String::new();
        let mut read = || {
            (&self.file).rewind()?;
            (&self.file).take(MOST).read_to_string(&mut text)
        };
        read().map_err(told("read"))?;
        let before = Record::parse(&text);
        if !locked && let Some(pid) = before.as_ref().and_then(Record::living) {
            return Err(StartError::Twice { name: self.name.clone(), pid, file: self.path.clone() });
        }
        let mut left = Vec::new();
        let former = before.as_ref().filter(|before| before.boot == boot_id()).and_then(|before| before.tenure);
        if let Some(before) = before.filter(|_| locked || kills) {
            left = before.clear(&self.path).map_err(told("kill what was left behind by the owner of"))?;
        }
        if !locked || !left.is_empty() {
            return Ok(Found::Left(left));
        }
        self.former = former;
        self.record(None).map_err(StartError::system(format!("write {}", self.path.display())))?;
        Ok(Found::Free)
    }
}

enum Found {
    Free,
    /// Processes of an earlier guard, as far as they are known.
    Left(Vec<u32>),
}

/// What a guard wrote about itself.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    /// The last one in which it ran something.
    tenure: Option<Nonce>,
    pid: i32,
    start: u64,
    boot: String,
    tag: String,
    cgroup: Option<PathBuf>,
}

impl Record {
    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let cgroup = value("cgroup").filter(|path| !path.is_empty()).map(PathBuf::from);
        let tenure = value("tenure").and_then(|digits| u128::from_str_radix(digits, 16).ok()).map(Nonce);
        Some(Self {
            tenure: tenure.filter(|tenure| *tenure != NONE),
            pid: value("pid")?.parse().ok()?,
            start: value("start")?.parse().ok()?,
            boot: value("boot")?.to_owned(),
            tag: value("tag").filter(|tag| !tag.is_empty())?.to_owned(),
            cgroup,
        })
    }

    /// The guard's process id, if it lives.
    fn living(&self) -> Option<u32> {
        let process = Process::find(Pid::from_raw(self.pid)?)?;
        let lives = self.boot == boot_id() && process.start == self.start && !process.has_ended();
        lives.then_some(self.pid.unsigned_abs())
    }

    /// Kills what the guard left behind. What was still there.
    fn clear(&self, lock: &Path) -> io::Result<Vec<u32>> {
        if self.boot != boot_id() {
            return Ok(Vec::new());
        }
        let mut left = Vec::new();
        if let Some(cgroup) = self.cgroup.as_ref().and_then(|path| Cgroup::open(path).ok()) {
            left = cgroup.pids();
            cgroup.kill()?;
            if cgroup.is_empty()? {
                cgroup.remove()?;
            }
        }
        left.extend(sweep(&self.tag, FileId::of(lock), |_| true)?);
        Ok(left)
    }
}

/// Kills what carries a guard's mark. What was still there.
fn sweep(tag: &str, lock: Option<FileId>, is_meant: impl Fn(&Process) -> bool) -> io::Result<Vec<u32>> {
    let (mut left, mut result) = (Vec::new(), Ok(()));
    processes::marked(&format!("{MARK}={tag}"), lock, |process| {
        if is_meant(&process) {
            if let Err(error) = process.signal(Signal::KILL) {
                result = Err(error);
            }
            left.push(process.pid.as_raw_nonzero().get().unsigned_abs());
        }
    })?;
    result.map(|()| left)
}

fn open(folder: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// A name that is fit for a file. Different names stay different.
pub(crate) fn file_name(name: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut text = String::new();
    for byte in name.bytes() {
        if fits(byte) { text.push(char::from(byte)) } else { text.push_str(&format!("%{byte:02x}")) }
    }
    text
}

/// Which run of the machine this is: process ids of an earlier one mean nothing.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Before the tenure in a record, which is always as long: it is written over.
const TENURE: &str = "tenure ";
/// No tenure has it.
const NONE: Nonce = Nonce(0);
/// In the environment of every process of a guard's runs.
const MARK: &str = "MAINSTAY_RUN";
/// Longest record, in bytes.
const MOST: u64 = 16 * 1024;
/// How often it is tried, and how long between two tries.
const ROUNDS: u32 = 200;
const ROUND: Duration = Duration::from_millis(50);
/// How many of these are left to the earlier guard's sentinel.
const ROUNDS_OF_SENTINEL: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_files() {
        let check = |name: &str, expect: &str| assert_eq!(file_name(name), expect);
        check("corda-1", "corda-1");
        check("a/../b c", "a%2f%2e%2e%2fb%20c");
        check("ä", "%c3%a4");
    }

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let record = |cgroup: &str| format!("pid 12\nstart 99\nboot b-1\ntag 1-2\ncgroup {cgroup}\n");
        let read = Record::parse(&record("/sys/fs/cgroup/a b")).unwrap();
        let expect = ("b-1", "1-2", Some(Path::new("/sys/fs/cgroup/a b")));
        assert_eq!((read.pid, read.start), (12, 99));
        assert_eq!((read.boot.as_str(), read.tag.as_str(), read.cgroup.as_deref()), expect);
        assert_eq!((Record::parse(&record("")).unwrap().cgroup, read.tenure), (None, None));
        let tenure = |digits: &str| Record::parse(&format!("tenure {digits}\n{}", record(""))).unwrap().tenure;
        assert_eq!(tenure("000000000000000000000000000000ff"), Some(Nonce(255)));
        assert_eq!((tenure(&NONE.to_string()), tenure("x")), (None, None));
        for wrong in ["", "pid x\n", "pid 12\nstart 99\n"] {
            assert_eq!(Record::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn the_second_is_told_who_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(&"a".into(), folder.path()).await.unwrap();
        let error = Lock::take(&"a".into(), folder.path()).await.unwrap_err();
        let me = std::process::id();
        assert!(matches!(error, StartError::Twice { pid, .. } if pid == me), "{error:?}");
        assert!(error.to_string().contains(&format!("in process {me}")), "{error}");
        Lock::take(&"b".into(), folder.path()).await.unwrap();
        lock.release();
        Lock::take(&"a".into(), folder.path()).await.unwrap();
    }

    #[tokio::test]
    async fn the_next_is_told_of_the_last_tenure() {
        let folder = tempfile::tempdir().unwrap();
        let take = async || Lock::take(&"a".into(), folder.path()).await.unwrap();
        let first = take().await;
        assert_eq!(first.former(), None);
        first.record(Some(Path::new("/nowhere"))).unwrap();
        first.begin(Nonce(7)).unwrap();
        first.begin(Nonce(8)).unwrap();
        drop(first);
        let second = take().await;
        assert_eq!(second.former(), Some(Nonce(8)));
        drop(second);
        assert_eq!(take().await.former(), Some(Nonce(8)), "nothing ran since");
        let path = folder.path().join("a.lock");
        let elsewhere = std::fs::read_to_string(&path).unwrap().replace(&boot_id(), "another");
        std::fs::write(&path, elsewhere).unwrap();
        assert_eq!(take().await.former(), None, "before the machine was started");
    }
}
