//! What must hold for any text read as TOML. The fuzz target and the replay of its corpus share it.

use super::config::fault::Report;
use super::config::print::print;
use super::config::source::Sources;
use super::config::typed::Config;
use super::config::{load_text, read};

/// Reads and converts `input` and panics where that breaks its word.
pub(crate) fn toml(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match load_text("a.toml", &text, None, &[]) {
        Ok(loaded) => {
            assert!(!loaded.plan.listeners.is_empty() || loaded.leases.is_some_and(|leases| leases.guards() > 0));
            assert!(loaded.plan.pools.iter().all(|pool| !pool.nodes.is_empty()), "{:?}", loaded.plan.pools);
        }
        Err(faults) => {
            assert!(!faults.found.is_empty());
            for fault in &faults.found {
                if let Some(span) = fault.span {
                    assert!(span.start <= span.end && span.end as usize <= text.len(), "{fault:?}");
                }
            }
            assert!(!faults.to_string().is_empty());
        }
    }
    if let Some(config) = typed(&text) {
        let printed = print(&config);
        assert_eq!(typed(&printed).as_ref(), Some(&config), "{printed}");
    }
}

/// What a text says; `None` when it cannot be read whole.
pub(crate) fn typed(text: &str) -> Option<Config> {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let file = sources.add("a.toml", text);
    let config = read::read(&sources, file, &mut report);
    (!report.has_faults()).then_some(config)
}
