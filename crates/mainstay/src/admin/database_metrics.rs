//! The part of `/metrics` about databases that listeners lead to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstay_core::database::{Choice, Why};
use mainstay_store::HostCounts;

use super::text::Text;
use crate::run::databases::Watched;

pub(super) fn render(text: &mut Text, all: &[Arc<Watched>]) {
    if all.is_empty() {
        return;
    }
    let mut open = text.gauge("mainstay_database_open", "1 while new connections are let through to the database.");
    all.iter().for_each(|one| open.int(&[("database", one.name())], one.is_open().into()));
    let help = "1 while hosts contradict each other, so that nobody may be written to.";
    let mut torn = text.gauge("mainstay_database_torn", help);
    for one in all {
        let choice = one.database().sight().borrow().choice;
        let is_torn = matches!(choice, Choice::Nobody(Why::Torn { .. } | Why::Replaced { .. } | Why::Strangers { .. }));
        torn.int(&[("database", one.name())], is_torn.into());
    }
    let mut primary = text.gauge("mainstay_database_primary", "1 for the host that is written to.");
    let mut timelines = Vec::new();
    for one in all {
        let sight = one.database().sight().borrow().clone();
        for (index, host) in sight.hosts.iter().enumerate() {
            let its = matches!(sight.choice, Choice::Primary { host, .. } if host == index);
            primary.int(&[("database", one.name()), ("node", &host.name)], its.into());
        }
        if let Choice::Primary { history, .. } = sight.choice {
            timelines.push((one.name(), history.timeline));
        }
    }
    let mut timeline = text.gauge("mainstay_database_timeline", "The timeline that is written to.");
    timelines.into_iter().for_each(|(name, its)| timeline.int(&[("database", name)], its.into()));
    counter(text, "mainstay_database_asked_total", "Times a host was asked what it is.", all, |one| &one.asked);
    let help = "Times a host gave no answer to that, or its session broke.";
    counter(text, "mainstay_database_ask_failures_total", help, all, |one| &one.failed);
}

fn counter(
    text: &mut Text,
    name: &'static str,
    help: &'static str,
    all: &[Arc<Watched>],
    of: fn(&HostCounts) -> &AtomicU64,
) {
    let mut metric = text.counter(name, help);
    for one in all {
        let sight = one.database().sight().borrow().clone();
        for (host, counts) in sight.hosts.iter().zip(one.database().counts()) {
            let labels = [("database", one.name()), ("node", &*host.name)];
            metric.int(&labels, of(counts).load(Ordering::Relaxed));
        }
    }
}
