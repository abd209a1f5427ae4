use super::{Candidate, Spread};

/// The node with the fewest requests in flight relative to its weight; those that are equal take turns as in
/// [`Spread`], so that an idle pool does not send everything to its first node.
#[derive(Clone, Debug)]
pub struct Least {
    turns: Spread,
}

impl Least {
    /// For a pool of `nodes` nodes; `offset` as in [`Spread::new`].
    #[must_use]
    pub fn new(nodes: usize, offset: usize) -> Self {
        Self { turns: Spread::new(nodes, offset) }
    }

    /// The next node; `None` when none is eligible.
    pub fn pick(&mut self, candidates: &[Candidate]) -> Option<usize> {
        let least = candidates.iter().filter(|c| c.eligible()).min_by(|a, b| load(a, b).cmp(&load(b, a)))?;
        self.turns.pick_among(candidates, |candidate| load(candidate, least) == load(least, candidate))
    }
}

/// The load of `a` on a scale it shares with `b`: the two ratios brought to a common denominator, so that nothing is
/// rounded. 64 bits hold the product of any two 32-bit numbers.
fn load(a: &Candidate, b: &Candidate) -> u64 {
    u64::from(a.in_flight) * u64::from(b.weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nodes: &[(u32, u32)], expect: &[Option<usize>]) {
        let nodes: Vec<_> = nodes.iter().map(|&(weight, in_flight)| Candidate { weight, in_flight }).collect();
        let mut least = Least::new(nodes.len(), 0);
        let picked: Vec<_> = expect.iter().map(|_| least.pick(&nodes)).collect();
        assert_eq!(picked, expect, "{nodes:?}");
    }

    #[test]
    fn picks_the_least_busy_for_its_weight() {
        check(&[(1, 2), (1, 1)], &[Some(1), Some(1)]);
        check(&[(3, 2), (1, 1)], &[Some(0), Some(0)]);
        check(&[(1, 0), (1, 0)], &[Some(0), Some(1), Some(0)]);
        check(&[(2, 2), (1, 1), (1, 9)], &[Some(0), Some(1), Some(0), Some(0)]);
        check(&[(0, 0), (1, 5)], &[Some(1)]);
        check(&[(0, 0), (0, 0)], &[None]);
        check(&[], &[None]);
        check(&[(u32::MAX, u32::MAX), (1, 2), (u32::MAX, u32::MAX - 1)], &[Some(2)]);
    }
}
