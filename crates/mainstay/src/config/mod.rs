//! From what an operator typed to what the program runs.
//!
//! A file is TOML, an nginx.conf or a node.conf of Corda. Its reader turns it into [`typed::Config`] and puts every fault it finds into a
//! [`fault::Report`], going on wherever it can, so that an operator sees all of them at once.

pub mod check;
mod convert;
pub mod corda;
pub mod databases;
mod defaults;
mod defs;
pub mod docs;
pub mod fault;
pub mod hocon;
pub mod import;
pub mod leases;
mod load;
pub mod map;
pub mod nginx;
pub mod print;
pub mod process;
pub mod read;
pub mod source;
pub mod typed;
pub mod units;

pub use self::convert::admin_address;
pub use self::load::{Loaded, load, load_text, read_file, read_text};
