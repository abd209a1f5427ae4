//! A pool's active checks.

use mainstay_proxy::params::{HttpProbe, Pattern, Probe};
use std::time::Duration;

use super::{Cx, or, pattern, template};
use crate::config::defaults;
use crate::config::typed::{Check, Maybe, Span, Spanned};

/// A check that is not yet one of an address.
pub(super) struct Checking {
    pub(super) span: Span,
    pub(super) port: Option<u16>,
    /// Name of a `[tls.NAME]`, or `off`.
    pub(super) tls: Maybe<String>,
    pub(super) probe: Probe,
    pub(super) every: Duration,
    pub(super) every_in_doubt: Duration,
    pub(super) timeout: Duration,
    pub(super) rise: u32,
    pub(super) fall: u32,
}

impl Checking {
    /// What it speaks over TLS.
    pub(super) fn protocols(&self) -> &'static [&'static str] {
        match self.probe {
            Probe::Http(_) => &["http/1.1"],
            Probe::Grpc { .. } => &["h2"],
            Probe::Tcp { .. } => &[],
        }
    }
}

/// Converts a check; `None` when it is not clear what it asks.
pub(super) fn check(cx: &mut Cx<'_>, typed: &Spanned<Check>) -> Option<Checking> {
    let (check, span) = (&typed.value, typed.span);
    if let Some(port) = check.port.filter(|port| port.value == 0) {
        cx.fault(port.span, "there is no port 0").help("write a port from 1 to 65535");
    }
    let every = cx.positive(check.every, "checks with a pause", "\"10ms\"", defaults::CHECK_EVERY);
    if let (Some(doubt), Some(every)) = (check.every_in_doubt, check.every)
        && doubt.value > every.value
    {
        cx.fault(doubt.span, "a node in doubt is checked more often, not less")
            .help("write a time that is not longer than `every`")
            .see(every.span, "`every`");
    }
    let in_doubt = defaults::CHECK_EVERY_IN_DOUBT.min(every);
    let probe = probe(cx, check, span)?;
    Some(Checking {
        span,
        port: check.port.map(|port| port.value),
        tls: check.tls.clone(),
        probe,
        every,
        every_in_doubt: cx.positive(check.every_in_doubt, "checks with a pause", "\"10ms\"", in_doubt).min(every),
        timeout: cx.positive(check.timeout, "a timeout", "\"10ms\"", defaults::CHECK_TIMEOUT.min(every)),
        rise: cx.positive(check.rise, "a rise", "1", defaults::CHECK_RISE),
        fall: cx.positive(check.fall, "a fall", "1", defaults::CHECK_FALL),
    })
}

fn probe(cx: &mut Cx<'_>, check: &Check, span: Span) -> Option<Probe> {
    let tcp = check.tcp.filter(|tcp| tcp.value);
    let kinds = [
        ("http", check.http.as_ref().map(|http| http.span)),
        ("grpc", check.grpc.as_ref().map(|grpc| grpc.span)),
        ("tcp", tcp.map(|tcp| tcp.span)),
    ];
    let mut asked = kinds.iter().filter_map(|(kind, span)| Some((*kind, (*span)?)));
    if let (Some((first, at)), Some((second, other))) = (asked.next(), asked.next()) {
        cx.fault(other, format!("a check asks one thing, and this has `{first}` and `{second}`"))
            .help("leave one of them out, or write two checks in a list")
            .see(at, format!("`{first}`"));
        return None;
    }
    if let Some(watch) = check.watch.filter(|_| check.grpc.is_none()) {
        cx.fault(watch.span, "`watch` is of grpc checks, and this is none").help("leave it out");
    }
    if let Some(http) = &check.http {
        of_tcp(cx, check);
        return Some(Probe::Http(http_probe(cx, check, http)));
    }
    if let Some(grpc) = &check.grpc {
        of_tcp(cx, check);
        of_http(cx, check);
        return Some(Probe::Grpc { service: grpc.value.as_str().into(), watch: or(check.watch, false) });
    }
    if tcp.is_some() {
        of_http(cx, check);
        let send = check.send.as_ref().map(|send| pattern::bytes(cx, send)).unwrap_or_default();
        let expect = check.expect.as_ref().and_then(|text| pattern::pattern(cx, &text.value, text.span));
        return Some(Probe::Tcp { send, expect });
    }
    if !cx.broken.around(span) {
        cx.fault(span, "this check asks nothing")
            .help("write { http = \"/path\" }, { grpc = \"service\" } or { tcp = true }");
    }
    None
}

/// Tells what only TCP checks have.
fn of_tcp(cx: &mut Cx<'_>, check: &Check) {
    only(cx, "tcp", [("send", place(&check.send)), ("expect", place(&check.expect))]);
}

/// Tells what only HTTP checks have.
fn of_http(cx: &mut Cx<'_>, check: &Check) {
    let first = |list: &[Spanned<String>]| list.first().map(|entry| entry.span);
    only(cx, "http", [("method", place(&check.method)), ("host", place(&check.host))]);
    only(cx, "http", [("status", first(&check.status)), ("fields", first(&check.fields))]);
    only(cx, "http", [("body", place(&check.body)), ("", None)]);
}

fn place<T>(typed: &Maybe<T>) -> Option<Span> {
    typed.as_ref().map(|typed| typed.span)
}

fn only(cx: &mut Cx<'_>, kind: &str, keys: [(&str, Option<Span>); 2]) {
    for (key, span) in keys {
        if let Some(span) = span {
            cx.fault(span, format!("`{key}` is of {kind} checks, and this is none")).help("leave it out");
        }
    }
}

fn http_probe(cx: &mut Cx<'_>, check: &Check, http: &Spanned<String>) -> HttpProbe {
    if !http.value.starts_with('/') || !http.value.chars().all(|letter| letter.is_ascii_graphic() && letter != '#') {
        cx.fault(http.span, format!("\"{}\" is no path", http.value)).help("write a path such as \"/upcheck\"");
    }
    let method = check.method.as_ref().map_or("GET", |method| method.value.as_str());
    if let Some(typed) = check.method.as_ref().filter(|method| !template::is_token(&method.value)) {
        cx.fault(typed.span, format!("\"{method}\" is no method")).help("write \"GET\" or \"HEAD\"");
    } else if let Some(typed) = check.method.as_ref().filter(|method| method.value != method.value.to_ascii_uppercase())
    {
        cx.fault(typed.span, format!("no node knows the method \"{method}\", since methods are in capitals"))
            .help(format!("write \"{}\"", method.to_ascii_uppercase()));
    }
    if let Some(host) = check.host.as_ref().filter(|host| !host.value.chars().all(|letter| letter.is_ascii_graphic())) {
        cx.fault(host.span, format!("{:?} is no host", host.value)).help("write a host name");
    }
    let statuses = statuses(cx, &check.status);
    let body = check.body.as_ref().and_then(|text| pattern::pattern(cx, &text.value, text.span));
    if let (Some(typed), Some(Pattern::Text(_) | Pattern::Regex(_))) = (&check.body, &body) {
        let why = if method == "HEAD" {
            Some("an answer to HEAD has no body")
        } else if statuses.iter().all(|(low, high)| *low == *high && matches!(*low, 204 | 304)) {
            Some("an answer of status 204 or 304 has no body")
        } else {
            None
        };
        if let Some(why) = why {
            cx.fault(typed.span, format!("this check can never pass: {why}")).help("leave `body` out, or ask with GET");
        }
    }
    let fields = check.fields.iter().filter_map(|field| {
        let (name, text) = template::field(cx, &field.value, field.span)?;
        Some((name, pattern::pattern(cx, text, field.span)?))
    });
    let fields = fields.collect();
    HttpProbe {
        method: method.into(),
        target: http.value.as_str().into(),
        host: check.host.as_ref().map(|host| host.value.as_str().into()),
        statuses,
        fields,
        body,
    }
}

fn statuses(cx: &mut Cx<'_>, typed: &[Spanned<String>]) -> Vec<(u16, u16)> {
    if typed.is_empty() {
        return vec![defaults::CHECK_STATUS];
    }
    let range = |typed: &Spanned<String>| {
        let (low, high) = typed.value.split_once('-').unwrap_or((&typed.value, &typed.value));
        let number = |text: &str| text.trim().parse::<u16>().ok();
        match (number(low), number(high)) {
            (Some(low), Some(high)) if low > high => {
                cx.fault(typed.span, "this check can never pass: the range is empty")
                    .help(format!("write \"{high}-{low}\""));
                None
            }
            (Some(low), Some(high)) if low >= 200 && high <= 599 => Some((low, high)),
            (Some(_), Some(_)) => {
                cx.fault(typed.span, "a final answer has a status from 200 to 599")
                    .help("write one of those, e.g. \"200-399\"");
                None
            }
            _ => {
                cx.fault(typed.span, format!("\"{}\" is no status", typed.value)).help("write 200 or \"200-399\"");
                None
            }
        }
    };
    typed.iter().filter_map(range).collect()
}

/// How an operator is shown the check of an address.
pub(super) fn name(probe: &Probe, address: &str) -> String {
    match probe {
        Probe::Http(http) if address.starts_with("unix:") => format!("http {} at {address}", http.target),
        Probe::Http(http) => format!("http://{address}{}", http.target),
        Probe::Grpc { service, .. } => format!("grpc health of {service:?} at {address}"),
        Probe::Tcp { .. } => format!("tcp://{address}"),
    }
}
