//! The part of `/metrics` about leases and guarded children.

use mainstay_core::lease::{ChildState, Phase, Standing};
use mainstay_io::clock;
use mainstay_store::keeper::Counters;

use super::leases::phase_name;
use super::text::Text;
use crate::run::leases::{Kept, KeptLease};

pub(super) fn render(text: &mut Text, kept: &Kept) {
    views(text, kept);
    counters(text, kept);
    children(text, kept);
}

fn views(text: &mut Text, kept: &Kept) {
    let gauge = |text: &mut Text, name, help, of: fn(&KeptLease) -> u64| {
        let mut metric = text.gauge(name, help);
        kept.leases.iter().for_each(|lease| metric.int(&[("lease", &lease.name)], of(lease)));
    };
    gauge(text, "mainstay_lease_held", "1 while this program's child may run.", |lease| {
        matches!(lease.keeper.orders().borrow().standing, Standing::Held { .. }).into()
    });
    gauge(text, "mainstay_lease_fresh", "1 while the store answers.", |lease| {
        lease.keeper.view().borrow().fresh.into()
    });
    gauge(text, "mainstay_lease_paused", "1 while nobody takes the lease over.", |lease| {
        lease.keeper.view().borrow().paused.into()
    });
    gauge(text, "mainstay_lease_epoch", "Number of the tenure.", |lease| lease.keeper.view().borrow().token.epoch);
    gauge(text, "mainstay_lease_members", "Members of the lease that looked lately.", |lease| {
        lease.keeper.status().borrow().members.len() as u64
    });
    let mut phases = text.gauge("mainstay_lease_phase", "1 for the phase that the tenure is in.");
    for lease in &kept.leases {
        let now = lease.keeper.view().borrow().phase;
        for phase in [Phase::Vacant, Phase::Fencing, Phase::Starting, Phase::Ready, Phase::Yielding] {
            phases.int(&[("lease", &lease.name), ("phase", phase_name(phase))], (phase == now).into());
        }
    }
    let help = "How long this program's tenure is good without further news; 0 without one.";
    let mut left = text.gauge("mainstay_lease_left_seconds", help);
    for lease in &kept.leases {
        left.float(&[("lease", &lease.name)], lease.keeper.counters().left(clock::boot()).as_secs_f64());
    }
}

fn counters(text: &mut Text, kept: &Kept) {
    let counter = |text: &mut Text, name, help, of: fn(&Counters) -> u64| {
        let mut metric = text.counter(name, help);
        kept.leases.iter().for_each(|lease| metric.int(&[("lease", &lease.name)], of(&lease.keeper.counters())));
    };
    counter(text, "mainstay_lease_requests_total", "Requests to the store.", Counters::asked_total);
    counter(text, "mainstay_lease_tenures_total", "Tenures that began here.", Counters::tenures_total);
    counter(text, "mainstay_lease_lost_total", "Tenures that were lost rather than given up.", Counters::lost_total);
    counter(
        text,
        "mainstay_lease_frozen_total",
        "Times the child was frozen for want of news.",
        Counters::frozen_total,
    );
    counter(text, "mainstay_lease_renewals_total", "Renewals that were answered.", Counters::renewals_total);
    let help = "Events that did not come into the store's history.";
    counter(text, "mainstay_lease_history_dropped_total", help, Counters::history_dropped_total);
    let help = "Requests to the store that were not answered, by what is known of them.";
    let mut failures = text.counter("mainstay_lease_request_failures_total", help);
    for lease in &kept.leases {
        let counters = lease.keeper.counters();
        failures.int(&[("lease", &lease.name), ("outcome", "not_done")], counters.not_done_total());
        failures.int(&[("lease", &lease.name), ("outcome", "unknown")], counters.unknown_total());
    }
    let mut seconds = text.counter("mainstay_lease_renewal_seconds_total", "Time that renewals took.");
    for lease in &kept.leases {
        seconds.float(&[("lease", &lease.name)], lease.keeper.counters().renewal_time().as_secs_f64());
    }
    let mut fence = text.gauge("mainstay_lease_last_fence_seconds", "How long the last fencing took here.");
    for lease in &kept.leases {
        fence.float(&[("lease", &lease.name)], lease.keeper.counters().fence_last().as_secs_f64());
    }
}

fn children(text: &mut Text, kept: &Kept) {
    let guards = || {
        let guards = kept.leases.iter().filter_map(|lease| lease.guard.as_ref());
        guards.map(|(name, status)| (name.clone(), status.borrow().clone()))
    };
    let mut states = text.gauge("mainstay_guard_child", "1 for the state that the child is in.");
    for (name, status) in guards() {
        for state in STATES {
            states.int(&[("guard", &name), ("state", &state.to_string())], (state == status.child).into());
        }
    }
    let mut starts = text.counter("mainstay_guard_starts_total", "Times the child was started.");
    guards().for_each(|(name, status)| starts.int(&[("guard", &name)], status.starts));
    let mut lines =
        text.counter("mainstay_guard_output_lines_total", "Lines that the child wrote, by what became of them.");
    for (name, status) in guards() {
        let dropped = status.output.dropped();
        lines.int(&[("guard", &name), ("result", "passed")], status.output.lines().saturating_sub(dropped));
        lines.int(&[("guard", &name), ("result", "dropped")], dropped);
    }
}

const STATES: [ChildState; 7] = [
    ChildState::Gone,
    ChildState::Unknown,
    ChildState::Starting,
    ChildState::Ready,
    ChildState::Unwell,
    ChildState::Frozen,
    ChildState::Stopping,
];
