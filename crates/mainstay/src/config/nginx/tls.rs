//! `ssl_*`, `proxy_ssl_*` and `grpc_ssl_*`: `[tls.NAME]` tables.

use super::ast::Directive;
use super::build::Build;
use super::pools::{PoolIndex, slug};
use super::scope::{Scope, typed};
use crate::config::typed::{Maybe, Span, Spanned, Tls};

impl Build<'_> {
    /// The table for the clients of a `server`.
    pub(super) fn clients_tls(&mut self, scope: &Scope<'_>, wanted: &str, span: Span) -> Maybe<String> {
        let (cert, key) = (files(scope, "ssl_certificate"), files(scope, "ssl_certificate_key"));
        if cert.is_empty() {
            self.report
                .fault(span, "this `server` listens with `ssl` and has no `ssl_certificate`")
                .help("as in `ssl_certificate server.crt; ssl_certificate_key server.key;`");
            return None;
        }
        let handshake = scope.time("ssl_handshake_timeout", self.report);
        let mut tls = Tls { cert, key, handshake, versions: self.versions(scope, "ssl_protocols"), ..Tls::default() };
        match scope.one("ssl_verify_client").map(|directive| (directive.arg(0), directive.arg_span(0))) {
            None | Some(("off", _)) => {}
            Some((mode @ ("on" | "optional"), span)) => {
                tls.client_ca = files(scope, "ssl_client_certificate");
                tls.client_ca.extend(files(scope, "ssl_trusted_certificate"));
                tls.crl = files(scope, "ssl_crl");
                tls.client = (mode == "optional").then(|| typed("optional".to_owned(), span));
                if tls.client_ca.is_empty() {
                    self.report
                        .fault(span, "clients are to be verified, and it is not said by whose certificates")
                        .help("add `ssl_client_certificate` with the authority's file");
                }
            }
            Some((mode, span)) => {
                self.report
                    .fault(span, format!("`ssl_verify_client {mode}`: certificates that nobody verifies are not taken"))
                    .help("write `on`, `optional` or `off`");
            }
        }
        self.tls.name(tls, wanted, span)
    }

    /// Makes a pool's nodes be spoken to over TLS. `family` is how the directives about it begin.
    pub(super) fn nodes_tls(&mut self, pool: PoolIndex, host: &str, family: &str, scope: &Scope<'_>, span: Span) {
        let own = |name: &str| format!("{family}_ssl_{name}");
        let mut tls = Tls {
            cert: files(scope, &own("certificate")),
            key: files(scope, &own("certificate_key")),
            versions: self.versions(scope, &own("protocols")),
            ..Tls::default()
        };
        let verify = scope.switch(&own("verify"), self.report);
        if verify.as_ref().is_some_and(|verify| verify.value) {
            tls.ca = files(scope, &own("trusted_certificate"));
            tls.crl = files(scope, &own("crl"));
            if tls.ca.is_empty() {
                self.report
                    .fault(span, "nodes are to be verified, and it is not said by whose certificates")
                    .help(format!("add `{}` with the authority's file", own("trusted_certificate")));
            }
        } else {
            let at = verify.map_or(span, |verify| verify.span);
            tls.verify = Some(typed("off".to_owned(), at));
            let unused = files(scope, &own("trusted_certificate"));
            let though = unused.first().map(|file| format!(", and `{}` is not looked at", file.value));
            let (verify, trusted) = (own("verify"), own("trusted_certificate"));
            self.report
                .note(
                    at,
                    format!(
                        "without `{verify} on` nodes are NOT verified: anybody can stand in for them{}",
                        though.unwrap_or_default()
                    ),
                )
                .help(format!("write `{verify} on;` and `{trusted}` with the authority's file"));
        }
        if !scope.switch(&own("server_name"), self.report).is_some_and(|sni| sni.value) {
            tls.sni = Some(typed(false, span));
        }
        let named = scope.one(&own("name")).map(|directive| (directive.arg(0), directive.arg_span(0)));
        let (name, at) = match named {
            Some((name, at)) if !name.starts_with('$') => (name, at),
            Some((name, at)) if name != "$proxy_host" => {
                self.report
                    .fault(at, format!("`{name}` cannot say whose certificate is expected"))
                    .help("write a name");
                return;
            }
            _ => (host.rsplit_once(':').map_or(host, |(host, _)| host), span),
        };
        if tls.verify.is_none() || tls.sni.is_none() {
            tls.name = Some(typed(name.to_owned(), at));
        }
        let table = self.tls.name(tls, &format!("{}-nodes", slug(host)), span);
        if let Some(table) = table {
            self.pools.encrypt(pool, table, self.report);
        }
    }

    fn versions(&mut self, scope: &Scope<'_>, name: &str) -> Vec<Spanned<String>> {
        let Some(directive) = scope.one(name) else { return Vec::new() };
        let mut versions = Vec::new();
        for word in &directive.args {
            match word.text.as_str() {
                "TLSv1.3" => versions.push(typed("1.3".to_owned(), word.span)),
                "TLSv1.2" => versions.push(typed("1.2".to_owned(), word.span)),
                "SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1" => {
                    self.report.note(word.span, format!("{} is not spoken: it is not safe", word.text));
                }
                other => {
                    self.report.fault(word.span, format!("`{other}` is no version of TLS")).help("as in `TLSv1.3`");
                }
            }
        }
        if versions.is_empty() {
            self.report
                .fault(directive.span(), "no version of TLS is left that is spoken")
                .help("write `TLSv1.2 TLSv1.3`");
        }
        versions
    }
}

fn files(scope: &Scope<'_>, name: &str) -> Vec<Spanned<String>> {
    let path = |directive: &&Directive| typed(directive.arg(0).to_owned(), directive.arg_span(0));
    scope.all(name).iter().map(path).collect()
}
