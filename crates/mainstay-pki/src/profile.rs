//! What certificates are for.

use std::fmt;

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use serde::{Deserialize, Serialize};

use crate::KeyKind;

/// What a certificate of an authority is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A TLS server.
    Server,
    /// A TLS client; a database takes its common name for the user's name.
    Client,
    /// Signs tokens ([`crate::jwt`]).
    JwtSigner,
}

impl Profile {
    /// As on the command line; also the directory of such certificates in an authority's.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::JwtSigner => "jwt-signer",
        }
    }

    /// For how long such a certificate is valid when nothing else is said.
    pub(crate) const fn days(self) -> u32 {
        match self {
            Self::Server | Self::JwtSigner => 365,
            Self::Client => 375,
        }
    }

    /// RFC 5280, 4.2.1.3. Enciphering keys is something only RSA does (RFC 8446 does not use it; TLS 1.2 may).
    pub(crate) fn usages(self, key: KeyKind) -> Vec<KeyUsagePurpose> {
        let mut usages = vec![KeyUsagePurpose::DigitalSignature];
        if self == Self::Client {
            usages.push(KeyUsagePurpose::ContentCommitment);
        }
        if self != Self::JwtSigner && key.is_rsa() {
            usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        usages
    }

    /// RFC 5280, 4.2.1.12.
    pub(crate) fn extended_usages(self) -> Vec<ExtendedKeyUsagePurpose> {
        match self {
            Self::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Self::Client => vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::EmailProtection],
            Self::JwtSigner => Vec::new(),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whose certificates they are: what stands beside the common name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// O
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// C, two letters
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// ST
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}
