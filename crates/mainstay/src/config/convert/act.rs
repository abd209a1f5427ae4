//! What a listener or a route does with a request.

use std::sync::Arc;

use mainstay_proxy::params::{
    Action, AddField, ErrorPage, Forward, Forwarded, HostRule, Mirror, Part, PathMatch, Reply, Route, Template,
};

use super::target::{self, Scheme, To};
use super::template::{field_value, own_field, template};
use super::{Cx, Rules, or};
use crate::config::defaults;
use crate::config::fault::did_you_mean;
use crate::config::typed::{self, Act, Maybe, Span, Spanned};

/// What keys of an action go with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum With {
    /// Either.
    Any,
    /// `to` an HTTP pool.
    Forward,
    /// `reply`.
    Reply,
    /// `to` any pool.
    To,
}

/// The keys of an action that were typed, with what they go with; without `to` and `reply`.
pub(super) fn typed_keys(act: &Act) -> Vec<(&'static str, Span, With)> {
    fn one<T>(typed: &Maybe<T>) -> Option<Span> {
        typed.as_ref().map(|typed| typed.span)
    }
    fn many<T>(typed: &[Spanned<T>]) -> Option<Span> {
        typed.first().map(|typed| typed.span)
    }
    let all = [
        ("body", one(&act.body), With::Reply),
        ("location", one(&act.location), With::Reply),
        ("content_type", one(&act.content_type), With::Reply),
        ("retry", one(&act.retry), With::To),
        ("host", one(&act.host), With::Forward),
        ("forwarded", one(&act.forwarded), With::Forward),
        ("set", many(&act.set), With::Forward),
        ("mirror", many(&act.mirror), With::Forward),
        ("read_timeout", one(&act.read_timeout), With::Forward),
        ("send_timeout", one(&act.send_timeout), With::Forward),
        ("upgrade", one(&act.upgrade), With::Forward),
        ("intercept", one(&act.intercept), With::Forward),
        ("add", many(&act.add), With::Any),
        ("body_max", one(&act.body_max), With::Any),
        ("error_pages", many(&act.error_pages), With::Any),
    ];
    all.into_iter().filter_map(|(key, span, with)| span.map(|span| (key, span, with))).collect()
}

/// Converts what is done with the requests of one path. `place` is where it stands, in words; `None` when it is not
/// clear what is done, which has been reported.
pub(super) fn route(cx: &mut Cx<'_>, rules: &mut Rules, act: &Act, path: PathMatch, place: Span) -> Option<Route> {
    let action = match (&act.to, &act.reply) {
        (Some(to), Some(reply)) => {
            cx.fault(reply.span, "`reply` beside `to`: a request is answered here or carried on, not both")
                .help("leave one of them out")
                .see(to.span, "`to`");
            None
        }
        (Some(to), None) => {
            unfit(cx, act, &[With::Any, With::Forward, With::To], "`reply`");
            forward(cx, rules, act, to, &path).map(|forward| Action::Forward(Box::new(forward)))
        }
        (None, Some(status)) => {
            unfit(cx, act, &[With::Any, With::Reply], "`to`");
            Some(Action::Reply(reply(cx, act, *status)))
        }
        (None, None) => {
            if !cx.broken.around(place) {
                cx.fault(place, "nothing is done here").help("add `to = \"http://POOL\"` or `reply = STATUS`");
            }
            None
        }
    };
    let body_max = match or(act.body_max, defaults::BODY_MAX) {
        0 => None,
        most => Some(most),
    };
    let add_fields = act.add.iter().filter_map(|field| add(cx, field)).collect();
    let error_pages = act.error_pages.iter().map(|page| error_page(cx, &page.value)).collect();
    if let Some(intercept) = act.intercept.filter(|intercept| intercept.value && act.error_pages.is_empty()) {
        cx.fault(intercept.span, "`intercept` does nothing without `error_pages`").help("leave it out, or add them");
    }
    let intercept = or(act.intercept, false);
    Some(Route { path, internal: false, action: action?, body_max, add_fields, error_pages, intercept })
}

/// Reports typed keys that do not go with what is done.
fn unfit(cx: &mut Cx<'_>, act: &Act, fit: &[With], other: &str) {
    for (key, span, with) in typed_keys(act) {
        if !fit.contains(&with) {
            cx.fault(span, format!("`{key}` goes with {other}, which is not here")).help("leave it out");
        }
    }
}

fn forward(
    cx: &mut Cx<'_>,
    rules: &mut Rules,
    act: &Act,
    typed: &Spanned<String>,
    path: &PathMatch,
) -> Option<Forward> {
    let retry = rules.retry(cx, &act.retry);
    let to = target::parse(cx, typed);
    let host = host_rule(cx, &act.host);
    let forwarded = act.forwarded.as_ref().map_or(Forwarded::Append, |typed| forwarded(cx, typed));
    let set_fields = set_fields(cx, &act.set);
    let read_timeout = cx.positive(act.read_timeout, "a time", "\"1s\"", defaults::READ_TIMEOUT);
    let send_timeout = cx.positive(act.send_timeout, "a time", "\"1s\"", defaults::SEND_TIMEOUT);
    let mirrors = act.mirror.iter().filter_map(|mirror| self::mirror(cx, mirror, typed, to.as_ref(), path)).collect();
    if let (Some(typed), Some(most)) = (&act.body_max, retry_buffer(cx, &act.retry))
        && typed.value > 0
        && most.value > typed.value
    {
        cx.report
            .note(
                typed.span,
                "bodies larger than this are refused, so the retry rule's larger `buffer` is never filled",
            )
            .see(most.span, "`buffer`");
    }
    let to = to?;
    if to.scheme == Scheme::Tcp {
        cx.fault(typed.span, "bytes have no paths: `tcp://` is for a whole listener")
            .help("write \"http://\" here, or `to` into the listener and no routes");
        return None;
    }
    let index = target::pool(cx, &to, typed.span)?;
    let pool = cx.uses.add(index, to.port, to.scheme == Scheme::Http2, typed.span);
    let waits = act.read_timeout.unwrap_or(Spanned { value: read_timeout, span: typed.span });
    cx.uses.waits(pool, waits);
    let prefix = to.path.as_deref().map(Arc::from);
    let upgrade = or(act.upgrade, true);
    Some(Forward { pool, prefix, host, forwarded, set_fields, retry, send_timeout, read_timeout, upgrade, mirrors })
}

fn retry_buffer(cx: &Cx<'_>, name: &Maybe<String>) -> Maybe<u64> {
    let name = name.as_ref().map_or("default", |name| name.value.as_str());
    cx.config.retries.iter().find(|(known, _)| known.value == name).and_then(|(_, retry)| retry.buffer)
}

fn host_rule(cx: &mut Cx<'_>, typed: &Maybe<String>) -> HostRule {
    match typed.as_ref().map(|typed| (typed.value.as_str(), typed)) {
        None | Some(("keep", _)) => HostRule::Keep,
        Some(("node", _)) => HostRule::Node,
        Some((text, typed)) => {
            if text.trim().is_empty() {
                cx.fault(typed.span, "an empty host").help("write \"keep\", \"node\" or the host itself");
            }
            HostRule::Set(request_value(cx, text, typed.span))
        }
    }
}

fn forwarded(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Forwarded {
    match typed.value.as_str() {
        "append" => Forwarded::Append,
        "replace" => Forwarded::Replace,
        "pass" => Forwarded::Pass,
        other => {
            let help = match did_you_mean(other, ["append", "replace", "pass"]) {
                Some(guess) => format!("did you mean \"{guess}\"?"),
                None => "write \"append\", \"replace\" or \"pass\"".to_owned(),
            };
            cx.fault(typed.span, format!("\"{other}\" is no way to tell who the client is")).help(help);
            Forwarded::Append
        }
    }
}

fn set_fields(cx: &mut Cx<'_>, typed: &[Spanned<String>]) -> Vec<(Arc<str>, Template)> {
    let mut fields: Vec<(Arc<str>, Template)> = Vec::new();
    for field in typed {
        let Some((name, value)) = own_field(cx, &field.value, field.span) else { continue };
        if name.eq_ignore_ascii_case("host") {
            cx.fault(field.span, "Host has a key of its own").help(format!("write host = \"{value}\""));
        } else if fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            cx.fault(field.span, format!("{name} is set twice")).help("leave one of them out");
        } else {
            fields.push((name, request_value(cx, value, field.span)));
        }
    }
    fields
}

/// A value of a request, for which there is no answer yet.
fn request_value(cx: &mut Cx<'_>, text: &str, span: Span) -> Template {
    let value = field_value(cx, text, span);
    if value.0.contains(&Part::Status) {
        cx.fault(span, "there is no status yet when a request is sent").help("leave `${status}` out");
    }
    value
}

fn add(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Option<AddField> {
    let (text, always) = match typed.value.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (typed.value.as_str(), false),
    };
    let (name, value) = own_field(cx, text, typed.span)?;
    Some(AddField { name, value: field_value(cx, value, typed.span), always })
}

fn error_page(cx: &mut Cx<'_>, typed: &typed::ErrorPage) -> ErrorPage {
    for status in typed.status.iter().filter(|status| !(300..=599).contains(&status.value)) {
        cx.fault(status.span, format!("there is no error of status {}", status.value))
            .help("write a status from 300 to 599");
    }
    if let Some(answer) = typed.answer.filter(|answer| !(200..=599).contains(&answer.value)) {
        cx.fault(answer.span, format!("{} is no final status", answer.value)).help("write a status from 200 to 599");
    }
    let to = &typed.to.value;
    let url = to.starts_with("http://") || to.starts_with("https://");
    let visible = to.chars().all(|letter| letter.is_ascii_graphic());
    if !(visible && (url || to.starts_with('/'))) {
        cx.fault(typed.to.span, format!("\"{to}\" is neither a path nor a URL"))
            .help("write a path of this listener such as \"/sorry\", or \"https://...\"");
    }
    ErrorPage {
        statuses: typed.status.iter().map(|status| status.value).collect(),
        status: typed.answer.map(|answer| answer.value),
        to: to.as_str().into(),
    }
}

fn reply(cx: &mut Cx<'_>, act: &Act, status: Spanned<u16>) -> Reply {
    if !(200..=599).contains(&status.value) {
        cx.fault(status.span, format!("{} is no final status", status.value)).help("write a status from 200 to 599");
    }
    let redirect = matches!(status.value, 301 | 302 | 303 | 307 | 308);
    let body = match (&act.body, &act.location) {
        (_, Some(location)) if !redirect => {
            cx.fault(location.span, format!("an answer of status {} goes nowhere", status.value))
                .help("write `body`, or a status of 301, 302, 303, 307 or 308");
            Template::default()
        }
        (Some(body), Some(location)) => {
            cx.fault(body.span, "a redirect has no `body` of its own")
                .help("leave it out")
                .see(location.span, "`location`");
            Template::default()
        }
        (None, Some(location)) => field_value(cx, &location.value, location.span),
        (_, None) if redirect => {
            cx.fault(status.span, "a redirect to nowhere").help("add `location = \"https://...\"`");
            Template::default()
        }
        (Some(body), None) => template(cx, body),
        (None, None) => Template::default(),
    };
    let typed = act.content_type.as_ref();
    let content_type = typed.map_or(defaults::CONTENT_TYPE, |typed| typed.value.as_str());
    if let Some(typed) =
        typed.filter(|typed| typed.value.trim().is_empty() || typed.value.chars().any(char::is_control))
    {
        cx.fault(typed.span, format!("{:?} is no media type", typed.value)).help("write e.g. \"application/json\"");
    }
    Reply { status: status.value, content_type: content_type.into(), body }
}

fn mirror(
    cx: &mut Cx<'_>,
    typed: &Spanned<typed::Mirror>,
    request: &Spanned<String>,
    main: Option<&To>,
    path: &PathMatch,
) -> Option<Mirror> {
    let mirror = &typed.value;
    let to = target::parse(cx, &mirror.to);
    let host = host_rule(cx, &mirror.host);
    let set_fields = set_fields(cx, &mirror.set);
    let body_max = or(mirror.body_max, defaults::MIRROR_BODY_MAX);
    let at_once = cx.positive(mirror.at_once, "copies", "1; without `mirror` there are none", defaults::MIRROR_AT_ONCE);
    let timeout = cx.positive(mirror.timeout, "a time", "\"1s\"", defaults::MIRROR_TIMEOUT);
    let to = to?;
    if to.scheme == Scheme::Tcp {
        cx.fault(mirror.to.span, "only HTTP requests can be copied").help("write \"http://\"");
        return None;
    }
    if to.scheme == Scheme::Http2 {
        cx.fault(mirror.to.span, "copies go to nodes over HTTP/1 only").help("write \"http://\"");
        return None;
    }
    let index = target::pool(cx, &to, mirror.to.span)?;
    if let Some(main) = main.filter(|main| main.pool == to.pool && main.port == to.port) {
        let own = match path {
            PathMatch::Exact(path) | PathMatch::Prefix(path) => String::from_utf8_lossy(path),
        };
        let seen = main.path.as_deref().unwrap_or(&own);
        if to.path.as_deref().is_none_or(|copy| copy == seen) {
            cx.fault(mirror.to.span, "this copy goes where the request goes: a node would get it twice")
                .help("name the pool of the other nodes")
                .see(request.span, "`to`");
        }
    }
    let pool = cx.uses.add(index, to.port, false, mirror.to.span);
    let path = to.path.as_deref().map(Arc::from);
    let body_max = usize::try_from(body_max).unwrap_or(usize::MAX);
    Some(Mirror { pool, path, host, set_fields, body_max, at_once, timeout })
}
