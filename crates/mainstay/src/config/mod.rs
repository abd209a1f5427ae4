//! From what an operator typed to what the program runs.
//!
//! A file is TOML or an nginx.conf. Its reader turns it into [`typed::Config`] and puts every fault it finds into a
//! [`fault::Report`], going on wherever it can, so that an operator sees all of them at once.

mod defaults;
mod defs;
pub mod fault;
pub mod import;
pub mod nginx;
pub mod print;
pub mod read;
pub mod source;
pub mod typed;
pub mod units;
