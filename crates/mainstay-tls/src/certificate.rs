//! What a certificate says, for operators and for rules about names.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject, e.g. `C=GB, O=Bank A, CN=participant1`.
    pub subject: String,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// Its alternative names: host names, addresses, mail addresses and URIs.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Its serial number in hexadecimal, as everywhere.
    pub serial: String,
    /// When it begins to be valid, in seconds since 1970.
    pub not_before: i64,
    /// When it ends to be valid, in seconds since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// Reads it; `None` when that is no certificate.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let names = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(shown).collect();
        Some(Self {
            subject: parsed.subject().to_string(),
            common_name: common_name(parsed.subject()),
            names,
            issuer: parsed.issuer().to_string(),
            serial: parsed.raw_serial_as_string(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        })
    }

    /// What it is called by where there is room for one name: its common name, or its first alternative name, or its
    /// subject.
    #[must_use]
    pub fn name(&self) -> &str {
        self.common_name.as_ref().or_else(|| self.names.first()).unwrap_or(&self.subject)
    }

    /// Whether it signed itself, as roots do.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whole days until it ends, counted down; negative once it has.
    #[must_use]
    pub fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(86_400)
    }
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    let attribute = name.iter_common_name().next()?;
    attribute.as_str().ok().map(str::to_owned)
}

fn shown(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}
