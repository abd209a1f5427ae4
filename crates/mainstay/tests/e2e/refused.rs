//! TLS that comes to nothing with peers that put all they have to say into one record.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mainstay::admin::client::ask;
use mainstay::admin::{Place, document::Status};
use mainstay::demo::stage::{Dir, Front, until};
use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::kit;
use crate::tls::{Authority, config, count};

/// Certificates of `ca`, one of `other`, and what is wrong with them.
fn certificates(dir: &Dir) {
    let ca = Authority::new(dir, "ca");
    for (name, serial) in [("edge", 1), ("good", 2), ("lost", 3)] {
        ca.issue(name, serial, |_| {});
    }
    ca.issue("old", 4, |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    ca.revoke(3);
    Authority::new(dir, "other").issue("foreign", 2, |_| {});
}

fn pair(dir: &Dir, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let cert = CertificateDer::from_pem_file(dir.file(&format!("{name}.crt"))).expect("a certificate");
    (vec![cert], PrivateKeyDer::from_pem_file(dir.file(&format!("{name}.key"))).expect("a key"))
}

fn roots(dir: &Dir, name: &str) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.file(&format!("{name}.crt"))).expect("a root")).expect("it is one");
    Arc::new(roots)
}

/// Sends a request to the front, showing this certificate; what came of it.
async fn get(
    dir: &Dir,
    front: &Front,
    spoken: &'static SupportedProtocolVersion,
    own: &str,
) -> std::io::Result<String> {
    let client = ClientConfig::builder_with_protocol_versions(&[spoken]).with_root_certificates(roots(dir, "ca"));
    let client = if own.is_empty() {
        client.with_no_client_auth()
    } else {
        let (cert, key) = pair(dir, own);
        client.with_client_auth_cert(cert, key).expect("a pair")
    };
    let stream = TcpStream::connect(front.at()).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A node that shows this certificate and answers 200; ends with `nodes`.
async fn node(nodes: &mut JoinSet<()>, dir: &Dir, own: &str) -> String {
    let server = ServerConfig::builder().with_no_client_auth();
    let (cert, key) = pair(dir, own);
    let acceptor = TlsAcceptor::from(Arc::new(server.with_single_cert(cert, key).expect("a pair")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address").to_string();
    nodes.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            // One that is only looked at says nothing.
            if !matches!(stream.read(&mut head).await, Ok(1..)) {
                continue;
            }
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_ok() {
                let _ = stream.shutdown().await;
            }
        }
    });
    at
}

/// Waits until the front's log has a line with all of these words; it must never tell of a panic.
async fn told(log: &Path, words: &[&str]) {
    let read = || std::fs::read_to_string(log).expect("a log");
    let told = async || read().lines().any(|line| words.iter().all(|word| line.contains(word)));
    let outcome = until(&format!("{words:?} is not in the log"), Duration::from_secs(20), told).await;
    assert!(!read().contains("panicked"), "{}", read());
    outcome.expect("it is told");
}

#[test]
fn a_client_that_says_all_at_once_is_refused_counted_and_told() {
    kit::run(async {
        let dir = kit::dir();
        certificates(&dir);
        let mut nodes = JoinSet::new();
        let at = node(&mut nodes, &dir, "good").await;
        let path = |name: &str| dir.file(name).display().to_string();
        let rest = format!("client_ca = \"{}\"\ncrl = \"{}\"\n", path("ca.crt"), path("revoked.crl"));
        let rest = format!("{}[tls.node]\nca = \"{}\"\nname = \"localhost\"\n", config(&dir, &rest), path("ca.crt"));
        let front = kit::front(&dir, &[at], "tls = \"node\"", "tls = \"edge\"", &rest).await;
        let cases = [
            ("", "no_certificate", "a client shows no certificate"),
            ("foreign", "unknown_issuer", "a client shows a certificate"),
            ("old", "expired", "a client shows a certificate that has expired"),
            ("lost", "revoked", "a client shows a certificate that was revoked"),
        ];
        for (round, spoken) in [(1, &version::TLS13), (2, &version::TLS12)] {
            for (own, reason, words) in cases {
                let fault = get(&dir, &front, spoken, own).await.expect_err("it is refused").to_string();
                assert!(fault.contains("received fatal alert"), "{own}: {fault}");
                let counter =
                    format!("mainstay_listener_handshakes_failed_total{{listener=\"front\",reason=\"{reason}\"}}");
                let counted = async || count(&front, &counter) == round;
                until(&format!("{reason} is not counted"), Duration::from_secs(20), counted).await.expect("it is");
                told(front.log(), &[&format!("reason=\"{reason}\""), words]).await;
            }
            let answer = get(&dir, &front, spoken, "good").await.expect("it is let in");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    });
}

#[test]
fn a_node_that_says_all_at_once_is_passed_over_counted_and_told() {
    kit::run(async {
        let dir = kit::dir();
        certificates(&dir);
        let path = |name: &str| dir.file(name).display().to_string();
        let cases = [
            ("foreign", "unknown_issuer", "shows a certificate that leads to no anchor"),
            ("old", "expired", "shows a certificate that has expired"),
        ];
        for (own, reason, words) in cases {
            let mut nodes = JoinSet::new();
            let both = [node(&mut nodes, &dir, own).await, node(&mut nodes, &dir, "good").await];
            let rest = format!("{}[tls.node]\nca = \"{}\"\nname = \"localhost\"\n", config(&dir, ""), path("ca.crt"));
            let front = kit::front(&dir, &both, "tls = \"node\"", "tls = \"edge\"", &rest).await;
            for _ in 0..6 {
                let answer = get(&dir, &front, &version::TLS13, "").await.expect("it is let in");
                assert!(answer.starts_with("HTTP/1.1 200 "), "{own}: {answer}");
            }
            assert!(count(&front, "mainstay_node_handshakes_failed_total{pool=\"nodes\"") > 0, "{own} is not counted");
            told(front.log(), &[&format!("reason=\"{reason}\""), &format!("a node {words}")]).await;
            drop(front);
            let pool = "tls = \"node\"\ncheck = { http = \"/\", every = \"100ms\" }";
            let front = kit::front(&dir, &both, pool, "tls = \"edge\"", &rest).await;
            kit::standing(&front, "out").await;
            let answer = ask(Some(&Place::Unix(front.admin().to_owned())), "GET", "/status").expect("it answers").body;
            let status: Status = serde_json::from_str(&answer).expect("a status");
            let why = status.pools.first().and_then(|pool| pool.nodes.first()?.reason.clone()).expect("a reason");
            assert!(why.contains(words), "{own}: {why}");
            told(front.log(), &[]).await;
        }
    });
}
