//! Gives up what a former life of this member held, once it is known that nothing of that life is left.
//!
//! A guard that has its lock knows that no process of the last tenure under it runs any more, nor the program that kept it
//! (see [`mainstay_guard::GuardHandle::former`]). To give up exactly that tenure, by its nonce, is then what the program
//! would have done had it ended in order; whatever of its messages is still under way finds a row that is free, and does
//! nothing. Who takes the lease next fences as ever.
//!
//! Not where nothing but time keeps two holders apart: a copy of a running machine has the same tenure and the same lock,
//! and what is known of the one is not true of the other.

use std::sync::Arc;
use std::time::SystemTime;

use mainstay_core::lease::{Answer, Nonce, Request, Terms};
use mainstay_io::clock::boot;
use mainstay_store::{Entry, Store, Tier};
use tracing::{debug, info};

/// Gives it up, if it is still held. Until it has run out by itself it is tried again.
pub(super) async fn give_up(store: Arc<dyn Store>, terms: Terms, former: Nonce) {
    let (lease, begun) = (&terms.lease, boot());
    while boot().since(begun) < terms.ttl && store.tier(lease) != Tier::Advisory {
        // Whoever does not take over unasked leaves it to who had it.
        let next = (!terms.takeover).then(|| terms.me.name.clone());
        let request = Request::Transfer { nonce: former, next, ttl: terms.ttl };
        match store.ask(lease, request, terms.timeout).await {
            Ok(Answer::Done { row, .. }) => {
                info!(%lease, event = EVENT, "{TEXT}");
                let (at, by, what) = (SystemTime::now(), terms.me.name.clone(), EVENT.into());
                let entry = Entry { at, lease: lease.clone(), by, epoch: row.epoch, what, text: TEXT.into() };
                if let Err(failure) = store.record(entry).await {
                    debug!(%lease, ?failure, "write the history");
                }
                return;
            }
            Ok(Answer::Overtaken { .. }) => return,
            Err(failure) => debug!(%lease, ?failure, "give up what a former life of this member held"),
        }
        tokio::time::sleep(terms.renew).await;
    }
}

const EVENT: &str = "former-given";
const TEXT: &str = "the tenure of this member's former life was given up: nothing of it runs on this machine any more";
