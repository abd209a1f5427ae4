//! Leases as operators see and steer them.

use std::time::Duration;

use mainstay_core::lease::{LeaseView, Name, Nonce, Outcome, Phase, Row, Standing, Wanted};
use mainstay_guard::Containment;
use mainstay_io::clock;
use mainstay_proxy::access::Stamp;
use mainstay_store::Entry;

use super::document::{Child, Event, History, Lease, Progress, Said, Switchover};
use super::members;
use crate::run::leases::namesakes::Waits;
use crate::run::leases::{Kept, KeptLease};

/// What an operator asked of a lease that cannot be done. The status code and a sentence.
pub(super) type Refusal = (u16, String);

/// Each lease as `/status` shows it.
pub(super) fn show(kept: &Kept) -> Vec<Lease> {
    kept.leases.iter().map(|lease| one(kept, lease)).collect()
}

fn one(kept: &Kept, lease: &KeptLease) -> Lease {
    let (keeper, now) = (&lease.keeper, clock::boot());
    let LeaseView { holder, token, phase, fresh, .. } = keeper.view().borrow().clone();
    let status = keeper.status().borrow().clone();
    let left = keeper.counters().left(now);
    let (row, standing) = (status.row.as_ref(), keeper.orders().borrow().standing.clone());
    let look = members::Look {
        me: keeper.terms().me.instance,
        holds: matches!(standing, Standing::Held { .. } | Standing::Frozen { .. } | Standing::Yield { .. }),
        since: now.since(status.members_at),
        absent_after: keeper.terms().absent_after(),
        holder_looks_every: keeper.terms().holder_looks_every(),
    };
    let switchover = row
        .and_then(|row| row.switch.as_ref())
        .map(|switch| Switchover { id: switch.id.to_string(), to: switch.to.as_ref().map(ToString::to_string) });
    Lease {
        name: lease.name.to_string(),
        store: kept.store.describe(),
        tier: keeper.tier().to_string(),
        holder: holder.map(|holder| holder.to_string()),
        phase: phase_name(phase).to_owned(),
        token: token.to_string(),
        fresh,
        paused_by: row.and_then(|row| row.paused.as_ref()).map(ToString::to_string),
        waits: lease.waits.as_ref().and_then(Waits::text),
        me: keeper.terms().me.name.to_string(),
        standing: standing_name(&standing).to_owned(),
        left_s: (!left.is_zero()).then_some(left.as_secs_f64()),
        ttl_s: keeper.terms().ttl.as_secs_f64(),
        switchover,
        members: members::show(&status.members, &look),
        child: lease.guard.as_ref().map(|(name, status)| child(name, &status.borrow())),
    }
}

fn child(guard: &Name, status: &mainstay_guard::Status) -> Child {
    Child {
        guard: guard.to_string(),
        state: status.child.to_string(),
        for_s: clock::boot().since(status.since).as_secs_f64(),
        pid: status.pid,
        starts: status.starts,
        containment: match status.containment {
            Containment::Cgroup(_) => "cgroup",
            Containment::Descent(_) => "descent",
        }
        .to_owned(),
        reason: status.reason.as_ref().map(ToString::to_string),
        trouble: status.trouble.as_ref().map(ToString::to_string),
    }
}

/// `/switchover`: asks for one.
pub(super) async fn switch(kept: &Kept, lease: &str, to: Option<&str>, after: Duration) -> Result<Said, Refusal> {
    let lease = find(kept, lease)?;
    let (id, done) = lease.keeper.command(Wanted::Switch { to: to.map(Name::from), after }).await;
    done.map_err(|why| (409, why.to_string()))?;
    let to = to.map_or_else(String::new, |to| format!(" to {to}"));
    let message = format!("a switch-over of {}{to} was asked for", lease.name);
    Ok(Said { id: Some(id.to_string()), ..Said::new(true, message) })
}

/// `/switchover` with an id: how far it is.
pub(super) fn progress(kept: &Kept, lease: &str, id: &str) -> Result<Progress, Refusal> {
    let lease = find(kept, lease)?;
    let status = lease.keeper.status().borrow().clone();
    let holder = lease.keeper.view().borrow().holder.as_ref().map(ToString::to_string);
    let (state, message) = state_of(status.row.as_ref(), id);
    Ok(Progress { state: state.to_owned(), message, holder })
}

fn state_of(row: Option<&Row>, id: &str) -> (&'static str, String) {
    let is = |other: Nonce| other.to_string() == id;
    let Some(row) = row else { return ("unknown", "the store has not answered yet".to_owned()) };
    if row.switch.as_ref().is_some_and(|switch| is(switch.id)) {
        return ("waiting", format!("{} holds the lease", row.holder));
    }
    match row.settled.as_ref().filter(|settled| is(settled.id)).map(|settled| &settled.outcome) {
        Some(Outcome::Done) => ("done", format!("{} holds the lease", row.holder)),
        Some(Outcome::Refused(why)) => ("refused", why.to_string()),
        Some(Outcome::Failed(why)) => ("failed", why.to_string()),
        None => ("unknown", "the lease knows of no such switch-over".to_owned()),
    }
}

/// `/switchover/cancel`: one that was asked for does not begin.
pub(super) async fn cancel(kept: &Kept, lease: &str) -> Result<Said, Refusal> {
    let lease = find(kept, lease)?;
    let waiting = lease.keeper.status().borrow().row.as_ref().and_then(|row| row.switch.as_ref().map(|it| it.id));
    let Some(id) = waiting else { return Err((409, format!("no switch-over of {} waits", lease.name))) };
    let (_, done) = lease.keeper.command(Wanted::Cancel(id)).await;
    done.map_err(|why| (409, why.to_string()))?;
    Ok(Said::new(true, format!("the switch-over of {} was cancelled", lease.name)))
}

/// `/pause` and `/resume`. `by`: who asked for the pause.
pub(super) async fn pause(kept: &Kept, lease: &str, by: Option<&str>) -> Result<Said, Refusal> {
    let lease = find(kept, lease)?;
    let wanted = by.map_or(Wanted::Resume, |by| Wanted::Pause(by.into()));
    let (_, done) = lease.keeper.command(wanted).await;
    done.map_err(|why| (409, why.to_string()))?;
    let name = &lease.name;
    Ok(Said::new(
        true,
        match by {
            Some(_) => {
                format!("{name} is paused: whoever holds it goes on, and nobody takes it over until it is resumed")
            }
            None => format!("{name} is resumed: it is taken over again when its holder is gone"),
        },
    ))
}

/// `/history` of one lease, or of all.
pub(super) async fn history(kept: &Kept, lease: Option<&str>, limit: u32) -> Result<History, Refusal> {
    let lease = lease.map(|lease| find(kept, lease)).transpose()?.map(|lease| &lease.name);
    let entries = kept.store.history(lease, limit.min(Entry::KEPT)).await;
    let entries = entries.map_err(|failure| {
        let (mainstay_core::lease::Failure::NotDone(why) | mainstay_core::lease::Failure::Unknown(why)) = failure;
        (503, format!("the history cannot be read from {}: {why}", kept.store.describe()))
    })?;
    Ok(History { events: entries.iter().map(event).collect() })
}

fn event(entry: &Entry) -> Event {
    Event {
        at: Stamp(entry.at).to_string(),
        lease: entry.lease.to_string(),
        by: entry.by.to_string(),
        epoch: entry.epoch,
        what: entry.what.to_string(),
        text: entry.text.to_string(),
    }
}

fn find<'k>(kept: &'k Kept, lease: &str) -> Result<&'k KeptLease, Refusal> {
    kept.find(lease).ok_or_else(|| {
        let known = kept.leases.iter().map(|lease| lease.name.to_string()).collect::<Vec<_>>().join(", ");
        (404, format!("no lease called {lease} is kept or followed here; there is {known}"))
    })
}

pub(super) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Vacant => "vacant",
        Phase::Fencing => "fencing",
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Yielding => "yielding",
    }
}

const fn standing_name(standing: &Standing) -> &'static str {
    match standing {
        Standing::Without => "without",
        Standing::Prepare { .. } => "prepare",
        Standing::Held { .. } => "held",
        Standing::Frozen { .. } => "frozen",
        Standing::Yield { .. } => "yield",
    }
}
