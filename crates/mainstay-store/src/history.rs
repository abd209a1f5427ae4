//! What happened to leases, for `mainstay history`.

use std::time::SystemTime;

use mainstay_core::lease::Name;

/// Something that happened to a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, by the wall clock of whoever wrote it: for people only.
    pub at: SystemTime,
    /// To which lease.
    pub lease: Name,
    /// Who wrote it.
    pub by: Name,
    /// The number of the tenure it belongs to.
    pub epoch: u64,
    /// What it was, in one word: `acquired`, `fenced`.
    pub what: Name,
    /// The rest, as a sentence.
    pub text: Name,
}

impl Entry {
    /// How many are kept of each lease.
    pub const KEPT: u32 = 10_000;
}
