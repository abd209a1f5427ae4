use super::Candidate;

/// The hash that decides where keys go, for keys and for node names alike. It is part of what Mainstay promises
/// (two fronts side by side must agree, also across versions), so it never changes: FNV-1a with 64 bits over the
/// bytes, then the finalizer of SplitMix64, since FNV-1a alone leaves the high bits of short keys nearly equal.
#[must_use]
pub fn hash64(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(FNV_OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)))
}

/// The node a key goes to: weighted rendezvous hashing. `key` is the [`hash64`] of the key and `names` holds that of
/// each node's name, in the order of `candidates`; `None` when no candidate is eligible.
///
/// Every node draws a number from key and name, and the smallest draw relative to its weight wins. A node that goes
/// out moves only its own keys, evenly onto the rest; one that returns takes back exactly those. A hash ring does the
/// same less evenly and needs a table per pool; with the few nodes of a pool, a draw for each costs less.
#[must_use]
pub fn pick_by_hash(key: u64, names: &[u64], candidates: &[Candidate]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, (name, candidate)) in names.iter().zip(candidates).enumerate() {
        if !candidate.eligible() {
            continue;
        }
        let time = exponential(mix(key ^ name.rotate_left(32))) / f64::from(candidate.weight);
        if best.is_none_or(|(_, least)| time < least) {
            best = Some((index, time));
        }
    }
    best.map(|(index, _)| index)
}

/// An exponentially distributed draw, always positive and finite: of several such, divided by weights, each is the
/// smallest with a probability proportional to its weight.
fn exponential(bits: u64) -> f64 {
    // 53 bits fill a double exactly; the half keeps the logarithm away from 0 and 1.
    let uniform = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -uniform.ln()
}

const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(nodes: usize) -> Vec<u64> {
        (0..nodes).map(|i| hash64(format!("10.0.1.{i}:9101").as_bytes())).collect()
    }

    fn candidates(weights: &[u32]) -> Vec<Candidate> {
        weights.iter().map(|&weight| Candidate { weight, in_flight: 0 }).collect()
    }

    /// Shares of 20,000 keys.
    fn shares(weights: &[u32]) -> Vec<f64> {
        let (names, nodes) = (names(weights.len()), candidates(weights));
        let mut counts = vec![0u32; weights.len()];
        for key in 0..20_000u32 {
            counts[pick_by_hash(hash64(&key.to_be_bytes()), &names, &nodes).unwrap()] += 1;
        }
        counts.into_iter().map(|count| f64::from(count) / 20_000.0).collect()
    }

    #[test]
    fn hash_never_changes() {
        assert_eq!(hash64(b""), mix(0xcbf2_9ce4_8422_2325));
        // FNV-1a's published value for "foobar", finished.
        assert_eq!(hash64(b"foobar"), mix(0x8594_4171_f739_67e8));
        // SplitMix64's published first output for seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn shares_follow_the_weights() {
        for (weights, expect) in
            [(&[1, 1][..], &[0.5, 0.5][..]), (&[1, 1, 2], &[0.25, 0.25, 0.5]), (&[9, 1], &[0.9, 0.1])]
        {
            for (share, expect) in shares(weights).into_iter().zip(expect) {
                assert!((share - expect).abs() < 0.015, "weights {weights:?}: {share} instead of {expect}");
            }
        }
    }

    #[test]
    fn nothing_eligible_is_nothing_picked() {
        assert_eq!(pick_by_hash(1, &names(2), &candidates(&[0, 0])), None);
        assert_eq!(pick_by_hash(1, &[], &[]), None);
    }

    proptest! {
        #[test]
        fn a_node_that_goes_out_moves_only_its_own_keys(
            weights in prop::collection::vec(1u32..10, 2..8), keys in prop::collection::vec(any::<u64>(), 50), out in 0usize..8,
        ) {
            let (names, before) = (names(weights.len()), candidates(&weights));
            let out = out % weights.len();
            let mut after = before.clone();
            after[out].weight = 0;
            for key in keys {
                let (was, is) = (pick_by_hash(key, &names, &before), pick_by_hash(key, &names, &after));
                prop_assert_ne!(is, Some(out));
                if was != Some(out) {
                    prop_assert_eq!(was, is);
                }
            }
        }

        #[test]
        fn a_heavier_node_only_gains_keys(
            weights in prop::collection::vec(1u32..10, 2..8), keys in prop::collection::vec(any::<u64>(), 50), more in 0usize..8,
        ) {
            let (names, before) = (names(weights.len()), candidates(&weights));
            let more = more % weights.len();
            let mut after = before.clone();
            after[more].weight *= 3;
            for key in keys {
                let (was, is) = (pick_by_hash(key, &names, &before), pick_by_hash(key, &names, &after));
                prop_assert!(was == is || is == Some(more));
            }
        }
    }
}
