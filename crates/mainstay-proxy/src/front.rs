//! The front as a whole: workers, control, and going over from one plan to the next.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainstay_core::lease::{self, LeaseView};
use mainstay_io::listen::{self, Access, Bound, Door, ListenError, Local, Place};
use tokio::sync::{Notify, oneshot, watch};

use crate::access::AccessSender;
use crate::certificates;
use crate::control::Control;
use crate::counters::Registry;
use crate::params::{At, Listener, Plan};
use crate::pool::Limits;
use crate::view::Until;
use crate::worker::{Birth, Command, Handle, spawn};

/// How a front is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads; at least one is started.
    pub workers: usize,
    /// How long what runs on a plan that is gone may go on.
    pub drain: Duration,
    /// Where requests are logged.
    pub access: Option<AccessSender>,
    /// The leases that pools with [`crate::params::Policy::Leader`] follow.
    pub leases: Leases,
}

/// What is known of each lease, by its name, as whoever keeps it tells it. A lease that a pool follows and that is not
/// among them has no holder. What a pool with [`crate::params::Policy::Writable`] follows is told in the same way: its
/// holder is the host that may be written to.
pub type Leases = HashMap<lease::Name, Followed>;

/// What a pool follows.
#[derive(Clone, Debug)]
pub struct Followed {
    /// How it is, and when that changes.
    pub view: watch::Receiver<LeaseView>,
    /// Until when what runs may go on without further news, for the tenure that is told of next at the latest; `None`: as
    /// long as nothing else is heard.
    pub until: Option<watch::Receiver<Until>>,
    /// What is to be said of the holders that might be, by their names; `None`: what the view says.
    pub words: Option<watch::Receiver<Words>>,
}

/// A sentence for each holder there might be, for operators.
pub type Words = HashMap<Arc<str>, String>;

impl From<watch::Receiver<LeaseView>> for Followed {
    fn from(view: watch::Receiver<LeaseView>) -> Self {
        Self { view, until: None, words: None }
    }
}

/// A running front.
pub struct Front {
    control: Arc<Control>,
    registry: Arc<Registry>,
    workers: Vec<Handle>,
    /// Shared with whoever watches its certificates, and nobody else.
    plan: Arc<Mutex<Arc<Plan>>>,
    /// Held while one plan goes over to the next, so that two reloads do not mix.
    replacing: tokio::sync::Mutex<()>,
    bound: Mutex<Vec<Held>>,
    lost: Arc<Notify>,
}

/// A listener's address that is held.
struct Held {
    at: At,
    local: Local,
    door: Option<Door>,
}

/// Why a front could not start, or go over to another plan. Nothing has changed then.
#[derive(Debug)]
pub enum StartError {
    /// A listener cannot be had.
    Listen {
        /// Its name.
        listener: Arc<str>,
        /// What is wrong.
        source: ListenError,
    },
    /// A worker could not be started.
    Worker(io::Error),
    /// The workers are gone.
    Stopped,
}

/// How a front ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything under way was finished.
    Drained,
    /// Some of it was ended at the deadline.
    Cut,
}

impl Front {
    /// Starts a front: takes the listeners' addresses first, so that a fault there leaves nothing half started, then
    /// serves them. Checks and look-ups run on the runtime this is called from.
    ///
    /// # Errors
    /// A listener or a worker that cannot be had.
    pub async fn start(plan: Plan, options: Options) -> Result<Self, StartError> {
        let workers = options.workers.max(1);
        let bound = bind(&plan.listeners, workers)?;
        let plan = Arc::new(plan);
        let (registry, limits) = (Arc::new(Registry::default()), Arc::new(Limits::new(workers)));
        let (control, snapshots, reports) = Control::start(Arc::clone(&plan), Arc::clone(&registry));
        control.follow(&options.leases);
        control.named(NAMES_WITHIN).await;
        let lost = Arc::new(Notify::new());
        let birth = |index| Birth {
            index,
            registry: Arc::clone(&registry),
            limits: Arc::clone(&limits),
            reports: reports.clone(),
            snapshots: snapshots.clone(),
            patience: options.drain,
            access: options.access.clone(),
            lost: Arc::clone(&lost),
        };
        let workers: io::Result<Vec<_>> = (0..workers).map(|index| spawn(birth(index))).collect();
        let front = Self {
            control: Arc::new(control),
            workers: workers.map_err(StartError::Worker)?,
            plan: Arc::new(Mutex::new(plan)),
            replacing: tokio::sync::Mutex::default(),
            bound: Mutex::default(),
            lost,
            registry,
        };
        front.listen(bound).await?;
        tokio::spawn(certificates::watch(Arc::downgrade(&front.plan)));
        Ok(front)
    }

    /// Goes over to another plan, and follows these leases. Listeners of the same address, and pools that are the same, stay as they are with
    /// their connections and their health. What runs on what is gone may go on for `drain`.
    ///
    /// # Errors
    /// A new listener cannot be had; the old plan goes on.
    pub async fn replace(&self, plan: Plan, leases: &Leases, drain: Duration) -> Result<(), StartError> {
        let _turn = self.replacing.lock().await;
        let old = self.plan();
        let mut plan = plan;
        plan.keep_tls(&old);
        let is_in = |plan: &Plan, at: &At| plan.listeners.iter().any(|listener| listener.at.is_same_place(at));
        let fresh: Vec<_> = plan.listeners.iter().filter(|listener| !is_in(&old, &listener.at)).cloned().collect();
        let bound = bind(&fresh, self.workers.len())?;
        let gone: Vec<_> = old.listeners.iter().map(|one| one.at.clone()).filter(|at| !is_in(&plan, at)).collect();
        self.change_doors(&plan)?;
        let plan = Arc::new(plan);
        self.tell(|| Command::Patience(drain)).await?;
        self.control.follow(leases);
        self.control.replace(Arc::clone(&plan)).await;
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&plan);
        self.listen(bound).await?;
        for at in &gone {
            self.tell(|| Command::Close(at.clone())).await?;
        }
        self.lock_bound().retain(|held| !gone.iter().any(|at| at.is_same_place(&held.at)));
        self.registry.prune(&plan);
        self.cut_later(gone, drain);
        Ok(())
    }

    /// Ends the front: listeners close, clients are told, what is under way may finish until `deadline` is there, the
    /// rest is ended.
    pub async fn stop(self, deadline: impl Future<Output = ()>) -> Stopped {
        tokio::pin!(deadline);
        let mut done = Vec::new();
        for worker in &self.workers {
            let (tell, told) = oneshot::channel();
            if worker.commands.send(Command::Drain(tell)).await.is_ok() {
                done.push(told);
            }
        }
        let drained = async {
            for told in done {
                // Fails for a worker that has gone, which has nothing left to finish.
                let _ = told.await;
            }
        };
        let stopped = tokio::select! {
            biased;
            () = drained => Stopped::Drained,
            // Connections that idle lose nothing by being closed.
            () = deadline => if self.under_way() == 0 { Stopped::Drained } else { Stopped::Cut },
        };
        for worker in self.workers {
            // Fails when the worker has drained and gone, which is what is wanted.
            let _ = worker.commands.send(Command::Kill).await;
            let _ = tokio::task::spawn_blocking(move || worker.thread.join()).await;
        }
        stopped
    }

    /// Requests and sessions that clients wait for.
    fn under_way(&self) -> u64 {
        self.registry.read().listeners.values().map(|listener| listener.in_flight.get()).sum()
    }

    /// Ready once a worker has ended though nobody told it to: a part of the clients is no longer served, and it does
    /// not come back.
    pub fn lost(&self) -> impl Future<Output = ()> + use<> {
        let lost = Arc::clone(&self.lost);
        async move { lost.notified().await }
    }

    /// The control side: how nodes are, drain and admit.
    #[must_use]
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// What the workers count.
    #[must_use]
    pub fn counters(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The plan that is run.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is listened on for a listener's address: with the port that was given where 0 was asked for.
    #[must_use]
    pub fn local(&self, at: &At) -> Option<Local> {
        self.lock_bound().iter().find(|held| held.at.is_same_place(at)).map(|held| held.local.clone())
    }

    fn lock_bound(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen(&self, bound: Vec<(At, Bound)>) -> Result<(), StartError> {
        for (at, bound) in bound {
            self.lock_bound().push(Held { at: at.clone(), local: bound.local, door: bound.door });
            for (worker, socket) in self.workers.iter().zip(bound.sockets) {
                let told = worker.commands.send(Command::Listen(at.clone(), socket)).await;
                told.map_err(|_| StartError::Stopped)?;
            }
        }
        Ok(())
    }

    /// Lets in at the unix sockets that stay whom `plan` wants let in. All of them change or, as far as the operating
    /// system lets them, none.
    fn change_doors(&self, plan: &Plan) -> Result<(), StartError> {
        let mut bound = self.lock_bound();
        let mut changed: Vec<(usize, At)> = Vec::new();
        for listener in &plan.listeners {
            let Some(index) = bound.iter().position(|held| held.at.is_same_place(&listener.at)) else { continue };
            let Some(held) = bound.get_mut(index) else { continue };
            let Some(door) = held.door.clone() else { continue };
            if let Err(source) = door.change(access(&held.at), access(&listener.at)) {
                for (index, before) in changed {
                    if let Some(held) = bound.get_mut(index)
                        && let Some(door) = &held.door
                    {
                        // The reload fails already, and says why.
                        let _ = door.change(access(&held.at), access(&before));
                        held.at = before;
                    }
                }
                return Err(StartError::Listen { listener: Arc::clone(&listener.name), source });
            }
            changed.push((index, std::mem::replace(&mut held.at, listener.at.clone())));
        }
        Ok(())
    }

    async fn tell(&self, command: impl Fn() -> Command) -> Result<(), StartError> {
        for worker in &self.workers {
            worker.commands.send(command()).await.map_err(|_| StartError::Stopped)?;
        }
        Ok(())
    }

    /// Ends what is left of closed listeners once they have had their time.
    fn cut_later(&self, gone: Vec<At>, drain: Duration) {
        let workers: Vec<_> = self.workers.iter().map(|worker| worker.commands.clone()).collect();
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            for worker in &workers {
                for at in &gone {
                    // A worker that is gone has nothing left to cut.
                    let _ = worker.send(Command::Cut(at.clone())).await;
                }
            }
        });
    }
}

fn bind(listeners: &[Listener], workers: usize) -> Result<Vec<(At, Bound)>, StartError> {
    let bind = |listener: &Listener| {
        let place = match &listener.at {
            At::Tcp(address) => Place::Tcp(*address),
            At::Unix { path, .. } => {
                let Access { mode, owner } = access(&listener.at);
                Place::Unix { path: path.clone(), mode, owner }
            }
        };
        let bound = listen::bind(&place, listener.backlog, workers);
        let name = Arc::clone(&listener.name);
        let bound = bound.map_err(|source| StartError::Listen { listener: name, source })?;
        Ok((listener.at.clone(), bound))
    };
    listeners.iter().map(bind).collect()
}

/// Whom a listener's address lets in.
fn access(at: &At) -> Access {
    match at {
        At::Tcp(_) => Access::default(),
        At::Unix { mode, owner, .. } => Access { mode: *mode, owner: owner.unwrap_or_default() },
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { listener, .. } => write!(f, "listener {listener} cannot start"),
            Self::Worker(_) => write!(f, "start a worker thread"),
            Self::Stopped => write!(f, "the workers have ended"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source),
            Self::Worker(source) => Some(source),
            Self::Stopped => None,
        }
    }
}

/// How long a start waits for the names of nodes; those that do not resolve by then are out until they do.
const NAMES_WITHIN: Duration = Duration::from_secs(2);
