//! A guard of this process, a guard that is a process of its own, and a look at what runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mainstay_core::Moment;
use mainstay_core::guard::{Finish, RestartRule};
use mainstay_core::lease::{ChildState, Nonce, Order, Report, Standing, Tenure, Timeline, Token};
use mainstay_guard::{CgroupUse, Command, Containment, Grants, Guard, GuardHandle, Output, Params};
use mainstay_io::clock;
use mainstay_io::lines::{LineWriter, Target};
use mainstay_testkit::child::{self, Beat};
use mainstay_testkit::until;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;

/// Longest wait for what is expected.
pub(crate) const BOUND: Duration = Duration::from_secs(20);
/// How late a kill or a freeze may take hold on a machine that is busy with other tests. What it is on a quiet one is
/// printed, and stands in the documentation.
pub(crate) const SLACK: Duration = Duration::from_millis(250);

/// What can hold processes together here.
pub(crate) fn containments() -> Vec<CgroupUse> {
    let has_cgroup = std::fs::read_to_string("/proc/mounts").is_ok_and(|text| text.contains(" cgroup2 rw"));
    if has_cgroup && rustix::process::geteuid().is_root() {
        vec![CgroupUse::Never, CgroupUse::Required]
    } else {
        eprintln!("SKIPPED: all that needs a cgroup");
        vec![CgroupUse::Never]
    }
}

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_model-guard"))
}

/// A folder that everything started in a test has in its command line.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("mainstay-guard-").tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The model child's command line.
    pub(crate) fn child(&self, words: &[&str]) -> Vec<String> {
        let program = child::binary(program()).unwrap().display().to_string();
        let mut line = vec![program, self.path("beats").display().to_string()];
        line.extend(words.iter().map(|word| (*word).to_owned()));
        line
    }

    /// A shell's command line: the script, with `CHILD` for the model child and its file, and `DIR` for the folder.
    pub(crate) fn shell(&self, script: &str) -> Vec<String> {
        let script = script.replace("CHILD", &self.child(&[]).join(" "));
        let script = script.replace("DIR", &self.0.path().display().to_string());
        vec!["sh".to_owned(), "-c".to_owned(), script]
    }

    pub(crate) fn beats(&self) -> Vec<Beat> {
        child::beats(&self.path("beats"))
    }

    pub(crate) fn last_beat(&self) -> Moment {
        self.beats().iter().map(|beat| beat.at).max().unwrap_or(Moment::ZERO)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Everything that lives and has this folder in its command line: id, and state as the kernel writes it.
    pub(crate) fn living(&self) -> Vec<(u32, char)> {
        let mark = self.0.path().display().to_string();
        let ids = std::fs::read_dir("/proc").unwrap().flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let lives = |pid: u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let state = stat.rsplit_once(") ")?.1.chars().next()?;
            (String::from_utf8_lossy(&line).contains(&mark) && !"ZX".contains(state)).then_some((pid, state))
        };
        ids.filter_map(lives).collect()
    }

    /// The cgroup that the guard's lock file names, if it exists.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let text = self.read("state/a.lock");
        let paths = text.lines().filter_map(|line| line.strip_prefix("cgroup ")).filter(|path| !path.is_empty());
        paths.map(PathBuf::from).filter(|path| path.exists()).collect()
    }

    /// Waits until the named processes beat.
    pub(crate) async fn beating(&self, names: &[&str]) {
        let what = format!("{names:?} do not beat; {:?}", self.living());
        let all = async || names.iter().all(|name| self.beats().iter().any(|beat| beat.name == *name));
        until(&what, BOUND, all).await.unwrap();
    }

    /// Waits until nothing lives but one process.
    pub(crate) async fn empty(&self, but: Option<u32>) {
        let empty = async || self.living().iter().all(|(pid, _)| Some(*pid) == but);
        let waited = until("it does not die", BOUND, empty).await;
        assert!(waited.is_ok(), "{:?}", self.living());
    }
}

impl Drop for Place {
    /// A test that failed leaves nothing behind.
    fn drop(&mut self) {
        for (pid, _) in self.living() {
            let _dead = signal(pid, Signal::KILL);
        }
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) -> rustix::io::Result<()> {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal)
}

pub(crate) fn params(place: &Place, command: Vec<String>, cgroup: CgroupUse) -> Params {
    let (_, line) = LineWriter::start("output", Target::File(place.path("output")), 1024).unwrap();
    Params {
        name: "a".into(),
        run: Command::new(command).unwrap(),
        dir: None,
        env: Vec::new(),
        password_file: None,
        grants: Grants::none(),
        ready: None,
        unwell_after: None,
        progress: None,
        prepare: None,
        before: None,
        after: None,
        stop_signal: Signal::TERM,
        stop_within: Duration::from_secs(5),
        freeze: true,
        finish: Finish::Restart(RestartRule {
            times: 2,
            within: Duration::from_secs(60),
            backoff: Duration::from_millis(10),
        }),
        leave_within: Duration::from_millis(50),
        state_dir: place.path("state"),
        sentinel: Command::new([program().display().to_string(), "sentinel".to_owned()]).unwrap(),
        cgroup,
        output: Output { out: line.clone(), err: line },
    }
}

pub(crate) fn tenure(number: u64) -> Tenure {
    Tenure { nonce: Nonce(number.into()), token: Token { timeline: Timeline(1), epoch: number } }
}

/// A guard of this process.
pub(crate) struct Rig {
    pub(crate) place: Place,
    orders: watch::Sender<Order>,
    pub(crate) guard: GuardHandle,
    pub(crate) last: Option<Report>,
}

impl Rig {
    pub(crate) async fn start(place: Place, params: Params) -> Self {
        let (orders, taken) = watch::channel(Order { number: 0, standing: Standing::Without });
        let guard = Guard::start(params, taken).await.unwrap();
        let mut rig = Self { place, orders, guard, last: None };
        rig.reports(|report| report.child == ChildState::Gone).await;
        rig
    }

    /// Gives an order; its number.
    pub(crate) fn order(&self, standing: Standing) -> u64 {
        let number = self.orders.borrow().number + 1;
        self.orders.send_replace(Order { number, standing });
        number
    }

    /// Holds tenure 1 for a minute.
    pub(crate) fn hold(&self) {
        self.hold_for(1, Duration::from_secs(60), Duration::from_secs(120));
    }

    pub(crate) fn hold_for(&self, number: u64, until: Duration, kill: Duration) -> (Moment, Moment) {
        let now = clock::boot();
        let (until, kill_at) = (now + until, now + kill);
        self.order(Standing::Held { tenure: tenure(number), until, kill_at });
        (until, kill_at)
    }

    /// Waits for a report.
    pub(crate) async fn reports(&mut self, fits: impl Fn(&Report) -> bool) -> Report {
        let begun = Instant::now();
        loop {
            let next = tokio::time::timeout(BOUND, self.guard.reports.recv()).await;
            let Ok(Some(report)) = next else {
                let status = self.guard.status.borrow();
                panic!("last reported: {:?}; {:?}; {:?}", self.last, *status, self.place.living())
            };
            self.last = Some(report.clone());
            if fits(&report) {
                return report;
            }
            assert!(begun.elapsed() < BOUND, "last reported: {report:?}");
        }
    }

    pub(crate) async fn child(&mut self, state: ChildState) -> Report {
        self.reports(|report| report.child == state).await
    }

    /// The process that watches over the child.
    pub(crate) fn sentinel(&self) -> u32 {
        let is_sentinel = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("sentinel\0watch")
        };
        self.place.living().iter().map(|(pid, _)| *pid).find(is_sentinel).expect("there is a sentinel")
    }

    /// The keeper of the lease ends.
    pub(crate) fn abandon(self) -> (Place, GuardHandle) {
        (self.place, self.guard)
    }

    /// Ends the guard; nothing is left.
    pub(crate) async fn end(mut self) -> u8 {
        self.guard.stop();
        self.order(Standing::Without);
        let code = tokio::time::timeout(BOUND, self.guard.ended()).await.unwrap();
        self.place.empty(None).await;
        if let Containment::Cgroup(path) = &self.guard.status.borrow().containment {
            assert!(!path.exists(), "{} is left", path.display());
        }
        code
    }
}

/// A guard that is a process of its own.
pub(crate) struct Outside {
    pub(crate) place: Place,
    child: Child,
    orders: ChildStdin,
    said: mpsc::Receiver<String>,
}

impl Outside {
    pub(crate) fn start(place: Place, command: &[String], cgroup: CgroupUse) -> Self {
        Self::start_with(place, command, cgroup, None)
    }

    /// One whose runs inherit the lock of a file.
    pub(crate) fn start_with(place: Place, command: &[String], cgroup: CgroupUse, lock: Option<&Path>) -> Self {
        let kind = if cgroup == CgroupUse::Never { "descent" } else { "cgroup" };
        let mut start = std::process::Command::new(program());
        start.args(["guard", "a"]).arg(place.path("state")).args([kind, "500"]).args(command);
        start.envs(lock.map(|lock| ("MODEL_GUARD_LOCK", lock)));
        start.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = start.spawn().unwrap();
        let (send, said) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).all(|line| send.send(line).is_ok()));
        let orders = child.stdin.take().unwrap();
        Self { place, child, orders, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// Holds tenure 1 so long; until when exactly.
    pub(crate) fn hold(&mut self, until: u64, kill: u64) -> (Moment, Moment) {
        self.order(&format!("held {until} {kill} 1"));
        let line = self.says("until ");
        let mut moments = line.split(' ').skip(1).map(|nanos| Moment::from_nanos(nanos.parse().unwrap()));
        (moments.next().unwrap(), moments.next().unwrap())
    }

    /// Waits for a line that begins so.
    pub(crate) fn says(&self, begin: &str) -> String {
        loop {
            let line = self.said.recv_timeout(BOUND).unwrap_or_else(|_| panic!("it does not say `{begin}`"));
            if line.starts_with(begin) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, what: Signal) {
        signal(self.id(), what).unwrap();
    }

    /// Waits for its end; its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// How long after `from`; nothing if before.
pub(crate) fn late(at: Moment, from: Moment) -> Duration {
    at.since(from)
}
