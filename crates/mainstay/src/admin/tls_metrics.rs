//! What `/metrics` and `/status` say of TLS.

use std::collections::BTreeSet;

use mainstay_proxy::counters::Reading;
use mainstay_proxy::params::Plan;
use mainstay_tls::{Refusal, seconds_now};

use super::document::Ending;
use super::text::Text;

/// Handshakes, and what ends on a day.
pub(super) fn render(text: &mut Text, plan: &Plan, reading: &Reading) {
    clients(text, reading);
    nodes(text, reading);
    files(text, plan);
}

/// What ends on a day, each once, the first to end at the top.
pub(super) fn endings(plan: &Plan) -> Vec<Ending> {
    let now = seconds_now();
    let mut endings: Vec<Ending> = Vec::new();
    for used in plan.tls() {
        for shown in used.shown() {
            let ending = Ending {
                name: used.name().to_string(),
                subject: shown.subject.clone(),
                file: shown.path.display().to_string(),
                days_left: (shown.not_after - now).div_euclid(DAY),
                hours_left: Some((shown.not_after - now).div_euclid(HOUR)),
                behind: used.is_behind(),
                bad_files: used.bad_files().iter().map(|file| file.display().to_string()).collect(),
            };
            if !endings.contains(&ending) {
                endings.push(ending);
            }
        }
    }
    endings.sort_by(|one, other| one.hours_left.cmp(&other.hours_left).then_with(|| one.name.cmp(&other.name)));
    endings
}

fn clients(text: &mut Text, reading: &Reading) {
    let help = "TLS handshakes that clients got through.";
    let mut shaken = text.counter("mainstay_listener_handshakes_total", help);
    reading.listeners.iter().for_each(|(name, one)| shaken.int(&[("listener", name)], one.handshakes.get()));
    let help = "TLS handshakes of clients that went on with an earlier session.";
    let mut resumed = text.counter("mainstay_listener_handshakes_resumed_total", help);
    reading.listeners.iter().for_each(|(name, one)| resumed.int(&[("listener", name)], one.resumed.get()));
    let help = "TLS handshakes of clients that came to nothing, by why.";
    let mut failed = text.counter("mainstay_listener_handshakes_failed_total", help);
    for (name, one) in &reading.listeners {
        for kind in Refusal::ALL {
            failed.int(&[("listener", name), ("reason", kind.name())], one.handshakes_failed.get(*kind));
        }
    }
    let help = "Time for a client's TLS handshake.";
    let mut took = text.histogram("mainstay_listener_handshake_duration_seconds", help);
    reading.listeners.iter().for_each(|(name, one)| took.durations(&[("listener", name)], &one.handshake.read()));
}

fn nodes(text: &mut Text, reading: &Reading) {
    let help = "TLS handshakes with the node that went on with an earlier session.";
    let mut resumed = text.counter("mainstay_node_handshakes_resumed_total", help);
    for ((pool, node), one) in &reading.nodes {
        resumed.int(&[("pool", pool), ("node", node)], one.resumed.get());
    }
    let help = "TLS handshakes with the node that came to nothing, by why.";
    let mut failed = text.counter("mainstay_node_handshakes_failed_total", help);
    for ((pool, node), one) in &reading.nodes {
        for kind in Refusal::ALL {
            let labels = [("pool", &**pool), ("node", &**node), ("reason", kind.name())];
            failed.int(&labels, one.handshakes_failed.get(*kind));
        }
    }
}

fn files(text: &mut Text, plan: &Plan) {
    let used = plan.tls();
    if used.is_empty() {
        return;
    }
    let now = seconds_now();
    let help = "Seconds until a certificate, anchor or revocation list ends; negative once it has.";
    let mut left = text.gauge("mainstay_tls_expires_in_seconds", help);
    let mut told = BTreeSet::new();
    for one in &used {
        for shown in one.shown() {
            let file = shown.path.display().to_string();
            if told.insert((one.name().to_string(), file.clone(), shown.subject.clone())) {
                let labels = [("tls", &**one.name()), ("file", &file), ("subject", &shown.subject)];
                left.float(&labels, (shown.not_after - now) as f64);
            }
        }
    }
    // One table may be read for several listeners and pools.
    let names: BTreeSet<_> = used.iter().map(|one| one.name().clone()).collect();
    let sum = |name: &str, of: &dyn Fn(&mainstay_proxy::certificates::Used) -> u64| -> u64 {
        used.iter().filter(|one| **one.name() == *name).map(of).sum()
    };
    let help = "Whether the files hold something that is not good, so that what was read before is used.";
    let mut behind = text.gauge("mainstay_tls_behind", help);
    names.iter().for_each(|name| {
        behind.int(&[("tls", name)], u64::from(sum(name, &|one| u64::from(one.is_behind())) > 0));
    });
    let mut taken = text.counter("mainstay_tls_reloads_total", "Changes of the files that were taken up.");
    names.iter().for_each(|name| taken.int(&[("tls", name)], sum(name, &|one| one.exchanges().0)));
    let help = "Changes of the files that were refused because they are not good.";
    let mut refused = text.counter("mainstay_tls_reloads_refused_total", help);
    names.iter().for_each(|name| refused.int(&[("tls", name)], sum(name, &|one| one.exchanges().1)));
}

/// Seconds of an hour.
const HOUR: i64 = 3_600;
/// Seconds of a day.
const DAY: i64 = 86_400;
