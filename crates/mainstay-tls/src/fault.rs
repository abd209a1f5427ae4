//! What is wrong with a file.

use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with a file of certificates or keys, for an operator. Says nothing of what is in a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Which PEM block of it, counted from 1, and the line it begins on.
    pub block: Option<(usize, usize)>,
    /// What is wrong, as a phrase of which the file is the subject.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Fault {
    pub(crate) fn of(path: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { path: path.to_owned(), block: None, message: message.into(), help: help.into() }
    }

    pub(crate) fn at(mut self, number: usize, line: usize) -> Self {
        self.block = Some((number, line));
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((number, line)) = self.block {
            write!(f, ":{line} (PEM block {number})")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Fault {}
