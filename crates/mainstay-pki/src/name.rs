//! Names that a certificate is for.

use std::fmt;
use std::net::IpAddr;

use rcgen::SanType;
use rcgen::string::Ia5String;

use crate::Error;

/// One subject alternative name (RFC 5280, 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A host's name; its first label may be `*`.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A URI.
    Uri(String),
    /// A mail address.
    Email(String),
}

/// Reads a name: `DNS:host`, `IP:address`, `URI:uri`, `email:address`, or a bare host name or address.
///
/// # Errors
/// The text is none of them, or is not ASCII (an international name is written in its `xn--` form).
pub fn parse_name(text: &str) -> Result<Name, Error> {
    let (kind, value) = match text.split_once(':') {
        Some((kind, value)) if KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind)) => {
            (Some(kind.to_ascii_lowercase()), value)
        }
        _ => (None, text),
    };
    match kind.as_deref() {
        Some("dns") => dns(value),
        Some("ip") => value
            .parse()
            .map(Name::Ip)
            .map_err(|_| Error::refused(format!("`{value}` is no address, as in IP:10.0.0.1"))),
        Some("uri") => plain(value, "URI", ':').map(Name::Uri),
        Some("email") => plain(value, "mail address", '@').map(Name::Email),
        _ => value.parse().map(Name::Ip).or_else(|_| dns(value)),
    }
}

impl Name {
    pub(crate) fn to_san(&self) -> Result<SanType, Error> {
        let ascii = |text: &str| {
            Ia5String::try_from(text).map_err(|_| Error::refused(format!("`{text}` is not ASCII: write its xn-- form")))
        };
        Ok(match self {
            Self::Dns(host) => SanType::DnsName(ascii(host)?),
            Self::Ip(address) => SanType::IpAddress(*address),
            Self::Uri(uri) => SanType::URI(ascii(uri)?),
            Self::Email(address) => SanType::Rfc822Name(ascii(address)?),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(host) => write!(f, "DNS:{host}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
            Self::Email(address) => write!(f, "email:{address}"),
        }
    }
}

fn dns(host: &str) -> Result<Name, Error> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let rest = host.strip_prefix("*.").unwrap_or(host);
    if host.len() > 253 || !rest.split('.').all(label) {
        return Err(Error::refused(format!(
            "`{host}` is no host name: letters, digits, hyphens and dots; `*.` in front for all hosts of a domain"
        )));
    }
    Ok(Name::Dns(host.to_ascii_lowercase()))
}

fn plain(value: &str, what: &str, mark: char) -> Result<String, Error> {
    if !value.contains(mark) || value.chars().any(|c| !c.is_ascii_graphic()) {
        return Err(Error::refused(format!("`{value}` is no {what}")));
    }
    Ok(value.to_owned())
}

const KINDS: &[&str] = &["DNS", "IP", "URI", "email"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match parse_name(text) {
            Ok(name) => name.to_string(),
            Err(error) => format!("error: {error}"),
        };
        assert!(got.starts_with(expect), "{text}: {got}");
    }

    #[test]
    fn names_are_read_and_what_is_none_is_refused() {
        check("sequencer.acme.com", "DNS:sequencer.acme.com");
        check("DNS:Sequencer.ACME.com", "DNS:sequencer.acme.com");
        check("*.acme.com", "DNS:*.acme.com");
        check("pg_1", "DNS:pg_1");
        check("127.0.0.1", "IP:127.0.0.1");
        check("::1", "IP:::1");
        check("IP:2001:db8::1", "IP:2001:db8::1");
        check("URI:spiffe://acme/p1", "URI:spiffe://acme/p1");
        check("email:ops@acme.com", "email:ops@acme.com");
        check("IP:acme", "error: `acme` is no address");
        check("", "error: `` is no host name");
        check("a..b", "error: `a..b` is no host name");
        check("a.*.b", "error: `a.*.b` is no host name");
        check("-a", "error: `-a` is no host name");
        check("a b", "error: `a b` is no host name");
        check("müller.de", "error: `müller.de` is no host name");
        check("URI:acme", "error: `acme` is no URI");
        check(&"a".repeat(64), "error: ");
    }
}
