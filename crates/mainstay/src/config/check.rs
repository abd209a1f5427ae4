//! `mainstay check FILE`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::load;

/// Reports everything that is wrong with a file on standard output, or one line that says it is good; notes go to
/// standard error. Exits 0 when the file is good, else 1.
pub fn command(path: &Path, maps: &[String]) -> ExitCode {
    let (text, notes, code) = match load(path, maps) {
        Ok(loaded) => {
            let text = format!("{}: good: {}", path.display(), loaded.summary());
            (text, loaded.shown_notes(), ExitCode::SUCCESS)
        }
        Err(faults) => (faults.to_string(), faults.shown_notes(), ExitCode::FAILURE),
    };
    // Whoever closed the other end does not want to know.
    let _ = std::io::stderr().write_all(notes.as_bytes());
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}
