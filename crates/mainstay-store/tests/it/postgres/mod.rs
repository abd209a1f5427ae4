//! The store in PostgreSQL.

mod admin;
mod faults;
mod fencing;
mod kit;
mod load;
mod tls;
mod versions;

pub(crate) use kit::Kit;
