//! The exhaustive check of the full design and of each broken variant of the table in the protocol's design.

use std::time::Duration;

use mainstay_core::lease::Safety;

use crate::audit::Property;
use crate::clock::ms;
use crate::database::Check;
use crate::exhaustive::{Small, explore};
use crate::setup::{Setup, Watch};

/// Which of the two is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paused {
    Guard,
    Machine,
}

fn setup(synchronous: bool) -> Setup {
    let mut setup = Setup::full(2, synchronous);
    setup.terms.frozen = Some(Duration::from_secs(1));
    setup.terms.ready_within = None;
    setup
}

/// A pause and so many messages held back.
fn pause(setup: Setup, paused: Paused, holds: u8) -> Small {
    Small { setup, machine_pauses: paused == Paused::Machine, promotes: false, holds, horizon: ms(6_000) }
}

/// A pause and a promotion.
fn promotion(setup: Setup, paused: Paused, holds: u8) -> Small {
    let horizon = if holds == 0 { ms(6_500) } else { ms(3_000) };
    Small { setup, machine_pauses: paused == Paused::Machine, promotes: true, holds, horizon }
}

/// Expects that this property breaks, or with `None` that all that is promised holds.
fn check(name: &str, mut small: Small, breaks: Option<Property>) {
    let start = std::time::Instant::now();
    if let Some(property) = breaks {
        small.setup.watch = Watch::Only(property);
    }
    let found = explore(&small);
    let took = start.elapsed();
    match &found.broken {
        Some(broken) => println!("{name}: after {} states in {took:.1?}: {broken}", found.states),
        None => println!("{name}: holds in all {} states, in {took:.1?}", found.states),
    }
    let broken = found.broken.as_ref().map(|broken| broken.property);
    if broken != breaks {
        found.path.iter().for_each(|line| println!("{line}"));
    }
    assert_eq!(broken, breaks, "{name}");
    let missing: Vec<_> = REACHED.iter().filter(|name| !found.seen.contains_key(**name)).collect();
    assert!(breaks.is_some() || missing.is_empty(), "{name} never reached {missing:?}");
}

/// One property that is expected to hold, whatever else does not.
fn check_holds(name: &str, mut small: Small, property: Property) {
    small.setup.watch = Watch::Only(property);
    let found = explore(&small);
    found.path.iter().for_each(|line| println!("{line}"));
    assert_eq!(found.broken, None, "{name}");
    println!("{name}: {property:?} holds in all {} states", found.states);
}

#[test]
fn the_full_design_holds() {
    for paused in [Paused::Guard, Paused::Machine] {
        check(&format!("full, {paused:?} paused"), pause(setup(false), paused, 1), None);
        for synchronous in [false, true] {
            let named =
                |holds| format!("full, synchronous {synchronous}, {paused:?} paused, promotion, {holds} held back");
            check(&named(0), promotion(setup(synchronous), paused, 0), None);
        }
        check(&format!("full, {paused:?} paused, promotion, 1 held back"), promotion(setup(false), paused, 1), None);
    }
}

#[test]
fn naive() {
    let naive = || Setup { fenced: false, check: Check::Direct, safety: Safety::all().without_fence(), ..setup(true) };
    check("naive + SIGSTOP", pause(naive(), Paused::Guard, 1), Some(Property::NoStaleWrite));
    check_holds("naive + SIGSTOP", pause(naive(), Paused::Guard, 0), Property::OneRuns);
    check("naive + VM pause", pause(naive(), Paused::Machine, 1), Some(Property::NoStaleWrite));
    check("naive + VM pause", pause(naive(), Paused::Machine, 0), Some(Property::OneRunsAfterPause));
}

#[test]
fn plain_epoch_without_quarantine() {
    let safety = Safety::all().with_plain_epoch().without_quarantine();
    let plain = || Setup { safety, plain_token: true, ..setup(false) };
    check("plain epoch, no quarantine", promotion(plain(), Paused::Guard, 0), Some(Property::TokenGrows));
    check("plain epoch, no quarantine", promotion(plain(), Paused::Guard, 0), Some(Property::OneRuns));
    check_holds("plain epoch, no quarantine", promotion(plain(), Paused::Guard, 0), Property::NoStaleWrite);
}

#[test]
fn connect_check_on_the_nonce_alone() {
    let nonce = || Setup { check: Check::Nonce, ..setup(false) };
    check("nonce alone", promotion(nonce(), Paused::Guard, 0), Some(Property::NoOldMemory));
    check_holds("nonce alone", promotion(nonce(), Paused::Guard, 0), Property::OneRuns);
    check_holds("nonce alone", promotion(nonce(), Paused::Guard, 0), Property::TokenGrows);
}

#[test]
fn tenure_carried_across_a_history() {
    let carried = || Setup { safety: Safety::all().with_tenure_carried(), ..setup(false) };
    check("tenure carried", promotion(carried(), Paused::Machine, 0), Some(Property::NoOldMemory));
    check("tenure carried", promotion(carried(), Paused::Machine, 0), Some(Property::OneRunsAfterPause));
}

#[test]
fn a_pause_of_a_machine_alone_breaks_what_no_clock_can_keep() {
    check("full + VM pause", promotion(setup(false), Paused::Machine, 0), Some(Property::OneRunsAfterPause));
    check_holds("full + SIGSTOP", promotion(setup(false), Paused::Guard, 0), Property::OneRunsAfterPause);
}

/// What each check of the full design must have reached.
const REACHED: &[&str] = &["acquired: run out", "activated", "fenced", "standing: frozen", "thawed", "write taken"];
