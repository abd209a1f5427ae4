//! Whom certificates are trusted from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};

use crate::fault::Fault;
use crate::files;
use crate::live::Shown;
use crate::names::Pattern;
use crate::pair::chain;
use crate::pem::blocks;

/// Whose certificates are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Files of anchors. An intermediate certificate may be one, without its root.
    pub ca: Vec<PathBuf>,
    /// Files of revocation lists. With any, every certificate below an anchor must be on no list of its issuer, and its
    /// issuer must have a list.
    pub crl: Vec<PathBuf>,
    /// Names of which a certificate must have one; empty: any name will do.
    pub names: Vec<Pattern>,
}

/// Anchors and revocation lists that were read.
pub(crate) struct Anchors {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) lists: Vec<CertificateRevocationListDer<'static>>,
    pub(crate) shown: Vec<Shown>,
    pub(crate) notes: Vec<Fault>,
}

impl Trust {
    /// The files it is made of.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.ca.iter().chain(&self.crl).map(PathBuf::as_path)
    }

    /// Reads them.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn load(&self) -> Result<Anchors, Vec<Fault>> {
        let mut anchors = Anchors {
            roots: Arc::new(RootCertStore::empty()),
            lists: Vec::new(),
            shown: Vec::new(),
            notes: Vec::new(),
        };
        let mut roots = RootCertStore::empty();
        let mut known = Known::default();
        let mut faults = Vec::new();
        for path in &self.ca {
            if let Err(fault) = anchors.add_file(path, &mut roots, &mut known) {
                faults.push(fault);
            }
        }
        for path in &self.crl {
            if let Err(fault) = anchors.add_lists(path, &mut known) {
                faults.push(fault);
            }
        }
        anchors.roots = Arc::new(roots);
        if !self.crl.is_empty() {
            anchors.notes.extend(known.listless());
        }
        if faults.is_empty() { Ok(anchors) } else { Err(faults) }
    }
}

/// Who the anchors are, and whose lists there are.
#[derive(Default)]
struct Known {
    /// Each anchor's file, block, line and subject.
    anchors: Vec<(PathBuf, usize, usize, String)>,
    issuers: Vec<String>,
}

impl Known {
    /// Notes on anchors whose own list is missing, so that it is not known of anything they issued whether it was revoked.
    fn listless(self) -> impl Iterator<Item = Fault> {
        let bare = self.anchors.into_iter().filter(move |(.., subject)| !self.issuers.contains(subject));
        bare.map(|(path, block, line, subject)| {
            let message = format!(
                "is the anchor \"{subject}\", of which `crl` has no list: every certificate is refused that leads to no other"
            );
            let help = "add its list; or, where the lists are an intermediate authority's, name that one as the anchor";
            Fault::of(&path, message, help).at(block, line)
        })
    }
}

impl Anchors {
    fn add_file(&mut self, path: &Path, roots: &mut RootCertStore, known: &mut Known) -> Result<(), Fault> {
        let now = seconds_now();
        for (block, certificate) in chain(path)? {
            let added = roots.add(CertificateDer::from(block.der));
            added.map_err(|error| {
                Fault::of(path, format!("cannot be an anchor: {error}"), "name the certificate of an authority")
                    .at(block.number, block.line)
            })?;
            if certificate.not_after < now {
                let message = format!("is the anchor \"{}\", which has expired", certificate.name());
                let help = "it still counts; put its successor beside it before certificates of that one are issued";
                self.notes.push(Fault::of(path, message, help).at(block.number, block.line));
            }
            self.shown.push(Shown::of(path, &certificate));
            known.anchors.push((path.to_owned(), block.number, block.line, certificate.subject));
        }
        Ok(())
    }

    fn add_lists(&mut self, path: &Path, known: &mut Known) -> Result<(), Fault> {
        let text = files::read(path)?;
        let mut any = false;
        for block in blocks(path, &text)?.into_iter().filter(|block| block.label.ends_with("CRL")) {
            any = true;
            let Ok((_, list)) = CertificateRevocationList::from_der(&block.der) else {
                return Err(block.fault(path, "is no revocation list that can be read", "copy or issue it again"));
            };
            let next = list.next_update().map(|time| time.timestamp());
            if next.is_some_and(|next| next < seconds_now()) {
                let help = "have a new one issued; until then nobody whose issuer it is of is let in";
                return Err(block.fault(path, "is a revocation list that has expired", help));
            }
            known.issuers.push(list.issuer().to_string());
            if let Some(next) = next {
                let subject = format!("revocation list of {}", list.issuer());
                let begun = list.last_update().timestamp();
                self.shown.push(Shown { path: path.to_owned(), subject, not_before: begun, not_after: next });
            }
            self.lists.push(CertificateRevocationListDer::from(block.der));
        }
        if any {
            return Ok(());
        }
        Err(Fault::of(path, "holds no revocation list", "it must have a block `-----BEGIN X509 CRL-----`"))
    }
}

/// The time of day, in seconds since 1970.
#[must_use]
pub fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
