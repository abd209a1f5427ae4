//! Connection limits shared by all workers. The only state they share on the request path, and only where a limit is
//! configured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::line::Line;

/// Counts the connections in use against a limit.
#[derive(Debug)]
pub(crate) struct Limit {
    max: u32,
    used: AtomicU32,
}

/// A connection counted against up to two limits, its pool's and its node's; given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    pool: Option<Arc<Limit>>,
    node: Option<Arc<Limit>>,
}

impl Limit {
    fn take(&self) -> bool {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| (used < self.max).then_some(used + 1))
            .is_ok()
    }

    /// Whether none is left.
    pub(crate) fn is_full(&self) -> bool {
        self.used.load(Ordering::Acquire) >= self.max
    }

    fn give_back(&self) {
        self.used.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Permit {
    /// Takes one of each limit that is there; `None` when one of them is used up.
    pub(crate) fn take(pool: Option<&Arc<Limit>>, node: Option<&Arc<Limit>>) -> Option<Self> {
        let mut permit = Self::default();
        for (limit, place) in [(pool, &mut permit.pool), (node, &mut permit.node)] {
            if let Some(limit) = limit {
                if !limit.take() {
                    return None;
                }
                *place = Some(Arc::clone(limit));
            }
        }
        Some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for limit in [self.pool.take(), self.node.take()].into_iter().flatten() {
            limit.give_back();
        }
    }
}

/// Limits and lines by name, so that every worker and every plan counts on the same one while its size stays the same.
#[derive(Debug)]
pub(crate) struct Limits {
    limits: Mutex<HashMap<(String, u32), Arc<Limit>>>,
    lines: Mutex<HashMap<String, Arc<Line>>>,
    bells: Arc<[Notify]>,
}

impl Limits {
    /// Limits that so many workers share.
    pub(crate) fn new(workers: usize) -> Self {
        let bells = (0..workers).map(|_| Notify::new()).collect();
        Self { limits: Mutex::default(), lines: Mutex::default(), bells }
    }

    /// The line of the pool called `name`.
    pub(super) fn line(&self, name: &str) -> Arc<Line> {
        // Whole between any two of its changes, as the other map.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        Arc::clone(lines.entry(name.to_owned()).or_insert_with(|| Arc::new(Line::new(&self.bells))))
    }

    /// Ready when another worker says that this one may have somebody whose turn it is.
    pub(crate) async fn rung(&self, worker: usize) {
        match self.bells.get(worker) {
            Some(bell) => bell.notified().await,
            None => std::future::pending().await,
        }
    }

    /// The limit called `name`, if `max` asks for one.
    pub(crate) fn get(&self, name: &str, max: Option<u32>) -> Option<Arc<Limit>> {
        let max = max?;
        // The map is only ever inserted into, so a poisoned lock still guards a whole map.
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.retain(|_, limit| Arc::strong_count(limit) > 1);
        let limit =
            limits.entry((name.to_owned(), max)).or_insert_with(|| Arc::new(Limit { max, used: AtomicU32::new(0) }));
        Some(Arc::clone(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_takes_both_or_none_and_gives_back() {
        let limits = Limits::new(1);
        let (pool, node) = (limits.get("p", Some(2)), limits.get("p/n", Some(1)));
        let first = Permit::take(pool.as_ref(), node.as_ref());
        assert!(first.is_some());
        assert!(Permit::take(pool.as_ref(), node.as_ref()).is_none(), "the node's limit is 1");
        let other = Permit::take(pool.as_ref(), None);
        assert!(other.is_some(), "the refused permit gave the pool's share back");
        assert!(Permit::take(limits.get("p", Some(2)).as_ref(), None).is_none(), "same name, same limit");
        drop(first);
        assert!(Permit::take(pool.as_ref(), node.as_ref()).is_some());
        assert!(limits.get("q", None).is_none());
    }
}
