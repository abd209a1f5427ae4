//! What SQLite's errors mean, in sentences.

use std::path::Path;
use std::time::Duration;

use mainstay_core::Span;
use mainstay_core::lease::Failure;
use rusqlite::{Error, ErrorCode};

/// What is wrong with the file and what to do.
pub(super) fn sentence(error: &Error, path: &Path, timeout: Duration) -> String {
    let file = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{file} was locked by another process for over {}: see which with `fuser {file}`", Span(timeout))
        }
        Some(ErrorCode::ReadOnly) => {
            format!("{file} cannot be written: give this user the right to write it and its directory")
        }
        Some(ErrorCode::DiskFull) => format!("the disk of {file} is full: make room"),
        Some(ErrorCode::NotADatabase) => {
            format!("{file} is not a SQLite database: move it away, or name another file")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("{file} is damaged: stop everything that uses it, move it away and start again")
        }
        Some(ErrorCode::CannotOpen) => {
            format!("{file} cannot be opened: see that its directory is there and that this user may write in it")
        }
        Some(ErrorCode::PermissionDenied) => format!("{file}: this user has no right to it"),
        _ => format!("{file}: {error}"),
    }
}

/// Of a step of which nothing was made lasting.
pub(super) fn not_done(error: &Error, path: &Path, timeout: Duration) -> Failure {
    Failure::NotDone(sentence(error, path, timeout).into())
}

/// Of a step that was being made lasting.
pub(super) fn at_commit(error: &Error, path: &Path, timeout: Duration) -> Failure {
    match error.sqlite_error_code() {
        // Both are found before the step is written whole.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull) => not_done(error, path, timeout),
        _ => Failure::Unknown(sentence(error, path, timeout).into()),
    }
}
