//! What is counted of a lease, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mainstay_core::lease::{Failure, Happening, Order, Standing};

/// Counts of one lease in one program. Each only grows, but for those called "last".
#[derive(Debug, Default)]
pub struct Counters {
    asked: AtomicU64,
    not_done: AtomicU64,
    unknown: AtomicU64,
    renewals: AtomicU64,
    renewal_nanos: AtomicU64,
    renewal_last_nanos: AtomicU64,
    takeovers: AtomicU64,
    lost: AtomicU64,
    frozen: AtomicU64,
    fence_last_nanos: AtomicU64,
    history_dropped: AtomicU64,
    until_nanos: AtomicU64,
}

impl Counters {
    /// Requests sent to the store.
    pub fn asked_total(&self) -> u64 {
        get(&self.asked)
    }

    /// Those of which it was certain that nothing was done.
    pub fn not_done_total(&self) -> u64 {
        get(&self.not_done)
    }

    /// Those whose outcome was unknown.
    pub fn unknown_total(&self) -> u64 {
        get(&self.unknown)
    }

    /// Renewals that were answered.
    pub fn renewals_total(&self) -> u64 {
        get(&self.renewals)
    }

    /// How long those took, all together.
    pub fn renewal_time(&self) -> Duration {
        Duration::from_nanos(get(&self.renewal_nanos))
    }

    /// How long the last one took.
    pub fn renewal_last(&self) -> Duration {
        Duration::from_nanos(get(&self.renewal_last_nanos))
    }

    /// Tenures that began here.
    pub fn tenures_total(&self) -> u64 {
        get(&self.takeovers)
    }

    /// Tenures that were lost rather than given up.
    pub fn lost_total(&self) -> u64 {
        get(&self.lost)
    }

    /// How often the child was frozen.
    pub fn frozen_total(&self) -> u64 {
        get(&self.frozen)
    }

    /// How long the last fencing took.
    pub fn fence_last(&self) -> Duration {
        Duration::from_nanos(get(&self.fence_last_nanos))
    }

    /// Happenings that did not come into the store's history.
    pub fn history_dropped_total(&self) -> u64 {
        get(&self.history_dropped)
    }

    /// How long the tenure is good at `now` (BOOTTIME) without further news; zero when there is none.
    pub fn left(&self, now: mainstay_core::Moment) -> Duration {
        mainstay_core::Moment::from_nanos(get(&self.until_nanos)).since(now)
    }

    pub(super) fn asked(&self) {
        add(&self.asked, 1);
    }

    pub(super) fn failed(&self, failure: &Failure) {
        match failure {
            Failure::NotDone(_) => add(&self.not_done, 1),
            Failure::Unknown(_) => add(&self.unknown, 1),
        }
    }

    pub(super) fn stand(&self, order: &Order) {
        let until = match &order.standing {
            Standing::Held { until, .. } => until.as_nanos(),
            _ => 0,
        };
        self.until_nanos.store(until, Ordering::Relaxed);
    }

    pub(super) fn happened(&self, happening: &Happening) {
        match happening {
            Happening::Renewed { took } => {
                add(&self.renewals, 1);
                add(&self.renewal_nanos, nanos(*took));
                self.renewal_last_nanos.store(nanos(*took), Ordering::Relaxed);
            }
            Happening::Acquired { .. } => add(&self.takeovers, 1),
            Happening::Fenced { took } => self.fence_last_nanos.store(nanos(*took), Ordering::Relaxed),
            Happening::Lost(_) => add(&self.lost, 1),
            Happening::Frozen(_) => add(&self.frozen, 1),
            _ => {}
        }
    }

    pub(super) fn dropped(&self) {
        add(&self.history_dropped, 1);
    }
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
