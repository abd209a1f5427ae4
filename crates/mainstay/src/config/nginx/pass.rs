//! `proxy_pass` and `grpc_pass`: where requests and sessions go.

use super::ast::Directive;
use super::pools::{Kind, PoolIndex, Pools};
use super::upstream::{address, lacks_port};
use super::vars::has_variables;
use crate::config::fault::Report;
use crate::config::typed::Span;

/// Where a `proxy_pass` or `grpc_pass` of `http` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    /// The pool.
    pub(super) pool: PoolIndex,
    /// `$proxy_host`: what stands between the scheme and the path.
    pub(super) host: String,
    /// What its nodes speak.
    pub(super) scheme: Scheme,
    /// What the target becomes.
    pub(super) target: Target,
}

/// What is spoken to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Grpc,
    Grpcs,
}

impl Scheme {
    /// As a `to` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// Whether TLS is spoken below it.
    pub(super) fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }
}

/// How the directives begin that go with a `proxy_pass` or `grpc_pass`.
pub(super) fn family(pass: &Directive) -> &'static str {
    if pass.name.text == "grpc_pass" { "grpc" } else { "proxy" }
}

/// What the request target becomes on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// It stays as it came; in a copy, it is the mirror's own path.
    Keep,
    /// It stays as it came, in a copy too (`$request_uri`).
    Original,
    /// This takes the place of the location's path.
    Swap(String),
}

/// Reads a `proxy_pass` or `grpc_pass` of `http`; `None` after a fault.
pub(super) fn http(directive: &Directive, pools: &mut Pools, report: &mut Report) -> Option<Pass> {
    let text = directive.arg(0);
    let span = directive.arg_span(0);
    let is_grpc = family(directive) == "grpc";
    let schemes = if is_grpc { [Scheme::Grpc, Scheme::Grpcs] } else { [Scheme::Http, Scheme::Https] };
    let found = schemes.into_iter().find_map(|scheme| Some((strip_scheme(text, scheme.name())?, scheme)));
    let bare = is_grpc && !text.contains("://") && !text.starts_with('$');
    let Some((rest, scheme)) = found.or_else(|| bare.then_some((text, Scheme::Grpc))) else {
        no_http(text, span, is_grpc, report);
        return None;
    };
    let secure = scheme.is_secure();
    if let Some(path) = rest.strip_prefix("unix:") {
        let (path, uri) = path.split_once(':').map_or((path, None), |(path, uri)| (path, Some(uri)));
        let target = target(uri.unwrap_or_default(), span, report)?;
        let mut pool = pools.implicit(&format!("unix:{path}"), Kind::Http, span);
        if secure {
            pool = pools.secure(pool, span, report);
        }
        return Some(Pass { pool, host: "localhost".to_owned(), scheme, target });
    }
    let end = rest.find(['/', '?', '$']).unwrap_or(rest.len());
    let (host, uri) = rest.split_at(end);
    if host.is_empty() {
        let fault = report.fault(span, "this `proxy_pass` names no host");
        fault.help("as in `proxy_pass http://host:port;`; a variable cannot name it");
        return None;
    }
    if is_grpc && !uri.is_empty() {
        report.fault(span, "`grpc_pass` takes no path").help(format!("write `grpc_pass {}://{host};`", scheme.name()));
        return None;
    }
    let target = target(uri, span, report)?;
    let pool = match pools.find(host, Kind::Http) {
        Some(pool) => pool,
        None => {
            if let Some((name, port)) = host.rsplit_once(':')
                && pools.find(name, Kind::Http).is_some()
            {
                let message = format!("the upstream `{name}` has ports of its own, `:{port}` may not be here");
                report.fault(span, message).help(format!("write `proxy_pass http://{name}{uri};`"));
                return None;
            }
            let whole = if secure && lacks_port(host) { format!("{host}:443") } else { address(host, Kind::Http) };
            pools.implicit(&whole, Kind::Http, span)
        }
    };
    let pool = if secure { pools.secure(pool, span, report) } else { pool };
    Some(Pass { pool, host: host.to_owned(), scheme, target })
}

/// Reads a `proxy_pass` of `stream`; `None` after a fault.
pub(super) fn stream(directive: &Directive, pools: &mut Pools, report: &mut Report) -> Option<PoolIndex> {
    let text = directive.arg(0);
    let span = directive.arg_span(0);
    if has_variables(text) {
        report.fault(span, "a variable cannot say where sessions go");
        return None;
    }
    if let Some((_, rest)) = text.split_once("://") {
        let message = "`proxy_pass` in `stream` takes no scheme: sessions are carried, whatever they speak";
        report.fault(span, message).help(format!("write `proxy_pass {};`", rest.trim_end_matches('/')));
        return None;
    }
    if let Some(pool) = pools.find(text, Kind::Stream) {
        return Some(pool);
    }
    if lacks_port(text) {
        let message = format!("there is no `upstream` called `{text}` in `stream`, and as an address it lacks a port");
        report.fault(span, message).help(format!("as in `proxy_pass {text}:22000;`"));
        return None;
    }
    Some(pools.implicit(text, Kind::Stream, span))
}

fn strip_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (found, rest) = text.split_once("://")?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn no_http(text: &str, span: Span, is_grpc: bool, report: &mut Report) {
    match text.split_once("://") {
        Some((scheme, _)) if is_grpc => {
            report.fault(span, format!("`{scheme}` is no scheme of `grpc_pass`")).help("write `grpc://` or `grpcs://`")
        }
        Some((scheme, _)) => {
            report.fault(span, format!("`{scheme}` is no scheme of `proxy_pass`")).help("write `http://`")
        }
        None if has_variables(text) => report
            .fault(span, "a variable cannot say where requests go")
            .help("name an `upstream` or an address, as in `proxy_pass http://host:port;`"),
        None => report
            .fault(span, "the scheme is missing in front of the address")
            .help(format!("write `proxy_pass http://{text};`")),
    };
}

fn target(uri: &str, span: Span, report: &mut Report) -> Option<Target> {
    match uri {
        "" => Some(Target::Keep),
        "$request_uri" => Some(Target::Original),
        _ if has_variables(uri) => {
            let message = "the path of `proxy_pass` has no variables, but for `$request_uri` alone";
            report.fault(span, message).help("without a path the target goes on as it came");
            None
        }
        _ if uri.contains(['?', '#']) || uri.bytes().any(|byte| !byte.is_ascii_graphic()) => {
            report.fault(span, "the path of `proxy_pass` has no query, `#`, blanks or letters beyond ASCII");
            None
        }
        _ => Some(Target::Swap(uri.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::parse;
    use super::*;

    #[test]
    fn http_forms() {
        check_http("http://q2t", Ok(("q2t", "q2t", Target::Keep)));
        check_http("HTTP://Q2T/", Ok(("q2t", "Q2T", Target::Swap("/".into()))));
        check_http("http://q2t/a/b", Ok(("q2t", "q2t", Target::Swap("/a/b".into()))));
        check_http("http://q2t$request_uri", Ok(("q2t", "q2t", Target::Original)));
        check_http("http://h:9001/partyinfo", Ok(("h-9001", "h:9001", Target::Swap("/partyinfo".into()))));
        check_http("http://h", Ok(("h-80", "h", Target::Keep)));
        check_http("http://[::1]:80", Ok(("1--80", "[::1]:80", Target::Keep)));
        check_http("http://unix:/run/a.sock", Ok(("unix--run-a-sock", "localhost", Target::Keep)));
        check_http("http://unix:/run/a.sock:/x", Ok(("unix--run-a-sock", "localhost", Target::Swap("/x".into()))));
    }

    #[test]
    fn http_faults() {
        check_http("url2:port2/partyinfo", Err("the scheme is missing in front of the address"));
        check_http("https://h/", Ok(("h-443", "h", Target::Swap("/".into()))));
        check_http("ftp://q2t", Err("`ftp` is no scheme of `proxy_pass`"));
        check_http("http:///x", Err("this `proxy_pass` names no host"));
        check_http("http://$host", Err("this `proxy_pass` names no host"));
        check_http("$up", Err("a variable cannot say where requests go"));
        check_http("http://q2t:9101/x", Err("the upstream `q2t` has ports of its own, `:9101` may not be here"));
        check_http("http://q2t/x$uri", Err("the path of `proxy_pass` has no variables, but for `$request_uri` alone"));
        check_http("http://q2t?a=b", Err("the path of `proxy_pass` has no query, `#`, blanks or letters beyond ASCII"));
    }

    #[test]
    fn stream_forms() {
        check_stream("quorum", Ok("quorum"));
        check_stream("h:22000", Ok("h-22000"));
        check_stream("[::1]:22000", Ok("1--22000"));
        check_stream("unix:/run/geth.ipc", Ok("unix--run-geth-ipc"));
        check_stream(
            "[::1]",
            Err("there is no `upstream` called `[::1]` in `stream`, and as an address it lacks a port"),
        );
        check_stream(
            "nobody",
            Err("there is no `upstream` called `nobody` in `stream`, and as an address it lacks a port"),
        );
        check_stream(
            "http://h:1",
            Err("`proxy_pass` in `stream` takes no scheme: sessions are carried, whatever they speak"),
        );
        check_stream("$up", Err("a variable cannot say where sessions go"));
    }

    #[track_caller]
    fn check_http(text: &str, expect: Result<(&str, &str, Target), &str>) {
        let (mut pools, mut report, directive) = before(text, Kind::Http);
        let pass = http(&directive, &mut pools, &mut report);
        let found = pass.map(|pass| (pools.used(pass.pool), pass.host, pass.target));
        let expect = expect.map(|(pool, host, target)| (pool.to_owned(), host.to_owned(), target));
        assert_eq!(found.ok_or_else(|| message(&report)), expect.map_err(str::to_owned), "{text}");
    }

    #[track_caller]
    fn check_stream(text: &str, expect: Result<&str, &str>) {
        let (mut pools, mut report, directive) = before(text, Kind::Stream);
        let pool = stream(&directive, &mut pools, &mut report).map(|pool| pools.used(pool));
        assert_eq!(pool.ok_or_else(|| message(&report)), expect.map(str::to_owned).map_err(str::to_owned), "{text}");
    }

    fn before(text: &str, kind: Kind) -> (Pools, Report, Directive) {
        let (mut pools, mut report) = (Pools::default(), Report::default());
        let name = if kind == Kind::Http { "q2t" } else { "quorum" };
        let upstream = parse(&format!("upstream {name} {{ server a:1; }}"), 0, &mut report);
        pools.add(&upstream[0], kind, &mut report);
        let mut parsed = parse(&format!("proxy_pass {text};"), 0, &mut report);
        (pools, report, parsed.remove(0))
    }

    fn message(report: &Report) -> String {
        report.found().first().map(|fault| fault.message.clone()).unwrap_or_default()
    }
}
