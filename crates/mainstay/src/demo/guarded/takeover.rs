//! How a lease changed hands, as its history tells.

use std::time::{Duration, SystemTime};

use super::Set;

/// What happened to the lease since a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Takeover {
    /// How long after that moment a successor was fenced and active.
    pub(crate) active: Option<Duration>,
    /// The same until its node was ready.
    pub(crate) ready: Option<Duration>,
    /// What the successor said of its steps.
    pub(crate) steps: Option<String>,
    /// How often the lease changed hands.
    pub(crate) count: usize,
}

impl Takeover {
    /// Of everything since `at`.
    pub(crate) async fn since(set: &Set, at: SystemTime) -> Self {
        let entries = set.since(at).await;
        let first = |what: &str| entries.iter().find(|entry| *entry.what == *what);
        let after = |entry: &mainstay_store::Entry| entry.at.duration_since(at).unwrap_or_default();
        Self {
            active: first("activated").map(after),
            ready: first("ready").map(after),
            steps: first("ready").map(|entry| entry.text.to_string()),
            count: entries.iter().filter(|entry| &*entry.what == "activated").count(),
        }
    }
}
