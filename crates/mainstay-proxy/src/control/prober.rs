//! One node being checked (or, where nothing is configured, probed while in doubt): its schedule, its results, and
//! the task that carries it out.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::{CheckResult, Doubt, Health, Moment, Others, Transition, Verdict};
use mainstay_io::clock;
use tokio::sync::Notify;

use super::Shared;
use super::probe::{self, Ask, CheckFault};
use super::status::{CheckCounts, CheckStatus, LastCheck};
use super::task::Task;
use crate::params::{Address, Checker, Encrypted, Probe};
use crate::view::OutReason;

/// Names a prober as long as Mainstay runs, across plans.
pub(super) type Key = u64;

/// A node of the plan, by the indices of its pool and of itself.
pub(super) type Place = (usize, usize);

/// One node being checked.
pub(super) struct Prober {
    /// When to check, and what the results add up to.
    pub(super) schedule: Schedule,
    /// What is asked.
    pub(super) ask: Ask,
    /// Of whom.
    pub(super) address: Address,
    /// What is spoken below it.
    pub(super) tls: Option<Encrypted>,
    /// Longest time for one check.
    pub(super) timeout: Duration,
    /// The nodes it speaks for.
    pub(super) places: Vec<Place>,
    /// Tells the task that the schedule has changed.
    pub(super) wake: Arc<Notify>,
    /// The task; ends with this.
    pub(super) task: Option<Task>,
    /// The one that watches, where it is to be watched.
    pub(super) watcher: Option<Task>,
    /// Whether a check is under way, and whether something was told meanwhile that it may not have seen.
    under_way: bool,
    told_meanwhile: bool,
    last: Option<(Moment, Duration, Option<CheckFault>)>,
    /// Whether there was no sign of the node when it became bad, or since.
    silent: bool,
    counts: CheckCounts,
}

/// When to check.
pub(super) enum Schedule {
    /// Always, as configured.
    Check(Health),
    /// Only while live traffic doubts the node.
    Doubt(Doubt),
}

impl Prober {
    pub(super) fn new(schedule: Schedule, ask: Ask, address: Address, timeout: Duration) -> Self {
        Self {
            schedule,
            ask,
            address,
            tls: None,
            timeout,
            places: Vec::new(),
            wake: Arc::default(),
            task: None,
            watcher: None,
            under_way: false,
            told_meanwhile: false,
            last: None,
            silent: false,
            counts: CheckCounts::default(),
        }
    }

    /// The configured check, if it is one.
    pub(super) fn checker(&self) -> Option<&Checker> {
        match &self.ask {
            Ask::Configured(checker) => Some(checker),
            Ask::Life(_) => None,
        }
    }

    /// Whether what it found puts the node out.
    pub(super) fn bad(&self) -> bool {
        match &self.schedule {
            Schedule::Check(health) => health.verdict() == Verdict::Bad,
            Schedule::Doubt(doubt) => doubt.out(),
        }
    }

    /// Why it puts the node out, if it does.
    pub(super) fn out_reason(&self) -> Option<OutReason> {
        let reason = if self.silent { OutReason::Check } else { OutReason::Unwell };
        self.bad().then_some(reason)
    }

    /// Whether it says that the node is not well just now, by a check that began after `since`.
    pub(super) fn denies(&self, since: Moment) -> bool {
        let last = self.last.as_ref().filter(|(ended, took, _)| ended.since(since) >= *took);
        self.bad() && last.is_some_and(|(_, _, fault)| fault.is_some())
    }

    /// Whether a check has found something yet; `None` for a probe that runs only in doubt.
    pub(super) fn is_settled(&self) -> Option<bool> {
        match &self.schedule {
            Schedule::Check(health) => Some(health.verdict() != Verdict::Unknown),
            Schedule::Doubt(_) => None,
        }
    }

    /// Live traffic (or a pool that has no other node left) wants to know now.
    pub(super) fn nudge(&mut self, now: Moment) {
        let before = self.due();
        match &mut self.schedule {
            Schedule::Check(health) => health.nudge(now),
            Schedule::Doubt(doubt) => doubt.raise(now),
        }
        if self.due() != before {
            self.wake.notify_one();
        }
    }

    fn due(&self) -> Option<Moment> {
        match &self.schedule {
            Schedule::Check(health) => Some(health.due()),
            Schedule::Doubt(doubt) => doubt.due(),
        }
    }

    /// What is watched, where it is.
    pub(super) fn watched(&self) -> Option<Arc<str>> {
        match &self.checker()?.probe {
            Probe::Grpc { service, watch: true } => Some(Arc::clone(service)),
            _ => None,
        }
    }

    /// A watched service tells how it is, or (`None`) its stream was lost. Where that is not what is known of it, it is
    /// checked now.
    pub(super) fn told(&mut self, serves: Option<bool>, now: Moment) {
        if serves != Some(!self.bad()) {
            self.counts.told += 1;
            self.told_meanwhile = self.under_way;
            self.nudge(now);
        }
    }

    /// A check begins.
    pub(super) fn begin(&mut self, now: Moment) {
        self.under_way = true;
        match &mut self.schedule {
            Schedule::Check(health) => health.begin(now),
            Schedule::Doubt(doubt) => doubt.begin(now),
        }
    }

    /// The check that began last has ended. Live traffic last had a good answer from the node `heard` ago.
    pub(super) fn end(
        &mut self,
        ended: Ended,
        heard: Option<Duration>,
        others: Others,
        random: f64,
    ) -> Option<Transition> {
        let Ended { now, took, fault } = ended;
        self.counts.checks += 1;
        self.counts.took = self.counts.took.saturating_add(took);
        let result = match &fault {
            None => CheckResult::Good,
            Some(CheckFault::Timeout(_)) => CheckResult::of_timeout(took, heard),
            Some(_) => CheckResult::Bad,
        };
        self.counts.failures += u64::from(fault.is_some());
        let silence = fault.as_ref().is_some_and(CheckFault::is_silence);
        self.last = Some((now, took, fault));
        let was_bad = self.bad();
        let transition = match &mut self.schedule {
            Schedule::Check(health) => health.end(now, result, random),
            Schedule::Doubt(doubt) => doubt.end(now, result, others),
        };
        self.silent = silence || (self.silent && was_bad && self.bad());
        self.under_way = false;
        if std::mem::take(&mut self.told_meanwhile) {
            self.nudge(now);
        }
        transition
    }

    /// What speaks against the node, as a phrase; `None` when nothing does.
    pub(super) fn complaint(&self) -> Option<String> {
        let (_, _, fault) = self.last.as_ref()?;
        match (&self.schedule, self.checker()) {
            (Schedule::Check(health), Some(checker)) => {
                let name = &checker.name;
                let fall = checker.fall.max(1);
                match (health.verdict(), health.against(), fault) {
                    (Verdict::Bad, (0, _), Some(fault)) => Some(format!("check {name}: {fault} ({fall} of {fall})")),
                    (Verdict::Bad, (good, rise), _) => Some(format!("check {name}: good again ({good} of {rise})")),
                    (_, (0, _), Some(fault)) => {
                        let (so_far, most) = health.contradicted();
                        Some(format!("check {name}: {fault}, though live traffic is answered ({so_far} of {most})"))
                    }
                    (_, (bad, fall), Some(fault)) => Some(format!("check {name}: {fault} ({bad} of {fall})")),
                    _ => None,
                }
            }
            _ => fault.as_ref().map(|fault| format!("live traffic had doubts, then a probe: {fault}")),
        }
    }

    /// What operators are shown. Nothing for a node that was never in doubt.
    pub(super) fn status(&self) -> Option<CheckStatus> {
        let (name, verdict, in_doubt) = match (&self.schedule, self.checker()) {
            (Schedule::Check(health), Some(checker)) => {
                (Arc::clone(&checker.name), health.verdict(), health.in_doubt())
            }
            (Schedule::Doubt(doubt), _) if self.counts.checks > 0 => {
                let verdict = if doubt.out() { Verdict::Bad } else { Verdict::Good };
                ("doubt".into(), verdict, doubt.due().is_some())
            }
            _ => return None,
        };
        let last = self.last.as_ref().map(|(at, took, fault)| LastCheck {
            at: *at,
            took: *took,
            fault: fault.as_ref().map(ToString::to_string),
        });
        Some(CheckStatus { name, verdict, in_doubt, last, counts: self.counts })
    }
}

/// How a check ended.
pub(super) struct Ended {
    /// When.
    pub(super) now: Moment,
    /// After what time.
    pub(super) took: Duration,
    /// With what fault; `None`: it was good.
    pub(super) fault: Option<CheckFault>,
}

/// Carries a prober's schedule out, until the plan no longer has it.
pub(super) async fn run(shared: Arc<Shared>, key: Key, wake: Arc<Notify>) {
    loop {
        let Some(due) = shared.board().prober(key).map(Prober::due) else { return };
        if !super::task::wait(due, &wake).await {
            continue;
        }
        let began = clock::now();
        let Some(job) = shared.board().begin(key, began) else { return };
        let fault = probe::run(&job).await.err();
        let now = clock::now();
        shared.board().ended(key, Ended { now, took: now.since(began), fault });
    }
}
