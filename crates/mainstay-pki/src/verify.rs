//! Whether a certificate is to be believed.

use std::path::PathBuf;

use rcgen::PublicKeyData as _;
use rustls_pki_types::{ServerName, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use crate::{Error, Key, Password, inspect};

/// What a certificate is presented as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// By a server.
    Server,
    /// By a client.
    Client,
}

/// What is to be verified, and against what.
#[derive(Clone, Debug)]
pub struct Verify {
    /// The certificate, and behind it what leads to an anchor.
    pub chain: PathBuf,
    /// Certificates that are believed: roots, or an intermediate alone.
    pub anchors: Vec<PathBuf>,
    /// Lists of revoked certificates. With one, there must be a list of each authority whose certificates stand between the
    /// leaf and the anchor, and a list that is out of date is refused.
    pub lists: Vec<PathBuf>,
    /// What it is presented as.
    pub purpose: Purpose,
    /// A host name or address it must be for.
    pub host: Option<String>,
    /// A private key that must be its own, and the password of that.
    pub key: Option<(PathBuf, Option<Password>)>,
}

/// Verifies as Mainstay's own listeners and pools do.
///
/// # Errors
/// What stands against it, in words; or a file that cannot be read.
pub fn verify(what: &Verify, now: OffsetDateTime) -> Result<(), Error> {
    let chain = inspect::certificates(&what.chain)?;
    let Some((leaf, rest)) = chain.split_first() else {
        return Err(Error::content(&what.chain, "holds no certificate"));
    };
    let wrong = |text: String| Error::content(&what.chain, text);
    let end = EndEntityCert::try_from(leaf).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if let Some((path, password)) = &what.key {
        let key = Key::from_file(path, password.as_ref())?;
        let spki = key.0.subject_public_key_info();
        if inspect::parse(leaf)?.public_key().raw != spki {
            return Err(wrong(format!("{} is not its private key", path.display())));
        }
    }
    let anchors = what.anchors.iter().map(|path| inspect::certificates(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let anchors = anchors
        .iter()
        .map(|anchor| webpki::anchor_from_trusted_cert(anchor).map(|anchor| anchor.to_owned()))
        .collect::<Result<Vec<TrustAnchor<'static>>, _>>()
        .map_err(|error| wrong(format!("an anchor cannot be read: {error}")))?;
    if anchors.is_empty() {
        return Err(Error::refused("no anchor: which certificates are believed? Name one with --ca"));
    }
    let lists = what.lists.iter().map(|path| inspect::lists(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let lists = lists
        .iter()
        .map(|list| OwnedCertRevocationList::from_der(list).map(CertRevocationList::from))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("a list of revoked certificates cannot be read: {error}")))?;
    let lists: Vec<&CertRevocationList<'_>> = lists.iter().collect();
    let revocation = match RevocationOptionsBuilder::new(&lists) {
        Ok(builder) => Some(
            builder
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build(),
        ),
        // There are no lists.
        Err(_) => None,
    };
    let usage = match what.purpose {
        Purpose::Server => KeyUsage::server_auth(),
        Purpose::Client => KeyUsage::client_auth(),
    };
    let seconds = u64::try_from(now.unix_timestamp()).map_err(|_| wrong("the clock is before 1970".to_owned()))?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, rest, at, usage, revocation, None)
        .map_err(|error| wrong(said(&error)))?;
    let Some(host) = &what.host else { return Ok(()) };
    let name = ServerName::try_from(host.as_str())
        .map_err(|_| Error::refused(format!("`{host}` is no host name or address")))?;
    end.verify_is_valid_for_subject_name(&name).map_err(|_| wrong(format!("is not for {host}")))
}

fn said(error: &webpki::Error) -> String {
    match error {
        webpki::Error::CertExpired { .. } => "a certificate of it is expired".to_owned(),
        webpki::Error::CertNotValidYet { .. } => "a certificate of it is not valid yet".to_owned(),
        webpki::Error::CertRevoked => "a certificate of it is revoked".to_owned(),
        webpki::Error::UnknownRevocationStatus => {
            "no list says whether a certificate of it was revoked: there must be one of each authority below the anchor. \
             With one list, of the intermediate, take the intermediate as the anchor"
                .to_owned()
        }
        webpki::Error::CrlExpired { .. } => "a list of revoked certificates is out of date".to_owned(),
        webpki::Error::UnknownIssuer => {
            "leads to no anchor: an intermediate is missing behind the certificate, or the anchors are others'"
                .to_owned()
        }
        webpki::Error::RequiredEkuNotFoundContext(_) => {
            "may not be used so: a server's certificate is no client's, nor the reverse".to_owned()
        }
        webpki::Error::CaUsedAsEndEntity => "begins with an authority's certificate: the leaf comes first".to_owned(),
        other => format!("does not verify: {other}"),
    }
}
