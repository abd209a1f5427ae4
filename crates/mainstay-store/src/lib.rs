//! Where leases are kept, and how the previous holder of one is fenced.
//!
//! *Does* one request of [`mainstay_core::lease::Request`] as one atomic step in a database, or says that it does not
//! know whether it did ([`Store::ask`]); runs the lease's state machine over a store ([`keeper`]); and finds the primary of a
//! database that nodes write to ([`Database`]). *Never* decides who
//! may hold a lease (that is `mainstay-core`), never tries a request a second time on its own account, never touches what
//! is not Mainstay's in a user's database, and never shows a password.
//!
//! Read first: [`Store`], [`Location`], [`open`].

mod admin;
mod file;
mod grant;
mod history;
pub mod keeper;
mod location;
mod postgres;
mod presence;
mod semantics;
mod settings;
mod sqlite;
mod store;
mod words;

use std::sync::Arc;

pub use admin::{AdminFault, Check, Finding, LeasePlan, check, init, init_script};
pub use file::FileFault;
pub use grant::{Credential, Grant, Secret};
pub use history::Entry;
pub use keeper::Keeper;
pub use location::{Location, LocationFault};
pub use mainstay_core::lease::Hint;
pub use postgres::{Database, DatabaseSettings, HostAddress, HostCounts, HostSight, Sight, Url};
pub use presence::Presence;
pub use semantics::apply;
pub use settings::{LeaseSettings, Settings};
pub use store::{Asking, Store, Tier};

/// Opens the store of these settings, within a tokio runtime.
///
/// # Errors
/// When it can never work as it is: the file cannot be made or used. A database that is away is no error: its store
/// answers each request with [`mainstay_core::lease::Failure`] until it is back.
pub fn open(settings: &Settings) -> Result<Arc<dyn Store>, FileFault> {
    match &settings.at {
        Location::Sqlite(path) => Ok(Arc::new(sqlite::Sqlite::open(path, settings)?)),
        Location::Postgres(url) => Ok(Arc::new(postgres::Postgres::open(url, settings)?)),
    }
}
