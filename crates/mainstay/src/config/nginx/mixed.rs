//! Pools whose nodes are spoken to over TLS in one place and without it in another: each becomes two.

use super::ast::Directive;
use super::pass;
use super::pools::{Kind, PoolIndex, Pools};
use super::scope::{Scope, own};
use crate::config::fault::Report;

/// Finds them before anything is translated, since a route has to name its pool at once.
pub(super) fn find<'a>(contexts: impl Iterator<Item = (Kind, &'a Directive)>, pools: &mut Pools) {
    // What is wrong is told when the directives are translated.
    let (mut trial, mut unsaid) = (pools.clone(), Report::default());
    let mut uses = Vec::new();
    for (kind, block) in contexts {
        match kind {
            Kind::Http => http(block, &mut trial, &mut unsaid, &mut uses),
            Kind::Stream => stream(block, &mut trial, &mut unsaid, &mut uses),
        }
    }
    for (pool, _) in uses.iter().filter(|(_, secure)| *secure) {
        if uses.contains(&(*pool, false)) {
            pools.mix(&trial, *pool);
        }
    }
}

/// A pool, and whether TLS is spoken to it.
type Use = (PoolIndex, bool);

fn http(block: &Directive, pools: &mut Pools, report: &mut Report, uses: &mut Vec<Use>) {
    for directive in block.children() {
        if matches!(directive.name.text.as_str(), "proxy_pass" | "grpc_pass") {
            let pass = pass::http(directive, pools, report);
            uses.extend(pass.map(|pass| (pass.pool, pass.scheme.is_secure())));
        }
        http(directive, pools, report, uses);
    }
}

fn stream(block: &Directive, pools: &mut Pools, report: &mut Report, uses: &mut Vec<Use>) {
    let outer = Scope::new(block.children());
    for server in own(block.children(), "server") {
        let scope = outer.inner(server.children());
        let secure = scope.switch("proxy_ssl", report).is_some_and(|on| on.value);
        for directive in own(server.children(), "proxy_pass") {
            uses.extend(pass::stream(directive, pools, report).map(|pool| (pool, secure)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::ast::parse;
    use super::super::build;
    use super::*;

    #[test]
    fn what_is_used_with_and_without_tls_becomes_two_pools() {
        let location = |path: &str, pass: &str| format!("location /{path} {{ {pass}; }}");
        let both = |one: &str, other: &str| {
            let locations = [location("one", one), location("other", other)].concat();
            format!("http {{ upstream up {{ server a:1; }} server {{ listen 1; {locations} }} }}")
        };
        let two = &[("up", None), ("up-tls", Some("up-nodes"))][..];
        check(&both("proxy_pass http://up", "proxy_pass https://up"), two);
        check(&both("proxy_pass https://up", "proxy_pass http://up"), two);
        check(&both("grpc_pass up", "grpc_pass grpcs://up"), two);
        check(&both("proxy_pass https://up", "proxy_pass https://up/x"), &[("up", Some("up-nodes"))]);
        check(&both("proxy_pass http://up", "proxy_pass http://up/x"), &[("up", None)]);
        check(
            &both("proxy_pass http://h:443", "proxy_pass https://h"),
            &[("h-443", None), ("h-443-tls", Some("h-nodes"))],
        );
        check(
            "stream { upstream up { server a:1; } server { listen 1; proxy_pass up; }
             server { listen 2; proxy_pass up; proxy_ssl on; } }",
            two,
        );
    }

    #[track_caller]
    fn check(text: &str, expect: &[(&str, Option<&str>)]) {
        let mut report = Report::default();
        let main = parse(text, 0, &mut report);
        let config = build::config(&main, &mut report);
        let tls = |pool: &crate::config::typed::Pool| pool.tls.as_ref().map(|tls| tls.value.clone());
        let found: BTreeMap<String, Option<String>> =
            config.pools.iter().map(|(name, pool)| (name.value.clone(), tls(pool))).collect();
        let expect = expect.iter().map(|(name, tls)| ((*name).to_owned(), tls.map(str::to_owned))).collect();
        assert_eq!(found, expect, "{text}\n{:?}", report.found());
        let told = report.found().iter().any(|note| note.message.contains("which makes two pools"));
        assert_eq!(told, found.len() > 1, "{text}");
    }
}
