//! What must hold for any text read as an nginx.conf. The fuzz target and the replay of its corpus share it.

use super::config::fault::Report;
use super::config::nginx::{looks_like_nginx, read};
use super::config::source::Sources;
use super::config::typed::{Act, Config};

/// Reads `input` and panics where the reader breaks its word.
pub(crate) fn nginx(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    looks_like_nginx(&text);
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let file = sources.add("nginx.conf", &*text);
    let config = read(&mut sources, file, None, &mut report);
    let refused = report.has_faults();
    for found in report.into_found() {
        if let Some(span) = found.span {
            assert!(span.start <= span.end && span.end as usize <= text.len(), "{found:?}");
        }
        assert!(!found.render(&sources).is_empty());
    }
    if !refused {
        whole(&config);
    }
}

/// A configuration without a fault names nothing that is not there, and nothing twice.
fn whole(config: &Config) {
    assert!(!config.listens.is_empty());
    let pools: Vec<&str> = config.pools.iter().map(|(name, _)| name.value.as_str()).collect();
    let listens: Vec<&str> = config.listens.iter().map(|(name, _)| name.value.as_str()).collect();
    once(&pools);
    once(&listens);
    once(&config.retries.iter().map(|(name, _)| name.value.as_str()).collect::<Vec<_>>());
    once(&config.limits.iter().map(|(name, _)| name.value.as_str()).collect::<Vec<_>>());
    for (_, pool) in &config.pools {
        assert!(!pool.nodes.is_empty());
    }
    for (_, listen) in &config.listens {
        assert!(!listen.at.is_empty());
        if let Some(limit) = &listen.limit {
            assert!(config.limits.iter().any(|(name, _)| *name == *limit));
        }
        for act in listen.routes.iter().map(|route| &route.value.action).chain([&listen.action]) {
            leads_somewhere(act, &pools, config);
        }
    }
}

fn leads_somewhere(act: &Act, pools: &[&str], config: &Config) {
    assert!(act.to.is_some() != act.reply.is_some(), "{act:?}");
    let mirrors = act.mirror.iter().map(|mirror| &mirror.value.to.value);
    for to in act.to.iter().map(|to| &to.value).chain(mirrors) {
        let (_, rest) = to.split_once("://").unwrap_or_default();
        let pool = rest.split('/').next().unwrap_or_default();
        assert!(pools.contains(&pool), "{to}");
    }
    if let Some(retry) = &act.retry {
        assert!(config.retries.iter().any(|(name, _)| *name == *retry));
    }
}

fn once(names: &[&str]) {
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name}");
    }
}
