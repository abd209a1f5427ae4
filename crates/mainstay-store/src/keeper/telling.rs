//! What happened, to the log, the history in the store, the counters and whoever listens.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mainstay_core::lease::{Failure, Freeze, Happening, Name, Row, Terms};
use mainstay_core::{Moment, Span};
use tokio::sync::{broadcast, mpsc};

use super::flaps::Flaps;
use super::{Counters, Told};
use crate::{Entry, Store, Tier};

/// Tells of one lease.
#[derive(Debug)]
pub(super) struct Teller {
    lease: Name,
    me: Name,
    history: mpsc::Sender<Entry>,
    counters: Arc<Counters>,
    told: broadcast::Sender<Told>,
    store: Arc<dyn Store>,
    flaps: Flaps,
    freezes: Flaps,
    /// Whether it was said how to do without being frozen when the store is lost.
    advised: bool,
}

impl Teller {
    /// Starts the task that writes the history; it ends with this handle, after what was left to write.
    pub(super) fn start(
        terms: &Terms,
        store: Arc<dyn Store>,
        counters: Arc<Counters>,
        told: broadcast::Sender<Told>,
    ) -> Self {
        let (history, entries) = mpsc::channel(HISTORY);
        tokio::spawn(write(Arc::clone(&store), entries, Arc::clone(&counters)));
        Self {
            lease: terms.lease.clone(),
            me: terms.me.name.clone(),
            history,
            counters,
            told,
            store,
            flaps: Flaps::of_store(),
            freezes: Flaps::of_child(),
            advised: false,
        }
    }

    /// Tells. `row` is what is known of the lease.
    pub(super) fn tell(&mut self, happening: Happening, row: Option<&Row>, now: Moment) {
        self.counters.happened(&happening);
        let is_news = match &happening {
            Happening::StoreAway(why) => self.flaps.away(why, now),
            Happening::StoreBack { .. } => self.flaps.back(),
            Happening::Frozen(_) => self.freezes.away(&happening.to_string().into(), now),
            Happening::Thawed { .. } => self.freezes.back(),
            // Told of whatever was told before; the child is frozen no longer.
            Happening::Lost(_) | Happening::Yielding { .. } => {
                self.freezes.back();
                true
            }
            _ => true,
        };
        if !is_news {
            return;
        }
        let (lease, what) = (&*self.lease, word(&happening));
        let mut text = sentence(&happening, self.store.tier(&self.lease));
        if happening == Happening::Frozen(Freeze::Lost) && !std::mem::replace(&mut self.advised, true) {
            text.push_str(ADVICE);
        }
        match weight(&happening) {
            Weight::Noise => return tracing::trace!(lease, event = what, "{text}"),
            Weight::Normal => tracing::info!(lease, event = what, "{text}"),
            Weight::Bad => tracing::warn!(lease, event = what, "{text}"),
        }
        self.write(what, &text, row);
        // Nobody may be listening.
        let _unheard = self.told.send(Told { lease: self.lease.clone(), happening, text: text.into() });
    }

    /// Time went on.
    pub(super) fn turn(&mut self, now: Moment, row: Option<&Row>) {
        let sums = [(AWAY, self.flaps.due(now)), (FROZEN, self.freezes.due(now))];
        for (what, text) in sums.into_iter().filter_map(|(what, text)| Some((what, text?))) {
            let lease = &*self.lease;
            tracing::warn!(lease, event = what, "{text}");
            self.write(what, &text, row);
        }
    }

    /// Into the history.
    fn write(&self, what: &str, text: &str, row: Option<&Row>) {
        let entry = Entry {
            at: SystemTime::now(),
            lease: self.lease.clone(),
            by: self.me.clone(),
            epoch: row.map_or(0, |row| row.epoch),
            what: what.into(),
            text: text.into(),
        };
        if self.history.try_send(entry).is_err() {
            self.counters.dropped();
        }
    }
}

/// A happening in words. What a fence is depends on the store.
fn sentence(happening: &Happening, tier: Tier) -> String {
    match (happening, tier) {
        (Happening::Fenced { took }, Tier::Exclusive) => {
            format!("no process of a previous holder is left on this machine, seen in {}", Span(*took))
        }
        (Happening::Fenced { .. }, Tier::Advisory) => {
            "goes on without a fence: nothing but time keeps previous holders from writing".to_owned()
        }
        _ => happening.to_string(),
    }
}

/// A happening in one word, as the log, the history and the metrics call it.
#[must_use]
pub const fn word(happening: &Happening) -> &'static str {
    match happening {
        Happening::Acquired { .. } => "acquired",
        Happening::Fenced { .. } => "fenced",
        Happening::FenceFailed(_) => "fence-failed",
        Happening::Activated { .. } => "activated",
        Happening::Ready { .. } => "ready",
        Happening::Renewed { .. } => "renewed",
        Happening::Frozen(_) => FROZEN,
        Happening::Thawed { .. } => "thawed",
        Happening::Lost(_) => "lost",
        Happening::Carried { .. } => "carried",
        Happening::Yielding { .. } => "yielding",
        Happening::CutShort => "cut-short",
        Happening::Stayed(_) => "stayed",
        Happening::Given { .. } => "given",
        Happening::HolderIs { .. } => "holder",
        Happening::HolderSilent => "holder-silent",
        Happening::Promoted { .. } => "promoted",
        Happening::OldDatabase { .. } => "old-database",
        Happening::ClocksApart { .. } => "clocks-apart",
        Happening::Blocked(_) => "blocked",
        Happening::NameTwice { .. } => "name-twice",
        Happening::TtlDiffers { .. } => "ttl-differs",
        Happening::NobodyElse(_) => "nobody-else",
        Happening::HeldBack { .. } => "held-back",
        Happening::Preparing { .. } => "preparing",
        Happening::SwitchAsked { .. } => "switch-asked",
        Happening::Settled { .. } => "settled",
        Happening::Paused(_) => "paused",
        Happening::Resumed => "resumed",
        Happening::StoreAway(_) => AWAY,
        Happening::StoreBack { .. } => "store-back",
    }
}

enum Weight {
    Noise,
    Normal,
    Bad,
}

const fn weight(happening: &Happening) -> Weight {
    match happening {
        // Each start begins with the second.
        Happening::Renewed { .. } | Happening::Blocked(None) => Weight::Noise,
        Happening::FenceFailed(_)
        | Happening::Frozen(_)
        | Happening::Lost(_)
        | Happening::CutShort
        | Happening::OldDatabase { .. }
        | Happening::ClocksApart { .. }
        | Happening::NameTwice { .. }
        | Happening::TtlDiffers { .. }
        | Happening::NobodyElse(_)
        | Happening::HeldBack { .. }
        | Happening::StoreAway(_) => Weight::Bad,
        _ => Weight::Normal,
    }
}

/// Writes one after the other; waits for a store that is away, and writes nothing twice that may be there.
async fn write(store: Arc<dyn Store>, mut entries: mpsc::Receiver<Entry>, counters: Arc<Counters>) {
    while let Some(entry) = entries.recv().await {
        let mut tries = 0;
        while let Err(failure) = store.record(entry.clone()).await {
            tries += 1;
            let (Failure::NotDone(why) | Failure::Unknown(why)) = &failure;
            if tries == TOLD_AFTER {
                tracing::warn!(lease = &*entry.lease, "the history cannot be written, and is tried again: {why}");
            }
            if matches!(failure, Failure::Unknown(_)) || tries == TRIES {
                tracing::debug!(lease = &*entry.lease, what = &*entry.what, %why, "write the history");
                counters.dropped();
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

const AWAY: &str = "store-away";
const FROZEN: &str = "frozen";
/// Said once, to whoever may need none of it.
const ADVICE: &str = " (where nothing that it acknowledged can be lost then, or no other server ever takes its place, \
    `synchronous = true` in this lease spares the child this)";
/// Happenings that may wait to be written.
const HISTORY: usize = 256;
/// How often it is tried to write one, and how long is waited between.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_secs(1);
/// So many tries of one that fail are worth a word; a store that is away for a moment is told elsewhere.
const TOLD_AFTER: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cure_is_named_in_words_that_a_configuration_knows() {
        assert!(ADVICE.contains("`synchronous = true`") && !ADVICE.contains("  "), "{ADVICE}");
    }

    #[test]
    fn a_fence_is_named_where_there_is_one() {
        let check = |tier, expect: &str| {
            let text = sentence(&Happening::Fenced { took: Duration::from_millis(3) }, tier);
            assert_eq!(text, expect);
        };
        check(Tier::Fenced, "fenced every previous holder in 3 ms");
        check(Tier::Exclusive, "no process of a previous holder is left on this machine, seen in 3 ms");
        check(Tier::Advisory, "goes on without a fence: nothing but time keeps previous holders from writing");
    }
}
