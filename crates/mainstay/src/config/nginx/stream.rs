//! The `server` blocks of `stream`.

use std::time::Duration;

use super::ast::Directive;
use super::build::Build;
use super::listen;
use super::pass;
use super::pools::Kind;
use super::rules;
use super::scope::{Scope, own, typed};
use crate::config::typed::{Act, Listen, Maybe, Retry, Span};

impl Build<'_> {
    /// Every `server` of `stream`.
    pub(super) fn stream(&mut self, stream: &Directive) {
        let outer = Scope::new(stream.children());
        for server in own(stream.children(), "server") {
            let scope = outer.inner(server.children());
            self.stream_server(server, &scope, stream.children());
        }
    }

    fn stream_server(&mut self, server: &Directive, scope: &Scope<'_>, stream: &[Directive]) {
        let block = server.children();
        let span = server.span();
        let mut addresses = Vec::new();
        for directive in own(block, "listen") {
            addresses.extend(listen::read(directive, Kind::Stream, self.report));
        }
        if own(block, "listen").next().is_none() {
            self.report.fault(span, "a `server` of `stream` needs a `listen`").help("as in `listen 22000;`");
        }
        let Some(directive) = own(block, "proxy_pass").next() else {
            self.report.fault(span, "a `server` of `stream` needs a `proxy_pass`").help("as in `proxy_pass name;`");
            return;
        };
        let Some(mut pool) = pass::stream(directive, &mut self.pools, self.report) else { return };
        let over_tls = scope.switch("proxy_ssl", self.report).is_some_and(|on| on.value);
        if over_tls {
            pool = self.pools.secure(pool, directive.arg_span(0), self.report);
        }
        let connect = scope.time("proxy_connect_timeout", self.report);
        self.pools.bound_connect(pool, connect, self.report);
        for check in own(block, "health_check") {
            if let Some(check) = super::checks::stream(check, stream, self.report) {
                self.pools.add_check(pool, check);
            }
        }
        if over_tls {
            self.nodes_tls(pool, directive.arg(0), "proxy", scope, directive.arg_span(0));
        }
        let pool = self.pools.used(pool);
        let Some(first) = addresses.first() else { return };
        let name = self.listen_name(&listen::name(&first.at.value), span);
        let retry = self.stream_retry(scope, &pool, span);
        let (backlog, secure) = (first.backlog, first.ssl);
        if let Some(other) = addresses.iter().find(|address| address.ssl != secure) {
            self.report
                .fault(other.at.span, "one `listen` of this server speaks TLS, and another does not")
                .help("make two servers of it");
        }
        let tls = if secure { self.clients_tls(scope, &name.value, span) } else { None };
        let idle = scope.time("proxy_timeout", self.report).unwrap_or(typed(IDLE, span));
        let to = Some(typed(format!("tcp://{pool}"), directive.arg_span(0)));
        let listen = Listen {
            at: addresses.into_iter().map(|address| address.at).collect(),
            action: Act { to, retry, ..Act::default() },
            backlog,
            tls,
            access_log: self.access_log(scope),
            idle: Some(idle),
            ..Listen::default()
        };
        self.listens.push((name, listen));
    }

    /// A rule of its own only where the default would try otherwise.
    fn stream_retry(&mut self, scope: &Scope<'_>, pool: &str, span: Span) -> Maybe<String> {
        let retry = rules::stream_retry(scope, span, self.report);
        let alike = |default: &Retry| default.tries == retry.tries && default.within == retry.within;
        match self.retries.default_table() {
            Some(default) if alike(default) => None,
            Some(_) => self.retries.name(retry, pool, span),
            None => {
                self.retries.set_default(retry, span);
                None
            }
        }
    }
}

/// nginx's `proxy_timeout` where a file says none.
const IDLE: Duration = Duration::from_secs(600);
