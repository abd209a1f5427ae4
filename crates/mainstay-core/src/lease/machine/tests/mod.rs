//! The machine, played through scripts.

mod lost;
mod members;
mod model;
mod operators;
mod promotion;
mod renewals;
mod rig;
mod switchover;
mod takeover;
