//! Where a store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a store is, as its URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `sqlite:FILE`: on this machine.
    Sqlite(PathBuf),
}

impl FromStr for Location {
    type Err = LocationFault;

    fn from_str(url: &str) -> Result<Self, LocationFault> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('\0') {
                return Err(LocationFault("`sqlite:` needs a file: \"sqlite:mainstay.db\"".to_owned()));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        Err(LocationFault("a store is \"sqlite:FILE\" or \"postgres://USER@HOST,HOST/DATABASE\"".to_owned()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

/// A URL that is not a store's: what to write instead, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationFault(String);

impl fmt::Display for LocationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LocationFault {}
