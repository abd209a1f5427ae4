//! A certificate with its chain, and the key to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::certificate::Certificate;
use crate::fault::Fault;
use crate::live::Shown;
use crate::pem::{Block, blocks};
use crate::trust::seconds_now;
use crate::{files, provider};

/// The files of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate, and behind it those that lead to a root.
    pub cert: PathBuf,
    /// The key; may be the same file.
    pub key: PathBuf,
}

/// What is shown to a peer.
pub(crate) struct Pair {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) certificate: Certificate,
    pub(crate) shown: Shown,
    /// What an operator should know of it all the same.
    pub(crate) notes: Vec<Fault>,
}

/// Reads a pair and sees that it is of use.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn load(of: &PairFiles) -> Result<Pair, Vec<Fault>> {
    let (chain, key) = (chain(&of.cert), key(&of.key));
    let (chain, key) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    let Some((first, certificate)) = chain.first() else { return Err(Vec::new()) };
    let ders = chain.iter().map(|(block, _)| CertificateDer::from(block.der.clone())).collect();
    let certified = CertifiedKey::from_der(ders, key, &provider());
    let certified = certified.map_err(|error| vec![unfit(of, &chain, first, &error)])?;
    let now = seconds_now();
    let mut faults = Vec::new();
    if certificate.not_after < now {
        let days = -certificate.days_left(now);
        faults.push(first.fault(&of.cert, format!("has expired, {days} days ago"), "have a new one issued"));
    }
    if certificate.not_before > now {
        let help = "wait, or set this machine's clock";
        faults.push(first.fault(&of.cert, "is not valid yet", help));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let notes = chain_notes(&of.cert, &chain);
    let shown = Shown::of(&of.cert, certificate);
    Ok(Pair { certified: Arc::new(certified), certificate: certificate.clone(), shown, notes })
}

/// The blocks of certificates in a file, each with what it says.
type Chain = Vec<(BlockOwned, Certificate)>;

/// A block without its text.
pub(crate) struct BlockOwned {
    pub(crate) number: usize,
    pub(crate) line: usize,
    pub(crate) der: Vec<u8>,
}

impl BlockOwned {
    fn fault(&self, path: &Path, message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault::of(path, message, help).at(self.number, self.line)
    }
}

/// The certificates of a file, one at least.
///
/// # Errors
/// There is none, or one of them is none.
pub(crate) fn chain(path: &Path) -> Result<Chain, Fault> {
    let text = files::read(path)?;
    let mut found = Vec::new();
    for block in blocks(path, &text)? {
        if !matches!(block.label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            continue;
        }
        let Some(certificate) = Certificate::parse(&block.der) else {
            return Err(block.fault(path, "is no certificate that can be read", "copy or issue it again"));
        };
        found.push((BlockOwned { number: block.number, line: block.line, der: block.der }, certificate));
    }
    if found.is_empty() {
        let help = "it must have a block `-----BEGIN CERTIFICATE-----`";
        return Err(Fault::of(path, "holds no certificate", help));
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let text = files::read(path)?;
    let found = blocks(path, &text)?;
    let Some(block) = found.into_iter().find(Block::is_key) else {
        let help = "it must have a block `-----BEGIN PRIVATE KEY-----`, or one of RSA or EC";
        return Err(Fault::of(path, "holds no private key", help));
    };
    if block.is_encrypted {
        let help = format!(
            "decrypt it, e.g. with `openssl pkey -in {} -out KEY.pem`, and let nobody but Mainstay's user read that",
            path.display()
        );
        return Err(block.fault(path, "is a key that is encrypted with a password", help));
    }
    match block.label {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(block.der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(block.der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(block.der).into()),
        other => {
            let message = format!("is a key of a kind that is not known: {other}");
            Err(block.fault(path, message, "convert it with `openssl pkcs8 -topk8 -nocrypt`"))
        }
    }
}

fn unfit(of: &PairFiles, chain: &Chain, first: &BlockOwned, error: &Error) -> Fault {
    if !matches!(error, Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
        let message = format!("holds a key that cannot be used: {error}");
        return Fault::of(&of.key, message, "RSA of 2048 bits and more, ECDSA P-256, P-384, P-521 and Ed25519 can");
    }
    let behind = chain.iter().skip(1).find(|(block, _)| {
        let Ok(key) = key(&of.key) else { return false };
        CertifiedKey::from_der(vec![CertificateDer::from(block.der.clone())], key, &provider()).is_ok()
    });
    let key = of.key.display();
    match behind {
        Some((block, _)) => first.fault(
            &of.cert,
            format!("comes first, but the key in {key} fits block {}", block.number),
            "put the own certificate first, and behind it those that lead to a root",
        ),
        None => first.fault(
            &of.cert,
            format!("is not of the key in {key}"),
            "name the key that the certificate was issued for",
        ),
    }
}

/// What peers may stumble over.
fn chain_notes(path: &Path, chain: &Chain) -> Vec<Fault> {
    let mut notes = Vec::new();
    for pair in chain.windows(2) {
        let [(_, child), (block, parent)] = pair else { continue };
        if child.issuer != parent.subject && !child.is_root() {
            let message = format!("is not the issuer of the one before it, which is \"{}\"", child.issuer);
            let help = "put an intermediate certificate there: peers that do not have it cannot verify the chain";
            notes.push(block.fault(path, message, help));
        }
    }
    if let [(block, only)] = chain.as_slice()
        && !only.is_root()
    {
        let message = format!("comes without its issuer \"{}\"", only.issuer);
        let help = "add the intermediate certificate behind it, unless every peer has that one as its anchor";
        notes.push(block.fault(path, message, help));
    }
    notes
}
