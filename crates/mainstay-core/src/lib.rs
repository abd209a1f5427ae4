//! Every decision Mainstay takes over time: is a node well, which node is next, may this request be repeated.
//!
//! *Decides* from facts it is handed. *Never* reads a clock, opens a socket, spawns a task, takes a lock or
//! writes a log: `now` is an argument, answers are data. That is what lets the tests run years in a second.
//!
//! Read first: [`Health`], [`balance`], [`retry::decide`].

pub mod balance;
mod budget;
pub mod database;
mod doubt;
mod ejection;
pub mod guard;
mod health;
pub mod lease;
mod moment;
pub mod retry;
mod span;

pub use budget::{Budget, Granted};
pub use doubt::{Doubt, DoubtRule};
pub use ejection::{EjectRule, Ejected, Ejection, Others};
pub use health::{CheckResult, Health, HealthRule, MOST_CONTRADICTED, Transition, Verdict};
pub use moment::Moment;
pub use span::Span;
