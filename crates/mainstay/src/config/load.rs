//! From a file to what the program runs.

use std::path::Path;

use mainstay_proxy::params::Plan;

use super::convert::{Converted, convert};
use super::databases::Database;
use super::fault::{Fault, Faults, Report};
use super::leases::Leases;
use super::map::Maps;
use super::process::Process;
use super::source::Sources;
use super::typed::Config;
use super::{corda, nginx, read};

/// A configuration that is good.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the front runs.
    pub plan: Plan,
    /// What the process itself runs with.
    pub process: Process,
    /// The leases it keeps or follows, if any.
    pub leases: Option<Leases>,
    /// The databases that its listeners lead to.
    pub databases: Vec<Database>,
    /// What an operator should know all the same.
    pub notes: Vec<Fault>,
    /// The files read.
    pub sources: Sources,
}

/// Reads a file of TOML, an nginx.conf or a node.conf of Corda, told apart by what is in it, and converts it. `maps` are the `FROM=TO` of
/// `--map`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, maps: &[String]) -> Result<Loaded, Faults> {
    let shown = path.display().to_string();
    match read_file(path) {
        Ok(text) => load_text(&shown, &text, path.parent(), maps),
        Err(message) => {
            let mut sources = Sources::default();
            sources.add(shown, "");
            let mut report = Report::default();
            report.fault_anywhere(message);
            Err(Faults { found: report.into_found(), sources })
        }
    }
}

/// The same for a text that has been read. `folder` is where files that it includes are looked for.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_text(path: &str, text: &str, folder: Option<&Path>, maps: &[String]) -> Result<Loaded, Faults> {
    let mut sources = Sources::default();
    let mut report = Report::default();
    let config = read_text(path, text, folder, &mut sources, &mut report);
    let mut maps = Maps::parse(maps, &mut report);
    let Converted { plan, process, leases, databases } = convert(&config, &sources, folder, &mut maps, &mut report);
    if report.has_faults() {
        Err(Faults { found: report.into_found(), sources })
    } else {
        Ok(Loaded { plan, process, leases, databases, notes: report.into_found(), sources })
    }
}

/// Reads a text into what was typed, without converting it.
pub fn read_text(path: &str, text: &str, folder: Option<&Path>, sources: &mut Sources, report: &mut Report) -> Config {
    if corda::looks_like_corda(text) {
        return corda::read(path, text, folder, sources, report);
    }
    let file = sources.add(path, text);
    if nginx::looks_like_nginx(text) {
        nginx::read(sources, file, folder, report)
    } else {
        read::read(sources, file, report)
    }
}

impl Loaded {
    /// One line for an operator: what there is.
    pub fn summary(&self) -> String {
        let count = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            _ => format!("{number} {what}s"),
        };
        // A pool that is spoken to in both versions of HTTP is two to the proxy, and one in the file.
        let pools = &self.plan.pools;
        let in_file = || {
            pools.iter().filter(|pool| {
                let twin = pool.name.strip_suffix("+http2");
                !twin.is_some_and(|plain| pools.iter().any(|other| *other.name == *plain))
            })
        };
        let nodes = in_file().map(|pool| pool.nodes.len()).sum();
        let guards = self.leases.as_ref().map_or(0, Leases::guards);
        let guarded = if guards == 0 { String::new() } else { format!(", {}", count(guards, "guard")) };
        format!(
            "{}, {} with {}, {}{guarded}",
            count(self.plan.listeners.len(), "listener"),
            count(in_file().count(), "pool"),
            count(nodes, "node"),
            count(self.plan.checkers.len(), "check")
        )
    }

    /// The notes as text; empty when there are none.
    pub fn shown_notes(&self) -> String {
        self.notes.iter().map(|note| note.render(&self.sources) + "\n").collect()
    }
}

/// The text of a configuration file.
///
/// # Errors
/// Why it cannot be read, for an operator.
pub fn read_file(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > LARGEST_FILE {
        return Err(format!("has {length} bytes, which is more than any configuration"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8")
    })
}

/// In bytes.
const LARGEST_FILE: u64 = 16 << 20;
