//! What each request does to a row, without a database: what the SQL of every store must agree with.

use std::time::Duration;

use mainstay_core::lease::{Name, Nonce, Request, Row, RowState, Serving, Settled, Stamp, SwitchTo, Timeline};

/// The row after `request`, or `None` when it is not what the request was made for, so that nothing is done.
///
/// `now` is the store's clock and `timeline` the history of its database.
#[must_use]
pub fn apply(row: &Row, request: &Request, timeline: Timeline, now: Stamp) -> Option<Row> {
    let mut new = row.clone();
    let held = |nonce: &Nonce| row.epoch > 0 && row.nonce == *nonce && row.state != RowState::Free;
    let held_in = |nonce: &Nonce, wanted: &Timeline| held(nonce) && *wanted == timeline && row.timeline == timeline;
    match request {
        Request::Look { .. } => return Some(new),
        Request::Fence { nonce } => return held(nonce).then_some(new),
        Request::Acquire { seen, timeline: wanted, epoch_at_least, nonce, holder, ttl, early } => {
            let same = row.epoch == seen.epoch && row.seq == seen.seq && *wanted == timeline;
            if !same || !is_open(row, holder, now, *early) {
                return None;
            }
            new.epoch = row.epoch.saturating_add(1).max(*epoch_at_least);
            (new.holder, new.nonce, new.state) = (holder.clone(), *nonce, RowState::Fencing);
            (new.timeline, new.serving, new.next) = (timeline, Serving::Starting, None);
            expire(&mut new, now, *ttl);
        }
        Request::Activate { nonce, timeline: wanted, ttl } => {
            if !held_in(nonce, wanted) {
                return None;
            }
            new.state = RowState::Active;
            expire(&mut new, now, *ttl);
        }
        Request::Renew { nonce, timeline: wanted, ttl, serving, next } => {
            if !held_in(nonce, wanted) {
                return None;
            }
            (new.serving, new.next) = (*serving, next.clone());
            expire(&mut new, now, *ttl);
        }
        Request::Carry { nonce, from, to, seq_at_least, ttl } => {
            let same = row.timeline == *from && *to == timeline && row.seq >= *seq_at_least;
            if !held(nonce) || row.state != RowState::Active || !same {
                return None;
            }
            new.timeline = timeline;
            expire(&mut new, now, *ttl);
        }
        Request::Transfer { nonce, next, ttl } => {
            if !held(nonce) {
                return None;
            }
            (new.state, new.serving, new.next) = (RowState::Free, Serving::Starting, next.clone());
            expire(&mut new, now, *ttl);
        }
        Request::Switch { .. } | Request::Settle { .. } | Request::Pause(_) => return order(row, request, now),
    }
    Some(new)
}

/// What anybody may ask for; `seq` stays, by which the holder counts its own steps.
fn order(row: &Row, request: &Request, now: Stamp) -> Option<Row> {
    let mut new = row.clone();
    match request {
        Request::Switch { id, to, after } if row.switch.is_none() => {
            new.switch = Some(SwitchTo { id: *id, to: to.clone(), due: later(now, *after) });
        }
        Request::Settle { id, outcome } if row.switch.as_ref().is_some_and(|switch| switch.id == *id) => {
            new.switch = None;
            new.settled = Some(Settled { id: *id, outcome: outcome.clone() });
        }
        Request::Pause(paused) => new.paused.clone_from(paused),
        _ => return None,
    }
    Some(new)
}

/// Whether `holder` may have the lease.
fn is_open(row: &Row, holder: &Name, now: Stamp, early: bool) -> bool {
    let free = row.state == RowState::Free;
    let reserved = free && row.next.as_ref() == Some(holder);
    let paused_for = reserved || row.holder == *holder;
    let open = early || row.expires_at < now || free && (row.next.is_none() || reserved);
    open && (row.paused.is_none() || paused_for)
}

/// The end of one step of a tenure.
fn expire(row: &mut Row, now: Stamp, ttl: Duration) {
    row.seq = row.seq.saturating_add(1);
    row.expires_at = later(now, ttl);
    row.ttl = ttl;
}

/// Whether the difference between two rows is more than that time went on.
pub(crate) fn is_news(old: &Row, new: &Row) -> bool {
    let aside = Row { seq: new.seq, expires_at: new.expires_at, ttl: new.ttl, ..old.clone() };
    aside != *new
}

fn later(now: Stamp, ttl: Duration) -> Stamp {
    Stamp(now.0.saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)))
}
