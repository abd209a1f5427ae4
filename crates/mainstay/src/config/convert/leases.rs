//! `[store]` and `[lease.NAME]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_core::lease::{BadTerms, Identity, Nonce, Terms};
use mainstay_store::Location;

use super::{Cx, guards, or};
use crate::config::defaults;
use crate::config::fault::did_you_mean;
use crate::config::leases::{Guard, Lease, Leases, Store};
use crate::config::typed::{self, Maybe, Spanned};
use crate::config::units::show_time;

/// Converts them; `None` where there are no leases.
pub(super) fn convert(cx: &mut Cx<'_>, folder: Option<&Path>) -> Option<Leases> {
    let config = cx.config;
    let store = store(cx, folder);
    let on_one_machine = on_one_machine(&config.store);
    let mut of_lease: Vec<Option<(&Spanned<String>, &typed::Guard)>> = vec![None; config.leases.len()];
    for (name, guard) in &config.guards {
        if let Some(at) = lease_of(cx, name, guard)
            && let Some(slot) = of_lease.get_mut(at)
        {
            if let Some((first, _)) = slot {
                let lease = guard.lease.as_ref().map_or("", |lease| &lease.value);
                cx.report
                    .fault(
                        name.span,
                        format!("[guard.{}] and [guard.{}] guard one lease, {lease}", name.value, first.value),
                    )
                    .help("give each a lease of its own: of one lease, each program guards one child")
                    .see(first.span, "the first one");
            } else {
                *slot = Some((name, guard));
            }
        }
    }
    let mut all = Vec::new();
    for ((name, lease), guard) in config.leases.iter().zip(of_lease) {
        let typed = guard;
        let guard = guard.and_then(|(name, typed)| guards::convert(cx, name, typed, on_one_machine, lease));
        let terms = terms(cx, (name, lease), typed.map(|(_, typed)| typed), on_one_machine);
        all.push(finish(cx, (name, lease), terms, guard, on_one_machine));
    }
    guards_without_lease(cx, on_one_machine);
    nothing_kept(cx);
    (!all.is_empty()).then_some(Leases { store, all })
}

/// The index of a guard's lease.
fn lease_of(cx: &mut Cx<'_>, name: &Spanned<String>, guard: &typed::Guard) -> Option<usize> {
    let Some(lease) = &guard.lease else {
        if !cx.broken.table(name.span) {
            cx.fault(name.span, format!("[guard.{}] has no lease", name.value))
                .help("add `lease = \"NAME\"`, and `[lease.NAME]`: its child runs only while that is held");
        }
        return None;
    };
    find(cx, lease)
}

/// The index of the lease of this name; without one, says so.
pub(super) fn find(cx: &mut Cx<'_>, name: &Spanned<String>) -> Option<usize> {
    let config = cx.config;
    let found = config.leases.iter().position(|(lease, _)| lease.value == name.value);
    if found.is_none() {
        cx.unsure = true;
        let help = match did_you_mean(&name.value, config.leases.iter().map(|(lease, _)| lease.value.as_str())) {
            Some(guess) => format!("did you mean \"{guess}\"?"),
            None => format!("add `[lease.{}]`; it may be empty", name.value),
        };
        cx.fault(name.span, format!("there is no [lease.{}]", name.value)).help(help);
    }
    found
}

fn store(cx: &mut Cx<'_>, folder: Option<&Path>) -> Store {
    let typed = &cx.config.store;
    let beside = |file: PathBuf| folder.map_or_else(|| file.clone(), |folder| folder.join(&file));
    let at = match typed.url.as_ref().map(|url| (url, url.value.parse::<Location>())) {
        None => Location::Sqlite(beside(STORE_FILE.into())),
        Some((url, Ok(Location::Sqlite(file)))) if url.value.starts_with(SQLITE) => Location::Sqlite(beside(file)),
        Some((_, Ok(other))) => other,
        Some((url, Err(wrong))) => {
            cx.fault(url.span, "this is no store").help(wrong.to_string());
            Location::Sqlite(STORE_FILE.into())
        }
    };
    if on_one_machine(typed) {
        for (key, span) in [
            ("password_file", typed.password_file.as_ref().map(|typed| typed.span)),
            ("ca", typed.ca.as_ref().map(|typed| typed.span)),
        ] {
            if let Some(span) = span {
                cx.fault(span, format!("`{key}` does nothing with a store in a file")).help("leave it out");
            }
        }
    }
    Store {
        at,
        password_file: typed.password_file.as_ref().map(|path| PathBuf::from(&path.value)),
        ca: typed.ca.as_ref().map(|path| PathBuf::from(&path.value)),
        timeout: cx.positive(typed.timeout, "a timeout", "\"100ms\"", defaults::STORE_TIMEOUT),
    }
}

fn on_one_machine(store: &typed::Store) -> bool {
    store.url.as_ref().is_none_or(|url| url.value.starts_with(SQLITE))
}

fn terms(
    cx: &mut Cx<'_>,
    (name, typed): (&Spanned<String>, &typed::Lease),
    guard: Option<&typed::Guard>,
    on_one_machine: bool,
) -> Terms {
    let renew = cx.positive(typed.renew, "renewals with a pause", "\"100ms\"", defaults::RENEW);
    let ttl = cx.positive(typed.ttl, "a lease that lasts a time", "\"1s\"", renew * defaults::TTL_RENEWALS);
    let me = Identity {
        name: guard.and_then(|guard| guard.name.as_ref()).map_or("", |name| &name.value).into(),
        instance: Nonce(0),
        priority: guard.map_or(0, |guard| guards::priority(cx, guard)),
    };
    let mut terms = Terms::new(name.value.as_str().into(), me, renew, ttl);
    terms.timeout = or(cx.config.store.timeout, defaults::STORE_TIMEOUT.min(renew));
    let early = or(typed.early, on_one_machine);
    terms.early = early.then(|| defaults::EARLY.min(ttl / 2));
    terms.lossless = or(typed.synchronous, on_one_machine);
    terms.drain_within = or(typed.drain, defaults::LEASE_DRAIN);
    terms.fence_within = cx.positive(typed.fence_within, "a time to fence", "\"1s\"", defaults::FENCE_WITHIN);
    if let Some(guard) = guard {
        let fenced = on_one_machine || guard.role.is_some();
        terms.takeover = fenced || or(typed.takeover_unfenced, false);
        // On one machine nobody can take over before the child is dead.
        let kill_after = if on_one_machine { ttl } else { defaults::KILL_AFTER };
        terms.frozen = or(guard.freeze, true).then(|| or(guard.kill_after, kill_after));
        terms.stop_within = or(guard.stop_within, defaults::STOP_WITHIN);
        terms.prepare_within = guards::prepare_within(guard).unwrap_or(terms.prepare_within);
    }
    faults(cx, (name, typed), &terms);
    terms
}

/// What is wrong with the times, where it was typed.
fn faults(cx: &mut Cx<'_>, (name, typed): (&Spanned<String>, &typed::Lease), terms: &Terms) {
    let span = |typed: Maybe<Duration>| typed.map(|typed| typed.span);
    let (renew, ttl) = (span(typed.renew), span(typed.ttl));
    match terms.fault() {
        // Whatever is zero has been told.
        None | Some(BadTerms::Zero(_)) => {}
        Some(BadTerms::TtlTooShort { least, .. }) => {
            let ttl = ttl.or(renew).unwrap_or(name.span);
            cx.fault(ttl, format!("`ttl` is {}, less than three renewals", show_time(terms.ttl))).help(format!(
                "write ttl = \"{}\" or more, or a shorter `renew`: one answer that is lost must not end a tenure",
                show_time(least)
            ));
        }
        Some(BadTerms::TimeoutTooLong { timeout, most }) => {
            let at = span(cx.config.store.timeout).or(ttl).unwrap_or(name.span);
            cx.fault(
                at,
                format!(
                    "a request to the store may take {}, longer than [lease.{}] lasts",
                    show_time(timeout),
                    name.value
                ),
            )
            .help(format!("write timeout = \"{}\" or less into [store]", show_time(most)));
        }
        Some(other) => {
            cx.fault(ttl.or(renew).unwrap_or(name.span), other.to_string());
        }
    }
    if let Some(timeout) =
        cx.config.store.timeout.filter(|timeout| timeout.value > terms.renew && timeout.value <= terms.ttl)
    {
        cx.fault(timeout.span, format!("a request to the store may outlast a renewal of [lease.{}]", name.value))
            .help(format!("write \"{}\" or less", show_time(terms.renew)))
            .see(renew.unwrap_or(name.span), "the lease");
    }
}

/// The rest of a lease, and what of it does not go together.
fn finish(
    cx: &mut Cx<'_>,
    (name, typed): (&Spanned<String>, &typed::Lease),
    terms: Terms,
    guard: Option<Guard>,
    on_one_machine: bool,
) -> Lease {
    let roles: Vec<String> = typed.roles.iter().map(|role| role.value.clone()).collect();
    let of_database = [
        ("database", typed.database.as_ref().map(|typed| typed.span)),
        ("group", typed.group.as_ref().map(|typed| typed.span)),
        ("roles", typed.roles.first().map(|typed| typed.span)),
        ("takeover_unfenced", typed.takeover_unfenced.map(|typed| typed.span)),
        ("synchronous", typed.synchronous.map(|typed| typed.span)),
    ];
    for (key, span) in of_database {
        if let Some(span) = span.filter(|_| on_one_machine) {
            cx.fault(span, format!("`{key}` does nothing with a store in a file"))
                .help("leave it out, or write url = \"postgres://...\" into [store]");
        }
    }
    let own = guard.as_ref().and_then(|guard| guard.role.clone());
    let group = typed.group.as_ref().map(|group| group.value.clone());
    if let (Some(typed), Some(_)) = (&typed.group, own.iter().chain(&roles).find(|role| Some(*role) == group.as_ref()))
    {
        cx.fault(typed.span, format!("the group \"{}\" is one of the login roles too", typed.value))
            .help("give it a name of its own: it owns what they create and never logs in");
    }
    if let Some(own) = own.iter().find(|own| !roles.is_empty() && !roles.contains(own))
        && let Some(first) = typed.roles.first()
    {
        cx.fault(first.span, format!("`roles` of [lease.{}] lacks \"{own}\", the role of its guard", name.value))
            .help("name the login roles of all holders, or leave `roles` out");
    }
    let all = if roles.is_empty() { own.into_iter().collect() } else { roles };
    Lease { terms, guard, database: typed.database.as_ref().map(|name| name.value.clone()), group, roles: all }
}

/// Guards whose lease could not be found are looked at all the same.
fn guards_without_lease(cx: &mut Cx<'_>, on_one_machine: bool) {
    let config = cx.config;
    for (name, guard) in &config.guards {
        let known = |lease: &Spanned<String>| config.leases.iter().any(|(name, _)| name.value == lease.value);
        if !guard.lease.as_ref().is_some_and(known) {
            let lease = typed::Lease {
                database: Some(Spanned::default()),
                group: Some(Spanned::default()),
                ..typed::Lease::default()
            };
            let _ = guards::convert(cx, name, guard, on_one_machine, &lease);
        }
    }
}

/// A store without leases, and leases that nothing here has to do with.
fn nothing_kept(cx: &mut Cx<'_>) {
    let config = cx.config;
    if config.leases.is_empty()
        && let Some(url) = &config.store.url
    {
        cx.fault(url.span, "nothing is kept in this store").help("add `[lease.NAME]`, or leave [store] out");
    }
    if cx.unsure || cx.broken.any() {
        return;
    }
    for (name, _) in &config.leases {
        let guarded = config.guards.iter().any(|(_, guard)| guard.lease.as_ref().is_some_and(|lease| lease == name));
        let followed = config.pools.iter().any(|(_, pool)| {
            matches!(pool.policy.as_ref().map(|policy| &policy.value), Some(typed::Policy::Leader(lease)) if lease == name)
        });
        if !guarded && !followed {
            let name_of = &name.value;
            cx.fault(name.span, format!("nobody guards or follows [lease.{name_of}]")).help(format!(
                "write `lease = \"{name_of}\"` into a [guard.NAME], or `policy = {{ leader = \"{name_of}\" }}` into a \
                 [pool.NAME]"
            ));
        }
    }
}

/// The store where none is typed.
const STORE_FILE: &str = "mainstay.db";
const SQLITE: &str = "sqlite:";
