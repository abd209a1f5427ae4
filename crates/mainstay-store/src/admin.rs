//! Setting a store up, and seeing whether it is fit: what `mainstay store init` and `mainstay store check` print.

use std::fmt;

use mainstay_core::lease::Name;

use crate::{Location, Settings, Tier, postgres, sqlite};

/// What is to be set up for a lease in PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeasePlan {
    /// The lease.
    pub lease: Name,
    /// The role that owns what the nodes create.
    pub group: Option<Name>,
    /// The login roles, one for each holder.
    pub roles: Vec<Name>,
    /// The database the nodes work in.
    pub database: Option<Name>,
}

/// Makes what a store needs: file or schema, group roles and login roles, all or nothing. What is there already stays.
/// Says what it did, one sentence each.
///
/// # Errors
/// What is missing and how to give it.
pub async fn init(settings: &Settings, plans: &[LeasePlan]) -> Result<Vec<String>, AdminFault> {
    match &settings.at {
        Location::Sqlite(path) => {
            let made = !path.exists();
            sqlite::Sqlite::open(path, settings).map_err(|fault| AdminFault::Because(fault.to_string()))?;
            let word = if made { "made" } else { "found" };
            Ok(vec![format!("{word} the store {}", path.display())])
        }
        Location::Postgres(url) => postgres::init(url, settings, plans).await,
    }
}

/// The same as SQL, for an administrator who would rather run it; `None` for a file. Needs no connection, and no password.
#[must_use]
pub fn init_script(at: &Location, plans: &[LeasePlan]) -> Option<String> {
    match at {
        Location::Sqlite(_) => None,
        Location::Postgres(url) => Some(postgres::script(url, plans)),
    }
}

/// Looks whether a store is fit, and changes nothing.
pub async fn check(settings: &Settings, plans: &[LeasePlan]) -> Check {
    match &settings.at {
        Location::Sqlite(path) => match sqlite::Sqlite::look(path, settings) {
            Ok(finding) => Check { findings: vec![finding], tier: Some(Tier::Exclusive) },
            Err(fault) => Check { findings: vec![Finding::Fault(fault.to_string())], tier: None },
        },
        Location::Postgres(url) => postgres::check(url, settings, plans).await,
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// In the order in which they were looked at.
    pub findings: Vec<Finding>,
    /// What the store can do for the leases; `None` when it cannot be used.
    pub tier: Option<Tier>,
}

impl Check {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding, Finding::Fault(_)))
    }
}

/// Something that a check found, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Good(String),
    /// Works, but an operator should know.
    Note(String),
    /// Does not work until something is done, which the sentence says.
    Fault(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(text) => write!(f, "ok: {text}"),
            Self::Note(text) => write!(f, "note: {text}"),
            Self::Fault(text) => write!(f, "fault: {text}"),
        }
    }
}

/// Why a store was not set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminFault {
    /// What happened and what to do, as a sentence.
    Because(String),
    /// The store's user lacks rights.
    Rights {
        /// Who.
        user: String,
        /// The statements by which an administrator gives them.
        statements: Vec<String>,
    },
}

impl fmt::Display for AdminFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(text) => f.write_str(text),
            Self::Rights { user, statements } => {
                write!(f, "`{user}` lacks rights; have an administrator run:")?;
                statements.iter().try_for_each(|statement| write!(f, "\n  {statement}"))
            }
        }
    }
}

impl std::error::Error for AdminFault {}
