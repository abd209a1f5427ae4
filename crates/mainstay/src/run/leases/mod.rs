//! The leases of this program: one store, a keeper for each lease, and a guard where a child is guarded.

mod former;
pub(crate) mod namesakes;
mod params;
mod paused;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use mainstay_core::lease::{Name, Nonce, Report, Terms};
use mainstay_guard::{Guard, GuardHandle, Place};
use mainstay_io::lines::{LineSender, LineWriter, Target};
use mainstay_proxy::front;
use mainstay_store::{Keeper, LeaseSettings, Secret, Settings, Store, Tier};
use tokio::sync::watch;
use tracing::{info, warn};

use self::namesakes::{Asking, Waits};
use super::chain;
use crate::config::leases::{Lease, Leases};

/// What is kept here, for whoever shows it or asks something of it. Shared by the front, the admin listener and the
/// program's end.
#[derive(Debug)]
pub struct Kept {
    /// Where leases are kept.
    pub store: Arc<dyn Store>,
    /// Each lease, in the order of the configuration.
    pub leases: Vec<KeptLease>,
}

/// One lease.
#[derive(Debug)]
pub struct KeptLease {
    /// Its name.
    pub name: Name,
    /// Who keeps it here.
    pub keeper: Arc<Keeper>,
    /// The guard's name and how its child is; `None`: the lease is only followed here.
    pub guard: Option<(Name, watch::Receiver<mainstay_guard::Status>)>,
    /// What its keeper waits for before it begins; `None`: it never waited.
    pub waits: Option<Waits>,
}

/// The guards of this program. When it is dropped they are told to leave.
pub(super) struct Guards {
    running: Vec<Running>,
    /// Members that ask whether another of their name lives.
    asking: Vec<Asking>,
    /// Nobody else has their names: their keepers may take leases.
    begun: bool,
    store: Option<Arc<dyn Store>>,
    /// Write what children write.
    writers: Vec<LineWriter>,
}

struct Running {
    lease: Name,
    handle: GuardHandle,
    keeper: Arc<Keeper>,
    /// What a former life of this member may still hold.
    former: Option<Nonce>,
}

/// Starts everything that has to do with leases. Nothing is held when it returns.
///
/// # Errors
/// A sentence: what could not be had, and what to do.
pub(super) async fn start(leases: &Leases) -> Result<(Arc<Kept>, Guards), String> {
    let host = host_name();
    let mut settings = settings(leases)?;
    settings.place = Place::here(&host).to_string().into();
    let store = mainstay_store::open(&settings).map_err(|fault| fault.to_string())?;
    let members: Vec<(&Lease, Terms)> = leases.all.iter().map(|lease| (lease, terms(lease, &host))).collect();
    let asks = |(lease, terms): &(&Lease, Terms)| {
        lease.guard.as_ref().map(|_| Asking::start(Arc::clone(&store), terms.clone())).unzip()
    };
    let (asking, gates): (Vec<Option<Asking>>, Vec<_>) = members.iter().map(asks).unzip();
    let waits: Vec<Option<Waits>> = asking.iter().map(|it| it.as_ref().map(Asking::waits)).collect();
    let mut asking: Vec<Asking> = asking.into_iter().flatten().collect();
    namesakes::refuse_at_once(&mut asking).await?;
    let writers = [("child-output", Target::Stdout), ("child-errors", Target::Stderr)]
        .into_iter()
        .map(|(name, target)| LineWriter::start(name, target, LINES_WAITING));
    let writers =
        writers.collect::<Result<Vec<_>, _>>().map_err(|error| format!("write what children write: {error}"))?;
    let (writers, senders): (Vec<LineWriter>, Vec<LineSender>) = writers.into_iter().unzip();
    let [out, err] = senders.as_slice() else { return Err("no writer for what children write".to_owned()) };
    let mut kept = Vec::new();
    let mut running = Vec::new();
    for (((lease, terms), gate), waits) in members.into_iter().zip(gates).zip(waits) {
        let name = terms.lease.clone();
        let keeper = match gate {
            Some(gate) => Keeper::start_behind(Arc::clone(&store), terms, gate),
            None => Keeper::start(Arc::clone(&store), terms),
        };
        let keeper = Arc::new(keeper.map_err(|fault| format!("lease {name}: {fault}"))?);
        let mut status = None;
        if let Some(guard) = &lease.guard {
            let params = params::of(guard, &lease.terms, Arc::clone(&keeper), out.clone(), err.clone())?;
            let name = params.name.clone();
            let handle = Guard::start(params, keeper.orders()).await.map_err(|error| chain(&error))?;
            status = Some((name, handle.status.clone()));
            let (lease, keeper, former) = (lease.terms.lease.clone(), Arc::clone(&keeper), handle.former);
            running.push(Running { lease, handle, keeper, former });
        }
        tokio::spawn(paused::tell(lease.terms.lease.clone(), keeper.view()));
        let twins = namesakes::tell_of_twins(Arc::clone(&store), lease.terms.lease.clone(), keeper.happenings());
        tokio::spawn(twins);
        kept.push(KeptLease { name: lease.terms.lease.clone(), keeper, guard: status, waits });
    }
    let guards = Guards { running, asking, begun: false, store: Some(Arc::clone(&store)), writers };
    announce(&kept, leases, store.as_ref());
    Ok((Arc::new(Kept { store, leases: kept }), guards))
}

impl Kept {
    /// What fronts follow.
    #[must_use]
    pub fn views(&self) -> front::Leases {
        self.leases.iter().map(|lease| (lease.name.clone(), lease.keeper.view().into())).collect()
    }

    /// The lease of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&KeptLease> {
        self.leases.iter().find(|lease| &*lease.name == name)
    }
}

impl Guards {
    /// None.
    pub(super) const fn none() -> Self {
        Self { running: Vec::new(), asking: Vec::new(), begun: false, store: None, writers: Vec::new() }
    }

    /// Waits until it is known that nobody else has the names of these members, and lets their keepers begin: whatever else
    /// can fail at the start has to be done by then.
    async fn begin(&mut self) -> Result<(), String> {
        namesakes::settle(&self.asking).await?;
        for guard in &mut self.running {
            if let (Some(tenure), Some(store)) = (guard.former.take(), &self.store) {
                tokio::spawn(former::give_up(Arc::clone(store), guard.keeper.terms().clone(), tenure));
            }
        }
        self.asking.iter().for_each(Asking::begin);
        self.report();
        self.begun = true;
        Ok(())
    }

    /// Passes on what guards report, until they end. Before that no keeper takes a lease, since it does not know that the
    /// child is gone.
    fn report(&mut self) {
        for guard in &mut self.running {
            let (_, nothing) = tokio::sync::mpsc::channel(1);
            let mut reports = std::mem::replace(&mut guard.handle.reports, nothing);
            let to: watch::Sender<Option<Report>> = guard.keeper.reports();
            tokio::spawn(async move {
                while let Some(report) = reports.recv().await {
                    to.send_replace(Some(report));
                }
            });
        }
    }

    /// Begins, and waits until a guard has ended by itself: its child's work is done, or its keeper is gone. The exit code
    /// is the child's.
    ///
    /// # Errors
    /// A sentence: another that has the name of a member lives, and nothing was begun.
    pub(super) async fn over(&mut self) -> Result<u8, String> {
        self.begin().await?;
        let mut ends: Vec<_> = self.running.iter_mut().map(|guard| Box::pin(guard.handle.ended())).collect();
        let first = std::future::poll_fn(|cx| {
            let ended = ends.iter_mut().map(|end| end.as_mut().poll(cx)).find(Poll::is_ready);
            ended.unwrap_or(Poll::Pending)
        });
        Ok(first.await)
    }

    /// Longest time that leaving in order takes.
    pub(super) fn leave_within(&self) -> Duration {
        let each = self.running.iter().map(|guard| params::leave_within(guard.keeper.terms()));
        each.max().unwrap_or_default()
    }

    /// Stops the children in order and gives their leases up: each is free for a successor once its child is gone.
    /// What is not done `within` is left to the sentinels, which kill what is left when this process ends. The exit code is
    /// that of the last child that did not end well; 0 when all did.
    pub(super) async fn leave(self, within: Duration) -> u8 {
        let Self { mut running, begun, writers, .. } = self;
        if !begun {
            // Nothing was ever held, and no child ran.
            running.clear();
        }
        let mut code = 0;
        running.iter().for_each(|guard| guard.handle.stop());
        let all = async {
            for guard in &mut running {
                code = match guard.handle.ended().await {
                    0 => code,
                    failed => failed,
                };
                let mut status = guard.keeper.status();
                // It fails when the keeper is gone, and then there is nothing to wait for.
                let _left = status.wait_for(|status| status.has_left).await;
                info!(lease = %guard.lease, "left the lease; its child is gone");
            }
        };
        if tokio::time::timeout(within, all).await.is_err() {
            warn!(within_s = within.as_secs_f64(), "not every lease could be given up in time; children are killed");
        }
        drop(running);
        for writer in writers {
            if !writer.stop(LAST_LINES) {
                warn!("the last lines of a child could not be written");
            }
        }
        code
    }
}

/// What the store of these leases is opened with.
///
/// # Errors
/// A sentence: its password cannot be read.
pub(crate) fn settings(leases: &Leases) -> Result<Settings, String> {
    let store = &leases.store;
    let mut settings = Settings::new(store.at.clone());
    settings.password = store
        .password_file
        .as_deref()
        .map(Secret::from_file)
        .transpose()
        .map_err(|fault| format!("the store: {fault}"))?;
    settings.ca.clone_from(&store.ca);
    settings.timeout = store.timeout;
    let of = |lease: &Lease| LeaseSettings {
        role: lease.guard.as_ref().and_then(|guard| guard.role.as_deref().map(Name::from)),
        group: lease.group.as_deref().map(Name::from),
        database: lease.database.as_deref().map(Name::from),
    };
    settings.leases = leases.all.iter().map(|lease| (lease.terms.lease.clone(), of(lease))).collect();
    Ok(settings)
}

/// What this program is told about a lease, and who it is.
fn terms(lease: &Lease, host: &Name) -> Terms {
    let mut terms = lease.terms.clone();
    terms.me.instance = mainstay_store::keeper::draw();
    if terms.me.name.is_empty() {
        // One that only follows must not pass for the guard on its machine.
        terms.me.name = if lease.guard.is_some() { host.clone() } else { format!("{host} (follows)").into() };
    }
    terms
}

/// The machine's name, as `hostname` prints it.
fn host_name() -> Name {
    rustix::system::uname().nodename().to_string_lossy().as_ref().into()
}

fn announce(kept: &[KeptLease], leases: &Leases, store: &dyn Store) {
    for (lease, configured) in kept.iter().zip(&leases.all) {
        let terms = lease.keeper.terms();
        let (tier, at) = (lease.keeper.tier(), store.describe());
        match &lease.guard {
            None => info!(lease = %lease.name, store = %at, "follows a lease"),
            Some((guard, _)) => {
                let (holder, guard) = (&terms.me.name, guard.as_ref());
                info!(lease = %lease.name, %holder, guard, %tier, store = %at, "guards a child");
            }
        }
        if tier == Tier::Advisory && configured.guard.is_some() {
            let how =
                if terms.takeover { "takes over all the same, as configured" } else { "does not take over by itself" };
            warn!(lease = %lease.name, "nothing but time keeps two holders apart (no role in the guard): {how}");
        }
    }
}

/// Lines of children that wait for a slow reader; further ones are dropped and counted.
const LINES_WAITING: usize = 1_024;

const LAST_LINES: Duration = Duration::from_secs(2);
