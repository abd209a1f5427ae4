//! Why a fixture is not there.

use std::fmt;
use std::io::Write as _;

/// A fixture that could not be had.
#[derive(Debug)]
pub enum Trouble {
    /// This machine lacks what the fixture is made of. A test that needs it is skipped, loudly ([`skipped`]).
    Missing(String),
    /// It did not do what it must.
    Failed(String),
}

impl Trouble {
    /// A failure: what could not be done, and why.
    pub fn failed(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Trouble {}

/// Says that a test is skipped, and why, past the capture of test output: a skipped test must not look like a passed one.
pub fn skipped(test: &str, why: &dyn fmt::Display) {
    // Nobody is left to tell when standard error is gone.
    let _said = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
}
