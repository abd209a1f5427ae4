//! What PostgreSQL's errors mean: whether something was done, and what to do, in sentences.

use std::error::Error as _;
use std::io;

use mainstay_core::lease::Failure;
use rustls::CertificateError as Bad;
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// Of a statement that was sent: an error of the server's own rolled it back; whatever else happened leaves it open.
pub(super) fn failure(error: &Error, host: &str) -> Failure {
    let text = sentence(error, host).into();
    match error.as_db_error().and_then(tokio_postgres::error::DbError::parsed_severity) {
        Some(Severity::Error) => Failure::NotDone(text),
        _ => Failure::Unknown(text),
    }
}

/// What happened, at which host, and what to do.
pub(super) fn sentence(error: &Error, host: &str) -> String {
    let Some(said) = error.as_db_error() else {
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        let advice = encryption(error, &source).map(|advice| format!(": {advice}")).unwrap_or_default();
        return format!("{host}: {error}{source}{advice}");
    };
    let message = said.message();
    let code = said.code();
    let advice = match code {
        _ if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "see the user and password, and the server's pg_hba.conf"
        }
        _ if *code == SqlState::INVALID_CATALOG_NAME => "make the database, or name another in the url",
        _ if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::INVALID_SCHEMA_NAME => {
            "run `mainstay store init` with the store's url"
        }
        _ if *code == SqlState::UNDEFINED_COLUMN => {
            "the schema `mainstay` is of an older Mainstay: run `mainstay store init` with the store's url. If it stays, the \
             schema is not this program's: drop it, or name another database"
        }
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "a right is missing: `mainstay store init` with the store's url says which, and `--print` how to give it"
        }
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            "it is a standby, or set read only: name the primary as well"
        }
        _ if *code == SqlState::LOCK_NOT_AVAILABLE => "somebody else has the row locked: see pg_locks",
        _ if *code == SqlState::INVALID_SQL_STATEMENT_NAME => POOLER,
        _ if *code == SqlState::DUPLICATE_PSTATEMENT => POOLER,
        _ if *code == SqlState::PROTOCOL_VIOLATION && message.contains("startup parameter") => POOLER,
        _ if *code == SqlState::TOO_MANY_CONNECTIONS => "raise max_connections, or look who has them all",
        _ if *code == SqlState::DISK_FULL => "the server's disk is full: make room",
        _ => return format!("{host}: {message}"),
    };
    format!("{host}: {message}: {advice}")
}

/// What to do when no encrypted connection comes about.
fn encryption(error: &Error, text: &str) -> Option<&'static str> {
    if text.contains("server does not support TLS") {
        return Some(
            "the server does not encrypt: set `ssl = on` there; where it need not, `sslmode=disable` in the url",
        );
    }
    let within = error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    match within {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            Some("see to the server's certificate, or to this machine's clock")
        }
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            Some("see to this machine's clock, or to the server's certificate")
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            Some("name the host in the url as its certificate does, or have one made for it")
        }
        rustls::Error::InvalidCertificate(_) => {
            Some("another has signed it than `ca` names: see whether this is the right server, and name who signs it")
        }
        _ => None,
    }
}

/// What to do about a pooler between guard and store.
pub(super) const POOLER: &str =
    "a pooler in transaction mode is in between: connect to the server itself, or through a pool in session mode";
