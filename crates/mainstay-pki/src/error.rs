//! What can go wrong, in words for an operator.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why something was not done. Nothing was changed, unless the text says so.
#[derive(Debug)]
pub enum Error {
    /// The operating system refused something about a file or directory.
    File {
        /// What was tried, as in "write".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file is not what it should be.
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        text: String,
    },
    /// What was asked for cannot be done.
    Refused(String),
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), source }
    }

    pub(crate) fn content(path: &Path, text: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), text: text.into() }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// The same fault, of what stands in a file.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Refused(text) => Self::content(path, text),
            other => other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { doing, path, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
            Self::Content { path, text } => write!(f, "{}: {text}", path.display()),
            Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Content { .. } | Self::Refused(_) => None,
        }
    }
}
