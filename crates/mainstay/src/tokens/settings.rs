//! What an endpoint is made of.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mainstay_pki::jwt::{Claims, Hashed, KeySet, Signer};
use serde::Deserialize;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::units;

/// An endpoint, complete.
pub(super) struct Settings {
    pub(super) at: SocketAddr,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) signer: Signer,
    /// The key set as it is published.
    pub(super) keys: String,
    pub(super) issuer: Option<String>,
    pub(super) lifetime: Duration,
    pub(super) clients: BTreeMap<String, Client>,
}

/// Who may have a token, and which.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    pub(super) secret: Hashed,
    subject: Option<String>,
    audience: Option<String>,
    participant: Option<String>,
    scope: Option<String>,
}

impl Settings {
    /// From a file; paths in it are relative to its own directory.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let document: Document = toml::from_str(&text).map_err(|error| {
            // Not as the error shows itself, with the line: a secret may stand there.
            let line =
                error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.lines().count().max(1));
            format!("{shown}:{line}: {}", error.message())
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        let lifetime = document.lifetime.as_deref().map_or(Ok(LIFETIME), units::time);
        let lifetime = lifetime.map_err(|error| format!("{shown}: lifetime: {error}"))?;
        if lifetime.is_zero() || lifetime > LONGEST {
            return Err(format!("{shown}: lifetime: more than none, and at most a day: a token cannot be taken back"));
        }
        let signer =
            Signer::from_file(&base.join(&document.signer), None).map_err(|error| format!("{shown}: {error}"))?;
        let published: Vec<PathBuf> = document.publish.iter().map(|file| base.join(file)).collect();
        let keys = KeySet::of_certificates(&published).map_err(|error| format!("{shown}: {error}"))?;
        if !keys.kids().any(|kid| kid == signer.kid()) {
            return Err(format!(
                "{shown}: publish has no certificate of the signer's key: nobody could verify a token"
            ));
        }
        Ok(Self {
            at: document.at,
            tls: tls(&base.join(&document.cert), &base.join(&document.key))?,
            signer,
            keys: keys.to_json().map_err(|error| error.to_string())?,
            issuer: document.issuer,
            lifetime,
            clients: document.client,
        })
    }

    /// What a client's token says.
    pub(super) fn claims(&self, name: &str, client: &Client) -> Claims {
        let participant = client.participant.iter().map(|id| format!("https://daml.com/jwt/aud/participant/{id}"));
        let audience: Vec<String> = client.audience.iter().cloned().chain(participant).collect();
        let scope = client.scope.clone().or_else(|| audience.is_empty().then(|| SCOPE.to_owned()));
        Claims {
            subject: Some(client.subject.clone().unwrap_or_else(|| name.to_owned())),
            audience,
            scope,
            issuer: self.issuer.clone(),
            // At most a day.
            lifetime: time::Duration::seconds(i64::try_from(self.lifetime.as_secs()).unwrap_or(0)),
            ledger: None,
        }
    }
}

fn tls(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("cannot read certificates from {}: {error}", cert.display()))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("cannot read a private key from {}: {error}", key.display()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| format!("{} and {} cannot be used: {error}", cert.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    at: SocketAddr,
    cert: PathBuf,
    key: PathBuf,
    signer: PathBuf,
    publish: Vec<PathBuf>,
    issuer: Option<String>,
    lifetime: Option<String>,
    #[serde(default)]
    client: BTreeMap<String, Client>,
}

/// What Canton's documentation recommends: minutes.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What Canton's ledger API wants of a token without an audience.
const SCOPE: &str = "daml_ledger_api";
