//! Whether a holder that yields is still needed: requests under way on its node are to end first.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{LeaseView, Name, Phase};
use tokio::sync::watch;

use super::{Control, Shared};

impl Control {
    /// Whether no request is under way on a node of the pools that follow this lease, and all workers know how the nodes
    /// stand: while they give those nodes no new work, it stays so. Sessions of pools that only TCP listeners use do not
    /// count, for nobody can see where one could be ended; they end when the node does.
    #[must_use]
    pub fn is_quiet(&self, lease: &str) -> bool {
        self.shared.is_quiet(lease)
    }

    /// Tells, for as long as `views` has a sender, whether the holder of the lease may take it that nothing is under way
    /// here: not while it is ready, and while it yields, once it is so. Runs on the runtime this was started on.
    pub fn tell_quiet(
        &self,
        lease: Name,
        views: watch::Receiver<LeaseView>,
        tell: impl Fn(bool) + Send + Sync + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move { shared.watch_quiet(&lease, views, tell).await });
    }
}

impl Shared {
    fn is_quiet(&self, lease: &str) -> bool {
        let (plan, traffic, told) = {
            let board = self.board();
            (Arc::clone(&board.plan), Arc::clone(&board.traffic), board.counts.snapshots)
        };
        // A worker that has not taken up the last snapshot may still be sending work.
        if traffic.snapshot() < told {
            return false;
        }
        let reading = traffic.read();
        let pools = plan.pools.iter().enumerate().filter(|(_, pool)| pool.follows() == Some(lease));
        let mut spoken = pools.filter(|(index, _)| plan.speaks_http(*index)).map(|(_, pool)| &pool.name);
        spoken.all(|name| {
            let mut nodes = reading.nodes.iter().filter(|((pool, _), _)| pool == name);
            nodes.all(|(_, node)| node.in_flight.get() == 0)
        })
    }

    async fn watch_quiet(&self, lease: &str, mut views: watch::Receiver<LeaseView>, tell: impl Fn(bool) + Send + Sync) {
        loop {
            let phase = views.borrow_and_update().phase;
            // What this front's own board makes of the word may come a moment later: it must be taken up first.
            let heard = || self.board().lease_phase(lease).is_none_or(|heard| heard == phase);
            let quiet = phase != Phase::Ready && heard() && (phase != Phase::Yielding || self.is_quiet(lease));
            tell(quiet);
            let wait = if quiet || phase == Phase::Ready { Duration::MAX } else { LOOK_AGAIN };
            if let Ok(Err(_)) = tokio::time::timeout(wait, views.changed()).await {
                return;
            }
        }
    }
}

/// How often it is looked whether the last request has ended. A part of what a planned switch-over takes.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
