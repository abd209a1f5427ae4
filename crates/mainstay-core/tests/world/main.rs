//! The proof of the lease protocol: the real machines in a world of guards, children, networks and databases that fail.
//!
//! By chance ([`chance`]): many schedules of faults, each from a seed. Exhaustively ([`exhaustive`]): every order of
//! events of a small world. Both must also find what breaks when one safety measure is taken away ([`variants`]).
//! `docs/lease-proof.md` says what is modelled and how to repeat a schedule.

#![expect(clippy::expect_used, reason = "the helpers of tests may end them")]

mod audit;
mod chance;
mod child;
mod clock;
mod coverage;
mod database;
mod drive;
mod exhaustive;
mod fault;
mod guard;
mod lock;
mod plan;
mod rng;
mod setup;
mod small;
mod step;
mod variants;
mod world;

/// For people.
fn seconds(instant: clock::Instant) -> f64 {
    std::time::Duration::from_nanos(instant).as_secs_f64()
}
