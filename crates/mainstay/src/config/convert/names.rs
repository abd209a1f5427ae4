//! The names of tables, and which tables could not be read whole.

use super::Cx;
use crate::config::fault::Report;
use crate::config::typed::{Config, Span, Spanned};

/// Where reading found faults. What seems to be missing there may have been refused, and is not reported again.
pub(super) struct Broken {
    faults: Vec<(u16, u32)>,
    starts: Vec<(u16, u32)>,
}

impl Broken {
    pub(super) fn new(config: &Config, report: &Report) -> Self {
        let faults = report.found().iter().filter_map(|fault| fault.span).map(|span| (span.file, span.start)).collect();
        let mut starts: Vec<_> = all_names(config).map(|name| (name.span.file, name.span.start)).collect();
        starts.sort_unstable();
        Self { faults, starts }
    }

    /// Whether a fault was found in the table whose name is there.
    pub(super) fn table(&self, name: Span) -> bool {
        let from = (name.file, name.start);
        let to = self.starts.iter().find(|start| **start > from).copied().unwrap_or((u16::MAX, u32::MAX));
        self.faults.iter().any(|fault| (from..to).contains(fault))
    }

    /// Whether a fault was found in the table that has this place in it.
    pub(super) fn around(&self, place: Span) -> bool {
        let at = (place.file, place.start);
        let start = self.starts.iter().rev().find(|start| **start <= at).copied().unwrap_or_default();
        self.table(Span { file: start.0, start: start.1, end: start.1 })
    }

    /// Whether a fault was found anywhere.
    pub(super) fn any(&self) -> bool {
        !self.faults.is_empty()
    }
}

/// Reports names that clash or cannot be referred to.
pub(super) fn check(cx: &mut Cx<'_>) {
    let config = cx.config;
    unique(cx, "pool", config.pools.iter().map(|(name, _)| name));
    unique(cx, "listen", config.listens.iter().map(|(name, _)| name));
    unique(cx, "retry", config.retries.iter().map(|(name, _)| name));
    unique(cx, "limit", config.limits.iter().map(|(name, _)| name));
    unique(cx, "tls", config.tls.iter().map(|(name, _)| name));
    unique(cx, "lease", config.leases.iter().map(|(name, _)| name));
    unique(cx, "guard", config.guards.iter().map(|(name, _)| name));
}

fn unique<'n>(cx: &mut Cx<'_>, kind: &str, names: impl Iterator<Item = &'n Spanned<String>>) {
    let mut seen: Vec<&Spanned<String>> = Vec::new();
    for name in names {
        let good = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        if name.value.is_empty() || !name.value.chars().all(good) {
            cx.fault(name.span, format!("\"{}\" is no name for a {kind}", name.value))
                .help("names are made of letters, digits, `_`, `-` and `.`");
        }
        if let Some(first) = seen.iter().find(|other| other.value.eq_ignore_ascii_case(&name.value)) {
            let message = if first.value == name.value {
                format!("there are two of [{kind}.{}]", name.value)
            } else {
                format!("[{kind}.{}] and [{kind}.{}] differ in letter case alone", name.value, first.value)
            };
            cx.fault(name.span, message).help("give one of them another name").see(first.span, "the first one");
        }
        seen.push(name);
    }
}

fn all_names(config: &Config) -> impl Iterator<Item = &Spanned<String>> {
    let pools = config.pools.iter().map(|(name, _)| name);
    let listens = config.listens.iter().map(|(name, _)| name);
    let retries = config.retries.iter().map(|(name, _)| name);
    let limits = config.limits.iter().map(|(name, _)| name);
    let tls = config.tls.iter().map(|(name, _)| name);
    let leases = config.leases.iter().map(|(name, _)| name);
    let guards = config.guards.iter().map(|(name, _)| name);
    pools.chain(listens).chain(retries).chain(limits).chain(tls).chain(leases).chain(guards)
}
