//! Whatever a peer sends, the machinery says what is wrong with it and goes on. The peer is the buffered interface of the
//! same library, which puts several messages into a record.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::client::ClientConnection;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use rustls::{AlertDescription, ClientConfig, Connection, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::*;

/// An authority that has made a certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap();
        Self { cert: cert.der().to_vec(), key: key.serialize_der(), issuer }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

/// What one connection is between.
struct Case {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    /// Whether the machinery is the server's.
    serves: bool,
    /// What the peer is told, if it is refused.
    alert: Option<AlertDescription>,
}

impl Case {
    /// `shown` is whose certificate the peer shows, if any; only that of `good` is accepted.
    fn new(
        version: &'static SupportedProtocolVersion,
        serves: bool,
        good: &Authority,
        shown: Option<&Authority>,
        alert: Option<AlertDescription>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(good.roots().into(), provider.clone());
        let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
        let own = if serves { good } else { shown.unwrap() };
        let server = server.with_client_cert_verifier(verifier.build().unwrap());
        let server = server.with_single_cert(vec![own.cert.clone().into()], own.key()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let client = client.with_root_certificates(good.roots());
        let own = if serves { shown } else { Some(good) };
        let client = match own {
            Some(own) => client.with_client_auth_cert(vec![own.cert.clone().into()], own.key()).unwrap(),
            None => client.with_no_client_auth(),
        };
        Self { server: Arc::new(server), client: Arc::new(client), serves, alert }
    }

    fn ends(&self) -> (Engine, Connection) {
        let name = ServerName::try_from("localhost").unwrap();
        let (server, client) = (Arc::clone(&self.server), Arc::clone(&self.client));
        if self.serves {
            let own = UnbufferedServerConnection::new(server).unwrap();
            (Engine::new(Side::Server(own)), ClientConnection::new(client, name).unwrap().into())
        } else {
            let own = UnbufferedClientConnection::new(client, name).unwrap();
            (Engine::new(Side::Client(own)), ServerConnection::new(server).unwrap().into())
        }
    }

    /// Lets the two talk. `change` gets all that the peer sends, once for each flight and where in the whole it begins,
    /// and gives the pieces in which it arrives.
    fn talk(&self, mut change: impl FnMut(usize, Vec<u8>) -> Vec<Vec<u8>>) -> Talk {
        let (mut engine, mut peer) = self.ends();
        let mut space = vec![0; INCOMING_LEN];
        let mut talk = Talk::default();
        let mut fault = engine.process_held().err().map(io::Error::other);
        let mut is_parting = false;
        for _ in 0..FLIGHTS {
            let wire = std::mem::take(&mut engine.wire);
            talk.heard = talk.heard.or(hear(&mut peer, &wire));
            if !peer.is_handshaking() && !is_parting && talk.heard.is_none() {
                is_parting = true;
                say(&mut peer);
            }
            let mut flight = Vec::new();
            while peer.wants_write() {
                peer.write_tls(&mut flight).unwrap();
            }
            if flight.is_empty() && engine.wire.is_empty() {
                break;
            }
            let at = talk.sent;
            talk.sent += flight.len();
            for piece in change(at, flight).into_iter().filter(|piece| !piece.is_empty()) {
                let fed = feed(&mut engine, &mut space, &piece);
                fault = fault.or(fed.err());
            }
        }
        talk.is_refused = fault.is_some();
        assert_eq!(talk.is_refused, engine.is_broken);
        poke(&mut engine, &mut space);
        talk.read = std::mem::take(&mut engine.plain);
        talk
    }
}

#[derive(Default)]
struct Talk {
    /// Bytes of the peer.
    sent: usize,
    is_refused: bool,
    /// The alert that reached the peer.
    heard: Option<AlertDescription>,
    read: Vec<u8>,
}

fn feed(engine: &mut Engine, space: &mut [u8], piece: &[u8]) -> io::Result<usize> {
    let held = engine.load(space)?;
    space[held..held + piece.len()].copy_from_slice(piece);
    engine.take(space, held, piece.len(), &mut [])
}

/// Does what may be done with a connection at any time.
fn poke(engine: &mut Engine, space: &mut [u8]) {
    with_outgoing(|out| drop(engine.seal(&[IoSlice::new(b"late")], out)));
    let mut held = std::mem::take(&mut engine.held);
    drop(engine.with_traffic(&mut held, Write::Goodbye, &mut [0; ALERT]));
    engine.held = held;
    drop(feed(engine, space, b"\x17\x03\x03\x00\x01"));
    with_outgoing(|out| drop(engine.seal(&[IoSlice::new(b"later")], out)));
}

fn hear(peer: &mut Connection, mut wire: &[u8]) -> Option<AlertDescription> {
    while !wire.is_empty() {
        peer.read_tls(&mut wire).unwrap();
        if let Err(Error::AlertReceived(alert)) = peer.process_new_packets() {
            return Some(alert);
        }
    }
    None
}

/// Bytes, new keys, more bytes, and farewell, all at once.
fn say(peer: &mut Connection) {
    use std::io::Write as _;
    peer.writer().write_all(b"some ").unwrap();
    // TLS 1.2 has no such thing.
    let _ = peer.refresh_traffic_keys();
    peer.writer().write_all(b"more").unwrap();
    peer.send_close_notify();
}

fn whole(_: usize, flight: Vec<u8>) -> Vec<Vec<u8>> {
    vec![flight]
}

fn cases() -> Vec<Case> {
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let mut cases = Vec::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let none = AlertDescription::CertificateRequired;
        let refused = Some(AlertDescription::UnknownCA);
        cases.push(Case::new(version, true, &good, Some(&good), None));
        cases.push(Case::new(version, true, &good, Some(&other), refused));
        cases.push(Case::new(version, true, &good, None, Some(none)));
        cases.push(Case::new(version, false, &good, Some(&good), None));
        cases.push(Case::new(version, false, &good, Some(&other), refused));
    }
    cases
}

#[test]
fn a_peer_whose_certificate_is_refused_is_told_so() {
    for (index, case) in cases().iter().enumerate() {
        let talk = case.talk(whole);
        assert_eq!((talk.is_refused, talk.heard), (case.alert.is_some(), case.alert), "case {index}");
        assert_eq!(talk.read, if case.alert.is_none() { &b"some more"[..] } else { b"" }, "case {index}");
    }
}

#[test]
fn where_a_flight_is_cut_makes_no_difference() {
    for (index, case) in cases().iter().enumerate() {
        for cut in 0..case.talk(whole).sent {
            let talk = case.talk(|at, mut flight| {
                let rest = flight.split_off(cut.saturating_sub(at).min(flight.len()));
                vec![flight, rest]
            });
            assert_eq!((talk.is_refused, talk.heard), (case.alert.is_some(), case.alert), "case {index} at {cut}");
            assert_eq!(talk.read, if case.alert.is_none() { &b"some more"[..] } else { b"" }, "case {index} at {cut}");
        }
    }
}

#[test]
fn no_bit_that_differs_does_more_than_end_the_connection() {
    for (index, case) in cases().iter().enumerate() {
        for place in 0..case.talk(whole).sent {
            let talk = case.talk(|at, mut flight| {
                if let Some(byte) = place.checked_sub(at).and_then(|place| flight.get_mut(place)) {
                    *byte ^= 1 << (place % 8);
                }
                vec![flight]
            });
            assert!(b"some more".starts_with(&talk.read), "case {index} at {place}: {:?}", talk.read);
        }
    }
}

/// More than any talk has.
const FLIGHTS: usize = 12;
