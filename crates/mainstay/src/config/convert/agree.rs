//! Listeners that share an address: which names are whose, and what they must agree on.

use super::Cx;
use super::listeners::Member;
use crate::config::typed::{Listen, Maybe};

/// Puts the sites of one address in order, the one for all other names first, and reports names that clash.
pub(super) fn sites<T>(cx: &mut Cx<'_>, members: &[Member<'_>], sites: Vec<T>) -> Vec<T> {
    let chosen: Vec<usize> = (0..members.len()).filter(|at| is_default(members, *at)).collect();
    if let [first, second, ..] = chosen.as_slice()
        && let (Some(first), Some(second)) = (members.get(*first), members.get(*second))
    {
        cx.fault(second.span, "two listeners at this address are the default one")
            .help("leave `default = true` out of one of them")
            .see(first.span, "the other one");
    }
    let nameless = members.iter().position(|member| member.listen.names.is_empty());
    let first = chosen.first().copied().or(nameless).unwrap_or(0);
    for (at, member) in members.iter().enumerate() {
        for other in members.iter().take(at) {
            clash(cx, member, other);
        }
        if member.listen.names.is_empty() && at != first && nameless == Some(at) {
            cx.fault(member.span, "no request comes here: it has no names, and another listener is the default one")
                .help("add `names`, or leave `default = true` out of the other one");
        }
    }
    let mut ordered = sites;
    if first < ordered.len() {
        ordered[..=first].rotate_right(1);
    }
    ordered
}

fn is_default(members: &[Member<'_>], at: usize) -> bool {
    members.get(at).is_some_and(|member| member.listen.default.is_some_and(|flag| flag.value))
}

fn clash(cx: &mut Cx<'_>, member: &Member<'_>, other: &Member<'_>) {
    if member.listen.names.is_empty() && other.listen.names.is_empty() {
        cx.fault(
            member.span,
            format!(
                "[listen.{}] collides with [listen.{}]: same address, and both answer to every name",
                member.name.value, other.name.value
            ),
        )
        .help("choose another address, or give each its own `names`")
        .see(other.span, "the other one");
        return;
    }
    for name in &member.listen.names {
        if let Some(same) = other.listen.names.iter().find(|same| same.value.eq_ignore_ascii_case(&name.value)) {
            cx.fault(
                name.span,
                format!("\"{}\" is a name of [listen.{}] at the same address", name.value, other.name.value),
            )
            .help("leave it out of one of the two")
            .see(same.span, "there");
        }
    }
}

/// What the listeners of one address say of it; it is a fault when they say different things.
pub(super) fn agreed<T: Clone + PartialEq>(
    cx: &mut Cx<'_>,
    members: &[Member<'_>],
    key: &str,
    get: fn(&Listen) -> &Maybe<T>,
) -> Maybe<T> {
    let mut said = members.iter().filter_map(|member| get(member.listen).clone());
    let first = said.next()?;
    for other in said.filter(|other| *other != first) {
        cx.fault(other.span, format!("two values of `{key}` for one address"))
            .help("write it in one of the listeners only")
            .see(first.span, "the other one");
    }
    Some(first)
}

/// The same for what may differ, though only the first value holds; the others are told.
pub(super) fn first_of<T: Clone + PartialEq>(
    cx: &mut Cx<'_>,
    members: &[Member<'_>],
    key: &str,
    get: fn(&Listen) -> &Maybe<T>,
) -> Maybe<T> {
    let first = members.iter().find_map(|member| get(member.listen).clone());
    for other in
        members.iter().filter_map(|member| get(member.listen).clone()).filter(|other| first.as_ref() != Some(other))
    {
        if let Some(first) = &first {
            cx.report
                .note(
                    other.span,
                    format!("clients are under one `{key}` for each address, and another listener's holds here"),
                )
                .see(first.span, "the one that holds");
        }
    }
    first
}
