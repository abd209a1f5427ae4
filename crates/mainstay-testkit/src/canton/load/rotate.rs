//! Certificates of the front that change under load: every new connection is let in, and is soon shown the latest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;

use super::super::grpc::{Channel, Endpoint};
use super::super::participant::path;
use super::super::proto::{GetLedgerApiVersionResponse, Nothing};
use super::strike::Findings;

/// Runs `command` so often, while connections are made again and again.
pub(super) async fn rotate(command: &str, times: usize, endpoint: &Endpoint) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let over = Arc::new(AtomicBool::new(false));
    let visitors = tokio::spawn(visit(endpoint.clone(), Arc::clone(&over)));
    let mut last = shown(endpoint).await?;
    for number in 1..=times {
        let ran = Command::new("sh").args(["-c", command]).output().await;
        let ran = ran.map_err(|error| format!("run {command}: {error}"))?;
        if !ran.status.success() {
            return Err(format!("{command}: {}: {}", ran.status, String::from_utf8_lossy(&ran.stderr).trim()));
        }
        let begun = Instant::now();
        loop {
            match shown(endpoint).await {
                Ok(now) if now != last => {
                    last = now;
                    findings.rotated += 1;
                    break;
                }
                Ok(_) if begun.elapsed() < TAKEN_UP => tokio::time::sleep(PAUSE).await,
                Ok(_) => {
                    findings.wrong.push(format!("certificate {number} is not shown within {TAKEN_UP:?}"));
                    break;
                }
                Err(why) => {
                    findings.wrong.push(why);
                    break;
                }
            }
        }
    }
    over.store(true, Ordering::Relaxed);
    let (connected, mut wrong) = visitors.await.map_err(|error| error.to_string())?;
    findings.connected = connected;
    findings.wrong.append(&mut wrong);
    Ok(findings)
}

/// The certificate that a new connection is shown, in whole handshakes: a session that is resumed shows none.
async fn shown(endpoint: &Endpoint) -> Result<Vec<u8>, String> {
    let Endpoint { at, name, tls, .. } = endpoint;
    let failed = |error: &dyn std::fmt::Display| format!("a new connection to {at}: {error}");
    let mut config = tls.as_deref().ok_or("there is no TLS whose certificates could change")?.clone();
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(name.clone()).map_err(|error| failed(&error))?;
    let handshake = async {
        let socket = TcpStream::connect(at).await?;
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    };
    let stream = tokio::time::timeout(CONNECTING, handshake).await.map_err(|_| failed(&"it takes too long"))?;
    let stream = stream.map_err(|error| failed(&error))?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    chain.first().map(|certificate| certificate.to_vec()).ok_or_else(|| failed(&"no certificate"))
}

/// A new connection for each call, until it is over: how many were made, and what went wrong.
async fn visit(endpoint: Endpoint, over: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let (mut count, mut wrong) = (0, Vec::new());
    while !over.load(Ordering::Relaxed) {
        let channel = Channel::new(endpoint.clone());
        let answer = channel.one::<GetLedgerApiVersionResponse>(path::VERSION, &Nothing {}, CONNECTING).await;
        match answer {
            Ok(_) => count += 1,
            Err(status) => wrong.push(format!("a call on a new connection: {:?}: {}", status.code, status.message)),
        }
        tokio::time::sleep(PAUSE).await;
    }
    (count, wrong)
}

/// Longest time until a certificate is shown to new connections.
const TAKEN_UP: Duration = Duration::from_secs(20);
const CONNECTING: Duration = Duration::from_secs(5);
/// Between two connections.
const PAUSE: Duration = Duration::from_millis(20);
