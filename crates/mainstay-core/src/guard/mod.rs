//! What is done with a guarded child, given what its lease allows, how the child is, and the time.
//!
//! At most one *run* exists at a time: a command with all of its processes, be it the child itself or one of its hooks.
//! The machine follows the level of a [`Standing`](crate::lease::Standing), not its edges: whatever was missed before,
//! the last one says it all.
//!
//! A successor that is started before its tenure and held at a gate would be one more [`Job`], that has no tenure and
//! becomes the child of one.

mod event;
mod machine;
mod restart;
mod rules;
mod running;
#[cfg(test)]
mod tests;
mod wellness;

pub use event::{Action, Ending, Event, Job, Permit};
pub use machine::Machine;
pub use restart::{Restart, RestartRule};
pub use rules::{Finish, Rules};
pub use wellness::{Finding, HandOver, Wellness, WellnessRule};
