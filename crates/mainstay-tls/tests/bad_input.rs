//! Files that are no good: a clear sentence each, and nothing of them in use.

#![expect(clippy::unwrap_used, reason = "a test says by failing what is wrong")]

use std::path::PathBuf;

use mainstay_tls::{
    Client, ClientSettings, Clients, Fault, PairFiles, Server, ServerSettings, Trust, Verify, Versions,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

/// Files by their names.
struct Files {
    dir: TempDir,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// What is said of showing this certificate with this key: faults, or else notes.
    fn shown(&self, cert: &str, key: &str) -> Vec<String> {
        let settings = ServerSettings {
            name: "edge".into(),
            pairs: vec![PairFiles { cert: self.path(cert), key: self.path(key) }],
            clients: Clients::Anonymous,
            versions: Versions::default(),
            protocols: Vec::new(),
            handshake: std::time::Duration::from_secs(1),
        };
        told(Server::load(settings).map(|(_, notes)| notes))
    }

    /// What is said of trusting these authorities, with these lists.
    fn trusted(&self, ca: &str, crl: &[&str]) -> Vec<String> {
        let crl = crl.iter().map(|name| self.path(name)).collect();
        let settings = ClientSettings {
            name: "node".into(),
            verify: Verify::Full(Trust { ca: vec![self.path(ca)], crl, names: Vec::new() }),
            pair: None,
            host: None,
            tells_name: true,
            versions: Versions::default(),
            protocols: Vec::new(),
        };
        told(Client::load(settings).map(|(_, notes)| notes))
    }
}

fn told(said: Result<Vec<Fault>, Vec<Fault>>) -> Vec<String> {
    match said {
        Ok(notes) => notes.iter().map(|note| format!("note: {note}")).collect(),
        Err(faults) => faults.iter().map(|fault| format!("fault: {fault} = {}", fault.help)).collect(),
    }
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A root, an intermediate below it, and certificates of the intermediate: as they should be, and as they should not.
fn files() -> (Files, Issuer) {
    let files = Files { dir: TempDir::new().unwrap() };
    let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
    let middle = CertifiedIssuer::signed_by(authority("middle"), KeyPair::generate().unwrap(), &root).unwrap();
    files.write("root.crt", &root.pem());
    files.write("middle.crt", &middle.pem());
    let mut old_root = authority("old root");
    (old_root.not_before, old_root.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let old_root = CertifiedIssuer::self_signed(old_root, KeyPair::generate().unwrap()).unwrap();
    files.write("old-root.crt", &old_root.pem());
    let issue = |name: &str, change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &middle).unwrap().pem();
        files.write(&format!("{name}.crt"), &leaf);
        files.write(&format!("{name}.key"), &key.serialize_pem());
        files.write(&format!("{name}-chain.crt"), &[leaf, middle.pem()].concat());
    };
    issue("good", &|_| {});
    issue("other", &|_| {});
    issue("old", &|params| {
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    });
    issue("young", &|params| params.not_before = date_time_ymd(2090, 1, 1));
    (files, middle)
}

#[track_caller]
fn check(said: &[String], expect: &str) {
    assert_eq!(said.is_empty(), expect.is_empty(), "{said:?}");
    assert!(said.iter().all(|one| one.contains(expect)), "{said:?} and not {expect}");
}

#[test]
fn certificates_and_keys() {
    let (files, _) = files();
    let [good, chain, key] = ["good.crt", "good-chain.crt", "good.key"].map(|name| files.read(name));
    let middle = files.read("middle.crt");
    let secret = key.lines().nth(1).unwrap().to_owned();
    files.write("with-root.crt", &[chain.as_str(), &files.read("root.crt")].concat());
    files.write("turned.crt", &[middle.as_str(), &good].concat());
    files.write("stranger.crt", &[good.as_str(), &files.read("other.crt")].concat());
    files.write("cut.crt", good.get(..good.len() / 2).unwrap());
    files.write("junk.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    files.write("empty", "");
    files.write("encrypted.key", &key.replace(" PRIVATE", " ENCRYPTED PRIVATE"));
    let old_style =
        format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{secret}\n-----END RSA PRIVATE KEY-----\n");
    files.write("encrypted-as-of-old.key", &old_style);
    files.write("junk.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    for (cert, key, expect) in [
        ("good-chain.crt", "good.key", ""),
        ("with-root.crt", "good.key", ""),
        ("good.crt", "good.key", "note: "),
        ("good.crt", "good.key", "comes without its issuer \"CN=middle\""),
        ("stranger.crt", "good.key", "note: "),
        ("stranger.crt", "good.key", "is not the issuer of the one before it"),
        ("good-chain.crt", "encrypted.key", "is a key that is encrypted with a password = decrypt it"),
        ("good-chain.crt", "encrypted-as-of-old.key", "is a key that is encrypted with a password = decrypt it"),
        ("good-chain.crt", "empty", "holds no private key"),
        ("good-chain.crt", "junk.key", "holds a key that cannot be used"),
        ("good-chain.crt", "none.key", "none.key"),
        ("good-chain.crt", "other.key", "is not of the key in"),
        ("turned.crt", "good.key", "comes first, but the key in"),
        ("old-chain.crt", "old.key", "has expired"),
        ("young-chain.crt", "young.key", "is not valid yet"),
        ("empty", "good.key", "holds no certificate"),
        ("good.key", "good.key", "holds no certificate"),
        ("junk.crt", "good.key", "is no certificate that can be read"),
        ("cut.crt", "good.key", "does not end"),
    ] {
        let said = files.shown(cert, key);
        check(&said, expect);
        assert!(!said.concat().contains(&secret), "{said:?}");
    }
}

#[test]
fn anchors_and_lists() {
    let (files, middle) = files();
    files.write("empty", "");
    let list = |year| {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2001, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&middle).unwrap().pem().unwrap()
    };
    files.write("good.crl", &list(2090));
    files.write("old.crl", &list(2002));
    files.write("junk.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    for (ca, crl, expect) in [
        ("root.crt", &[][..], ""),
        ("middle.crt", &["good.crl"], ""),
        ("root.crt", &["good.crl"], "note: "),
        ("root.crt", &["good.crl"], "of which `crl` has no list: every certificate is refused that leads to no other"),
        ("old-root.crt", &[], "note: "),
        ("old-root.crt", &[], "is the anchor \"old root\", which has expired"),
        ("empty", &[], "fault: "),
        ("empty", &[], "holds no certificate"),
        ("good.key", &[], "holds no certificate"),
        ("none.crt", &[], "none.crt"),
        ("middle.crt", &["empty"], "holds no revocation list"),
        ("middle.crt", &["old.crl"], "is a revocation list that has expired"),
        ("middle.crt", &["junk.crl"], "is no revocation list that can be read"),
    ] {
        check(&files.trusted(ca, crl), expect);
    }
}
