//! What a store is opened with.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_core::lease::Name;

use crate::{Location, Secret};

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub at: Location,
    /// The password to log in to the store with, when it is not in the URL.
    pub password: Option<Secret>,
    /// Certificates (PEM) that the database's own is to be signed by.
    pub ca: Option<PathBuf>,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Where this program runs, as its members' records are to say; for people, and to tell own processes from others.
    pub place: Name,
    /// What is known of each lease. One that is missing has no roles.
    pub leases: HashMap<Name, LeaseSettings>,
}

impl Settings {
    /// Settings without anything that is optional.
    #[must_use]
    pub fn new(at: Location) -> Self {
        Self { at, password: None, ca: None, timeout: Self::TIMEOUT, place: "".into(), leases: HashMap::new() }
    }

    /// The time limit of a request, unless said otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(1);
}

/// What a store must know of a lease to fence its holders. All of it is about PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The login role of this program's own child; `None` in a program that guards nothing.
    pub role: Option<Name>,
    /// The role that owns what the children create.
    pub group: Option<Name>,
    /// The database the children work in; the store's own unless said.
    pub database: Option<Name>,
}
