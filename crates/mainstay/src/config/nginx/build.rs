//! The whole of a file, from its outermost blocks to a configuration.

use super::ast::Directive;
use super::mixed;
use super::named::Named;
use super::pools::{Kind, Pools};
use super::rules;
use super::scope::{Scope, own, time, typed};
use super::vars::has_variables;
use crate::config::fault::Report;
use crate::config::typed::{Config, Limit, Listen, Maybe, Retry, Spanned, Tls};

/// A configuration in the making.
pub(super) struct Build<'r> {
    /// Where faults and notes go.
    pub(super) report: &'r mut Report,
    /// Every pool.
    pub(super) pools: Pools,
    /// Every retry rule.
    pub(super) retries: Named<Retry>,
    /// Every set of limits.
    pub(super) limits: Named<Limit>,
    /// Every set of certificates.
    pub(super) tls: Named<Tls>,
    /// Every listener.
    pub(super) listens: Vec<(Spanned<String>, Listen)>,
    /// Variables that a `map` of `$http_upgrade` makes, without their `$`.
    pub(super) upgrades: Vec<String>,
    /// The first access log named.
    pub(super) access: Maybe<String>,
}

/// Translates the directives of a file, which the table of directives has looked at.
pub(super) fn config(main: &[Directive], report: &mut Report) -> Config {
    let mut build = Build {
        report,
        pools: Pools::default(),
        retries: Named::default(),
        limits: Named::default(),
        tls: Named::default(),
        listens: Vec::new(),
        upgrades: Vec::new(),
        access: None,
    };
    for (kind, block) in contexts(main) {
        for upstream in own(block.children(), "upstream") {
            build.pools.add(upstream, kind, build.report);
        }
    }
    mixed::find(contexts(main), &mut build.pools);
    for (_, block) in contexts(main).filter(|(kind, _)| *kind == Kind::Http) {
        build.http_defaults(block);
    }
    for (kind, block) in contexts(main) {
        match kind {
            Kind::Http => build.http(block),
            Kind::Stream => build.stream(block),
        }
    }
    build.finish(main)
}

/// `http` and `stream`, in the order of the file.
fn contexts(main: &[Directive]) -> impl Iterator<Item = (Kind, &Directive)> {
    main.iter().filter_map(|directive| match directive.name.text.as_str() {
        "http" => Some((Kind::Http, directive)),
        "stream" => Some((Kind::Stream, directive)),
        _ => None,
    })
}

impl Build<'_> {
    fn http_defaults(&mut self, block: &Directive) {
        let scope = Scope::new(block.children());
        let span = block.span();
        let retry = rules::retry("proxy", &scope, span, self.report);
        self.retries.set_default(retry, span);
        let limit = rules::limit(&scope, span, self.report);
        self.limits.set_default(limit, span);
        for map in own(block.children(), "map") {
            match map.arg(0) {
                "$http_upgrade" | "${http_upgrade}" => {
                    self.upgrades.push(map.arg(1).trim_start_matches('$').to_owned());
                }
                _ => {
                    let fault = self.report.fault(map.span(), "`map`: variables of one's own are not supported");
                    fault.help("but for the usual one of `$http_upgrade`");
                }
            }
        }
    }

    fn finish(mut self, main: &[Directive]) -> Config {
        let mut config = Config::default();
        if let Some(drain) = own(main, "worker_shutdown_timeout").next() {
            config.run.drain = time(drain, 0, self.report);
        }
        config.log.access = self.access.take();
        if self.listens.is_empty() && !self.report.has_faults() {
            self.report.fault_anywhere("there is no `server`, so nothing would be listened on");
        }
        config.pools = self.pools.finish(self.report);
        config.listens = self.listens;
        config.retries = self.retries.into_entries();
        config.limits = self.limits.into_entries();
        config.tls = self.tls.into_entries();
        config
    }

    /// Whether a server's requests are logged, which they are where it is not `off`; the first path named is where all of them go.
    pub(super) fn access_log(&mut self, scope: &Scope<'_>) -> Maybe<bool> {
        for directive in scope.all("access_log") {
            let (path, span) = (directive.arg(0), directive.arg_span(0));
            if path == "off" {
                return Some(typed(false, span));
            }
            if path.starts_with("syslog:") || has_variables(path) {
                self.report.fault(span, format!("the access log cannot go to `{path}`")).help("a path, or `off`");
                continue;
            }
            if directive.args.iter().any(|word| word.text.starts_with("if=")) {
                self.report.fault(directive.span(), "every request is logged, or none: `if=` is not supported");
            }
            let path = if path == "/dev/stdout" { "stdout" } else { path };
            match &self.access {
                None => self.access = Some(typed(path.to_owned(), span)),
                Some(first) if first.value != path => {
                    let first = first.span;
                    self.report.note(span, "there is one access log, of all servers").see(first, "it goes here");
                }
                Some(_) => {}
            }
        }
        None
    }
}
