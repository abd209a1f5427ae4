//! The configuration, read and checked.

use mainstay_proxy::params::Plan;

use super::Args;
use super::settings::Settings;
use crate::config;
use crate::config::databases::Database;
use crate::config::leases::Leases;

/// What is run.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) plan: Plan,
    pub(super) settings: Settings,
    /// The leases it keeps or follows.
    pub(super) leases: Option<Leases>,
    /// The databases that its listeners lead to.
    pub(super) databases: Vec<Database>,
    /// Remarks on the file, as sentences with their places.
    pub(super) notes: Vec<String>,
}

impl Args {
    /// Reads the file with the maps of the command line.
    ///
    /// # Errors
    /// All its faults, as text.
    pub(super) fn load(&self) -> Result<Loaded, String> {
        let loaded = match &self.text {
            None => config::load(&self.file, &self.maps),
            Some(text) => config::load_text(&self.file.display().to_string(), text, None, &[]),
        };
        let mut loaded = loaded.map_err(|faults| faults.to_string())?;
        if self.text.is_some() {
            let guards = loaded.leases.iter_mut().flat_map(|leases| &mut leases.all).filter_map(|it| it.guard.as_mut());
            guards.for_each(|guard| guard.restart = None);
        }
        let notes = loaded.notes.iter().map(|note| note.render(&loaded.sources)).collect();
        Ok(Loaded {
            plan: loaded.plan,
            settings: Settings::of(&loaded.process),
            leases: loaded.leases,
            databases: loaded.databases,
            notes,
        })
    }
}
