//! Setting a store in PostgreSQL up, and looking whether it is fit.

mod check;
mod init;
pub(super) mod pooler;

pub(crate) use check::check;
pub(crate) use init::{init, script};
