//! Which node of a pool that follows a lease may be sent work. Whoever has an old view sends work to a node that is
//! fenced, which costs time and nothing else: safety is the store's, not the front's.

use super::row::Nonce;
use super::standing::{LeaseView, Phase};

/// What the checks of a node say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It has none.
    Never,
    /// None has ended yet.
    NotYet,
    /// They are good.
    Good,
    /// They are not.
    Bad,
}

/// What a lease makes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It leads: all new work goes to it.
    Leads(Nonce),
    /// Its holder has the tenure, or had the last one, and takes no new work yet or any more. What it has may finish.
    Waits(Nonce),
    /// It has no part in the tenure. What it has of an earlier one ends at once.
    Stranger,
}

impl Part {
    /// The tenure it has a part in. When this is another than before, or none, whatever runs on the node runs on one
    /// that was demoted, also if its holder has the lease again by now.
    #[must_use]
    pub const fn tenure(self) -> Option<Nonce> {
        match self {
            Self::Leads(nonce) | Self::Waits(nonce) => Some(nonce),
            Self::Stranger => None,
        }
    }
}

/// The part of the node that belongs to `holder`, given what is known of the lease; without a `view`, nothing is.
///
/// While the store is away, the last known holder goes on as long as its check confirms it: where nodes can lead without
/// anybody hearing of it, one that shows no sign of life is more likely to have been followed than to be slow. A node
/// without any check is believed, because the one that followed has fenced it.
#[must_use]
pub fn part(view: Option<&LeaseView>, holder: Option<&str>, checked: Checked) -> Part {
    let Some(view) = view else { return Part::Stranger };
    if holder.is_none() || view.holder.as_deref() != holder {
        return Part::Stranger;
    }
    let confirmed = match checked {
        Checked::Never | Checked::Good => true,
        Checked::NotYet => view.fresh,
        Checked::Bad => false,
    };
    match view.phase {
        Phase::Ready if confirmed => Part::Leads(view.nonce),
        Phase::Vacant | Phase::Fencing | Phase::Starting | Phase::Ready | Phase::Yielding => Part::Waits(view.nonce),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Token;
    use super::Checked::{Bad, Good, Never, NotYet};
    use super::Phase::{Fencing, Ready, Starting, Vacant, Yielding};
    use super::*;

    const TENURE: Nonce = Nonce(7);

    /// A view of a lease that `a` holds.
    fn view(phase: Phase, fresh: bool) -> LeaseView {
        let holder = Some("a".into());
        LeaseView { holder, nonce: TENURE, token: Token::default(), phase, fresh, paused: false }
    }

    #[track_caller]
    fn check(view: &LeaseView, holder: Option<&str>, checked: Checked, expect: Part) {
        assert_eq!(part(Some(view), holder, checked), expect, "{view:?}, {holder:?}, {checked:?}");
    }

    #[test]
    fn work_goes_to_a_ready_holder_and_to_nobody_else() {
        for phase in [Vacant, Fencing, Starting, Ready, Yielding] {
            for checked in [Never, NotYet, Good, Bad] {
                for fresh in [true, false] {
                    let leads = phase == Ready && checked != Bad && (fresh || checked != NotYet);
                    let expect = if leads { Part::Leads(TENURE) } else { Part::Waits(TENURE) };
                    check(&view(phase, fresh), Some("a"), checked, expect);
                    for other in [Some("b"), Some(""), None] {
                        check(&view(phase, fresh), other, checked, Part::Stranger);
                    }
                }
            }
        }
    }

    #[test]
    fn a_lease_nobody_ever_held_makes_no_node_a_leader() {
        let nobody = LeaseView { holder: None, ..view(Ready, true) };
        for holder in [Some("a"), None] {
            check(&nobody, holder, Good, Part::Stranger);
            assert_eq!(part(None, holder, Good), Part::Stranger, "nothing is known of the lease");
        }
    }

    #[test]
    fn a_tenure_is_told_by_its_nonce() {
        let again = LeaseView { nonce: Nonce(8), ..view(Ready, true) };
        let [before, after] = [&view(Ready, true), &again].map(|view| part(Some(view), Some("a"), Never).tenure());
        assert_ne!(before, after, "the same holder, in another tenure");
        let carried = LeaseView { token: Token { epoch: 9, ..Token::default() }, ..view(Starting, true) };
        assert_eq!(part(Some(&carried), Some("a"), Never).tenure(), before, "another token, in the same tenure");
        assert_eq!(Part::Stranger.tenure(), None);
    }
}
