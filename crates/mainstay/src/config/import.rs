//! `mainstay import`: an nginx.conf or a node.conf of Corda as Mainstay's own TOML.

use std::path::Path;
use std::process::ExitCode;

use super::corda::looks_like_corda;
use super::load::{read_file, read_text};
use super::nginx::looks_like_nginx;
use crate::config::fault::{Fault, Faults, Report};
use crate::config::print::print;
use crate::config::source::Sources;

/// Another program's file as TOML.
#[derive(Debug)]
pub struct Imported {
    /// The configuration.
    pub toml: String,
    /// What has no meaning in it, or another one than there.
    pub notes: Vec<Fault>,
    /// The files read.
    pub sources: Sources,
}

/// Reads the nginx.conf or node.conf at `path`, and the files it includes, and prints it as TOML.
///
/// # Errors
///
/// What cannot be carried over: nothing is printed then, so that nobody runs half of a file.
pub fn import(path: &Path) -> Result<Imported, Faults> {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let shown = path.display().to_string();
    let config = match read_file(path) {
        Err(message) => {
            sources.add(shown, "");
            report.fault_anywhere(message);
            None
        }
        Ok(text) if !looks_like_nginx(&text) && !looks_like_corda(&text) => {
            sources.add(shown, "");
            report
                .fault_anywhere("it is no nginx.conf and no node.conf of Corda")
                .help("TOML needs no import: `mainstay run` takes it as it is");
            None
        }
        Ok(text) => Some(read_text(&shown, &text, path.parent(), &mut sources, &mut report)),
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
