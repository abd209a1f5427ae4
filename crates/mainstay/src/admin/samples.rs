//! What the last seconds were like: readings of the counters, one a second.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_proxy::counters::{Durations, Reading};

use super::document::Lately;

/// The last readings, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Sample>);

/// The counters at one moment, as far as rates and quantiles need them.
#[derive(Debug)]
pub(super) struct Sample {
    at: Moment,
    listeners: BTreeMap<Arc<str>, Total>,
    nodes: BTreeMap<(Arc<str>, Arc<str>), Total>,
    ticks: Vec<u64>,
}

#[derive(Debug, Default)]
struct Total {
    requests: u64,
    took: Durations,
}

impl Samples {
    /// Adds a reading and forgets the one that is too old.
    pub(super) fn add(&mut self, sample: Sample) {
        if self.0.len() > SPAN {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// When the last one was taken.
    pub(super) fn last(&self) -> Option<Moment> {
        self.0.back().map(|sample| sample.at)
    }

    /// A listener's last seconds.
    pub(super) fn listener(&self, now: &Sample, name: &str) -> Lately {
        self.lately(now, |sample| sample.listeners.get(name))
    }

    /// A node's last seconds.
    pub(super) fn node(&self, now: &Sample, pool: &Arc<str>, node: &Arc<str>) -> Lately {
        let key = (pool.clone(), node.clone());
        self.lately(now, |sample| sample.nodes.get(&key))
    }

    /// Workers (by their position) whose timer did not turn for as long as samples go back.
    pub(super) fn stuck(&self) -> Vec<usize> {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return Vec::new() };
        if last.at.since(first.at) < STUCK_AFTER {
            return Vec::new();
        }
        let pairs = first.ticks.iter().zip(&last.ticks).enumerate();
        pairs.filter(|(_, (before, after))| before == after).map(|(worker, _)| worker).collect()
    }

    fn lately<'a>(&'a self, now: &'a Sample, pick: impl Fn(&'a Sample) -> Option<&'a Total>) -> Lately {
        let (Some(first), Some(after)) = (self.0.front(), pick(now)) else { return Lately::default() };
        let nothing = Total::default();
        let before = pick(first).unwrap_or(&nothing);
        let span = now.at.since(first.at).as_secs_f64();
        let took = after.took.since(&before.took);
        let millis = |share| took.quantile(share).map(|took| took.as_secs_f64() * 1e3);
        #[expect(clippy::cast_precision_loss, reason = "requests of ten seconds are fewer than 2^52")]
        let requests = after.requests.saturating_sub(before.requests) as f64;
        let rps = if span > 0.0 { requests / span } else { 0.0 };
        Lately { rps: (rps * 10.0).round() / 10.0, p50_ms: millis(0.5), p99_ms: millis(0.99) }
    }
}

impl Sample {
    pub(super) fn of(at: Moment, reading: &Reading, ticks: Vec<u64>) -> Self {
        let listeners = reading
            .listeners
            .iter()
            .map(|(name, one)| (name.clone(), Total { requests: one.requests.get(), took: one.duration.read() }));
        let nodes = reading
            .nodes
            .iter()
            .map(|(name, one)| (name.clone(), Total { requests: one.requests.get(), took: one.first_byte.read() }));
        Self { at, listeners: listeners.collect(), nodes: nodes.collect(), ticks }
    }
}

/// How far samples go back: so many times [`EVERY`].
const SPAN: usize = 10;

/// Time from one sample to the next.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// A worker whose timer does not turn for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use mainstay_proxy::counters::Registry;

    use super::*;

    #[test]
    fn rates_and_quantiles_are_those_of_the_last_seconds() {
        let registry = Registry::default();
        let name: Arc<str> = "tm".into();
        let counters = registry.listener(0, &name);
        let mut samples = Samples::default();
        let request = |took: u64| {
            counters.requests.one();
            counters.duration.record(Duration::from_millis(took));
        };
        for second in 0..30 {
            samples.add(Sample::of(Moment::from_millis(second * 1000), &registry.read(), vec![second, 0]));
            (0..50).for_each(|_| request(if second < 15 { 4000 } else { 2 }));
        }
        let now = Sample::of(Moment::from_millis(30_000), &registry.read(), vec![30, 0]);
        let lately = samples.listener(&now, "tm");
        assert!((lately.rps - 50.0).abs() < 0.1, "{lately:?}");
        let [p50, p99] = [lately.p50_ms, lately.p99_ms].map(Option::unwrap);
        assert!((2.0..2.6).contains(&p50) && (2.0..2.6).contains(&p99), "{lately:?}");
        assert_eq!(samples.listener(&now, "another"), Lately::default());
        assert_eq!(samples.stuck(), [1]);
        assert_eq!(samples.last(), Some(Moment::from_millis(29_000)));
    }
}
