//! A store's file that cannot be used.

use std::fmt;

/// Why a store cannot be opened: what happened, to what, and what to do, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault(pub(crate) String);

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileFault {}
