//! Which node is next: pickers over slices of candidates, each returning an index and none of them allocating.

mod hash;
mod least;
mod primary;
mod slow_start;
mod spread;

pub use hash::{hash64, pick_by_hash};
pub use least::Least;
pub use primary::{Failback, Primary};
pub use slow_start::{SCALE, warm_weight};
pub use spread::Spread;

/// A node as a picker sees it. A picker is handed all nodes of a pool in their order, so that an index means a node;
/// those that must not be picked (out, or already tried for this request) have weight 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Share of traffic relative to the others; 0: not eligible. See [`warm_weight`] for slow start.
    pub weight: u32,
    /// Requests (or sessions) it is busy with; only [`Least`] looks at it.
    pub in_flight: u32,
}

impl Candidate {
    const fn eligible(self) -> bool {
        self.weight > 0
    }
}
