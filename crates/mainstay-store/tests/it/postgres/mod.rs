//! The store in PostgreSQL.

mod admin;
mod database;
mod faults;
mod fencing;
mod kit;
mod load;
mod tls;
mod versions;

pub(crate) use kit::Kit;
