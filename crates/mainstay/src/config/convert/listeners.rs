//! `[listen.NAME]`: one listener of the plan for each address.

use std::net::SocketAddr;
use std::path::PathBuf;

use mainstay_proxy::params::{At, Http, Http2, Listener, Service, Site, Tcp};

use super::target::{self, Scheme};
use super::{Cx, Rules, act, address, agree, databases, http, or, owner, tls};
use crate::config::defaults;
use crate::config::typed::{Listen, Maybe, Span, Spanned};

/// The listeners of a plan, and where each was typed.
pub(super) struct Built {
    pub(super) listeners: Vec<Listener>,
    pub(super) places: Vec<Span>,
}

/// A listener at one of its addresses.
pub(super) struct Member<'c> {
    pub(super) name: &'c Spanned<String>,
    pub(super) listen: &'c Listen,
    /// Where the address was typed.
    pub(super) span: Span,
    index: usize,
}

struct Group<'c> {
    place: Result<SocketAddr, PathBuf>,
    members: Vec<Member<'c>>,
}

/// What a typed listener does.
enum Does {
    Http(Site),
    Tcp(Tcp),
}

pub(super) fn convert(cx: &mut Cx<'_>, rules: &mut Rules) -> Built {
    let config = cx.config;
    let groups = groups(cx);
    let does: Vec<Option<Does>> = config.listens.iter().map(|(name, listen)| does(cx, rules, name, listen)).collect();
    if config.listens.is_empty() && config.guards.is_empty() && !cx.broken.any() {
        cx.report.fault_anywhere("nothing listens, and nothing is guarded").help(
            "add [listen.NAME] with `at = \":PORT\"` and `to = \"http://POOL\"`, or [guard.NAME] with `lease` and `run`",
        );
    }
    let mut built = Built { listeners: Vec::new(), places: Vec::new() };
    for group in groups {
        let Some(first) = group.members.first() else { continue };
        built.places.push(first.span);
        let limit = agree::first_of(cx, &group.members, "limit", |listen| &listen.limit);
        let (limits, max_connections) = rules.limit(cx, &limit);
        // The limits of the others are named too, so they are used, and a wrong name is told.
        for other in group.members.iter().filter_map(|member| member.listen.limit.clone()) {
            let _ = rules.limit(cx, &Some(other));
        }
        let access_log = or(agree::first_of(cx, &group.members, "access_log", |listen| &listen.access_log), true);
        let http2 = agree::first_of(cx, &group.members, "http2", |listen| &listen.http2);
        callless(cx, &group.members, http2);
        let http2 = or(http2, Http2::default());
        let backlog = agree::agreed(cx, &group.members, "backlog", |listen| &listen.backlog);
        let backlog = cx.positive(backlog, "a backlog", "1", defaults::BACKLOG);
        let name = listener_name(first, &group.place);
        let at = at(cx, &group);
        let Some(service) = service(cx, &group, &does) else { continue };
        let protocols: &[&str] = match (&service, http2) {
            (Ok(_), Http2::Taken) => &["h2", "http/1.1"],
            (Ok(_), Http2::Refused) => &["http/1.1"],
            (Ok(_), Http2::Only) => &["h2"],
            (Err(_), _) => &[],
        };
        let tls = tls::server(cx, &group.members, protocols);
        let service = match service {
            Ok(mut sites) => {
                tls::tell_identity(cx, &group.members, &mut sites);
                Ok(sites)
            }
            Err(tcp) => Err(tcp),
        };
        let service = match service {
            Ok(sites) => Service::Http(Box::new(Http { sites, limits, access_log, http2 })),
            Err(tcp) => Service::Tcp(Tcp { access_log, ..tcp }),
        };
        built.listeners.push(Listener { name: name.into(), at, backlog, max_connections, tls, service });
    }
    built
}

/// Notes calls of gRPC that nobody can make, since none of the address's clients may speak HTTP/2.
fn callless(cx: &mut Cx<'_>, members: &[Member<'_>], http2: Maybe<Http2>) {
    let Some(refused) = http2.filter(|http2| http2.value == Http2::Refused) else { return };
    let kinds = |to: &Spanned<String>| {
        let pool = to.value.strip_prefix("http2://")?.split([':', '/']).next()?;
        cx.config.pools.iter().find(|(name, _)| name.value == pool)?.1.kind.clone()
    };
    let is_grpc = |to: &&Spanned<String>| ["grpc://", "grpcs://"].iter().any(|scheme| to.value.starts_with(scheme));
    let tos = |member: &Member<'_>| {
        let routes = member.listen.routes.iter().filter_map(|route| route.value.action.to.clone());
        member.listen.action.to.iter().cloned().chain(routes).collect::<Vec<_>>()
    };
    let called = members.iter().flat_map(tos).find(|to| is_grpc(&to) || kinds(to).is_some());
    if let Some(to) = called {
        cx.report
            .note(refused.span, "calls of gRPC come over HTTP/2, and every client that speaks it is answered 505 here")
            .help("leave `http2` out, or write \"only\"")
            .see(to.span, "where the calls would go");
    }
}

fn groups<'c>(cx: &mut Cx<'c>) -> Vec<Group<'c>> {
    let config = cx.config;
    let mut groups: Vec<Group<'c>> = Vec::new();
    for (index, (name, listen)) in config.listens.iter().enumerate() {
        if listen.at.is_empty() && !cx.broken.table(name.span) {
            cx.fault(name.span, format!("[listen.{}] has no address", name.value)).help("add `at = \":PORT\"`");
        }
        for typed in &listen.at {
            let Some(place) = place(cx, typed) else { continue };
            let member = Member { name, listen, span: typed.span, index };
            let shared = !matches!(&place, Ok(address) if address.port() == 0);
            match groups.iter_mut().find(|group| shared && group.place == place) {
                Some(group) => group.members.push(member),
                None => groups.push(Group { place, members: vec![member] }),
            }
        }
    }
    groups
}

/// The address, or what the command line maps it to. It is known there as it is written in the file too.
fn place(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Option<Result<SocketAddr, PathBuf>> {
    let text = cx.sources.text(typed.span.file).unwrap_or_default();
    let written = text.get(typed.span.start as usize..typed.span.end as usize).unwrap_or_default();
    let written = written.trim_matches(['"', '\'']);
    let own = address::listen(&typed.value);
    let whole = own.as_ref().ok().and_then(|place| place.as_ref().ok()).map(ToString::to_string);
    let mut known = vec![if written.is_empty() { typed.value.as_str() } else { written }, typed.value.as_str()];
    known.extend(typed.value.strip_prefix(':'));
    known.extend(whole.as_deref());
    if let Some(to) = cx.maps.listen(&known) {
        return match address::listen(&to) {
            Ok(place) => Some(place),
            Err(wrong) => {
                cx.report.fault_anywhere(format!("--map listen:...={to}: {}", wrong.message)).help(wrong.help);
                None
            }
        };
    }
    match own {
        Ok(place) => Some(place),
        Err(wrong) => {
            cx.fault(typed.span, wrong.message).help(wrong.help);
            None
        }
    }
}

fn does(cx: &mut Cx<'_>, rules: &mut Rules, name: &Spanned<String>, listen: &Listen) -> Option<Does> {
    if databases::is_one(listen) {
        unfit(cx, listen);
        nameless(cx, listen);
        return databases::convert(cx, name, listen).map(Does::Tcp);
    }
    databases::not_one(cx, listen);
    let is_tcp = listen.action.to.as_ref().is_some_and(|to| to.value.starts_with("tcp://"));
    if is_tcp { tcp(cx, rules, listen).map(Does::Tcp) } else { Some(Does::Http(http::site(cx, rules, name, listen))) }
}

/// Reports what only goes with HTTP.
fn unfit(cx: &mut Cx<'_>, listen: &Listen) {
    let act = &listen.action;
    let mut unfit: Vec<(&str, Span)> = act::typed_keys(act)
        .into_iter()
        .filter(|(key, _, _)| *key != "retry")
        .map(|(key, span, _)| (key, span))
        .collect();
    unfit.extend(act.reply.map(|reply| ("reply", reply.span)));
    unfit.extend(listen.routes.first().map(|route| ("routes", route.span)));
    for (key, span) in unfit {
        cx.fault(span, format!("`{key}` is of HTTP listeners, and this one passes bytes on"))
            .help("leave it out, or write \"http://\" in `to`");
    }
}

/// Reports what does not go with databases: their clients say whom they want, and encrypt, in a way of their own.
fn nameless(cx: &mut Cx<'_>, listen: &Listen) {
    let names = listen.names.first().map(|name| ("names", name.span));
    let default = listen.default.map(|flag| ("default", flag.span));
    let tls = listen.tls.as_ref().map(|name| ("tls", name.span));
    for (key, span) in names.into_iter().chain(default).chain(tls) {
        cx.fault(span, format!("`{key}` does nothing in front of a database")).help("leave it out");
    }
}

fn tcp(cx: &mut Cx<'_>, rules: &mut Rules, listen: &Listen) -> Option<Tcp> {
    unfit(cx, listen);
    let act = &listen.action;
    let typed = act.to.as_ref()?;
    let retry = rules.retry(cx, &act.retry);
    let idle_timeout = cx.positive(listen.idle, "a time", "\"1m\"", defaults::SESSION_IDLE);
    let to = target::parse(cx, typed).filter(|to| to.scheme == Scheme::Tcp)?;
    let index = target::pool(cx, &to, typed.span)?;
    let pool = cx.uses.add(index, to.port, false, typed.span);
    Some(Tcp {
        pool,
        by_name: Vec::new(),
        idle_timeout,
        tries: retry.tries,
        tries_within: retry.within,
        access_log: true,
        postgres: None,
    })
}

/// The sites of an address (`Ok`), or its TCP service (`Err`).
fn service(cx: &mut Cx<'_>, group: &Group<'_>, does: &[Option<Does>]) -> Option<Result<Vec<Site>, Tcp>> {
    let own: Vec<&Does> = group.members.iter().filter_map(|member| does.get(member.index)?.as_ref()).collect();
    if own.len() < group.members.len() {
        return None;
    }
    if own.iter().all(|does| matches!(does, Does::Tcp(_))) {
        return by_name(cx, group, &own).map(Err);
    }
    if let Some(at) = own.iter().position(|does| matches!(does, Does::Tcp(_)))
        && let (Some(tcp), Some(other)) = (group.members.get(at), group.members.get(usize::from(at == 0)))
    {
        cx.fault(
            tcp.span,
            format!(
                "[listen.{}] collides with [listen.{}]: bytes and HTTP cannot share an address",
                tcp.name.value, other.name.value
            ),
        )
        .help("choose another address for one of the two")
        .see(other.span, "the other one");
        return None;
    }
    let sites = own.into_iter().filter_map(|does| match does {
        Does::Http(site) => Some(site.clone()),
        Does::Tcp(_) => None,
    });
    let sites = sites.collect();
    Some(Ok(agree::sites(cx, &group.members, sites)))
}

/// Bytes that go where the name in their TLS says, or all to one pool.
fn by_name(cx: &mut Cx<'_>, group: &Group<'_>, own: &[&Does]) -> Option<Tcp> {
    let mut all = Vec::new();
    for (does, member) in own.iter().zip(&group.members) {
        let Does::Tcp(tcp) = does else { return None };
        let names: Vec<_> = member.listen.names.iter().filter_map(|name| http::host_name(cx, name)).collect();
        all.push((names, tcp));
    }
    let ordered = agree::sites(cx, &group.members, all);
    let (_, first) = ordered.first()?;
    let named = ordered.iter().filter(|(names, _)| !names.is_empty());
    let by_name = named.map(|(names, tcp)| (names.clone(), tcp.pool)).collect();
    Some(Tcp { by_name, ..(*first).clone() })
}

fn listener_name(first: &Member<'_>, place: &Result<SocketAddr, PathBuf>) -> String {
    if first.listen.at.len() < 2 {
        return first.name.value.clone();
    }
    match place {
        Ok(address) => format!("{}@{address}", first.name.value),
        Err(path) => format!("{}@unix:{}", first.name.value, path.display()),
    }
}

fn at(cx: &mut Cx<'_>, group: &Group<'_>) -> At {
    let mode = agree::agreed(cx, &group.members, "mode", |listen| &listen.mode);
    let owner = agree::agreed(cx, &group.members, "owner", |listen| &listen.owner);
    let path = match &group.place {
        Ok(address) => {
            // A list of addresses may hold both kinds; the keys are for the unix ones among them.
            let any_unix =
                group.members.iter().any(|member| member.listen.at.iter().any(|at| at.value.starts_with("unix:")));
            for (key, typed) in [("mode", &mode), ("owner", &owner)] {
                if let Some(typed) = typed.as_ref().filter(|_| !any_unix) {
                    cx.fault(typed.span, format!("`{key}` is for unix sockets")).help("leave it out");
                }
            }
            return At::Tcp(*address);
        }
        Err(path) => path.clone(),
    };
    let mode = mode.and_then(|typed| self::mode(cx, &typed));
    let owner = owner.and_then(|typed| {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        match owner::owner(&typed.value, &file("/etc/passwd"), &file("/etc/group")) {
            Ok(owner) => Some(owner),
            Err((message, help)) => {
                cx.fault(typed.span, message).help(help);
                None
            }
        }
    });
    At::Unix { path, mode, owner }
}

fn mode(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Option<u32> {
    let text = &typed.value;
    let octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let bits = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten().filter(|bits| *bits <= 0o777);
    if bits.is_none() {
        cx.fault(typed.span, format!("\"{text}\" is no set of permission bits"))
            .help("write three octal digits, e.g. \"0660\"");
    }
    bits
}
