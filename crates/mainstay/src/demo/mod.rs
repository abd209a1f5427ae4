//! `mainstay demo`: the whole thing on this machine in under a minute, and the processes it is made of.

mod leash;
pub mod load;
mod node;
pub mod stage;

pub use leash::{Args as LeashArgs, run as leash};
pub use node::{Args as NodeArgs, run as model_node};
