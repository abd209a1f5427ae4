//! The leases that pools follow: what is heard of them, and what it makes of nodes.

use std::sync::Arc;

use mainstay_core::Moment;
use mainstay_core::lease::{self, Checked, LeaseView, Name, Nonce, Part, Phase};
use mainstay_io::clock;
use tokio::sync::watch;

use super::Shared;
use super::board::{Board, params_of};
use super::node::Node;
use super::prober::{Place, Prober};
use super::status::LeaseStatus;
use super::task::Task;
use crate::front::{Followed, Words};
use crate::params;
use crate::view::{OutReason, Until};

/// What is known of a lease that a pool follows, or may follow with the next plan.
pub(super) struct Lease {
    view: LeaseView,
    /// Until when what runs may go on without news of it.
    until: Option<watch::Receiver<Until>>,
    /// What stands in its place while that of this tenure is not known.
    over: Until,
    /// What is said of those that might hold it.
    words: Option<watch::Receiver<Words>>,
    /// The tenure that became ready last, and when.
    ready: Option<(Nonce, Moment)>,
    /// What listens for news of it.
    _task: Task,
}

impl Lease {
    /// Whether a check counts against the node of a ready holder. What it found before that node was ready does not:
    /// until then a port is closed because it should be.
    pub(super) fn is_denied_by(&self, prober: &Prober) -> bool {
        self.ready.is_none_or(|(_, since)| prober.denies(since))
    }

    /// Until when what runs in its tenure may go on; `None`: as long as nothing else is heard.
    pub(super) fn until(&self) -> Option<Until> {
        let until = self.until.as_ref()?.borrow().clone();
        Some(if until.is_of(self.view.nonce) { until } else { self.over.clone() })
    }

    /// Takes a view; true when a holder has become ready with it.
    fn take(&mut self, view: LeaseView, now: Moment) -> bool {
        let was = self.view.phase == Phase::Ready && self.view.nonce == view.nonce;
        let turned = view.phase == Phase::Ready && !was;
        if turned {
            self.ready = Some((view.nonce, now));
        }
        self.view = view;
        turned
    }
}

impl Board {
    /// Something was heard of a lease.
    fn lease_says(&mut self, name: &str, view: LeaseView, now: Moment) {
        let Some(lease) = self.leases.get_mut(name) else { return };
        if lease.view == view {
            return;
        }
        let turned = lease.take(view, now);
        self.lease_changed(name, now);
        if turned {
            self.look_at_leaders(name, now);
        }
    }

    fn lease_changed(&mut self, name: &str, now: Moment) {
        let plan = Arc::clone(&self.plan);
        for place in self.places() {
            if params_of(&plan, place).is_some_and(|(pool, _)| pool.follows() == Some(name)) {
                self.refresh(place, now);
            }
        }
        self.publish();
    }

    /// Checks of nodes that have just become leaders run now: what they found before is of no use.
    fn look_at_leaders(&mut self, name: &str, now: Moment) {
        let plan = Arc::clone(&self.plan);
        for place in self.places() {
            let led = params_of(&plan, place).is_some_and(|(pool, _)| pool.follows() == Some(name));
            let node = self.pools.get(place.0).and_then(|nodes| nodes.get(place.1));
            let Some(node) = node.filter(|node| led && node.view.tenure.is_some()) else { continue };
            for key in node.checks.clone() {
                if let Some(prober) = self.probers.get_mut(&key) {
                    prober.nudge(now);
                }
            }
        }
    }

    /// The part a node has in the lease its pool follows; `None` where it follows none.
    pub(super) fn part(
        &self,
        pool: &params::Pool,
        params: &params::Node,
        node: &Node,
        found: Option<OutReason>,
    ) -> Option<Part> {
        let view = self.leases.get(pool.follows()?).map(|lease| &lease.view);
        let settled = node.probers().filter_map(|key| self.probers.get(&key)?.is_settled());
        let checked = match (found, settled.reduce(|one, other| one && other)) {
            (Some(_), _) => Checked::Bad,
            (None, None) => Checked::Never,
            (None, Some(true)) => Checked::Good,
            (None, Some(false)) => Checked::NotYet,
        };
        Some(lease::part(view, params.holder.as_deref(), checked))
    }

    /// How far the lease is, as far as is known; `None` for one that is not followed.
    pub(super) fn lease_phase(&self, name: &str) -> Option<Phase> {
        self.leases.get(name).map(|lease| lease.view.phase)
    }

    /// Whether nobody holds the lease that the node's pool follows.
    pub(super) fn is_vacant(&self, place: Place) -> bool {
        let lease = params_of(&self.plan, place).and_then(|(pool, _)| pool.follows());
        lease.and_then(|name| self.lease_phase(name)) == Some(Phase::Vacant)
    }

    /// What operators are shown of the lease a pool follows.
    pub(super) fn lease_status(&self, pool: usize) -> Option<LeaseStatus> {
        let params = self.plan.pools.get(pool)?;
        let name = params.follows()?;
        let mut nodes = params.nodes.iter().zip(self.pools.get(pool)?);
        let leader = nodes.find(|(_, node)| node.is_in()).map(|(params, _)| Arc::clone(&params.name));
        Some(LeaseStatus { name: name.into(), view: self.leases.get(name).map(|lease| lease.view.clone()), leader })
    }

    /// Why the lease keeps a node from getting work.
    pub(super) fn lease_reason(&self, place: Place) -> Option<String> {
        let (pool, params) = params_of(&self.plan, place)?;
        let name = pool.follows()?;
        let Some(lease) = self.leases.get(name) else {
            // What is followed of a database says that it is one, with a space that no lease's name has.
            let what = if name.contains(' ') { "" } else { "lease " };
            return Some(format!("nothing is known of {what}{name}"));
        };
        if let Some(words) = &lease.words {
            return words.borrow().get(params.holder.as_ref()?).cloned();
        }
        let LeaseView { holder, phase, .. } = &lease.view;
        let ours = holder.is_some() && *holder == params.holder;
        Some(match (holder, phase) {
            (None, _) => format!("nobody has held lease {name} yet"),
            (Some(holder), Phase::Vacant) => format!("lease {name} is vacant; {holder} had it last"),
            (Some(_), Phase::Fencing) if ours => format!("it is taking lease {name}"),
            (Some(_), Phase::Starting) if ours => format!("it has lease {name} and is not ready"),
            (Some(_), Phase::Ready) if ours => format!("it has lease {name}, and no check has confirmed it yet"),
            (Some(_), Phase::Yielding) if ours => format!("it is about to give up lease {name}"),
            (Some(holder), _) => format!("{holder} has lease {name}"),
        })
    }
}

/// Follows a lease from now on, by this watch.
pub(super) fn follow(shared: &Arc<Shared>, name: &Name, followed: Followed) {
    let Followed { view: mut views, until, words } = followed;
    let mut board = shared.board();
    let view = views.borrow_and_update().clone();
    let task = shared.runtime.spawn(listen(Arc::clone(shared), Arc::clone(name), views));
    let task = Task(task.abort_handle());
    let now = clock::now();
    let (known, ready) = match board.leases.remove(name) {
        Some(old) => (old.view, old.ready),
        None => (LeaseView { phase: Phase::Vacant, ..view.clone() }, None),
    };
    board
        .leases
        .insert(Arc::clone(name), Lease { view: known, until, over: Until::of(Nonce(0)), words, ready, _task: task });
    board.lease_says(name, view, now);
    board.lease_changed(name, now);
}

/// Brings news of a lease. When whoever keeps it is gone, what was known last is no longer fresh.
async fn listen(shared: Arc<Shared>, name: Name, mut views: watch::Receiver<LeaseView>) {
    loop {
        let kept = views.changed().await.is_ok();
        let view = views.borrow_and_update().clone();
        let view = LeaseView { fresh: view.fresh && kept, ..view };
        shared.board().lease_says(&name, view, clock::now());
        if !kept {
            tracing::warn!(
                lease = &*name,
                "nobody keeps the lease any more; its last holder goes on as far as is known"
            );
            return;
        }
    }
}
