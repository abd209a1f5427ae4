//! Members as their records tell of them, for whoever begins beside them.

use std::time::Duration;

use mainstay_core::lease::{Name, Nonce, Stamp};

/// A member's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The member's name.
    pub name: Name,
    /// Its instance.
    pub instance: Nonce,
    /// Where its program runs, as [`crate::Settings::place`] said there; empty when it did not say.
    pub place: Name,
    /// It wrote last that it holds the lease.
    pub holds: bool,
    /// When it wrote last, by the store's clock: exactly as written, so that two of them are the same or are two writes.
    pub seen: Stamp,
    /// How long ago that was.
    pub age: Duration,
}
