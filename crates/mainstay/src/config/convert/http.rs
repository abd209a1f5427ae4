//! A listener of HTTP: its names and routes.

use mainstay_proxy::params::{HostName, PathMatch, Route, Site};

use super::target::is_path_letter;
use super::{Cx, Rules, act};
use crate::config::typed::{self, Act, Listen, Span, Spanned};

/// Converts what a listener does with requests.
pub(super) fn site(cx: &mut Cx<'_>, rules: &mut Rules, name: &Spanned<String>, listen: &Listen) -> Site {
    if let Some(idle) = listen.idle {
        cx.fault(idle.span, "`idle` is for TCP listeners").help("write it into a [limit.NAME]");
    }
    let names = listen.names.iter().filter_map(|name| host_name(cx, name)).collect();
    let mut routes: Vec<Route> = Vec::new();
    let mut seen: Vec<(PathMatch, Span)> = Vec::new();
    for typed in &listen.routes {
        let Some(path) = path(cx, &typed.value.path) else { continue };
        let span = typed.value.path.span;
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == path) {
            cx.fault(span, format!("no request comes to this route: \"{}\" has one", typed.value.path.value))
                .help("remove one of them, or join them")
                .see(*first, "the first one");
            continue;
        }
        seen.push((path.clone(), span));
        routes.extend(self::route(cx, rules, &typed.value, path));
    }
    own(cx, rules, name, listen, &seen, &mut routes);
    let site = Site { names, routes };
    error_pages(cx, &site, listen);
    site
}

fn route(cx: &mut Cx<'_>, rules: &mut Rules, typed: &typed::Route, path: PathMatch) -> Option<Route> {
    let internal = typed.internal.is_some_and(|internal| internal.value);
    act::route(cx, rules, &typed.action, path, typed.path.span).map(|route| Route { internal, ..route })
}

/// What the listener does with every path that no route takes.
fn own(
    cx: &mut Cx<'_>,
    rules: &mut Rules,
    name: &Spanned<String>,
    listen: &Listen,
    seen: &[(PathMatch, Span)],
    routes: &mut Vec<Route>,
) {
    let act = &listen.action;
    let every = PathMatch::Prefix(b"/".to_vec());
    if act.to.is_none() && act.reply.is_none() && !listen.routes.is_empty() {
        for (key, span, _) in act::typed_keys(act) {
            cx.fault(
                span,
                format!("`{key}` does nothing here, since the listener itself has neither `to` nor `reply`"),
            )
            .help("write it into the routes it is for");
        }
        return;
    }
    let shadow = seen.iter().find(|(path, _)| *path == every);
    let Some((_, first)) = shadow else {
        if !(act.to.is_none() && act.reply.is_none() && cx.broken.table(name.span)) {
            routes.extend(act::route(cx, rules, act, every, name.span));
        }
        return;
    };
    // A bare 404 beside a route for every path is what an nginx server without `location /` comes to.
    let bare = Act { reply: act.reply, ..Act::default() } == *act && act.reply.is_some_and(|reply| reply.value == 404);
    if !bare {
        let span = act.to.as_ref().map(|to| to.span).or(act.reply.map(|reply| reply.span)).unwrap_or(name.span);
        cx.fault(span, "no request comes here: the route \"/\" takes every path")
            .help("remove one of the two")
            .see(*first, "the route");
    }
}

fn path(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Option<PathMatch> {
    let (text, exact) = match typed.value.strip_prefix('=') {
        Some(rest) => (rest, true),
        None => (typed.value.as_str(), false),
    };
    if !text.starts_with('/') {
        if !text.is_empty() {
            let shown = if exact { "=/" } else { "/" };
            cx.fault(typed.span, format!("\"{text}\" is no path")).help(format!("write \"{shown}{text}\""));
        }
        return None;
    }
    if let Some(bad) = text.chars().find(|letter| !is_path_letter(*letter)) {
        cx.fault(typed.span, format!("{bad:?} never stands in a path as it comes"))
            .help("write the path without its query, and with %XX where the clients do");
        return None;
    }
    Some(if exact { PathMatch::Exact(text.into()) } else { PathMatch::Prefix(text.into()) })
}

pub(super) fn host_name(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Option<HostName> {
    let name = typed.value.to_ascii_lowercase();
    let good = |name: &str| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.[]".contains(letter))
    };
    match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(rest), None) if rest.starts_with('.') && good(rest) => Some(HostName::Suffix(rest.into())),
        (None, Some(rest)) if rest.ends_with('.') && good(rest) => Some(HostName::Prefix(rest.into())),
        (None, None) if good(&name) => Some(HostName::Exact(name.into())),
        _ => {
            let (host, _) = name.split_once(':').unwrap_or((&name, ""));
            let help = if good(host) {
                format!("write \"{host}\"; the port is that of `at`")
            } else {
                "write \"node.example.com\", \"*.example.com\" or \"node.*\"".to_owned()
            };
            cx.fault(typed.span, format!("\"{}\" is no host name", typed.value)).help(help);
            None
        }
    }
}

/// Reports error pages that no route answers.
fn error_pages(cx: &mut Cx<'_>, site: &Site, listen: &Listen) {
    let answered = |to: &str| {
        let path = to.split('?').next().unwrap_or_default().as_bytes();
        site.routes.iter().any(|route| match &route.path {
            PathMatch::Exact(exact) => exact == path,
            PathMatch::Prefix(prefix) => path.starts_with(prefix),
        })
    };
    let acts = listen.routes.iter().map(|route| &route.value.action).chain([&listen.action]);
    for page in acts.flat_map(|act| &act.error_pages) {
        let to = &page.value.to;
        if to.value.starts_with('/') && !answered(&to.value) && !cx.broken.any() {
            cx.fault(to.span, format!("no route of this listener answers \"{}\"", to.value)).help(format!(
                "add {{ path = \"={}\", internal = true, reply = 503, body = \"...\" }} to its routes",
                to.value
            ));
        }
    }
}
