//! What the admin listener shows and sets going.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mainstay_io::clock;
use mainstay_io::lines::LineSender;
use mainstay_proxy::access::Stamp;
use mainstay_proxy::control::Control;
use mainstay_proxy::counters::Registry;
use mainstay_proxy::params::Plan;
use tokio::sync::{mpsc, oneshot};

use super::document::{Reload, Said, Status};
use super::leases;
use super::metrics::{self, Facts, Process};
use super::process::Usage;
use super::samples::{EVERY, Sample, Samples};
use super::tls_metrics;
use super::view;
use crate::run::databases::Databases;
use crate::run::leases::Kept;

/// A running Mainstay as operators see it.
#[derive(Debug)]
pub struct Face {
    parts: Parts,
    started: SystemTime,
    admin_requests: AtomicU64,
    // Each is held only to read or replace a value.
    plan: Mutex<Arc<Plan>>,
    phase: Mutex<Phase>,
    reloads: Mutex<Reloads>,
    samples: Mutex<Samples>,
}

/// What a [`Face`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// How nodes are.
    pub control: Arc<Control>,
    /// What was counted.
    pub registry: Arc<Registry>,
    /// The configuration file.
    pub file: String,
    /// Worker threads.
    pub workers: usize,
    /// The structured log.
    pub log: LineSender,
    /// The access log.
    pub access: Option<LineSender>,
    /// Where reloads are asked for.
    pub reload: mpsc::Sender<ReloadOrder>,
    /// The leases kept or followed, if any.
    pub kept: Option<Arc<Kept>>,
    /// The databases that listeners lead to.
    pub databases: Arc<Databases>,
}

/// Somebody wants the configuration to be read again, and to know what came of it.
pub type ReloadOrder = oneshot::Sender<Said>;

/// What Mainstay is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Listeners are served.
    Serving,
    /// What is under way is finished; nothing new is taken.
    Draining,
}

#[derive(Debug)]
struct Reloads {
    ok: u64,
    refused: u64,
    /// When the configuration was last read, and whether it was taken.
    last: (SystemTime, bool),
    told: Option<Reload>,
}

impl Face {
    /// The face of a Mainstay that has just begun to serve `plan`.
    #[must_use]
    pub fn new(parts: Parts, plan: Arc<Plan>) -> Self {
        let started = SystemTime::now();
        Self {
            parts,
            started,
            admin_requests: AtomicU64::new(0),
            plan: Mutex::new(plan),
            phase: Mutex::new(Phase::Serving),
            reloads: Mutex::new(Reloads { ok: 0, refused: 0, last: (started, true), told: None }),
            samples: Mutex::default(),
        }
    }

    /// Tells it of the phase.
    pub fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
    }

    /// Tells it how a reload went: the new plan, or why the old one is kept.
    pub fn set_reload(&self, plan: Option<Arc<Plan>>, message: &str) {
        let (now, ok) = (SystemTime::now(), plan.is_some());
        if let Some(plan) = plan {
            *lock(&self.plan) = plan;
        }
        let mut reloads = lock(&self.reloads);
        *(if ok { &mut reloads.ok } else { &mut reloads.refused }) += 1;
        reloads.last = (now, ok);
        reloads.told = Some(Reload { at: Stamp(now).to_string(), ok, message: message.to_owned() });
    }

    /// Takes samples for rates, for as long as it is polled.
    pub async fn watch(&self) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let sample = self.sample();
            lock(&self.samples).add(sample);
        }
    }

    /// `/status`
    pub(super) fn status(&self) -> Status {
        let reading = self.parts.registry.read();
        let now = self.sample();
        let (plan, phase) = (lock(&self.plan).clone(), *lock(&self.phase));
        let reload = lock(&self.reloads).told.clone();
        let samples = lock(&self.samples);
        let view = view::View { plan: &plan, reading: &reading, samples: &samples, sample: &now };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            file: self.parts.file.clone(),
            started: Stamp(self.started).to_string(),
            uptime_s: self.started.elapsed().unwrap_or_default().as_secs_f64(),
            phase: phase.name().to_owned(),
            workers: self.parts.workers,
            reload,
            listeners: view.listeners(),
            pools: view.pools(&self.parts.control.status()),
            leases: self.parts.kept.as_deref().map(leases::show).unwrap_or_default(),
            tls: tls_metrics::endings(&plan),
        }
    }

    /// `/metrics`
    pub(super) fn metrics(&self) -> String {
        let plan = lock(&self.plan).clone();
        metrics::render(&Facts {
            plan: &plan,
            reading: &self.parts.registry.read(),
            pools: &self.parts.control.status(),
            control: self.parts.control.counts(),
            process: self.process(),
            kept: self.parts.kept.as_deref(),
            databases: &self.parts.databases.all(),
        })
    }

    /// The leases, for whoever asks something of one.
    pub(super) fn kept(&self) -> Option<&Kept> {
        self.parts.kept.as_deref()
    }

    /// `/health`
    pub(super) fn health(&self) -> Said {
        let said = |ok, message: String| Said::new(ok, message);
        match self.stuck() {
            _ if *lock(&self.phase) == Phase::Draining => said(false, "draining".to_owned()),
            Some(stuck) => said(false, stuck),
            None => said(true, "serving".to_owned()),
        }
    }

    /// What does not go on as it should, if anything. Workers of a front that drains end one by one and are not looked
    /// at.
    #[must_use]
    pub fn stuck(&self) -> Option<String> {
        let samples = lock(&self.samples);
        if samples.last().is_some_and(|last| clock::now().since(last) > LATE) {
            return Some("the control side does not keep up".to_owned());
        }
        if *lock(&self.phase) == Phase::Draining {
            return None;
        }
        let stuck = samples.stuck();
        stuck.first().map(|worker| format!("worker {worker} is stuck"))
    }

    /// `/drain` and `/admit`; `None`: there is no such node.
    pub(super) fn set_drained(&self, node: &str, drained: bool) -> Option<Said> {
        let control = &self.parts.control;
        let found = if drained { control.drain(node) } else { control.admit(node) }.ok()?;
        let (what, verb) =
            if drained { ("gets no new work", "get no new work") } else { ("is admitted", "are admitted") };
        let message = match found {
            1 => format!("{node} {what}"),
            many => format!("{many} nodes called {node} {verb}"),
        };
        Some(Said::new(true, message))
    }

    /// `/reload`; `None` when Mainstay is about to end, or many reloads wait already.
    pub(super) async fn reload(&self) -> Option<Said> {
        let (order, told) = oneshot::channel();
        self.parts.reload.try_send(order).ok()?;
        told.await.ok()
    }

    /// Counts a request to the admin listener.
    pub(super) fn asked(&self) {
        self.admin_requests.fetch_add(1, Ordering::Relaxed);
    }

    fn sample(&self) -> Sample {
        let registry = &self.parts.registry;
        Sample::of(clock::now(), &registry.read(), registry.ticks())
    }

    fn process(&self) -> Process {
        let reloads = lock(&self.reloads);
        Process {
            usage: Usage::read(),
            started_s: unix(self.started),
            workers: self.parts.workers as u64,
            draining: *lock(&self.phase) == Phase::Draining,
            reloads_ok: reloads.ok,
            reloads_refused: reloads.refused,
            last_reload_ok: reloads.last.1,
            last_reload_s: unix(reloads.last.0),
            log_dropped: self.parts.log.dropped(),
            log_failed: self.parts.log.failed(),
            access_failed: self.parts.access.as_ref().map_or(0, LineSender::failed),
            admin_requests: self.admin_requests.load(Ordering::Relaxed),
        }
    }
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are replaced whole, so one left by a panic is as good as any.
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A control side that takes samples this late has something in its way.
const LATE: Duration = Duration::from_secs(5);
