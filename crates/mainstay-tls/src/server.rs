//! What a listener shows its clients, and what it wants to see of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

use crate::certificate::Certificate;
use crate::fault::Fault;
use crate::files::{Stamps, stamps};
use crate::live::{Live, Refreshed, Shown};
use crate::names::Pattern;
use crate::pair::{self, Pair, PairFiles};
use crate::refusal::Refusal;
use crate::trust::Trust;
use crate::{Versions, provider};

/// What a listener is to show and demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// As shown to operators.
    pub name: Arc<str>,
    /// Certificates; which one is shown goes by the name that the client asks for, and is else the first.
    pub pairs: Vec<PairFiles>,
    /// What clients have to show.
    pub clients: Clients,
    /// Versions spoken.
    pub versions: Versions,
    /// Protocols above, in order of preference (ALPN). Empty: whatever the client wants to speak.
    pub protocols: Vec<Arc<str>>,
    /// Longest time for a handshake.
    pub handshake: Duration,
}

/// What clients have to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Nothing.
    Anonymous,
    /// A certificate, if they have one: but then one that is accepted.
    Optional(Trust),
    /// A certificate that is accepted.
    Required(Trust),
}

/// A listener's TLS, whose files may be exchanged while it is used.
pub struct Server {
    /// What it is made from.
    pub settings: ServerSettings,
    live: Live<ServerMaterial>,
    tickets: Arc<dyn ProducesTickets>,
}

/// What its files hold.
#[derive(Debug)]
pub struct ServerMaterial {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// What ends on a day.
    pub shown: Vec<Shown>,
    verifier: Option<Arc<Verifier>>,
}

impl Server {
    /// Reads what `settings` name. Gives remarks too.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(settings: ServerSettings) -> Result<(Self, Vec<Fault>), Vec<Fault>> {
        let tickets = rustls::crypto::aws_lc_rs::Ticketer::new();
        let tickets = tickets.map_err(|error| {
            let path = settings.pairs.first().map_or_else(|| Path::new(""), |pair| &pair.cert);
            vec![Fault::of(path, format!("cannot be used: no keys for tickets: {error}"), "restart Mainstay")]
        })?;
        let read = settings.stamps();
        let (material, notes) = settings.load(&tickets)?;
        Ok((Self { settings, live: Live::new(material, read), tickets }, notes))
    }

    /// Whose files these are and how they are.
    #[must_use]
    pub fn live(&self) -> &Live<ServerMaterial> {
        &self.live
    }

    /// Reads its files again if they have changed.
    #[must_use]
    pub fn refresh(&self) -> Refreshed {
        self.live.refresh(self.settings.files(), || self.settings.load(&self.tickets))
    }

    /// Takes over what another of the same settings has read. Sessions go on all the same.
    pub fn adopt(&self, other: &Self) {
        // With its own tickets' keys, which `other` does not know.
        if let Refreshed::Same = self.refresh() {
            return;
        }
        if !self.live.is_behind() {
            return;
        }
        self.live.adopt(&other.live);
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ServerMaterial {
    /// Whether a client whose handshake is done is let in, and who it is. What it showed when the session began that it
    /// goes on with is judged again: meanwhile it may have expired or been revoked.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn admit(&self, chain: Option<&[CertificateDer<'_>]>, is_resumed: bool) -> Result<Option<Arc<str>>, Refusal> {
        let Some(verifier) = &self.verifier else { return Ok(None) };
        let Some((own, others)) = chain.and_then(<[_]>::split_first) else {
            return if verifier.client_auth_mandatory() { Err(Refusal::NoCertificate) } else { Ok(None) };
        };
        if is_resumed {
            let verified = verifier.verify_client_cert(own, others, UnixTime::now());
            verified.map_err(|error| Refusal::of(&error))?;
        }
        Ok(Certificate::parse(own).map(|certificate| certificate.name().into()))
    }
}

impl ServerSettings {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.pairs.iter().flat_map(|pair| [pair.cert.as_path(), pair.key.as_path()]);
        pairs.chain(self.clients.trust().into_iter().flat_map(Trust::files))
    }

    fn stamps(&self) -> Stamps {
        stamps(self.files())
    }

    fn load(&self, tickets: &Arc<dyn ProducesTickets>) -> Result<(ServerMaterial, Vec<Fault>), Vec<Fault>> {
        let (mut pairs, mut faults, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for files in &self.pairs {
            match pair::load(files) {
                Ok(pair) => pairs.push(pair),
                Err(wrong) => faults.extend(wrong),
            }
        }
        let anchors = match self.clients.trust().map(Trust::load).transpose() {
            Ok(anchors) => anchors,
            Err(wrong) => {
                faults.extend(wrong);
                None
            }
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut shown: Vec<Shown> = pairs.iter().map(|pair| pair.shown.clone()).collect();
        pairs.iter_mut().for_each(|pair| notes.append(&mut pair.notes));
        let verifier = anchors.map(|mut anchors| {
            shown.append(&mut anchors.shown);
            notes.append(&mut anchors.notes);
            let builder = WebPkiClientVerifier::builder_with_provider(anchors.roots, provider());
            let builder = builder.with_crls(anchors.lists).enforce_revocation_expiration();
            let optional = matches!(self.clients, Clients::Optional(_));
            let inner = if optional { builder.allow_unauthenticated() } else { builder }.build();
            let names = self.clients.trust().map(|trust| trust.names.clone()).unwrap_or_default();
            inner.map(|inner| Arc::new(Verifier { inner, names }))
        });
        let path = self.pairs.first().map_or_else(|| Path::new(""), |pair| &pair.cert);
        let cannot = |what: String| vec![Fault::of(path, format!("cannot be used: {what}"), "see the reason")];
        let verifier = verifier.transpose().map_err(|error| cannot(error.to_string()))?;
        let config = self.config(pairs, verifier.clone(), tickets).map_err(|error| cannot(error.to_string()))?;
        Ok((ServerMaterial { config: Arc::new(config), shown, verifier }, notes))
    }

    fn config(
        &self,
        pairs: Vec<Pair>,
        verifier: Option<Arc<Verifier>>,
        tickets: &Arc<dyn ProducesTickets>,
    ) -> Result<ServerConfig, Error> {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&self.versions.list())?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Choice { pairs }));
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.ticketer = Arc::clone(tickets);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = TICKETS;
        Ok(config)
    }
}

impl Clients {
    fn trust(&self) -> Option<&Trust> {
        match self {
            Self::Anonymous => None,
            Self::Optional(trust) | Self::Required(trust) => Some(trust),
        }
    }
}

/// Which certificate is shown.
struct Choice {
    pairs: Vec<Pair>,
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|pair| &pair.certificate)).finish()
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let can_sign = |pair: &&Pair| pair.certified.key.choose_scheme(hello.signature_schemes()).is_some();
        let asked = hello.server_name();
        let is_of = |pair: &&Pair| asked.is_some_and(|name| is_name_of(name, &pair.certificate));
        let own = self.pairs.iter().filter(can_sign).find(is_of);
        let chosen = own.or_else(|| self.pairs.iter().find(can_sign)).or_else(|| self.pairs.first());
        chosen.map(|pair| Arc::clone(&pair.certified))
    }
}

/// Whether a host name is one of a certificate's, in which a star stands for the first label.
fn is_name_of(host: &str, certificate: &Certificate) -> bool {
    let fits = |name: &String| {
        name.eq_ignore_ascii_case(host)
            || name.strip_prefix('*').is_some_and(|tail| {
                let behind = host.find('.').and_then(|dot| host.get(dot..));
                behind.is_some_and(|behind| behind.eq_ignore_ascii_case(tail))
            })
    };
    certificate.names.iter().any(fits)
}

/// Judges what clients show.
#[derive(Debug)]
struct Verifier {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<Pattern>,
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(own, others, now)?;
        if self.names.is_empty() {
            return Ok(verified);
        }
        let certificate = Certificate::parse(own).ok_or(CertificateError::BadEncoding)?;
        if self.names.iter().any(|pattern| pattern.fits(&certificate)) {
            return Ok(verified);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Tickets given to a client with each handshake of TLS 1.3.
const TICKETS: usize = 1;
