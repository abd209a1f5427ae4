//! TLS of the model's ports, and of its clients.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A server's: it shows this certificate, and with anchors of clients' demands one that leads to them.
pub(super) fn server(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<TlsAcceptor, Fault> {
    let builder = ServerConfig::builder();
    let builder = match client_ca {
        Some(anchors) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(anchors_of(anchors)?)).build()?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(certificates(cert)?, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A client's: it verifies servers by these anchors, and shows a certificate if it has one.
pub fn client(ca: &Path, own: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>, Fault> {
    let builder = ClientConfig::builder().with_root_certificates(anchors_of(ca)?);
    let mut config = match own {
        Some((cert, key)) => builder.with_client_auth_cert(certificates(cert)?, PrivateKeyDer::from_pem_file(key)?)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)?.collect();
    Ok(read?)
}

fn anchors_of(path: &Path) -> Result<RootCertStore, Fault> {
    let mut anchors = RootCertStore::empty();
    for certificate in certificates(path)? {
        anchors.add(certificate)?;
    }
    Ok(anchors)
}
