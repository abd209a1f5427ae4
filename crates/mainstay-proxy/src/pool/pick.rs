//! Whose turn it is: turns how the nodes stand into the candidates the policies of `mainstay-core` choose from.

use mainstay_core::Moment;
use mainstay_core::balance::{self, Candidate, Least, Primary, Spread, hash64, pick_by_hash, warm_weight};

use super::{Node, Pool};
use crate::params::{self, AllOut, Failback, Policy, Role};
use crate::view::Standing;

/// What a hash policy sees of a request.
#[derive(Clone, Copy)]
pub(crate) enum Key<'a> {
    /// Nothing to hash: such requests are spread.
    None,
    /// These bytes.
    Bytes(&'a [u8]),
}

/// A policy with its memory, and room for the candidates so that a pick allocates nothing.
pub(crate) struct Picker {
    memory: Memory,
    candidates: Vec<Candidate>,
    in_since: Vec<Option<Moment>>,
}

enum Memory {
    Spread(Spread),
    Least(Least),
    Primary(Primary),
    Hash { names: Vec<u64>, keyless: Spread },
    Leader,
}

impl Picker {
    pub(crate) fn new(pool: &params::Pool, worker: usize) -> Self {
        let nodes = pool.nodes.len();
        let memory = match &pool.policy {
            Policy::Spread => Memory::Spread(Spread::new(nodes, worker)),
            Policy::Least => Memory::Least(Least::new(nodes, worker)),
            Policy::Primary { failback } => {
                let failback = match failback {
                    Failback::After(after) => balance::Failback::After(*after),
                    Failback::Never => balance::Failback::Never,
                };
                Memory::Primary(Primary::new(failback, pool.slow_start))
            }
            Policy::Hash(_) => Memory::Hash {
                names: pool.nodes.iter().map(|node| hash64(node.name.as_bytes())).collect(),
                keyless: Spread::new(nodes, worker),
            },
            Policy::Leader { .. } | Policy::Writable { .. } => Memory::Leader,
        };
        Self { memory, candidates: Vec::with_capacity(nodes), in_since: Vec::with_capacity(nodes) }
    }

    /// The next node that is not among `tried`.
    pub(crate) fn pick(&mut self, pool: &Pool, key: Key<'_>, tried: &[u32], now: Moment) -> Option<u32> {
        let tier = tier(pool, tried)?;
        self.candidates.clear();
        for (index, node) in numbered(pool) {
            let weight = if tier.takes(node) && !tried.contains(&index) { weight(pool, node, now) } else { 0 };
            self.candidates.push(Candidate { weight, in_flight: node.in_flight.get() });
        }
        let picked = match (&mut self.memory, key) {
            (Memory::Spread(spread), _) | (Memory::Hash { keyless: spread, .. }, Key::None) => {
                spread.pick(&self.candidates)
            }
            (Memory::Least(least), _) => least.pick(&self.candidates),
            (Memory::Primary(primary), _) => {
                self.in_since.clear();
                let is_in = |node: &Node| (node.standing() == Standing::In).then(|| node.since());
                self.in_since.extend(pool.nodes.iter().map(is_in));
                primary.settle(now, &self.in_since);
                primary.pick(now, &self.candidates)
            }
            (Memory::Leader, _) => self.candidates.iter().position(|candidate| candidate.weight > 0),
            (Memory::Hash { names, .. }, Key::Bytes(bytes)) => pick_by_hash(hash64(bytes), names, &self.candidates),
        }?;
        let node = pool.nodes.get(picked)?;
        if node.standing() == Standing::Trial {
            node.trial_taken.set(true);
        }
        u32::try_from(picked).ok()
    }
}

/// How many nodes are left that are not among `tried`.
pub(crate) fn left(pool: &Pool, tried: &[u32]) -> u32 {
    let Some(tier) = tier(pool, tried) else { return 0 };
    let left = numbered(pool).filter(|(index, node)| tier.takes(node) && !tried.contains(index)).count();
    u32::try_from(left).unwrap_or(u32::MAX)
}

/// Whether a node would be eligible, were it not for the connections it may have.
pub(crate) fn busy(pool: &Pool, tried: &[u32]) -> bool {
    let pool_full = pool.limit.as_ref().is_some_and(|limit| limit.is_full());
    numbered(pool).any(|(index, node)| {
        let would = node.role != Role::Off && node.standing() == Standing::In && !tried.contains(&index);
        would && (pool_full || node.is_full())
    })
}

/// The nodes that are considered together.
#[derive(Clone, Copy)]
enum Tier {
    /// Those that are in and have this role.
    In(Role),
    /// All but those switched off, because none is in.
    Desperate,
}

impl Tier {
    fn takes(self, node: &Node) -> bool {
        match self {
            Self::In(role) => {
                node.role == role
                    && !node.is_full()
                    && match node.standing() {
                        Standing::In => true,
                        Standing::Trial => !node.trial_taken.get(),
                        Standing::Out(_) | Standing::Draining => false,
                    }
            }
            Self::Desperate => node.role != Role::Off && !node.is_full(),
        }
    }
}

/// The best tier with a node that is not among `tried`.
fn tier(pool: &Pool, tried: &[u32]) -> Option<Tier> {
    if pool.limit.as_ref().is_some_and(|limit| limit.is_full()) {
        return None;
    }
    let left = |tier: &Tier| numbered(pool).any(|(index, node)| tier.takes(node) && !tried.contains(&index));
    let any_in = |node: &Node| Tier::In(Role::Active).takes(node) || Tier::In(Role::Backup).takes(node);
    let desperate =
        || pool.params.all_out == AllOut::TryAll && pool.params.follows().is_none() && !pool.nodes.iter().any(any_in);
    [Tier::In(Role::Active), Tier::In(Role::Backup)]
        .into_iter()
        .find(left)
        .or_else(|| desperate().then_some(Tier::Desperate).filter(left))
}

fn weight(pool: &Pool, node: &Node, now: Moment) -> u32 {
    warm_weight(node.weight, now.since(node.since()), pool.params.slow_start)
}

fn numbered(pool: &Pool) -> impl Iterator<Item = (u32, &Node)> {
    (0..).zip(pool.nodes.iter())
}
