//! TLS of the load: one certificate for all proxies, and a client that offers one version, one suite and one group, so
//! that all of them do the same work or none at all.

use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::{ClientConfig, ClientConnection, RootCertStore, version};

use super::poll::{Interest, Moved, Poll, Socket};

/// The certificate, as each proxy wants it, and the load's trust in it.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    /// Certificate and key in one file.
    pub(super) both: PathBuf,
    /// Settings for OpenSSL: as many tickets as Mainstay gives.
    pub(super) openssl: PathBuf,
    pub(super) client: Arc<ClientConfig>,
}

impl Credentials {
    /// Makes them, in a folder.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("make a key")?;
        let cert = CertificateParams::new([NAME.to_owned()])?.self_signed(&key).context("make a certificate")?;
        let written = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        };
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).context("trust the certificate")?;
        let provider = CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![kx_group::X25519],
            ..default_provider()
        };
        let config = ClientConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_protocol_versions(&[&version::TLS13])?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            both: written("both.pem", cert.pem() + &key.serialize_pem())?,
            cert: written("cert.pem", cert.pem())?,
            key: written("key.pem", key.serialize_pem())?,
            openssl: written("openssl.cnf", OPENSSL.to_owned())?,
            client: Arc::new(config),
        })
    }
}

/// What was agreed on, and how many tickets came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms(String);

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A connection in TLS.
pub(super) struct Secure {
    socket: Socket,
    session: ClientConnection,
    /// Ciphertext that has not gone.
    out: Vec<u8>,
    /// The other side has said that it sends no more.
    over: bool,
}

impl Secure {
    /// The handshake goes with the first request.
    pub(super) fn new(socket: Socket, config: &Arc<ClientConfig>) -> Result<Self> {
        let session = ClientConnection::new(Arc::clone(config), NAME.try_into()?)?;
        Ok(Self { socket, session, out: Vec::new(), over: false })
    }

    /// Reads once; fails when the other side breaks the rules. Half of the buffer is for ciphertext.
    pub(super) fn read(&mut self, poll: &Poll, buffer: &mut [u8]) -> Result<Moved> {
        let (plain, wire) = buffer.split_at_mut(buffer.len() / 2);
        let room = wire.len().saturating_sub(RECORD);
        let count = match self.socket.read(&mut wire[..room]) {
            Moved::Bytes(count) => count,
            other => {
                self.flush(poll)?;
                return Ok(other);
            }
        };
        let (mut left, mut filled) = (&wire[..count], 0);
        while !left.is_empty() && !self.over {
            self.session.read_tls(&mut left)?;
            let state = self.session.process_new_packets()?;
            let ready = state.plaintext_bytes_to_read();
            self.over = state.peer_has_closed();
            self.session.reader().read_exact(&mut plain[filled..filled + ready])?;
            filled += ready;
        }
        self.flush(poll)?;
        Ok(match filled {
            0 if self.over => Moved::End,
            0 => Moved::Later,
            _ => Moved::Bytes(filled),
        })
    }

    /// Takes all of it; what does not go now goes when there is room.
    pub(super) fn write(&mut self, poll: &Poll, bytes: &[u8]) -> Result<Moved> {
        self.session.writer().write_all(bytes)?;
        self.flush(poll)?;
        Ok(if self.over { Moved::End } else { Moved::Bytes(bytes.len()) })
    }

    /// Whether the other side sends no more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// What was agreed on.
    pub(super) fn terms(&self) -> Terms {
        let session = &self.session;
        let text = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
        Terms(format!(
            "{}, {}, {}, {}, tickets {}",
            text(session.protocol_version().map(|version| format!("{version:?}"))),
            text(session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))),
            text(session.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()))),
            text(session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())),
            session.tls13_tickets_received(),
        ))
    }

    fn flush(&mut self, poll: &Poll) -> Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.out)?;
        }
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Moved::Bytes(count) => drop(self.out.drain(..count)),
                Moved::Later => return self.socket.watch(poll, Interest::Write),
                Moved::End => {
                    self.over = true;
                    self.out.clear();
                }
            }
        }
        self.socket.watch(poll, Interest::Read)
    }
}

/// Of the certificate.
const NAME: &str = "bench.example";
/// Room kept for what a record that came in part may add to the next read: more than a record has.
const RECORD: usize = 32 << 10;
const OPENSSL: &str = "\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = ours
[ours]
NumTickets = 1
";

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    use rustls::{ServerConfig, ServerConnection, Stream};

    use super::super::poll::{Target, connect};
    use super::*;

    #[test]
    fn offers_one_of_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Credentials::make(folder.path()).expect("credentials");
        let provider = made.client.crypto_provider();
        assert_eq!((provider.cipher_suites.len(), provider.kx_groups.len()), (1, 1));
        let read = |path: &Path| fs::read_to_string(path).expect("a file");
        assert_eq!(read(&made.both), read(&made.cert) + &read(&made.key));
    }

    #[test]
    fn reads_every_byte_and_then_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Credentials::make(folder.path()).expect("credentials");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let config = server(&made);
        let node = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("a connection");
            let mut session = ServerConnection::new(Arc::new(config)).expect("a session");
            let mut asked = [0; 3];
            let mut stream = Stream::new(&mut session, &mut tcp);
            stream.read_exact(&mut asked).expect("the request");
            stream.write_all(&vec![b'a'; LENGTH]).expect("the answer");
            session.send_close_notify();
            session.write_tls(&mut tcp).expect("the end");
            asked
        });
        let mut poll = Poll::new().expect("a poll");
        let target = Target::Tls(address, Arc::clone(&made.client));
        let socket = Socket::new(&poll, connect(&target).expect("connect"), 0).expect("a socket");
        let mut secure = Secure::new(socket, &made.client).expect("a session");
        secure.write(&poll, b"ask").expect("write");
        let (mut got, mut buffer, mut tokens) = (Vec::new(), vec![0; 128 << 10], Vec::new());
        let limit = Instant::now() + Duration::from_secs(20);
        while !secure.is_over() {
            assert!(Instant::now() < limit, "{} bytes and no end", got.len());
            poll.wait(&mut tokens, Duration::from_millis(50)).expect("wait");
            if let Moved::Bytes(count) = secure.read(&poll, &mut buffer).expect("read") {
                got.extend_from_slice(&buffer[..count]);
            }
        }
        assert_eq!(&node.join().expect("the node"), b"ask");
        assert_eq!(got.len(), LENGTH);
        assert!(got.iter().all(|&byte| byte == b'a'));
        assert_eq!(secure.terms().to_string(), "TLSv1_3, TLS13_AES_128_GCM_SHA256, X25519, nothing, tickets 2");
    }

    fn server(made: &Credentials) -> ServerConfig {
        let cert = CertificateDer::from_pem_file(&made.cert).expect("the certificate");
        let key = PrivateKeyDer::from_pem_file(&made.key).expect("the key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        config.with_single_cert(vec![cert], key).expect("a pair")
    }

    /// Several records, of which a read takes some in part.
    const LENGTH: usize = 1_000_000;
}
