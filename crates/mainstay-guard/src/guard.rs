//! The loop that asks the machine and does what it says.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::guard::{Action, Ending, Event, Job, Machine, Rules, WellnessRule};
use mainstay_core::lease::{self, ChildState, Name, Nonce, Report, Tenure};
use mainstay_core::{Moment, Span};
use mainstay_io::clock;
use tokio::sync::{mpsc, watch};

use crate::alarm::{Alarm, Limits};
use crate::cgroup::Cgroup;
use crate::check::{Checks, Found, Surroundings};
use crate::env::Env;
use crate::error::StartError;
use crate::lock::{Lock, file_name};
use crate::output::{self, Flow};
use crate::params::{CgroupUse, Command, Grant, Params};
use crate::run::{Run, Said, Spec};
use crate::sentinel::{Order, Orders};
use crate::status::{Containment, Status};
use crate::template::Values;

/// Runs one child within the tenures of a lease.
#[derive(Debug)]
pub struct Guard {
    params: Params,
    rules: Rules,
    machine: Machine,
    lock: Arc<Lock>,
    cgroup: Option<Cgroup>,
    alarm: Alarm,
    run: Option<Run>,
    runs: u64,
    /// The last run.
    job: Told,
    /// Where the current child's checks run, from its preparation on.
    surroundings: Surroundings,
    checks: Option<Checks>,
    said: mpsc::Sender<(u64, Said)>,
    found: mpsc::Sender<(u64, Found)>,
    report: watch::Sender<Report>,
    status: watch::Sender<Status>,
}

/// What is said of a run.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// What it is called.
    what: &'static str,
    /// When it has to have ended, and how long it had for that; `None`: it may go on.
    by: Option<(Moment, Duration)>,
}

/// A guard that runs. When it is dropped, the guard is told to leave.
#[derive(Debug)]
pub struct GuardHandle {
    /// For the keeper of the lease. Only the last one counts; those that were not taken in time are left out.
    pub reports: mpsc::Receiver<Report>,
    /// For people and metrics.
    pub status: watch::Receiver<Status>,
    /// The last tenure in which an earlier guard of this name ran something while this machine was up: no process of it is
    /// left, and none will be started. Where the store still says that it is held, it can be given up.
    pub former: Option<Nonce>,
    leave: watch::Sender<bool>,
}

impl GuardHandle {
    /// Tells the guard to end: it never starts a child again, wishes to leave, and stops the child when the lease is
    /// given up, or without that when it takes too long.
    pub fn stop(&self) {
        self.leave.send_replace(true);
    }

    /// Waits until nothing runs any more and nothing will be started. The exit code is that of the child's command; 0
    /// when none was started.
    pub async fn ended(&mut self) -> u8 {
        match self.status.wait_for(|status| status.over).await {
            Ok(status) => status.ended.as_ref().map_or(0, Ending::exit_code),
            // The guard's task is gone with its runtime.
            Err(_) => 1,
        }
    }
}

impl Guard {
    /// Starts to guard. Reports that the child's state is unknown until whatever an earlier guard of this name left
    /// behind is dead. Must be called within a tokio runtime that lives as long as the guard.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(params: Params, orders: watch::Receiver<lease::Order>) -> Result<GuardHandle, StartError> {
        let lock = Lock::take(&params.name, &params.state_dir).await?;
        let (cgroup, containment) = contain(&params, lock.mark().1)?;
        lock.record(cgroup.as_ref().map(Cgroup::path)).map_err(StartError::system("write the lock file"))?;
        let alarm = Alarm::start().map_err(StartError::system("start the alarm's thread"))?;
        let rules = rules(&params);
        let machine = Machine::new(rules.clone());
        let now = clock::boot();
        let (said, hears) = mpsc::channel(QUEUE);
        let (found, finds) = mpsc::channel(QUEUE);
        let (report, reported) = watch::channel(machine.report(now));
        let (status, shown) = watch::channel(Status {
            child: ChildState::Unknown,
            since: now,
            pid: None,
            starts: 0,
            ended: None,
            reason: None,
            trouble: None,
            containment,
            output: Arc::new(Flow::default()),
            over: false,
        });
        let (leave, leaving) = watch::channel(false);
        let surroundings = Surroundings { dir: params.dir.clone(), env: Env::default() };
        let former = lock.former();
        let guard = Self {
            params,
            rules,
            machine,
            lock: Arc::new(lock),
            cgroup,
            alarm,
            run: None,
            runs: 0,
            job: Told { what: CHILD, by: None },
            surroundings,
            checks: None,
            said,
            found,
            report,
            status,
        };
        tokio::spawn(guard.run(orders, leaving, hears, finds));
        Ok(GuardHandle { reports: forward(reported), status: shown, former, leave })
    }

    async fn run(
        mut self,
        mut orders: watch::Receiver<lease::Order>,
        mut leaving: watch::Receiver<bool>,
        mut hears: mpsc::Receiver<(u64, Said)>,
        mut finds: mpsc::Receiver<(u64, Found)>,
    ) {
        orders.mark_changed();
        let (mut kept, mut stays, alarm) = (true, true, self.alarm.clone());
        self.handle(Event::Clean);
        loop {
            let over = self.machine.is_over();
            if over {
                self.end();
            }
            // As long as somebody keeps the lease, he waits to hear that his orders are taken up.
            if over && (!kept || self.report.is_closed()) {
                return;
            }
            tokio::select! {
                biased;
                changed = orders.changed(), if kept => {
                    kept = changed.is_ok();
                    // Without a keeper the last order holds until its deadlines.
                    let event = if kept { Event::Order(orders.borrow_and_update().clone()) } else { Event::Leave };
                    self.handle(event);
                }
                // It fails when the handle is dropped, which means the same.
                _ = leaving.wait_for(|leaving| *leaving), if stays => {
                    stays = false;
                    self.handle(Event::Leave);
                }
                () = alarm.rung() => self.handle(Event::Tick),
                Some((number, said)) = hears.recv() => self.hear(number, said),
                Some((number, found)) = finds.recv() => self.find(number, found),
                () = self.report.closed(), if over => {}
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let (now, mut actions) = (clock::boot(), Vec::new());
            self.machine.handle(event, now, &mut actions);
            for action in actions {
                if let Err(why) = self.perform(action, now) {
                    tracing::error!(guard = %self.params.name, "{why}");
                    self.status.send_modify(|status| status.trouble = Some(why.clone()));
                    events.push(Event::Ended(Ending::Failed(why)));
                }
            }
        }
        let now = clock::boot();
        self.alarm.ring_at(self.machine.deadline(now));
        self.publish(now);
    }

    /// Does it. An error says why a run could not be started.
    fn perform(&mut self, action: Action, now: Moment) -> Result<(), Name> {
        // The alarm first: when it is moved, the earlier deadline does no harm any more, and what it did is undone.
        match action {
            Action::Run(job) => return self.start_run(job),
            Action::Allow { until, kill_at } => {
                self.order(Order::Allow { until, kill_at }, self.limits(until, kill_at))
            }
            Action::Freeze { kill_at } => {
                self.order(Order::Freeze { kill_at }, Limits { freeze_at: Some(now), kill_at });
            }
            Action::Stop { by } => {
                self.job.by = Some((by, by.since(now)));
                self.order(Order::Stop { by }, Limits { freeze_at: None, kill_at: by });
            }
            Action::Kill => self.order(Order::Kill, Limits { freeze_at: None, kill_at: now }),
        }
        Ok(())
    }

    fn order(&self, order: Order, limits: Limits) {
        if let Some(run) = &self.run {
            self.alarm.keep(&run.group, limits);
            run.order(order);
        }
    }

    fn limits(&self, until: Moment, kill_at: Moment) -> Limits {
        match self.rules.freeze {
            true => Limits { freeze_at: Some(until), kill_at },
            false => Limits { freeze_at: None, kill_at: until.min(kill_at) },
        }
    }

    fn start_run(&mut self, job: Job) -> Result<(), Name> {
        let (what, command) = self.command(&job).ok_or("there is no such command")?;
        let within = self.within(&job);
        let failed = |error: io::Error| -> Name { format!("could not start {what}: {error}").into() };
        let (until, kill_at, inherit) = match job {
            Job::Before(permit) | Job::Child(permit) => {
                if let Err(error) = self.lock.begin(permit.tenure.nonce) {
                    // Whoever comes after this guard waits until the tenure has run out.
                    tracing::warn!(guard = %self.params.name, %error, "could not note the tenure in the lock file");
                }
                let inherit = self.grant(&permit.tenure).map_err(failed)?;
                (permit.until, permit.kill_at, inherit)
            }
            Job::Prepare { kill_at, .. } => {
                self.surroundings.env = self.fill(None, &Grant::default());
                (kill_at, kill_at, Vec::new())
            }
            Job::After { kill_at } => (kill_at, kill_at, Vec::new()),
        };
        self.runs += 1;
        self.job = Told { what, by: within.map(|within| (clock::boot() + within, within)) };
        let spec = self.spec(&command, inherit).map_err(failed)?;
        let run = Run::start(spec, &self.lock, &self.alarm, &self.said).map_err(failed)?;
        self.run = Some(run);
        self.order(Order::Allow { until, kill_at }, self.limits(until, kill_at));
        Ok(())
    }

    fn spec(&self, command: &Command, inherit: Vec<OwnedFd>) -> io::Result<Spec> {
        let (name, flow) = (&self.params.name, self.status.borrow().output.clone());
        let words = std::iter::once(&command.program).chain(&command.args);
        Ok(Spec {
            number: self.runs,
            sentinel: self.params.sentinel.clone(),
            orders: Orders {
                freeze: self.rules.freeze,
                stop_signal: self.params.stop_signal,
                cgroup: self.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned()),
                locks: inherit.iter().map(|lock| lock.as_raw_fd()).collect(),
                command: words.cloned().collect(),
            },
            dir: self.surroundings.dir.clone(),
            env: self.surroundings.env.clone(),
            inherit,
            out: output::pass_on(name, self.params.output.out.clone(), flow.clone())?,
            err: output::pass_on(name, self.params.output.err.clone(), flow)?,
        })
    }

    /// What a job runs, and what that is called.
    fn command(&self, job: &Job) -> Option<(&'static str, Command)> {
        let hook = |hook: &Option<crate::params::Hook>| hook.as_ref().map(|hook| hook.run.clone());
        Some(match job {
            Job::Prepare { .. } => ("its `prepare` command", hook(&self.params.prepare)?),
            Job::Before(_) => ("its `before` command", hook(&self.params.before)?),
            Job::Child(_) => (CHILD, self.params.run.clone()),
            Job::After { .. } => ("its `after` command", hook(&self.params.after)?),
        })
    }

    /// How long a hook may take.
    fn within(&self, job: &Job) -> Option<Duration> {
        let hook = match job {
            Job::Prepare { .. } => &self.params.prepare,
            Job::Before(_) => &self.params.before,
            Job::After { .. } => &self.params.after,
            Job::Child(_) => &None,
        };
        hook.as_ref().map(|hook| hook.within)
    }

    /// Makes ready what a tenure brings. The descriptors to inherit.
    fn grant(&mut self, tenure: &Tenure) -> io::Result<Vec<OwnedFd>> {
        let grant = self.params.grants.of(tenure.nonce).map_err(io::Error::other)?;
        if let Some(path) = &self.params.password_file {
            let password = grant.password.as_ref().map(|password| password.reveal()).unwrap_or_default();
            let written = write_secret(path, password.as_bytes());
            written.map_err(|error| io::Error::other(unwritten(path, &error)))?;
        }
        self.surroundings.env = self.fill(Some(tenure), &grant);
        grant.inherit.iter().map(|descriptor| descriptor.try_clone()).collect()
    }

    fn fill(&self, tenure: Option<&Tenure>, grant: &Grant) -> Env {
        let values = Values { tenure, role: grant.role.as_ref(), password: grant.password.as_ref() };
        Env::new(self.params.env.iter().map(|(name, template)| (name.clone(), template.fill(&values).into())))
    }

    fn hear(&mut self, number: u64, said: Said) {
        if self.run.as_ref().is_none_or(|run| run.number != number) {
            return;
        }
        let guards_child = self.machine.runs_child();
        match said {
            Said::Started(pid) if guards_child => {
                self.status.send_modify(|status| {
                    status.pid = Some(pid);
                    status.starts += 1;
                });
                self.checks = Some(Checks::start(&self.params, &self.surroundings, number, &self.found));
                self.handle(Event::Started);
            }
            Said::Started(_) => {}
            Said::Ended(ending, left) => self.command_ended(ending, left),
            Said::Trouble(text) => self.trouble(text),
            Said::Gone(ending) => {
                self.run = None;
                self.checks = None;
                self.status.send_if_modified(|status| status.pid.take().is_some());
                self.handle(Event::Ended(ending));
                self.forget_password();
            }
        }
    }

    /// The command of a run has ended; of its other processes, `left` were there.
    fn command_ended(&mut self, ending: Ending, left: usize) {
        let (name, what, now) = (&self.params.name, self.job.what, clock::boot());
        let asked = matches!(self.machine.child(now), ChildState::Stopping);
        let late = self.job.by.filter(|(by, _)| ending == Ending::Signal(9) && now >= *by);
        match &ending {
            Ending::Failed(why) => {
                tracing::error!(guard = %name, "{what} did not run: {why}");
                let text = format!("{what} did not run: {why}").into();
                self.status.send_modify(|status| status.trouble = Some(text));
            }
            _ if let Some((_, within)) = late => {
                tracing::warn!(guard = %name, "{what} did not end within {} and was killed", Span(within));
            }
            Ending::Code(0) | Ending::Unstarted => tracing::info!(guard = %name, "{what} {ending}"),
            _ if asked => tracing::info!(guard = %name, "{what} {ending}"),
            _ => tracing::warn!(guard = %name, "{what} {ending} by itself"),
        }
        if self.machine.runs_child() {
            self.checks = None;
            self.status.send_modify(|status| status.ended = Some(ending));
        }
        if left > 0 {
            let those = if left == 1 {
                "1 process behind, which is".into()
            } else {
                format!("{left} processes behind, which are")
            };
            self.trouble(format!("{what} left {those} killed: it must run in the foreground").into());
        }
    }

    fn find(&mut self, number: u64, found: Found) {
        if self.run.as_ref().is_none_or(|run| run.number != number) {
            return;
        }
        self.handle(match found {
            Found::Ready(result) => Event::Checked(result),
            Found::Progress(shown) => Event::Progressed(shown),
        });
    }

    fn publish(&self, now: Moment) {
        let report = self.machine.report(now);
        self.report.send_if_modified(|last| {
            let takes_up = report.order != last.order && self.machine.is_forbidden();
            let news = Report { order: report.order, ..last.clone() } != report;
            if takes_up || news {
                *last = report;
            }
            takes_up || news
        });
        let (child, reason) = (self.machine.child(now), self.machine.reason(now));
        self.status.send_if_modified(|status| {
            let changed = status.child != child || status.reason != reason;
            if status.child != child {
                status.since = now;
                tracing::info!(guard = %self.params.name, "the child is {child}");
            }
            if let (None, Some(reason)) = (&status.reason, &reason) {
                tracing::warn!(guard = %self.params.name, "the child is not well: {reason}");
            }
            (status.child, status.reason) = (child, reason);
            changed
        });
    }

    fn trouble(&self, text: Name) {
        tracing::warn!(guard = %self.params.name, "{text}");
        self.status.send_modify(|status| status.trouble = Some(text));
    }

    /// Removes the password's file when the child is gone.
    fn forget_password(&self) {
        let Some(path) = &self.params.password_file else { return };
        if self.run.is_none()
            && let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            self.trouble(format!("could not remove {}: {error}; remove it", path.display()).into());
        }
    }

    /// Leaves nothing behind, with nothing running and nothing to be started any more.
    fn end(&mut self) {
        if self.status.borrow().over {
            return;
        }
        if let Some(cgroup) = self.cgroup.take()
            && let Err(error) = cgroup.remove()
        {
            // The next guard of this name finds it.
            tracing::warn!(guard = %self.params.name, "could not remove {}: {error}", cgroup.path().display());
        }
        // Whoever is told that it is over may start the next.
        self.lock.release();
        self.status.send_modify(|status| status.over = true);
    }
}

fn rules(params: &Params) -> Rules {
    let within = |hook: &Option<crate::params::Hook>| hook.as_ref().map(|hook| hook.within);
    Rules {
        prepare: within(&params.prepare),
        before: within(&params.before),
        after: within(&params.after),
        wellness: WellnessRule {
            checked: params.ready.is_some(),
            start_within: params.ready.as_ref().and_then(|ready| ready.within),
            unwell_after: params.unwell_after,
            progress_within: params.progress.as_ref().map(|progress| progress.within),
        },
        stop_within: params.stop_within,
        freeze: params.freeze,
        finish: params.finish,
        leave_within: params.leave_within,
    }
}

/// The cgroup, or why there is none.
fn contain(params: &Params, tag: &str) -> Result<(Option<Cgroup>, Containment), StartError> {
    let name = format!("mainstay.{}.{tag}", file_name(&params.name));
    let made = match params.cgroup {
        CgroupUse::Never => Err("it is not to be used".to_owned()),
        CgroupUse::Auto | CgroupUse::Required => Cgroup::make(&name),
    };
    match made {
        Ok(cgroup) => {
            let at = Containment::Cgroup(cgroup.path().to_owned());
            Ok((Some(cgroup), at))
        }
        Err(why) if params.cgroup == CgroupUse::Required => Err(StartError::Cgroup(why)),
        Err(why) => Ok((None, Containment::Descent(why.into()))),
    }
}

/// Writes a file that only its owner can read, in one step.
fn write_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(secret)?;
        fs::rename(&beside, path)
    };
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => write(),
    }
}

/// Why there is no file for a password, and what to do.
fn unwritten(path: &Path, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => "make the folder, and let this user write there",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room",
        io::ErrorKind::ReadOnlyFilesystem => "write a `password_file` that is on a disk that can be written",
        _ => "see to it",
    };
    format!("its password cannot be written to {}: {error}; {advice}", path.display())
}

/// Passes on the last report, however slowly it is taken.
fn forward(mut from: watch::Receiver<Report>) -> mpsc::Receiver<Report> {
    let (to, reports) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let report = from.borrow_and_update().clone();
            if to.send(report).await.is_err() || from.changed().await.is_err() {
                return;
            }
        }
    });
    reports
}

/// Messages of a run, and findings, that wait for the guard. Who sends more waits.
const QUEUE: usize = 64;

/// The child, as logs call it.
const CHILD: &str = "the child";
