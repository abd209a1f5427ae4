//! From the first listener to the last connection.

use std::sync::Arc;
use std::time::Duration;

use mainstay_io::listen::Bound;
use mainstay_proxy::front::{self, Front, Options, Stopped};
use mainstay_proxy::params::Policy;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::databases::{self, Databases, Watched};
use super::leases::{Guards, Kept};
use super::logs::Logs;
use super::settings::{Admin, Settings};
use super::signals::{Signals, Wish};
use super::{Args, Loaded, chain, files, notify};
use crate::admin::document::Said;
use crate::admin::{self, Face, Parts, Phase, Place, ReloadOrder};
use crate::config::leases::Leases;

/// Serves until it is told to end.
///
/// # Errors
/// A sentence: what could not be had at the start, or was lost on the way.
pub(super) async fn serve(args: &Args, loaded: Loaded, logs: &Logs) -> Result<u8, String> {
    let mut signals = Signals::take().map_err(|error| format!("take signals: {error}"))?;
    let Loaded { plan, settings, leases, databases: configured, notes } = loaded;
    notes.iter().for_each(|note| info!("{note}"));
    files::raise_limit(&plan);
    let admin = bind_admin(args.admin.as_ref().unwrap_or(&settings.admin))?;
    let (kept, guards) = match &leases {
        Some(leases) => tokio::select! {
            started = super::leases::start(leases) => {
                let (kept, guards) = started?;
                (Some(kept), guards)
            }
            () = signals.impatience() => {
                info!("stopped before it served");
                return Ok(0);
            }
        },
        None => (None, Guards::none()),
    };
    let databases = Arc::new(Databases::default());
    databases.replace(databases.next(&configured, kept.as_deref())?);
    let views = views(kept.as_deref(), &databases.all());
    let options = Options { workers: settings.workers, drain: settings.drain, access: logs.access(), leases: views };
    let front = Front::start(plan, options).await.map_err(|error| chain(&error))?;
    // A holder that yields waits until no request is under way on its node.
    for lease in kept.iter().flat_map(|kept| &kept.leases) {
        let keeper = Arc::downgrade(&lease.keeper);
        let tell = move |quiet| keeper.upgrade().into_iter().for_each(|keeper| keeper.quiet(quiet));
        front.control().tell_quiet(lease.name.clone(), lease.keeper.view(), tell);
    }
    let (order, orders) = mpsc::channel(RELOADS_WAITING);
    let parts = Parts {
        control: front.control().clone(),
        registry: front.counters().clone(),
        file: args.file.display().to_string(),
        workers: settings.workers,
        log: logs.main_lines(),
        access: logs.access_lines(),
        reload: order.clone(),
        kept: kept.clone(),
        databases: Arc::clone(&databases),
    };
    let face = Arc::new(Face::new(parts, front.plan()));
    if let Some(bound) = admin {
        let face = face.clone();
        tokio::spawn(async move {
            if let Err(error) = admin::serve(bound, face).await {
                error!(%error, "the admin listener has ended");
            }
        });
    }
    announce(&front);
    Running { args, logs, front, face, settings, leases, kept, databases, guards }.live(signals, &order, orders).await
}

/// What a front follows: leases and databases.
fn views(kept: Option<&Kept>, databases: &[Arc<Watched>]) -> front::Leases {
    let mut views = kept.map(Kept::views).unwrap_or_default();
    views.extend(databases::followed(databases));
    views
}

fn bind_admin(admin: &Admin) -> Result<Option<Bound>, String> {
    let place = match admin {
        Admin::Off => return Ok(None),
        Admin::At(place) => place.clone(),
        Admin::Usual => match Place::from_environment()? {
            Some(place) => place,
            None => Place::choose().map_err(|error| {
                format!("no place for the admin listener: {error}; give one as `at` in [admin], or \"off\"")
            })?,
        },
    };
    let bound = admin::bind(&place).map_err(|error| {
        let error = chain(&error);
        format!("the admin listener {error}; to run a second Mainstay, give it a place of its own as `at` in [admin] or with --admin")
    })?;
    if let Place::Tcp(address) = &place
        && !address.ip().is_loopback()
    {
        warn!(%address, "whoever can reach the admin listener controls Mainstay, and it is not on the loopback address");
    }
    info!(at = %place, "admin listener");
    Ok(Some(bound))
}

fn announce(front: &Front) {
    let plan = front.plan();
    for listener in &plan.listeners {
        let at = front.local(&listener.at).map_or_else(|| admin::place(&listener.at), |local| local.to_string());
        info!(name = %listener.name, %at, "listening");
    }
    let summary = summary(&plan);
    info!(version = env!("CARGO_PKG_VERSION"), "ready: {summary}");
    notify::ready(&format!("serving {summary}"));
}

fn summary(plan: &mainstay_proxy::params::Plan) -> String {
    let count = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    let (listeners, pools) = (count(plan.listeners.len(), "listener"), count(plan.pools.len(), "pool"));
    format!("{listeners}, {pools}")
}

/// A Mainstay that serves.
struct Running<'a> {
    args: &'a Args,
    logs: &'a Logs,
    front: Front,
    face: Arc<Face>,
    settings: Settings,
    /// As configured, for a reload to be compared with.
    leases: Option<Leases>,
    kept: Option<Arc<Kept>>,
    databases: Arc<Databases>,
    guards: Guards,
}

impl Running<'_> {
    /// Until somebody wants it to end, and then to the end.
    async fn live(
        mut self,
        mut signals: Signals,
        order: &mpsc::Sender<ReloadOrder>,
        orders: mpsc::Receiver<ReloadOrder>,
    ) -> Result<u8, String> {
        let face = self.face.clone();
        let upkeep = tokio::spawn(async move { tokio::join!(face.watch(), notify::watchdog(&face)) });
        let (logs, lost) = (self.logs, self.front.lost());
        let mut guards = std::mem::replace(&mut self.guards, Guards::none());
        let (wish, result) = tokio::select! {
            wish = wishes(&mut signals, logs, order) => (wish, Ok(0)),
            () = self.reloads(orders) => (Wish::End, Ok(0)),
            () = logs.watch() => (Wish::End, Ok(0)),
            over = guards.over() => match over {
                Ok(code) => (Wish::Drain, Ok(code)),
                Err(refused) => (Wish::End, Err(refused)),
            },
            // The others finish what they have; to serve on without it would leave clients unanswered.
            () = lost => (Wish::Drain, Err("a worker has ended by itself".to_owned())),
        };
        let ends_as_child = self.args.ends_as_child();
        let code = self.end(wish, guards, &mut signals).await;
        upkeep.abort();
        result.map(|own| if own == 0 && ends_as_child { code } else { own })
    }

    /// Reads the configuration again whenever somebody asks for it, one after the other.
    async fn reloads(&mut self, mut orders: mpsc::Receiver<ReloadOrder>) {
        while let Some(order) = orders.recv().await {
            let said = self.reload().await;
            // Whoever asked may have left meanwhile.
            let _told = order.send(said);
        }
    }

    async fn reload(&mut self) -> Said {
        notify::reloading();
        let (ok, message) = match self.take_new().await {
            Ok(message) => {
                self.face.set_reload(Some(self.front.plan()), &message);
                info!("{message}");
                (true, message)
            }
            Err(faults) => {
                let message = format!("the old configuration is kept, for the new one is not good:\n{faults}");
                self.face.set_reload(None, &message);
                error!("{message}");
                (false, message)
            }
        };
        notify::ready(if ok { "serving the new configuration" } else { "serving the old configuration" });
        Said::new(ok, message)
    }

    /// Reads the file and goes over to what it says; or says why not, and nothing has changed.
    async fn take_new(&mut self) -> Result<String, String> {
        let args = self.args.clone();
        let loaded = tokio::task::spawn_blocking(move || args.load()).await.map_err(|error| error.to_string())??;
        self.may_follow(&loaded)?;
        let databases = self.databases.next(&loaded.databases, self.kept.as_deref())?;
        let views = views(self.kept.as_deref(), &databases);
        self.front.replace(loaded.plan, &views, loaded.settings.drain).await.map_err(|error| chain(&error))?;
        self.databases.replace(databases);
        let kept = self.settings.needs_restart(&loaded.settings);
        self.settings.drain = loaded.settings.drain;
        self.logs.apply(&loaded.settings);
        let done = format!("new configuration: {}", summary(&self.front.plan()));
        let leases = (loaded.leases != self.leases)
            .then(|| "[store], [lease] and [guard] stay as they are until Mainstay is restarted".to_owned());
        let lines: Vec<_> = std::iter::once(done).chain(kept).chain(leases).chain(loaded.notes).collect();
        Ok(lines.join("\n"))
    }

    /// Whether every pool that is new to follow a lease finds one that is kept here.
    fn may_follow(&self, loaded: &Loaded) -> Result<(), String> {
        let known = |name: &str| self.leases.iter().flat_map(|leases| &leases.all).any(|it| *it.terms.lease == *name);
        let unknown = loaded.plan.pools.iter().find_map(|pool| match &pool.policy {
            Policy::Leader { lease } if !known(lease) => Some((&pool.name, lease)),
            _ => None,
        });
        unknown.map_or(Ok(()), |(pool, lease)| {
            Err(format!(
                "pool {pool} follows lease {lease}, which is new: leases are taken up when Mainstay is restarted"
            ))
        })
    }

    /// Ends: in good order, or at once.
    ///
    /// Leases are left first, while the front still holds what comes for their pools: it goes on once another leads.
    /// The exit code is that of the guarded children.
    async fn end(self, wish: Wish, guards: Guards, signals: &mut Signals) -> u8 {
        let within = if wish == Wish::Drain { self.settings.drain } else { Duration::ZERO };
        let leave = if wish == Wish::Drain { guards.leave_within() } else { LEAVE_AT_ONCE.min(guards.leave_within()) };
        self.face.set_phase(Phase::Draining);
        notify::stopping(leave.saturating_add(within));
        let code = tokio::select! {
            code = guards.leave(leave) => code,
            () = signals.impatience() => {
                warn!("told to end at once: children are killed, and their leases run out by themselves");
                KILLED
            }
        };
        info!(within_s = within.as_secs_f64(), "stopping: what is under way is finished");
        let deadline = async {
            tokio::select! {
                () = tokio::time::sleep(within) => {}
                () = signals.impatience() => {}
            }
        };
        let ended = tokio::time::timeout(within.saturating_add(UNWIND), self.front.stop(deadline)).await;
        match ended {
            Ok(Stopped::Drained) => info!("stopped; everything was finished"),
            Ok(Stopped::Cut) => warn!("stopped; what was still under way was cut"),
            Err(_) => error!("stopped; a worker did not end"),
        }
        code
    }
}

/// Until somebody wants Mainstay to end.
async fn wishes(signals: &mut Signals, logs: &Logs, order: &mpsc::Sender<ReloadOrder>) -> Wish {
    loop {
        match signals.next().await {
            Wish::Reload => {
                logs.reopen();
                let (tell, _) = oneshot::channel();
                // With this many waiting, one of them reads the file late enough.
                let _ordered = order.try_send(tell);
            }
            wish => return wish,
        }
    }
}

/// Reloads that may wait.
const RELOADS_WAITING: usize = 16;

/// How long leaving may take when nothing else is waited for: children are asked to end, not only killed.
const LEAVE_AT_ONCE: Duration = Duration::from_secs(10);

/// Exit code of a program whose child was killed, as shells give it: 128 and the signal.
const KILLED: u8 = 137;

/// How long workers may take to end what is cut.
const UNWIND: Duration = Duration::from_secs(5);
