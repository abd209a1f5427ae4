//! TLS as others see it: openssl and curl as clients and as nodes.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mainstay::admin::Place;
use mainstay::admin::client::ask;
use mainstay::demo::stage::{Dir, Front, until};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use tokio::process::Command;

use crate::kit;

/// An authority whose certificates are files of a directory.
pub(crate) struct Authority<'d> {
    dir: &'d Dir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl<'d> Authority<'d> {
    pub(crate) fn new(dir: &'d Dir, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let own = Self { dir, issuer };
        own.write(&format!("{name}.crt"), &own.issuer.pem());
        own
    }

    /// Writes `NAME.crt` and `NAME.key`.
    pub(crate) fn issue(&self, name: &str, serial: u64, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(vec![format!("{name}.example"), "localhost".to_owned()]);
        let params = params.as_mut().expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        change(params);
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.write(&format!("{name}.crt"), &made.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    pub(crate) fn revoke(&self, serial: u64) {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list").pem().expect("text");
        self.write("revoked.crl", &list);
    }

    /// In one step, so that nobody reads a half.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.dir.file(&format!("{name}.new"));
        std::fs::write(&new, text).expect("it can be written");
        std::fs::rename(new, self.dir.file(name)).expect("it can be put in place");
    }
}

fn file(dir: &Dir, name: &str) -> PathBuf {
    dir.file(name)
}

/// Sends a request by curl, verified against `ca.crt`.
async fn curl(dir: &Dir, front: &Front, more: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.current_dir(dir.path()).args(["-sS", "--max-time", "20", "--cacert", "ca.crt"]);
    command.args(more).arg(format!("https://localhost:{}/health", front.at().port()));
    command.arg("--resolve").arg(format!("localhost:{}:127.0.0.1", front.at().port()));
    command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("there is curl")
}

pub(crate) fn config(dir: &Dir, more: &str) -> String {
    let (cert, key) = (file(dir, "edge.crt"), file(dir, "edge.key"));
    format!("[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\n{more}", cert.display(), key.display())
}

fn metrics(front: &Front) -> String {
    ask(Some(&Place::Unix(front.admin().to_owned())), "GET", "/metrics").expect("the front answers").body
}

/// What a counter of the front says, added over whatever else it tells apart.
pub(crate) fn count(front: &Front, start: &str) -> u64 {
    let text = metrics(front);
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn a_client_is_let_in_only_with_a_certificate_that_is_good() {
    kit::run(async {
        let dir = kit::dir();
        let ca = Authority::new(&dir, "ca");
        ca.issue("edge", 1, |_| {});
        ca.issue("good", 2, |_| {});
        ca.issue("lost", 3, |_| {});
        ca.issue("old", 4, |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        });
        ca.issue("young", 5, |params| params.not_before = date_time_ymd(2089, 1, 1));
        ca.issue("stranger", 6, |_| {});
        ca.revoke(3);
        Authority::new(&dir, "other").issue("foreign", 2, |_| {});
        let node = kit::node("a", &dir).await;
        let path = |name: &str| file(&dir, name).display().to_string();
        let names = r#"client_names = ["good", "lost.example", "old", "young", "foreign"]"#;
        let rest = format!("client_ca = \"{}\"\ncrl = \"{}\"\n{names}", path("ca.crt"), path("revoked.crl"));
        let (listen, rest) = ("tls = \"edge\"", config(&dir, &rest));
        let front = kit::front(&dir, &[node.at().to_string()], "", listen, &rest).await;
        for version in ["--tlsv1.3", "--tls-max=1.2"] {
            let version: Vec<&str> = version.split('=').collect();
            let own = ["--cert", "good.crt", "--key", "good.key"];
            let output = curl(&dir, &front, &[&own[..], &version, &["-f"]].concat()).await;
            assert!(output.status.success(), "{output:?}");
            assert_eq!(count(&front, "mainstay_listener_handshakes_failed_total{listener=\"front\",reason=\"no_c"), 0);
        }
        let cases = [
            ("", "no_certificate"),
            ("lost", "revoked"),
            ("old", "expired"),
            ("young", "not_yet_valid"),
            ("foreign", "unknown_issuer"),
            ("stranger", "wrong_name"),
        ];
        for (name, reason) in cases {
            let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
            let own = if name.is_empty() { vec![] } else { vec!["--cert", cert.as_str(), "--key", key.as_str()] };
            let output = curl(&dir, &front, &own).await;
            assert!(!output.status.success(), "{name}: {output:?}");
            let counter =
                format!("mainstay_listener_handshakes_failed_total{{listener=\"front\",reason=\"{reason}\"}}");
            let counted = async || count(&front, &counter) == 1;
            until(&format!("{reason} is not counted"), Duration::from_secs(10), counted).await.expect("it is counted");
            let read = || std::fs::read_to_string(front.log()).expect("a log");
            let told = async || read().contains(&format!("reason=\"{reason}\""));
            until(&format!("{reason} is not in the log"), Duration::from_secs(10), told).await.expect("it is told");
            assert!(!read().contains("PRIVATE KEY"));
        }
    });
}

#[test]
fn certificates_change_under_load_and_nobody_notices() {
    kit::run(async {
        let dir = kit::dir();
        let ca = Authority::new(&dir, "ca");
        ca.issue("edge", 1, |_| {});
        let node = kit::node("a", &dir).await;
        let front = kit::front(&dir, &[node.at().to_string()], "", "tls = \"edge\"", &config(&dir, "")).await;
        let over = Arc::new(AtomicBool::new(false));
        let clients = async {
            let mut done = 0;
            while !over.load(Ordering::Relaxed) || done < 20 {
                let output = curl(&dir, &front, &["-f"]).await;
                assert!(output.status.success(), "after {done}: {output:?}");
                done += 1;
            }
        };
        let text = std::fs::read_to_string(front.file()).expect("the file is there");
        let rotation = async {
            for serial in 0..100 {
                ca.issue("edge", 100 + serial, |_| {});
                front.reload(&text).await.expect("it is taken up");
            }
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(clients, rotation);
        // A key that does not fit is refused, and the old pair goes on.
        let before = std::fs::read_to_string(file(&dir, "edge.key")).expect("a key");
        ca.issue("another", 500, |_| {});
        std::fs::copy(file(&dir, "another.key"), file(&dir, "edge.key")).expect("it can be copied");
        let told = front.reload(&text).await.expect_err("it is refused").to_string();
        assert!(told.contains("is not of the key in"), "{told}");
        assert!(curl(&dir, &front, &["-f"]).await.status.success());
        let behind = async || metrics(&front).contains("mainstay_tls_behind{tls=\"edge\"} 1");
        until("that is not told", Duration::from_secs(20), behind).await.expect("it is told");
        ca.write("edge.key", &before);
        let again = async || metrics(&front).contains("mainstay_tls_behind{tls=\"edge\"} 0");
        until("it is not taken up again", Duration::from_secs(20), again).await.expect("it is taken up");
    });
}

#[test]
fn a_node_is_verified_by_its_own_name() {
    kit::run(async {
        let dir = kit::dir();
        let ca = Authority::new(&dir, "ca");
        ca.issue("edge", 1, |_| {});
        ca.issue("node", 2, |_| {});
        let path = |name: &str| file(&dir, name).display().to_string();
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut server = Command::new("openssl");
        server.current_dir(dir.path()).args(["s_server", "-quiet", "-www", "-cert", "node.crt", "-key", "node.key"]);
        server.args(["-accept", &format!("127.0.0.1:{port}")]).stdin(Stdio::piped()).stdout(Stdio::null());
        let _server = server.stderr(Stdio::null()).kill_on_drop(true).spawn().expect("there is openssl");
        let open = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        until("the node does not open", Duration::from_secs(20), open).await.expect("it opens");
        for (more, status) in [("", "502"), ("name = \"node.example\"\n", "200"), ("name = \"other.example\"\n", "502")]
        {
            let node = format!("[tls.node]\nca = \"{}\"\n{more}", path("ca.crt"));
            let rest = format!("{}\n{node}", config(&dir, ""));
            let pool = "tls = \"node\"\neject = \"off\"";
            let front = kit::front(&dir, &[format!("127.0.0.1:{port}")], pool, "tls = \"edge\"", &rest).await;
            let output = curl(&dir, &front, &["-o", "answer", "-w", "%{http_code}"]).await;
            assert_eq!(String::from_utf8_lossy(&output.stdout), status, "{more}: {output:?}");
            let failed = count(&front, "mainstay_node_handshakes_failed_total{pool=\"nodes\"");
            assert_eq!(failed > 0, status == "502", "{more}: {failed}");
        }
    });
}

/// A server of openssl that shows a certificate of this name; ends with what is returned.
async fn server(dir: &Dir, name: &str) -> (u16, tokio::process::Child) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
    let mut server = Command::new("openssl");
    server.current_dir(dir.path()).args(["s_server", "-quiet", "-www", "-cert", &cert, "-key", &key]);
    server.args(["-accept", &format!("127.0.0.1:{port}")]).stdin(Stdio::piped()).stdout(Stdio::null());
    let server = server.stderr(Stdio::null()).kill_on_drop(true).spawn().expect("there is openssl");
    let open = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
    until("the node does not open", Duration::from_secs(20), open).await.expect("it opens");
    (port, server)
}

#[test]
fn tls_is_passed_on_to_the_pool_of_the_name_it_asks_for() {
    kit::run(async {
        let dir = kit::dir();
        let ca = Authority::new(&dir, "ca");
        ca.issue("one", 1, |_| {});
        ca.issue("two", 2, |_| {});
        let ((one, _one), (two, _two)) = (server(&dir, "one").await, server(&dir, "two").await);
        let text = |at: std::net::SocketAddr| {
            format!(
                "[admin]\nat = \"unix:{}\"\n[pool.one]\nnodes = [\"127.0.0.1:{one}\"]\n[pool.two]\n\
                 nodes = [\"127.0.0.1:{two}\"]\n[listen.one]\nat = \"{at}\"\nto = \"tcp://one\"\n\
                 [listen.two]\nat = \"{at}\"\nnames = \"two.example\"\nto = \"tcp://two\"\n",
                dir.file(Front::ADMIN).display()
            )
        };
        let front = Front::start(kit::exe(), &dir, text).await.expect("a front starts");
        for (asked, shown) in [("one.example", "one"), ("two.example", "two"), ("else.example", "one"), ("", "one")] {
            let mut client = Command::new("openssl");
            client.current_dir(dir.path()).args(["s_client", "-connect", &front.at().to_string()]);
            let named = if asked.is_empty() { vec!["-noservername"] } else { vec!["-servername", asked] };
            let output = client.args(named).args(["-CAfile", "ca.crt"]).stdin(Stdio::null()).output().await;
            let told = String::from_utf8_lossy(&output.expect("there is openssl").stdout).into_owned();
            assert!(told.contains(&format!("CN = {shown}\n")), "{asked}: {told}");
        }
        let mut plain = Command::new("curl");
        let plain = plain.args(["-sS", "--max-time", "20", &format!("http://{}/", front.at())]);
        assert!(!plain.output().await.expect("there is curl").status.success());
        let counter = "mainstay_listener_handshakes_failed_total{listener=\"one\",reason=\"plain_text\"}";
        assert_eq!(count(&front, counter), 1);
    });
}
