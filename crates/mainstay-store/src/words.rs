//! How what a row holds is spelled in a database.

use mainstay_core::lease::{MemberState, Name, Nonce, Outcome, RowState, Serving};

pub(crate) const fn state(state: RowState) -> &'static str {
    match state {
        RowState::Free => "free",
        RowState::Fencing => "fencing",
        RowState::Active => "active",
    }
}

pub(crate) fn state_of(word: &str) -> Option<RowState> {
    [RowState::Free, RowState::Fencing, RowState::Active].into_iter().find(|it| state(*it) == word)
}

pub(crate) const fn serving(serving: Serving) -> &'static str {
    match serving {
        Serving::Starting => "starting",
        Serving::Ready => "ready",
        Serving::Yielding => "yielding",
    }
}

pub(crate) fn serving_of(word: &str) -> Option<Serving> {
    [Serving::Starting, Serving::Ready, Serving::Yielding].into_iter().find(|it| serving(*it) == word)
}

/// The word, and the reason where there is one.
pub(crate) fn outcome(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Done => ("done", None),
        Outcome::Refused(reason) => ("refused", Some(reason)),
        Outcome::Failed(reason) => ("failed", Some(reason)),
    }
}

pub(crate) fn outcome_of(word: &str, reason: Option<Name>) -> Option<Outcome> {
    let reason = reason.unwrap_or_else(|| "".into());
    match word {
        "done" => Some(Outcome::Done),
        "refused" => Some(Outcome::Refused(reason)),
        "failed" => Some(Outcome::Failed(reason)),
        _ => None,
    }
}

/// The word, and the switch-over that was prepared for.
pub(crate) const fn member(state: MemberState) -> (&'static str, Option<Nonce>) {
    match state {
        MemberState::Standby => ("standby", None),
        MemberState::Prepared(switch) => ("prepared", Some(switch)),
        MemberState::Holder => ("holder", None),
        MemberState::Unfit => ("unfit", None),
    }
}

/// What this program does not know of a member makes it unfit: nobody then counts on it.
pub(crate) fn member_of(word: &str, switch: Option<Nonce>) -> MemberState {
    match (word, switch) {
        ("standby", _) => MemberState::Standby,
        ("prepared", Some(switch)) => MemberState::Prepared(switch),
        ("holder", _) => MemberState::Holder,
        _ => MemberState::Unfit,
    }
}

/// Reads a nonce with or without the dashes of a UUID.
pub(crate) fn nonce_of(text: &str) -> Option<Nonce> {
    let digits: String = text.chars().filter(|digit| *digit != '-').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok().map(Nonce)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for value in [RowState::Free, RowState::Fencing, RowState::Active] {
            assert_eq!(state_of(state(value)), Some(value));
        }
        for value in [Serving::Starting, Serving::Ready, Serving::Yielding] {
            assert_eq!(serving_of(serving(value)), Some(value));
        }
        for value in [Outcome::Done, Outcome::Refused("no".into()), Outcome::Failed("it".into())] {
            let (word, reason) = outcome(&value);
            assert_eq!(outcome_of(word, reason.map(Name::from)), Some(value.clone()));
        }
        for value in [MemberState::Standby, MemberState::Prepared(Nonce(7)), MemberState::Holder, MemberState::Unfit] {
            let (word, switch) = member(value);
            assert_eq!(member_of(word, switch), value);
        }
        assert_eq!(nonce_of(&Nonce(7).to_string()), Some(Nonce(7)));
        assert_eq!(nonce_of("00000000-0000-0000-0000-000000000007"), Some(Nonce(7)));
        assert_eq!(nonce_of("7"), None);
        assert_eq!((state_of("held"), serving_of(""), outcome_of("", None)), (None, None, None));
    }
}
