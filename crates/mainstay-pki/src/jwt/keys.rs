//! Key sets.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType, Jwk,
    JwkSet, KeyAlgorithm, PublicKeyUse, RSAKeyParameters, RSAKeyType, ThumbprintHash,
};
use x509_parser::public_key::PublicKey;

use crate::{Error, file, inspect};

/// The public keys by which tokens are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(JwkSet);

impl KeySet {
    /// Of certificates: files in PEM, each with the signer's certificate and, if they are there, those that lead to its
    /// root behind it.
    ///
    /// # Errors
    /// A file cannot be read, or its key is neither RSA nor on P-256; two have the same key.
    pub fn of_certificates(files: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let keys = files.iter().map(|path| key(path.as_ref())).collect::<Result<Vec<_>, _>>()?;
        Self::checked(JwkSet { keys })
    }

    /// As somebody else has written it.
    ///
    /// # Errors
    /// The file cannot be read, is no key set, or has several keys under one number.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = file::read_text(path)?;
        let set =
            serde_json::from_str(&text).map_err(|error| Error::content(path, format!("is no key set: {error}")))?;
        Self::checked(set).map_err(|error| error.in_file(path))
    }

    /// As JSON.
    ///
    /// # Errors
    /// None that is known: all of it can be written.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(&self.0).map_err(|error| Error::refused(format!("cannot be written: {error}")))
    }

    /// The numbers of its keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.keys.iter().filter_map(|key| key.common.key_id.as_deref())
    }

    /// The key of a number; of a token without one, the only key there is.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&Jwk> {
        match (kid, self.0.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.common.key_id.as_deref() == Some(kid)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    fn checked(set: JwkSet) -> Result<Self, Error> {
        let mut seen = BTreeMap::new();
        for key in &set.keys {
            let kid = key.common.key_id.as_deref();
            if seen.insert(kid, ()).is_some() {
                return Err(Error::refused(match kid {
                    Some(kid) => format!("has the number (kid) {kid} twice: one number must mean one key"),
                    None => "has several keys without a number (kid): nobody can tell which is meant".to_owned(),
                }));
            }
        }
        Ok(Self(set))
    }
}

/// The thumbprint of a key (RFC 7638, SHA-256).
pub(super) fn thumbprint(key: &Jwk) -> Result<String, Error> {
    key.thumbprint(ThumbprintHash::SHA256).map_err(|error| Error::refused(format!("has no thumbprint: {error}")))
}

fn key(path: &Path) -> Result<Jwk, Error> {
    let chain = inspect::certificates(path)?;
    let Some(leaf) = chain.first() else { return Err(Error::content(path, "holds no certificate")) };
    let parsed = inspect::parse(leaf).map_err(|error| error.in_file(path))?;
    let (algorithm, parameters) = match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => (
            KeyAlgorithm::RS256,
            AlgorithmParameters::RSA(RSAKeyParameters {
                key_type: RSAKeyType::RSA,
                n: number(rsa.modulus),
                e: number(rsa.exponent),
            }),
        ),
        Ok(PublicKey::EC(point)) => match point.data() {
            // Uncompressed (SEC 1, 2.3.3), both coordinates in full length (RFC 7518, 6.2.1.2).
            [0x04, coordinates @ ..] if coordinates.len() == 64 => {
                let (x, y) = coordinates.split_at(32);
                (
                    KeyAlgorithm::ES256,
                    AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                        key_type: EllipticCurveKeyType::EC,
                        curve: EllipticCurve::P256,
                        x: URL_SAFE_NO_PAD.encode(x),
                        y: URL_SAFE_NO_PAD.encode(y),
                    }),
                )
            }
            _ => return Err(Error::content(path, "its key is on another curve than P-256, which tokens here use")),
        },
        _ => return Err(Error::content(path, "its key is neither RSA nor on P-256")),
    };
    let mut key = Jwk {
        common: CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(algorithm),
            // RFC 7517, 4.7: base64, not base64url, and the certificate of the key first.
            x509_chain: Some(chain.iter().map(|certificate| STANDARD.encode(certificate)).collect()),
            x509_sha1_fingerprint: Some(digested(&digest::SHA1_FOR_LEGACY_USE_ONLY, leaf)),
            x509_sha256_fingerprint: Some(digested(&digest::SHA256, leaf)),
            ..CommonParameters::default()
        },
        algorithm: parameters,
    };
    key.common.key_id = Some(thumbprint(&key).map_err(|error| error.in_file(path))?);
    Ok(key)
}

/// RFC 7515, 4.1.7 and 4.1.8: of the raw digest.
fn digested(how: &'static digest::Algorithm, certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(how, certificate))
}

/// RFC 7518, 6.3.1.1: without leading zeros.
fn number(bytes: &[u8]) -> String {
    let significant = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    URL_SAFE_NO_PAD.encode(bytes.get(significant..).unwrap_or_default())
}
