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
    /// How long the previous holder drained and stopped its child for it, where it did.
    pub(crate) parting: Option<Duration>,
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
            parting: first("given").and_then(|entry| parting(&entry.text)),
            steps: first("ready").map(|entry| entry.text.to_string()),
            count: entries.iter().filter(|entry| &*entry.what == "activated").count(),
        }
    }
}

/// The two times in the sentence with which a lease is given up.
fn parting(text: &str) -> Option<Duration> {
    let (drained, stopped) = text.split_once("drained in ")?.1.split_once(", stopped in ")?;
    Some(span(drained)? + span(stopped)?)
}

/// Below two minutes.
fn span(text: &str) -> Option<Duration> {
    if text == "under 0.1 ms" {
        return Some(Duration::ZERO);
    }
    let (number, unit) = text.split_once(' ')?;
    let seconds = number.parse::<f64>().ok()? * if unit == "ms" { 0.001 } else { 1.0 };
    Duration::try_from_secs_f64(seconds).ok().filter(|_| matches!(unit, "ms" | "s"))
}

#[cfg(test)]
mod tests {
    use mainstay_core::lease::Happening;

    use super::*;

    #[test]
    fn what_a_holder_says_in_parting_is_understood() {
        for (drain, stop) in [(0, 0), (0, 74), (6_300, 74_000), (1_500_000, 12_000_000)] {
            let (drain, stop) = (Duration::from_micros(drain), Duration::from_micros(stop));
            let told = Happening::Given { next: None, drain, stop }.to_string();
            let off = parting(&told).unwrap().abs_diff(drain + stop);
            assert!(off <= Duration::from_millis(1), "{told}");
        }
        assert_eq!(parting("gave the lease up"), None);
    }
}
