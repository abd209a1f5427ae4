//! What an authority is, and what it has signed.

use std::fmt;
use std::path::Path;

use rcgen::RevocationReason;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::file::{self, Mode};
use crate::{Error, KeyKind, Name, Profile, Subject, parse_name};

/// What an authority is made with, and does not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What its certificates are called after: `root-ca.DOMAIN`, `intermediate-ca.DOMAIN`, hosts of servers.
    pub domain: String,
    /// Whose certificates they are.
    #[serde(default)]
    pub subject: Subject,
    /// The kind of its own two keys.
    pub key: KeyKind,
    /// Where its list of revoked certificates is to be had, written into every certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_url: Option<String>,
    /// Its OCSP responder, written into every certificate. Mainstay has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp_url: Option<String>,
    /// For how many days its root is valid.
    pub root_days: u32,
    /// For how many days its intermediate is valid.
    pub intermediate_days: u32,
    /// For how many days its list of revoked certificates is valid.
    pub crl_days: u32,
}

impl Settings {
    /// With what document 004's own scripts use, where something is left open.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            subject: Subject::default(),
            key: KeyKind::Rsa4096,
            crl_url: None,
            ocsp_url: None,
            root_days: 7300,
            intermediate_days: 3650,
            crl_days: 30,
        }
    }
}

/// A certificate that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// In hexadecimal.
    pub serial: String,
    /// What it is for.
    pub profile: Profile,
    /// What it is called, and its files with it.
    pub name: String,
    /// The names in it.
    #[serde(with = "names")]
    pub names: Vec<Name>,
    /// Its key.
    pub key: KeyKind,
    /// From when it is valid.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Until when it is valid.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// For how many days it was wanted; its successor gets as many.
    pub days: u32,
    /// Whether its files are there in DER too.
    #[serde(default)]
    pub der: bool,
    /// When and why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
    /// Whether another one of its name was signed after it.
    #[serde(default)]
    pub superseded: bool,
}

impl Entry {
    /// Whether it is the one whose files are there.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        !self.superseded
    }

    /// Whether it is time for another one: less than a third of its time is left, or less than `margin` if that is given.
    #[must_use]
    pub fn is_due(&self, margin: Option<time::Duration>, now: OffsetDateTime) -> bool {
        let margin = margin.unwrap_or((self.not_after - self.not_before) / 3);
        self.not_after - now < margin
    }
}

/// When and why a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Why.
    pub reason: Reason,
}

/// Why a certificate is revoked (RFC 5280, 5.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody said.
    #[default]
    Unspecified,
    /// Somebody else has, or may have, its private key.
    KeyCompromise,
    /// Its names no longer are its owner's.
    AffiliationChanged,
    /// Another one took its place.
    Superseded,
    /// What it was for is no more.
    CessationOfOperation,
}

impl Reason {
    pub(crate) const fn code(self) -> Option<RevocationReason> {
        // RFC 5280, 5.3.1: the code for "unspecified" should be left out.
        match self {
            Self::Unspecified => None,
            Self::KeyCompromise => Some(RevocationReason::KeyCompromise),
            Self::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
            Self::Superseded => Some(RevocationReason::Superseded),
            Self::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "no reason given",
            Self::KeyCompromise => "its key was compromised",
            Self::AffiliationChanged => "its names changed owner",
            Self::Superseded => "another took its place",
            Self::CessationOfOperation => "what it was for is no more",
        })
    }
}

/// An authority's memory: the file `register.json` of its directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    pub(crate) version: u32,
    pub(crate) settings: Settings,
    /// Of the last list of revoked certificates.
    pub(crate) crl_number: u64,
    /// Until when that list is valid.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) crl_until: Option<OffsetDateTime>,
    pub(crate) issued: Vec<Entry>,
}

impl Register {
    pub(crate) const fn new(settings: Settings) -> Self {
        Self { version: VERSION, settings, crl_number: 0, crl_until: None, issued: Vec::new() }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let text = file::read_text(path)?;
        let broken =
            |error: serde_json::Error| Error::content(path, format!("is no register of an authority: {error}"));
        let head: Head = serde_json::from_str(&text).map_err(broken)?;
        if head.version > VERSION {
            return Err(Error::content(
                path,
                format!(
                    "was written by a newer Mainstay (version {} of registers, this one knows {VERSION})",
                    head.version
                ),
            ));
        }
        let register: Self = serde_json::from_str(&text).map_err(broken)?;
        let hexadecimal =
            |serial: &str| serial.len().is_multiple_of(2) && serial.bytes().all(|byte| byte.is_ascii_hexdigit());
        match register.issued.iter().find(|entry| !hexadecimal(&entry.serial)) {
            Some(entry) => Err(Error::content(path, format!("`{}` is no serial number", entry.serial))),
            None => Ok(register),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::content(path, format!("cannot be written as JSON: {error}")))?;
        text.push('\n');
        file::put(path, text.as_bytes(), Mode::Public)
    }

    /// The certificate of that name whose files are there.
    pub(crate) fn current(&self, profile: Profile, name: &str) -> Option<&Entry> {
        self.issued.iter().rev().find(|entry| entry.profile == profile && entry.name == name && entry.is_current())
    }
}

/// Names as they are written.
mod names {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Name, parse_name};

    pub(super) fn serialize<S: Serializer>(names: &[Name], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(names.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Name>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| parse_name(text).map_err(D::Error::custom)).collect()
    }
}

/// Of the register's form.
const VERSION: u32 = 1;
