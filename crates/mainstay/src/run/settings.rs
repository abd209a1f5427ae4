//! What the process itself is told: everything of a configuration but its plan.

use std::time::Duration;

use mainstay_io::lines::Target;
use mainstay_proxy::access::Format;
use tracing::level_filters::LevelFilter;

use crate::admin::Place;
use crate::config::process::{self, Access, Level, Process};

/// Settings of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Worker threads.
    pub workers: usize,
    /// Longest time to finish what is under way when stopping or reloading.
    pub drain: Duration,
    /// Where operators are answered.
    pub admin: Admin,
    /// The least important lines of the log.
    pub level: LevelFilter,
    /// How both logs look.
    pub format: Format,
    /// Where the log goes.
    pub log: Target,
    /// Where the access log goes, if anywhere.
    pub access: Option<Target>,
}

/// Where operators are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Nowhere.
    Off,
    /// At the first of the usual places that can be had.
    Usual,
    /// Here.
    At(Place),
}

impl Admin {
    /// What a configuration says.
    #[must_use]
    pub fn of(typed: &process::Admin) -> Self {
        match typed {
            process::Admin::Default => Self::Usual,
            process::Admin::Off => Self::Off,
            process::Admin::Unix(path) => Self::At(Place::Unix(path.clone())),
            process::Admin::Tcp(address) => Self::At(Place::Tcp(*address)),
        }
    }
}

impl Settings {
    /// What a configuration says, with what it leaves to the machine filled in.
    #[must_use]
    pub fn of(process: &Process) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: process.run.workers.unwrap_or_else(cores),
            drain: process.run.drain,
            admin: Admin::of(&process.admin),
            level: match process.log.level {
                Level::Error => LevelFilter::ERROR,
                Level::Warn => LevelFilter::WARN,
                Level::Info => LevelFilter::INFO,
                Level::Debug => LevelFilter::DEBUG,
                Level::Trace => LevelFilter::TRACE,
            },
            format: match process.log.format {
                process::Format::Text => Format::Text,
                process::Format::Json => Format::Json,
            },
            log: process.log.to.clone().map_or(Target::Stderr, Target::File),
            access: match &process.log.access {
                Access::Off => None,
                Access::Stdout => Some(Target::Stdout),
                Access::Stderr => Some(Target::Stderr),
                Access::File(path) => Some(Target::File(path.clone())),
            },
        }
    }

    /// What of `new` cannot be had without a restart, each as a sentence.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.workers != new.workers {
            notes.push(format!("[run] workers stays {} until Mainstay is restarted", self.workers));
        }
        let others = [
            ("[admin] at", self.admin == new.admin),
            ("[log] format", self.format == new.format),
            ("[log] to", self.log == new.log),
            ("[log] access", self.access == new.access),
        ];
        let changed = others.iter().filter(|(_, same)| !same);
        notes.extend(changed.map(|(name, _)| format!("{name} stays as it is until Mainstay is restarted")));
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_said() {
        let old = Settings {
            workers: 2,
            drain: Duration::from_secs(30),
            admin: Admin::Usual,
            level: LevelFilter::INFO,
            format: Format::Text,
            log: Target::Stderr,
            access: None,
        };
        let new = Settings { level: LevelFilter::DEBUG, drain: Duration::ZERO, ..old.clone() };
        assert_eq!(old.needs_restart(&new), Vec::<String>::new());
        let new = Settings { workers: 4, admin: Admin::Off, access: Some(Target::Stdout), ..old.clone() };
        let expect = [
            "[run] workers stays 2 until Mainstay is restarted",
            "[admin] at stays as it is until Mainstay is restarted",
            "[log] access stays as it is until Mainstay is restarted",
        ];
        assert_eq!(old.needs_restart(&new), expect);
    }
}
