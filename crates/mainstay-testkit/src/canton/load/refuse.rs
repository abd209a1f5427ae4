//! Clients that the front must not let in, each for a reason of its own, which it has to count and to tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SigningKey, date_time_ymd,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::super::grpc::{Channel, Endpoint};
use super::super::participant::path;
use super::super::proto::{GetLedgerApiVersionResponse, Nothing};
use super::super::tls;
use super::strike::Findings;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A listener of the front, and what says whom it refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door<'a> {
    /// Of the front's own certificate.
    pub(super) anchors: &'a Path,
    /// Directory of the authority whose clients it lets in.
    pub(super) authority: &'a Path,
    /// The one of them that was revoked.
    pub(super) revoked: &'a str,
    pub(super) admin: &'a Path,
    pub(super) log: &'a Path,
    pub(super) listener: &'a str,
}

/// Who comes, why it is refused, and what it shows.
struct Visitor {
    who: &'static str,
    reason: &'static str,
    own: Option<(PathBuf, PathBuf)>,
}

/// Has them all come, one after the other.
pub(super) async fn refuse(door: &Door<'_>, endpoint: &Endpoint) -> Result<Findings, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
    let visitors = visitors(door, folder.path()).map_err(|error| format!("make certificates: {error}"))?;
    let mut findings = Findings::default();
    for visitor in visitors {
        match visitor.comes(door, endpoint).await {
            Ok(()) => findings.refused.push(format!("{}: {}", visitor.who, visitor.reason)),
            Err(why) => findings.wrong.push(format!("a client with {}: {why}", visitor.who)),
        }
    }
    Ok(findings)
}

fn visitors(door: &Door<'_>, folder: &Path) -> Result<Vec<Visitor>, Fault> {
    let read = |name: &str| {
        let path = door.authority.join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))
    };
    let key = KeyPair::from_pem(&read("intermediate.key")?)?;
    let known = Issuer::from_ca_cert_pem(&read("intermediate.crt")?, key)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "another authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let other = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let client = |name: &str| door.authority.join("client").join(name);
    let revoked = (client(&format!("{}-chain.crt", door.revoked)), client(&format!("{}.key", door.revoked)));
    Ok(vec![
        Visitor { who: "no certificate", reason: "no_certificate", own: None },
        Visitor {
            who: "a certificate of another authority",
            reason: "unknown_issuer",
            own: Some(signed(folder, "foreign", &other, false)?),
        },
        Visitor {
            who: "a certificate that has expired",
            reason: "expired",
            own: Some(signed(folder, "expired", &known, true)?),
        },
        Visitor { who: "a certificate that was revoked", reason: "revoked", own: Some(revoked) },
    ])
}

/// A client's certificate and its key, as files.
fn signed(
    folder: &Path,
    name: &str,
    issuer: &Issuer<'_, impl SigningKey>,
    is_over: bool,
) -> Result<(PathBuf, PathBuf), Fault> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if is_over {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate()?;
    let (at, key_at) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    std::fs::write(&at, params.signed_by(&key, issuer)?.pem())?;
    std::fs::write(&key_at, key.serialize_pem())?;
    Ok((at, key_at))
}

impl Visitor {
    /// It has to be refused, and for this reason alone, by the counters and by the log.
    async fn comes(&self, door: &Door<'_>, endpoint: &Endpoint) -> Result<(), String> {
        let before = counted(door).await?;
        let logged = log(door)?.len();
        let own = self.own.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path()));
        let tls = tls::client(door.anchors, own).map_err(|error| format!("TLS: {error}"))?;
        let channel = Channel::new(Endpoint { tls: Some(tls), ..endpoint.clone() });
        let answer = channel.one::<GetLedgerApiVersionResponse>(path::VERSION, &Nothing {}, WITHIN).await;
        if answer.is_ok() || answer.is_err_and(|status| status.said) {
            return Err("it was let in".to_owned());
        }
        let expected = BTreeMap::from([(self.reason.to_owned(), 1)]);
        let mut risen = BTreeMap::new();
        let is_counted = async || {
            risen = counted(door).await.unwrap_or_default();
            for (reason, was) in &before {
                risen.entry(reason.clone()).and_modify(|count| *count = count.saturating_sub(*was));
            }
            risen.retain(|_, more| *more > 0);
            risen == expected
        };
        let outcome = crate::until("counted", WITHIN, is_counted).await;
        outcome.map_err(|_| format!("the counters rose by {risen:?} instead of {expected:?}"))?;
        let word = format!("reason=\"{}\"", self.reason);
        let is_told = async || {
            log(door)
                .is_ok_and(|text| text.get(logged..).is_some_and(|new| new.lines().any(|line| line.contains(&word))))
        };
        crate::until("told", WITHIN, is_told).await.map_err(|_| format!("no line of the log has {word}"))
    }
}

fn log(door: &Door<'_>) -> Result<String, String> {
    let bytes = std::fs::read(door.log).map_err(|error| format!("read {}: {error}", door.log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How many handshakes of clients have failed, by reason.
async fn counted(door: &Door<'_>) -> Result<BTreeMap<String, u64>, String> {
    let asked = async {
        let mut stream = UnixStream::connect(door.admin).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map(|_| answer)
    };
    let answer = asked.await.map_err(|error| format!("ask {}: {error}", door.admin.display()))?;
    let start = format!("mainstay_listener_handshakes_failed_total{{listener=\"{}\",reason=\"", door.listener);
    let reasons = answer.lines().filter_map(|line| line.strip_prefix(&start)?.split_once("\"} "));
    let counts: BTreeMap<_, _> =
        reasons.filter_map(|(reason, count)| Some((reason.to_owned(), count.parse().ok()?))).collect();
    if counts.is_empty() {
        Err(format!("the front has no counters of its listener {}", door.listener))
    } else {
        Ok(counts)
    }
}

/// Longest time for each to be refused, counted and told.
const WITHIN: Duration = Duration::from_secs(5);
