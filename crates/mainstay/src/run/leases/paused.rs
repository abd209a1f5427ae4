//! A pause that keeps a lease from being taken over is said aloud: nobody serves meanwhile, and nobody else will say so.

use mainstay_core::lease::{LeaseView, Name, Phase};
use tokio::sync::watch;
use tracing::{info, warn};

/// Says it whenever it begins, until the lease is no longer kept.
pub(super) async fn tell(lease: Name, mut views: watch::Receiver<LeaseView>) {
    let mut told = false;
    loop {
        let (stuck, holder) = {
            let view = views.borrow_and_update();
            (view.paused && view.fresh && view.phase == Phase::Vacant, view.holder.clone())
        };
        if stuck && !told {
            let holder = holder.as_deref().unwrap_or("nobody");
            warn!(
                %lease, event = "paused-vacant", %holder,
                "nobody holds the lease, and nobody takes it over while it is paused: `mainstay resume {lease}` ends that"
            );
        } else if told && !stuck {
            info!(%lease, event = "unpaused", "the pause no longer keeps the lease from being taken");
        }
        told = stuck;
        if views.changed().await.is_err() {
            return;
        }
    }
}
