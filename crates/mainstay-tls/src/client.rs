//! What nodes have to show, and what they are shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::fault::Fault;
use crate::files::{Stamps, stamps};
use crate::live::{Live, Refreshed, Shown};
use crate::pair::{self, PairFiles};
use crate::trust::Trust;
use crate::{Versions, provider};

/// What nodes have to show, and are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// As shown to operators.
    pub name: Arc<str>,
    /// What they have to show.
    pub verify: Verify,
    /// What they are shown when they ask.
    pub pair: Option<PairFiles>,
    /// The name their certificates must have, in place of the host each is configured with.
    pub host: Option<ServerName<'static>>,
    /// Whether they are told which name is asked for (SNI).
    pub tells_name: bool,
    /// Versions spoken.
    pub versions: Versions,
    /// Protocols above, in order of preference (ALPN).
    pub protocols: Vec<Arc<str>>,
}

/// What nodes have to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// A certificate of their name, by one who is trusted.
    Full(Trust),
    /// Anything: whoever gets in between reads and changes all that is sent.
    Off,
}

/// How nodes are connected to, with files that may be exchanged meanwhile.
#[derive(Debug)]
pub struct Client {
    /// What it is made from.
    pub settings: ClientSettings,
    live: Live<ClientMaterial>,
}

/// What its files hold.
#[derive(Debug)]
pub struct ClientMaterial {
    /// For handshakes; sessions are kept in it.
    pub config: Arc<ClientConfig>,
    /// What ends on a day.
    pub shown: Vec<Shown>,
}

impl Client {
    /// Reads what `settings` name. Gives remarks too.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(settings: ClientSettings) -> Result<(Self, Vec<Fault>), Vec<Fault>> {
        let read = settings.stamps();
        let (material, notes) = settings.load()?;
        Ok((Self { settings, live: Live::new(material, read) }, notes))
    }

    /// Whose files these are and how they are.
    #[must_use]
    pub fn live(&self) -> &Live<ClientMaterial> {
        &self.live
    }

    /// Reads its files again if they have changed.
    #[must_use]
    pub fn refresh(&self) -> Refreshed {
        self.live.refresh(self.settings.files(), || self.settings.load())
    }

    /// Takes over what another of the same settings has read.
    pub fn adopt(&self, other: &Self) {
        self.live.adopt(&other.live);
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

/// The configuration as one worker uses it: with sessions of its own, so that it shares nothing with other workers.
#[derive(Debug, Default)]
pub struct Own(Option<(u64, Arc<ClientConfig>)>);

impl Own {
    /// What is current.
    pub fn get(&mut self, client: &Client) -> Arc<ClientConfig> {
        let generation = client.live.generation();
        match &self.0 {
            Some((known, config)) if *known == generation => Arc::clone(config),
            _ => {
                let mut config = ClientConfig::clone(&client.live.current().config);
                config.resumption = Resumption::in_memory_sessions(SESSIONS);
                let config = Arc::new(config);
                self.0 = Some((generation, Arc::clone(&config)));
                config
            }
        }
    }
}

impl ClientSettings {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let pair = self.pair.iter().flat_map(|pair| [pair.cert.as_path(), pair.key.as_path()]);
        let trust = match &self.verify {
            Verify::Full(trust) => Some(trust),
            Verify::Off => None,
        };
        pair.chain(trust.into_iter().flat_map(Trust::files))
    }

    fn stamps(&self) -> Stamps {
        stamps(self.files())
    }

    fn load(&self) -> Result<(ClientMaterial, Vec<Fault>), Vec<Fault>> {
        let (mut shown, mut notes, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        let mut own = None;
        match self.pair.as_ref().map(pair::load).transpose() {
            Ok(None) => {}
            Ok(Some(mut pair)) => {
                notes.append(&mut pair.notes);
                shown.push(pair.shown);
                own = Some(pair.certified);
            }
            Err(wrong) => faults.extend(wrong),
        }
        let verifier: Option<Arc<dyn ServerCertVerifier>> = match &self.verify {
            Verify::Off => Some(Arc::new(Anyone(provider()))),
            Verify::Full(trust) => match trust.load() {
                Ok(mut anchors) => {
                    notes.append(&mut anchors.notes);
                    shown.append(&mut anchors.shown);
                    let builder = WebPkiServerVerifier::builder_with_provider(anchors.roots, provider());
                    match builder.with_crls(anchors.lists).enforce_revocation_expiration().build() {
                        Ok(verifier) => Some(verifier),
                        Err(error) => {
                            let message = format!("cannot be used: {error}");
                            faults.push(Fault::of(self.path(), message, "see the reason"));
                            None
                        }
                    }
                }
                Err(wrong) => {
                    faults.extend(wrong);
                    None
                }
            },
        };
        let Some(verifier) = verifier.filter(|_| faults.is_empty()) else { return Err(faults) };
        let config = self.config(verifier, own);
        let config = config
            .map_err(|error| vec![Fault::of(self.path(), format!("cannot be used: {error}"), "see the reason")])?;
        Ok((ClientMaterial { config: Arc::new(config), shown }, notes))
    }

    /// A file to name where a fault is of none alone.
    fn path(&self) -> &Path {
        self.files().next().unwrap_or_else(|| Path::new(""))
    }

    fn config(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
        own: Option<Arc<CertifiedKey>>,
    ) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&self.versions.list())?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match own {
            Some(own) => builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own))),
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = self.tells_name;
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }

    /// The files of anchors, for messages.
    #[must_use]
    pub fn anchors(&self) -> &[PathBuf] {
        match &self.verify {
            Verify::Full(trust) => &trust.ca,
            Verify::Off => &[],
        }
    }
}

/// Takes whatever certificate is shown, as long as whoever shows it has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _own: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Sessions of nodes that a worker keeps to go on with.
const SESSIONS: usize = 256;
