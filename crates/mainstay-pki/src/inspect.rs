//! What stands in a file of certificates, keys or lists.

use std::fmt::Write as _;
use std::path::Path;

use aws_lc_rs::digest;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use serde::Serialize;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::{Error, file};

/// One thing that was found in a file. A private key is told of, never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Shown {
    /// A certificate.
    Certificate {
        /// Its owner.
        subject: String,
        /// Who signed it.
        issuer: String,
        /// Its number, in hexadecimal.
        serial: String,
        /// The names it is for.
        names: Vec<String>,
        /// Whether it may sign others.
        authority: bool,
        /// What its key may do (RFC 5280, 4.2.1.3 and 4.2.1.12).
        usages: Vec<String>,
        /// Its key's kind.
        key: String,
        /// From when it is valid, RFC 3339.
        not_before: String,
        /// Until when it is valid, RFC 3339.
        not_after: String,
        /// Whole days until then; negative once it is over.
        days_left: i64,
        /// SHA-256 of it, in hexadecimal.
        fingerprint: String,
    },
    /// A list of revoked certificates.
    RevokedList {
        /// Who signed it.
        issuer: String,
        /// From when it holds, RFC 3339.
        this_update: String,
        /// Until when it holds, RFC 3339.
        next_update: Option<String>,
        /// The numbers of the revoked, in hexadecimal.
        serials: Vec<String>,
    },
    /// A private key.
    PrivateKey {
        /// Its form, as its PEM block is called.
        form: String,
        /// Whether it needs a password.
        encrypted: bool,
    },
}

/// What stands in a file, in PEM (any number of blocks) or DER.
///
/// # Errors
/// The file cannot be read, or something in it is neither a certificate nor a list nor a key.
pub fn show(path: &Path, now: OffsetDateTime) -> Result<Vec<Shown>, Error> {
    let bytes = file::read(path)?;
    let shown = if is_pem(&bytes) { blocks(&bytes, now) } else { der(&bytes, now).map(|one| vec![one]) };
    shown.map_err(|error| error.in_file(path))
}

/// The certificates of a file, in PEM or DER, in their order.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = file::read(path)?;
    let found = if is_pem(&bytes) {
        parse_pem(&bytes)
            .map_err(|error| error.in_file(path))?
            .into_iter()
            .filter(|block| block.tag() == CERTIFICATE)
            .map(|block| CertificateDer::from(block.into_contents()))
            .collect()
    } else {
        vec![CertificateDer::from(bytes.to_vec())]
    };
    if found.is_empty() {
        return Err(Error::content(path, "holds no certificate"));
    }
    for certificate in &found {
        parse(certificate).map_err(|error| error.in_file(path))?;
    }
    Ok(found)
}

/// The lists of revoked certificates of a file, in PEM or DER.
pub(crate) fn lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let bytes = file::read(path)?;
    let found: Vec<_> = if is_pem(&bytes) {
        parse_pem(&bytes)
            .map_err(|error| error.in_file(path))?
            .into_iter()
            .filter(|block| block.tag() == LIST)
            .map(|block| CertificateRevocationListDer::from(block.into_contents()))
            .collect()
    } else {
        vec![CertificateRevocationListDer::from(bytes.to_vec())]
    };
    if found.is_empty() {
        return Err(Error::content(path, "holds no list of revoked certificates"));
    }
    Ok(found)
}

/// A certificate's serial number, in hexadecimal.
pub(crate) fn serial(certificate: &[u8]) -> Result<String, Error> {
    Ok(hexadecimal(parse(certificate)?.raw_serial()))
}

/// Reads a certificate.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(Error::refused("has bytes behind its certificate")),
        Err(_) if der.is_empty() => Err(Error::refused("is empty: a certificate was expected")),
        Err(error) => Err(Error::refused(format!("is no certificate: {error}"))),
    }
}

/// In lower case, without colons.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether bytes are PEM rather than DER.
fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN)
}

fn parse_pem(bytes: &[u8]) -> Result<Vec<pem::Pem>, Error> {
    pem::parse_many(bytes).map_err(|error| Error::refused(format!("is no PEM: {error}")))
}

fn blocks(bytes: &[u8], now: OffsetDateTime) -> Result<Vec<Shown>, Error> {
    parse_pem(bytes)?
        .iter()
        .map(|block| match block.tag() {
            CERTIFICATE => certificate(block.contents(), now),
            LIST => list(block.contents()),
            tag if tag.ends_with("PRIVATE KEY") => Ok(Shown::PrivateKey {
                form: tag.to_owned(),
                encrypted: tag.starts_with("ENCRYPTED") || block.headers().get("Proc-Type").is_some(),
            }),
            tag => Err(Error::refused(format!("has a block `{tag}`, which is neither certificate, list nor key"))),
        })
        .collect()
}

fn der(bytes: &[u8], now: OffsetDateTime) -> Result<Shown, Error> {
    if rustls_pki_types::PrivateKeyDer::try_from(bytes).is_ok() {
        return Ok(Shown::PrivateKey { form: "DER".to_owned(), encrypted: false });
    }
    list(bytes).or_else(|_| certificate(bytes, now))
}

fn certificate(der: &[u8], now: OffsetDateTime) -> Result<Shown, Error> {
    let it = parse(der)?;
    let until = it.validity().not_after.to_datetime();
    Ok(Shown::Certificate {
        subject: it.subject().to_string(),
        issuer: it.issuer().to_string(),
        serial: hexadecimal(it.raw_serial()),
        names: names(&it),
        authority: it.is_ca(),
        usages: usages(&it),
        key: key(&it),
        not_before: moment(it.validity().not_before.to_datetime()),
        not_after: moment(until),
        days_left: (until - now).whole_days(),
        fingerprint: hexadecimal(digest::digest(&digest::SHA256, der).as_ref()),
    })
}

fn list(der: &[u8]) -> Result<Shown, Error> {
    let it = match CertificateRevocationList::from_der(der) {
        Ok(([], list)) => list,
        Ok(_) => return Err(Error::refused("has bytes behind its list")),
        Err(error) => return Err(Error::refused(format!("is no list of revoked certificates: {error}"))),
    };
    Ok(Shown::RevokedList {
        issuer: it.issuer().to_string(),
        this_update: moment(it.last_update().to_datetime()),
        next_update: it.next_update().map(|until| moment(until.to_datetime())),
        serials: it.iter_revoked_certificates().map(|revoked| hexadecimal(revoked.raw_serial())).collect(),
    })
}

fn names(it: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = it.subject_alternative_name() else { return Vec::new() };
    let ip = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
        _ => None,
    };
    let one = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(host) => format!("DNS:{host}"),
        GeneralName::IPAddress(bytes) => format!("IP:{}", ip(bytes).unwrap_or_else(|| hexadecimal(bytes))),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::RFC822Name(address) => format!("email:{address}"),
        other => other.to_string(),
    };
    names.value.general_names.iter().map(one).collect()
}

fn usages(it: &X509Certificate<'_>) -> Vec<String> {
    let mut words = Vec::new();
    for extension in it.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => {
                words.extend(usage.to_string().split(',').map(|word| word.trim().to_owned()));
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let known = [
                    (usage.server_auth, "server authentication"),
                    (usage.client_auth, "client authentication"),
                    (usage.email_protection, "email protection"),
                    (usage.code_signing, "code signing"),
                    (usage.ocsp_signing, "OCSP signing"),
                    (usage.any, "any"),
                ];
                words.extend(known.iter().filter(|(on, _)| *on).map(|(_, word)| (*word).to_owned()));
                words.extend(usage.other.iter().map(ToString::to_string));
            }
            _ => {}
        }
    }
    words
}

fn key(it: &X509Certificate<'_>) -> String {
    match it.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA, {} bits", rsa.key_size()),
        Ok(PublicKey::EC(point)) => format!("ECDSA, {} bits", point.key_size()),
        _ => it.public_key().algorithm.algorithm.to_string(),
    }
}

/// RFC 3339; certificates can name moments that it cannot.
fn moment(at: OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_else(|_| at.to_string())
}

const BEGIN: &[u8] = b"-----BEGIN ";
const CERTIFICATE: &str = "CERTIFICATE";
const LIST: &str = "X509 CRL";
