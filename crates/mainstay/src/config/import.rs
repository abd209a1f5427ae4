//! `mainstay import`: an nginx.conf as Mainstay's own TOML.

use std::path::Path;
use std::process::ExitCode;

use super::nginx::{looks_like_nginx, read};
use crate::config::fault::{Fault, Faults, Report};
use crate::config::print::print;
use crate::config::source::Sources;

/// An nginx.conf as TOML.
#[derive(Debug)]
pub struct Imported {
    /// The configuration.
    pub toml: String,
    /// What has no meaning in it, or another one than in nginx.
    pub notes: Vec<Fault>,
    /// The files read.
    pub sources: Sources,
}

/// Reads the nginx.conf at `path`, and the files it includes, and prints it as TOML.
///
/// # Errors
///
/// What cannot be carried over: nothing is printed then, so that nobody runs half of a file.
pub fn import(path: &Path) -> Result<Imported, Faults> {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let text = std::fs::read_to_string(path);
    let file = sources.add(path.display().to_string(), text.as_deref().unwrap_or_default());
    let config = match text {
        Err(error) => {
            report.fault_anywhere(format!("it cannot be read: {error}"));
            None
        }
        Ok(text) if !looks_like_nginx(&text) => {
            report.fault_anywhere("it is no nginx.conf").help("TOML needs no import: `mainstay run` takes it as it is");
            None
        }
        Ok(_) => Some(read(&mut sources, file, path.parent(), &mut report)),
    };
    match config {
        Some(config) if !report.has_faults() => {
            Ok(Imported { toml: print(&config), notes: report.into_found(), sources })
        }
        _ => Err(Faults { found: report.into_found(), sources }),
    }
}

/// The command: TOML goes to standard output, notes and faults to standard error.
#[must_use]
pub fn command(path: &Path) -> ExitCode {
    match import(path) {
        Ok(imported) => {
            for note in &imported.notes {
                eprintln!("{}", note.render(&imported.sources));
            }
            print!("{}", imported.toml);
            ExitCode::SUCCESS
        }
        Err(faults) => {
            eprintln!("{faults}");
            ExitCode::FAILURE
        }
    }
}
