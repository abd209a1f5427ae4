//! What the process does beside its front: the databases it watches for listeners that lead to them.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_store::Url;

/// A database that a listener leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// What its pool follows; see [`mainstay_proxy::params::Policy::Writable`].
    pub name: String,
    /// Its hosts, and as whom they are asked.
    pub url: Url,
    /// File with that user's password.
    pub password_file: Option<PathBuf>,
    /// File of certificates that the hosts' own are signed by.
    pub ca: Option<PathBuf>,
    /// How often each host is asked.
    pub every: Duration,
    /// Longest time for an answer.
    pub timeout: Duration,
    /// The lease in whose tenures it can be reached; `None`: always.
    pub lease: Option<String>,
}
