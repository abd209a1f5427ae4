//! Private keys and the passwords that protect them.

use std::fmt;
use std::path::Path;

use pkcs8::der::pem::LineEnding;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument, pkcs5::pbes2};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Error, file};

/// Which kind of key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    /// ECDSA on P-256.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
}

impl KeyKind {
    /// As it is written in files and on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa4096 => "rsa-4096",
            Self::EcdsaP256 => "ecdsa-p256",
        }
    }

    pub(crate) const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa4096)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a private key is encrypted with. Shown nowhere.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// From a file's first line.
    ///
    /// # Errors
    /// The file cannot be read, or the line is empty.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = file::read_text(path)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(Error::content(path, "its first line is empty: the password is expected there"));
        }
        Ok(Self(Zeroizing::new(line.to_owned())))
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A private key and its public half. Shown nowhere.
pub struct Key(pub(crate) KeyPair);

impl Key {
    /// Draws one.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn generate(kind: KeyKind) -> Result<Self, Error> {
        let pair = match kind {
            KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
            KeyKind::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        };
        pair.map(Self).map_err(|error| Error::refused(format!("no {kind} key could be made: {error}")))
    }

    /// From a PEM file: PKCS#8, also encrypted, PKCS#1 or SEC1.
    ///
    /// # Errors
    /// The file cannot be read, has no key or several, or is encrypted and the password is missing or wrong.
    pub fn from_file(path: &Path, password: Option<&Password>) -> Result<Self, Error> {
        let text = file::read_text(path)?;
        Self::from_pem(&text, password).map_err(|error| error.in_file(path))
    }

    pub(crate) fn from_pem(text: &str, password: Option<&Password>) -> Result<Self, Error> {
        let mut keys = pem::parse_many(text)
            .map_err(|error| Error::refused(format!("is no PEM: {error}")))?
            .into_iter()
            .filter(|block| block.tag().ends_with("PRIVATE KEY"));
        let block = keys.next().ok_or_else(|| Error::refused("holds no private key"))?;
        if keys.next().is_some() {
            return Err(Error::refused("holds several private keys: which one is meant?"));
        }
        let der = Zeroizing::new(block.into_contents_checked(password)?);
        let der = rustls_pki_types::PrivateKeyDer::try_from(der.as_slice())
            .map_err(|_| Error::refused("its private key is of no known form: PKCS#8, PKCS#1 or SEC1"))?;
        KeyPair::try_from(&der).map(Self).map_err(|error| {
            Error::refused(format!("its private key cannot be used ({error}): RSA of 2048 bits or more, or ECDSA"))
        })
    }

    /// As PKCS#8 in PEM, encrypted if there is a password (PBES2: PBKDF2 with SHA-256, AES-256-CBC).
    pub(crate) fn to_pem(&self, password: Option<&Password>) -> Result<Zeroizing<String>, Error> {
        let Some(password) = password else { return Ok(Zeroizing::new(self.0.serialize_pem())) };
        let lost = |what: &dyn fmt::Display| Error::refused(format!("the key could not be encrypted: {what}"));
        let info = PrivateKeyInfoRef::try_from(self.0.serialized_der()).map_err(|error| lost(&error))?;
        let mut salt = [0; 16];
        let mut iv = [0; 16];
        aws_lc_rs::rand::fill(&mut salt).map_err(|error| lost(&error))?;
        aws_lc_rs::rand::fill(&mut iv).map_err(|error| lost(&error))?;
        let parameters =
            pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv).map_err(|error| lost(&error))?;
        let document = info.encrypt_with_params(parameters, password.bytes()).map_err(|error| lost(&error))?;
        document.to_pem(ENCRYPTED, LineEnding::LF).map_err(|error| lost(&error))
    }

    /// As PKCS#8 in DER, not encrypted.
    pub(crate) fn to_der(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize_der())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A PEM block of a private key, whose bytes are to be had.
trait Contents {
    fn into_contents_checked(self, password: Option<&Password>) -> Result<Vec<u8>, Error>;
}

impl Contents for pem::Pem {
    fn into_contents_checked(self, password: Option<&Password>) -> Result<Vec<u8>, Error> {
        if self.headers().get("Proc-Type").is_some() {
            return Err(Error::refused(
                "its private key is encrypted in OpenSSL's old way: `openssl pkcs8 -topk8` brings it into today's",
            ));
        }
        if self.tag() != ENCRYPTED {
            return Ok(self.into_contents());
        }
        let password = password.ok_or_else(|| Error::refused("its private key is encrypted: a password is needed"))?;
        let info = EncryptedPrivateKeyInfoRef::try_from(self.contents())
            .map_err(|error| Error::refused(format!("its encrypted private key cannot be read: {error}")))?;
        let document: SecretDocument =
            info.decrypt(password.bytes()).map_err(|_| Error::refused("the password does not open its private key"))?;
        Ok(document.as_bytes().to_vec())
    }
}

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// Of PBKDF2 with SHA-256: what OWASP recommends (2023).
const ROUNDS: u32 = 600_000;
