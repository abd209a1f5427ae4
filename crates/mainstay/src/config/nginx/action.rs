//! What a `location` does with requests: `return` or `proxy_pass` and all that goes with them.

use std::time::Duration;

use super::ast::Directive;
use super::build::Build;
use super::headers;
use super::locations::{Location, find};
use super::pass::{self, Pass, Target};
use super::rules;
use super::scope::{Scope, own, typed};
use super::units;
use super::vars::{Fixed, template};
use crate::config::fault::Severity;
use crate::config::typed::{Act, ErrorPage, Maybe, Mirror, Span, Spanned};

/// The server an action belongs to.
pub(super) struct Server<'s, 'a> {
    /// Its first name.
    pub(super) name: String,
    /// Its locations.
    pub(super) locations: &'s [Location<'a>],
    /// The directives of `http`.
    pub(super) http: &'a [Directive],
}

impl Build<'_> {
    /// What a location does; `None` after a fault.
    pub(super) fn location(&mut self, location: &Location<'_>, server: &Server<'_, '_>) -> Option<Act> {
        self.refuse_own_limits(location);
        let block = location.directive.children();
        let reply = own(block, "return").next();
        let pass = own(block, "proxy_pass").chain(own(block, "grpc_pass")).next();
        let mut act = match (reply, pass) {
            (Some(reply), pass) => {
                if let Some(pass) = pass {
                    self.report.note(pass.span(), "the `return` beside it comes first, so nothing goes there");
                }
                self.reply(reply, &location.scope, server)?
            }
            (None, Some(pass)) => self.forward(pass, location, server)?,
            (None, None) if own(block, "location").next().is_some() => not_found(location.span()),
            (None, None) if self.has_fault_in(block) => return None,
            (None, None) => {
                let fault = self.report.fault(location.span(), "this location does nothing Mainstay can do");
                fault.help("give it a `proxy_pass` or a `return`; files are not served");
                return None;
            }
        };
        self.common(&mut act, &location.scope, server);
        Some(act)
    }

    /// Whether something was wrong in a block, so that what it lacks may only be mistyped.
    fn has_fault_in(&self, block: &[Directive]) -> bool {
        let within = |span: &Span| {
            block.iter().any(|directive| {
                let whole = directive.span();
                whole.file == span.file && whole.start <= span.start && span.end <= whole.end
            })
        };
        let mut faults = self.report.found().iter().filter(|found| found.severity == Severity::Fault);
        faults.any(|fault| fault.span.as_ref().is_some_and(within))
    }

    /// What a `return` of a `server` does, whose locations are then never reached.
    pub(super) fn server_reply(
        &mut self,
        reply: &Directive,
        scope: &Scope<'_>,
        server: &Server<'_, '_>,
    ) -> Option<Act> {
        let mut act = self.reply(reply, scope, server)?;
        self.common(&mut act, scope, server);
        if let Some(location) = server.locations.first() {
            self.report.note(location.span(), "the server's `return` comes first, so no location is reached");
        }
        Some(act)
    }

    fn reply(&mut self, directive: &Directive, scope: &Scope<'_>, server: &Server<'_, '_>) -> Option<Act> {
        let first = directive.arg(0);
        let span = directive.span();
        let is_url = first.starts_with("http://") || first.starts_with("https://") || first.starts_with("$scheme");
        let (status, text) = match directive.args.as_slice() {
            [url] if is_url => (302, Some(url)),
            [_, rest @ ..] => match units::number::<u16>(first).filter(|status| (200..=599).contains(status)) {
                Some(status) => (status, rest.first()),
                None => {
                    let fault = self.report.fault(directive.arg_span(0), format!("`{first}` is no status to answer"));
                    fault.help("200 to 599, 444 to close the connection, or a URL");
                    return None;
                }
            },
            [] => return None,
        };
        let fixed = Fixed { server_name: server.name.clone(), proxy_host: None };
        let text = match text {
            None => None,
            Some(word) => Some(typed(template(word, &fixed, self.report)?, word.span)),
        };
        let mut act = Act { reply: Some(typed(status, span)), ..Act::default() };
        match (text, REDIRECTS.contains(&status)) {
            (Some(text), true) => act.location = Some(text),
            (Some(text), false) if !text.value.is_empty() => {
                act.content_type = Some(scope.one("default_type").map_or_else(
                    || typed("text/plain".to_owned(), span),
                    |directive| typed(directive.arg(0).to_owned(), directive.arg_span(0)),
                ));
                act.body = Some(text);
            }
            (None, true) => {
                self.report
                    .fault(span, "a redirect needs a place to go to")
                    .help(format!("as in `return {status} URL;`"));
                return None;
            }
            _ => {}
        }
        Some(act)
    }

    fn forward(&mut self, directive: &Directive, location: &Location<'_>, server: &Server<'_, '_>) -> Option<Act> {
        let pass = pass::http(directive, &mut self.pools, self.report);
        let scope = &location.scope;
        let span = directive.span();
        let family = pass::family(directive);
        let own_name = |name: &str| format!("{family}_{name}");
        if let Some(pass) = pass.as_ref().filter(|pass| pass.scheme.is_secure()) {
            self.nodes_tls(pass.pool, &pass.host, family, scope, directive.arg_span(0));
        }
        // All that stands in the block is read, also when nobody can say where its requests go.
        let fields = self.fields(family, scope, pass.as_ref(), server);
        let retry = rules::retry(family, scope, span, self.report);
        let connect = scope.time(&own_name("connect_timeout"), self.report);
        let read_timeout = self.read_timeout(family, scope);
        let send_timeout = scope.time(&own_name("send_timeout"), self.report).or(Some(typed(SEND_TIMEOUT, span)));
        let body_max = Some(rules::body_max(scope, span, self.report));
        let mirror = self.mirrors(scope, server, span);
        let checks: Vec<_> = own(location.directive.children(), "health_check")
            .filter_map(|check| super::checks::http(check, server.http, self.report))
            .collect();
        let pass = pass?;
        let pool = self.pools.used(pass.pool);
        self.pools.bound_connect(pass.pool, connect, self.report);
        for mut check in checks {
            check.value.host = fields.fixed_host.clone();
            self.pools.add_check(pass.pool, check);
        }
        let path = if let Target::Swap(path) = &pass.target { path.as_str() } else { "" };
        Some(Act {
            to: Some(typed(format!("{}://{pool}{path}", pass.scheme.name()), directive.arg_span(0))),
            retry: self.retries.name(retry, &pool, span),
            host: fields.host.or_else(|| Some(typed(headers::plain_host(pass.host), span))),
            forwarded: Some(typed("pass".to_owned(), span)),
            set: fields.set,
            mirror,
            read_timeout,
            send_timeout,
            upgrade: fields.upgrade,
            body_max,
            ..Act::default()
        })
    }

    /// Where calls go, none: a stream that is silent for longer is no failure.
    fn read_timeout(&mut self, family: &str, scope: &Scope<'_>) -> Maybe<Duration> {
        if family != "grpc" {
            return scope.time("proxy_read_timeout", self.report);
        }
        let wanted = scope.time("grpc_read_timeout", self.report)?;
        self.report
            .note(wanted.span, "calls may be silent for as long as they like; nginx would cut them after this time")
            .help("a client bounds a call by its deadline, and nodes that are gone are found by checks");
        None
    }

    fn fields(
        &mut self,
        family: &str,
        scope: &Scope<'_>,
        pass: Option<&Pass>,
        server: &Server<'_, '_>,
    ) -> headers::Fields {
        let proxy_host = Some(pass.map(|pass| pass.host.clone()).unwrap_or_default());
        let fixed = Fixed { server_name: server.name.clone(), proxy_host };
        headers::request(family, scope, &fixed, &self.upgrades, self.report)
    }

    /// What holds for answers of either kind.
    pub(super) fn common(&mut self, act: &mut Act, scope: &Scope<'_>, server: &Server<'_, '_>) {
        let fixed = Fixed { server_name: server.name.clone(), proxy_host: None };
        act.add = headers::answer(scope, &fixed, self.report);
        let pages = scope.all("error_page").into_iter();
        act.error_pages = pages.filter_map(|directive| self.error_page(directive, server)).collect();
        let is_grpc = act.to.as_ref().is_some_and(|to| to.value.starts_with("grpc"));
        let name = if is_grpc { "grpc_intercept_errors" } else { "proxy_intercept_errors" };
        let intercept = scope.switch(name, self.report).filter(|on| on.value);
        act.intercept = intercept.filter(|_| !act.error_pages.is_empty());
    }

    /// `error_page 502 503 =200 /path;`
    fn error_page(&mut self, directive: &Directive, server: &Server<'_, '_>) -> Option<Spanned<ErrorPage>> {
        let (to, codes) = directive.args.split_last()?;
        let mut page = ErrorPage { to: typed(to.text.clone(), to.span), ..ErrorPage::default() };
        for word in codes {
            match word.text.strip_prefix('=') {
                Some(answer) => {
                    // Alone, it is the status of what stands there.
                    let answer = if answer.is_empty() { returned(server, &to.text) } else { answer };
                    page.answer = units::number(answer)
                        .filter(|code| (200..=599).contains(code))
                        .map(|code| typed(code, word.span));
                    if page.answer.is_none() {
                        let fault = self.report.fault(word.span, "the status of an error page must be said");
                        fault.help("as in `error_page 404 =200 /path;`");
                    }
                }
                None => match units::number(&word.text).filter(|code| (300..=599).contains(code)) {
                    Some(code) => page.status.push(typed(code, word.span)),
                    None => {
                        self.report.fault(word.span, format!("`{}` is no status of an error", word.text));
                    }
                },
            }
        }
        if codes.iter().all(|word| word.text.starts_with('=')) {
            self.report.fault(directive.span(), "an error page needs the statuses it is for");
        }
        let is_url = to.text.starts_with("http://") || to.text.starts_with("https://");
        if !is_url && !to.text.starts_with('/') || to.text.contains('$') {
            let fault = self.report.fault(to.span, format!("`{}` cannot be an error page", to.text));
            fault.help("a path of the same server, or a URL without variables");
            return None;
        }
        Some(typed(page, directive.span()))
    }

    fn mirrors(&mut self, scope: &Scope<'_>, server: &Server<'_, '_>, span: Span) -> Vec<Spanned<Mirror>> {
        let body_max = rules::body_max(scope, span, self.report).value;
        let body_max = if body_max == 0 { rules::BUFFER_MAX } else { body_max.min(rules::BUFFER_MAX) };
        let mut mirrors = Vec::new();
        for directive in scope.all("mirror") {
            if directive.arg(0) == "off" {
                continue;
            }
            if let Some(mut mirror) = self.mirror(directive, server) {
                mirror.body_max = Some(typed(body_max, directive.span()));
                mirrors.push(typed(mirror, directive.span()));
            }
        }
        mirrors
    }

    fn mirror(&mut self, directive: &Directive, server: &Server<'_, '_>) -> Option<Mirror> {
        let path = directive.arg(0);
        let span = directive.arg_span(0);
        if !path.starts_with('/') || path.contains(['$', '?', '#']) {
            self.report
                .fault(span, format!("`{path}` is no path to mirror to"))
                .help("name a location of the same server");
            return None;
        }
        let found = find(server.locations, path);
        let pass =
            found.and_then(|location| Some((location, own(location.directive.children(), "proxy_pass").next()?)));
        let Some((location, directive)) = pass else {
            self.report
                .fault(span, format!("no location with a `proxy_pass` takes `{path}`"))
                .help(format!("as in `location = {path} {{ internal; proxy_pass http://...; }}`"));
            return None;
        };
        let pass = pass::http(directive, &mut self.pools, self.report)?;
        if pass.scheme.is_secure() {
            self.nodes_tls(pass.pool, &pass.host, "proxy", &location.scope, directive.arg_span(0));
        }
        let pool = self.pools.used(pass.pool);
        let target = match &pass.target {
            Target::Original => String::new(),
            Target::Keep => path.to_owned(),
            Target::Swap(prefix) => format!("{prefix}{}", path.get(location.path.len()..).unwrap_or_default()),
        };
        let fields = self.fields("proxy", &location.scope, Some(&pass), server);
        Some(Mirror {
            to: typed(format!("{}://{pool}{target}", pass.scheme.name()), span),
            host: fields.host.or_else(|| Some(typed(headers::plain_host(pass.host), span))),
            set: fields.set,
            timeout: location.scope.time("proxy_read_timeout", self.report),
            ..Mirror::default()
        })
    }

    /// Limits on clients hold for a whole server here.
    fn refuse_own_limits(&mut self, location: &Location<'_>) {
        for name in ["client_body_timeout", "send_timeout", "keepalive_timeout", "keepalive_requests"] {
            for directive in own(location.directive.children(), name) {
                let message = format!("`{name}` holds for a whole server, not for a location");
                self.report.fault(directive.span(), message).help("move it into the `server`");
            }
        }
    }
}

/// The status that the location of a path returns; empty where it does something else.
fn returned<'a>(server: &Server<'_, 'a>, path: &str) -> &'a str {
    let location = find(server.locations, path);
    let reply = location.and_then(|location| own(location.directive.children(), "return").next());
    reply.map_or("", |reply| reply.arg(0))
}

/// What nginx answers where nothing takes a request and no file is there.
pub(super) fn not_found(span: Span) -> Act {
    Act { reply: Some(typed(404, span)), ..Act::default() }
}

/// nginx's `proxy_send_timeout` where a file says none. Its `proxy_read_timeout` is Mainstay's own.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
