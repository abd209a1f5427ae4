//! Reads a node.conf of Corda into [`super::typed::Config`]: what guards the node, and what stands in front of it.
//!
//! [`lease`] turns `mutualExclusionConfiguration` into a lease, [`database`] says where that is kept and who is fenced
//! there, [`guard`] runs the node, [`traffic`] makes listeners and pools of its addresses. [`keys`] knows every other
//! setting: those that are the node's own business stay in its file, which the node goes on reading; the rest is told.

use std::cell::Cell;
use std::path::Path;

use super::fault::Report;
use super::hocon::{Outside, outermost_keys, read as read_hocon};
use super::source::Sources;
use super::typed::Config;

mod database;
mod guard;
mod keys;
mod lease;
mod node;
mod traffic;

/// Reads a node.conf. It is added to `sources`, as are the files it includes, relative ones counted from `folder`, where
/// the node runs. Every fault goes to `report`; the configuration is of use only when there is none.
pub fn read(path: &str, text: &str, folder: Option<&Path>, sources: &mut Sources, report: &mut Report) -> Config {
    let real = |name: &str| std::env::var(name).ok();
    read_in(path, text, folder, &real, sources, report)
}

/// The same with `environment` in place of this process's.
pub fn read_in(
    path: &str,
    text: &str,
    folder: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
    sources: &mut Sources,
    report: &mut Report,
) -> Config {
    let guessed = Cell::new(false);
    let variable = |name: &str| {
        let found = match name {
            "baseDirectory" => folder.map(|folder| folder.display().to_string()),
            _ => environment(name),
        };
        found.or_else(|| {
            guessed.set(guessed.get() || name == HOSTNAME);
            (name == HOSTNAME).then(node::host_name).flatten()
        })
    };
    let outside = Outside { folder, variable: &variable };
    let object = read_hocon(path, text, &outside, sources, report);
    if report.has_faults() {
        return Config::default();
    }
    let mut node = node::Node { object: &object, report, folder };
    keys::check(&mut node);
    let machine = lease::machine(&mut node, guessed.get());
    let database = database::read(&mut node);
    let lease = lease::read(&mut node, database.as_ref());
    let lease_name = lease::name(&mut node);
    let mut config = Config::default();
    if let Some(database) = &database {
        config.store.url = Some(database.store.clone());
    }
    traffic::read(&mut node, &machine, &lease_name, &mut config);
    let guard = guard::read(&mut node, machine, &lease_name, database.as_ref());
    config.guards.push((guard::name(&node), guard));
    config.leases.push((lease_name, lease));
    config
}

/// Whether a text is a node.conf: a setting of Corda's stands at its outermost level. TOML of ours has none there, and
/// no directive of nginx is called so.
pub fn looks_like_corda(text: &str) -> bool {
    outermost_keys(text).iter().any(|key| keys::TELLING.contains(&key.as_str()))
}

/// Where the shell has the machine's name. It does not always pass it on.
const HOSTNAME: &str = "HOSTNAME";
