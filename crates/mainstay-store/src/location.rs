//! Where a store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::postgres::Url;

/// Where a store is, as its URL says. `Display` and `Debug` show no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `sqlite:FILE`: on this machine.
    Sqlite(PathBuf),
    /// `postgres://USER@HOST,HOST/DATABASE`.
    Postgres(Url),
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
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return url.parse().map(Self::Postgres);
        }
        Err(LocationFault("a store is \"sqlite:FILE\" or \"postgres://USER@HOST,HOST/DATABASE\"".to_owned()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

/// A URL that is not a store's: what to write instead, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationFault(pub(crate) String);

impl fmt::Display for LocationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LocationFault {}
