use super::Candidate;

/// In turn, by weight, smoothly mixed: weights 3 and 1 give `a a b a`, never `a a a b`.
///
/// Each pick credits every eligible node with its weight and takes the node with the most credit, which then pays
/// what all were credited. So over as many picks as the weights add up to, every node gets exactly its weight, and
/// at no time is a node more than one pick away from its due. Random choice would need neither state nor turns, but
/// leaves a node idle or doubly busy for a while by chance, which with two nodes is what operators notice.
#[derive(Clone, Debug)]
pub struct Spread {
    credit: Vec<i64>,
    first: usize,
}

impl Spread {
    /// For a pool of `nodes` nodes. Nodes of equal credit are taken in order from the node at `offset` on (modulo
    /// `nodes`); give each worker another one, so that they do not all begin with the same node.
    #[must_use]
    pub fn new(nodes: usize, offset: usize) -> Self {
        Self { credit: vec![0; nodes], first: offset.checked_rem(nodes).unwrap_or(0) }
    }

    /// The next node; `None` when none is eligible.
    pub fn pick(&mut self, candidates: &[Candidate]) -> Option<usize> {
        self.pick_among(candidates, |_| true)
    }

    /// The next one of those nodes that `among` lets through.
    pub(super) fn pick_among(&mut self, candidates: &[Candidate], among: impl Fn(&Candidate) -> bool) -> Option<usize> {
        let nodes = candidates.len();
        if self.credit.len() != nodes {
            self.credit.resize(nodes, 0);
        }
        let first = self.first.min(nodes);
        let mut total = 0i64;
        let mut best: Option<(usize, i64)> = None;
        for index in (first..nodes).chain(0..first) {
            let (Some(candidate), Some(credit)) = (candidates.get(index), self.credit.get_mut(index)) else { continue };
            if !candidate.eligible() || !among(candidate) {
                continue;
            }
            let weight = i64::from(candidate.weight);
            total = total.saturating_add(weight);
            *credit = credit.saturating_add(weight);
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((index, *credit));
            }
        }
        let (index, _) = best?;
        if let Some(credit) = self.credit.get_mut(index) {
            *credit = credit.saturating_sub(total);
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates(weights: &[u32]) -> Vec<Candidate> {
        weights.iter().map(|&weight| Candidate { weight, in_flight: 0 }).collect()
    }

    fn check(weights: &[u32], offset: usize, expect: &str) {
        let nodes = candidates(weights);
        let mut spread = Spread::new(nodes.len(), offset);
        let picked: String =
            (0..expect.len()).map(|_| spread.pick(&nodes).map_or('-', |i| char::from(b'a' + i as u8))).collect();
        assert_eq!(picked, expect, "weights {weights:?}, offset {offset}");
    }

    #[test]
    fn picks_in_turn_by_weight() {
        check(&[1, 1], 0, "abab");
        check(&[1, 1], 1, "baba");
        check(&[1, 1, 1], 5, "cabcab");
        check(&[3, 1], 0, "aabaaaba");
        check(&[5, 1, 1], 0, "aabacaa");
        check(&[0, 1, 1], 0, "bcbc");
        check(&[0, 0], 0, "--");
        check(&[], 0, "-");
        check(&[u32::MAX, u32::MAX], 7, "baba");
    }

    #[test]
    fn follows_a_pool_that_changes_its_size() {
        let mut spread = Spread::new(3, 2);
        assert_eq!(spread.pick(&candidates(&[1, 1, 1])), Some(2));
        assert_eq!(spread.pick(&candidates(&[1])), Some(0));
        assert!(spread.pick(&candidates(&[1, 1, 1, 1])).is_some());
    }

    proptest! {
        #[test]
        fn gives_every_node_exactly_its_weight(weights in prop::collection::vec(0u32..40, 1..8), offset in 0usize..8) {
            let nodes = candidates(&weights);
            let mut spread = Spread::new(nodes.len(), offset);
            let total: u32 = weights.iter().sum();
            for _ in 0..2 {
                let mut picked = vec![0u32; weights.len()];
                for _ in 0..total {
                    picked[spread.pick(&nodes).unwrap()] += 1;
                }
                prop_assert_eq!(&picked, &weights);
            }
        }

        #[test]
        fn never_picks_what_is_not_eligible_whatever_changes(
            rounds in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0), 1u32..4, Just(u32::MAX)], 4), 1..60),
        ) {
            let mut spread = Spread::new(4, 0);
            for weights in rounds {
                match spread.pick(&candidates(&weights)) {
                    Some(index) => prop_assert!(weights[index] > 0),
                    None => prop_assert!(weights.iter().all(|&w| w == 0)),
                }
            }
        }
    }
}
