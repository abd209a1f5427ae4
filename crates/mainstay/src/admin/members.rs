//! Who is there to take a lease, of all that the store ever heard of.

use std::time::Duration;

use mainstay_core::lease::{Member, MemberState, Nonce};

use super::document;
use crate::run::leases::namesakes::{ASKING, WAITING};

/// Who looks at the members, and when.
pub(super) struct Look {
    /// This program.
    pub(super) me: Nonce,
    /// Whether its child may run.
    pub(super) holds: bool,
    /// So long ago the store was asked.
    pub(super) since: Duration,
    /// Who had not looked for so long then, is gone.
    pub(super) absent_after: Duration,
    /// A holder looks no more often than this, so it is given as much longer.
    pub(super) holder_looks_every: Duration,
}

impl Look {
    fn is_gone(&self, member: &Member) -> bool {
        let seldom = if member.state == MemberState::Holder { self.holder_looks_every } else { Duration::ZERO };
        member.instance != self.me && member.age > self.absent_after.saturating_add(seldom)
    }
}

/// Members as operators are shown them, by name. A program that was started again is a new member to the store: those it
/// was before are left out, and so is who has been gone for long. Two that are there with one name are both shown, since
/// one of them must be renamed.
pub(super) fn show(all: &[Member], look: &Look) -> Vec<document::Member> {
    let is_gone = |member: &Member| look.is_gone(member);
    // Who is about to begin leaves no trace once it is gone: it was refused, or has begun under its name.
    let left_no_trace = |it: &Member| is_gone(it) && [ASKING, WAITING].iter().any(|what| it.name.ends_with(what));
    let mut kept: Vec<&Member> = all.iter().filter(|it| !left_no_trace(it)).collect();
    kept.sort_by_key(|member| (member.name.clone(), is_gone(member), member.age));
    let mut last = None;
    kept.retain(|member| {
        let first = last.replace(member.name.clone()).as_ref() != Some(&member.name);
        !is_gone(member) || (first && member.age.saturating_add(look.since) <= FORGET_AFTER)
    });
    kept.into_iter().map(|member| one(member, look, is_gone(member))).collect()
}

fn one(member: &Member, look: &Look, is_gone: bool) -> document::Member {
    let own = member.instance == look.me;
    let state = match member.state {
        _ if is_gone => "gone",
        _ if own && look.holds => "holder",
        MemberState::Standby => "standby",
        MemberState::Prepared(_) => "prepared",
        MemberState::Holder => "holder",
        MemberState::Unfit => "unfit",
    };
    let ago = if own { Duration::ZERO } else { member.age.saturating_add(look.since) };
    document::Member {
        name: member.name.to_string(),
        priority: member.priority,
        state: state.to_owned(),
        ago_s: ago.as_secs_f64(),
        own,
    }
}

/// Who was not heard from for longer is no longer shown.
const FORGET_AFTER: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, instance: u128, state: MemberState, age_s: u64) -> Member {
        let (name, age) = (name.into(), Duration::from_secs(age_s));
        Member { name, instance: Nonce(instance), priority: 100, state, quiet: true, age }
    }

    /// Members, seen two seconds ago by instance 1; each that is shown as `name state seconds`.
    #[track_caller]
    fn check(all: &[Member], holds: bool, expect: &[&str]) {
        let (since, absent_after) = (Duration::from_secs(2), Duration::from_secs(3));
        let holder_looks_every = Duration::from_secs(5);
        let shown = show(all, &Look { me: Nonce(1), holds, since, absent_after, holder_looks_every });
        let shown = shown.iter().map(|one| format!("{} {} {}", one.name, one.state, one.ago_s));
        assert_eq!(shown.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn who_is_there_is_told_from_who_was() {
        use MemberState::{Holder, Standby, Unfit};
        check(&[member("b", 2, Holder, 1), member("a", 1, Standby, 0)], false, &["a standby 0", "b holder 3"]);
        check(&[member("b", 2, Standby, 4)], false, &["b gone 6"]);
        // A holder looks seldom.
        check(&[member("b", 2, Holder, 8)], false, &["b holder 10"]);
        check(&[member("b", 2, Holder, 9)], false, &["b gone 11"]);
        check(&[member("a", 1, Unfit, 9)], true, &["a holder 0"]);
        // It was started again.
        check(&[member("b", 2, Holder, 40), member("b", 3, Standby, 1)], false, &["b standby 3"]);
        check(&[member("b", 2, Holder, 40), member("b", 3, Holder, 20)], false, &["b gone 22"]);
        check(&[member("a", 9, Holder, 40), member("a", 1, Unfit, 0)], true, &["a holder 0"]);
        // Two of one name.
        check(&[member("b", 2, Standby, 2), member("b", 3, Standby, 1)], false, &["b standby 3", "b standby 4"]);
        check(&[member("b", 2, Holder, 598)], false, &["b gone 600"]);
        check(&[member("b", 2, Holder, 599)], false, &[]);
    }
}
