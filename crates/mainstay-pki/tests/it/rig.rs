//! What the tests share.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use mainstay_pki::authority::{Order, Settings};
use mainstay_pki::{Authority, KeyKind, Password, Profile, parse_name};
use tempfile::TempDir;
use time::OffsetDateTime;

/// The moment of all that is made, in whole seconds. Foreign programs judge by their own clock, so it is today's.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
}

/// An authority with small keys, for speed.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new("acme.test");
    settings.key = KeyKind::EcdsaP256;
    settings.subject.organization = Some("Acme".to_owned());
    settings.subject.country = Some("GB".to_owned());
    settings.crl_url = Some("http://crl.acme.test/revoked.crl".to_owned());
    settings.ocsp_url = Some("http://ocsp.acme.test:2561".to_owned());
    settings
}

pub(crate) fn authority(dir: &TempDir, password: Option<Password>) -> Authority {
    Authority::init(&dir.path().join("pki"), settings(), password, now()).unwrap()
}

pub(crate) fn order(profile: Profile, name: &str, names: &[&str], key: KeyKind) -> Order {
    let names = names.iter().map(|name| parse_name(name).unwrap()).collect();
    Order { profile, name: name.to_owned(), names, days: None, key, der: false }
}

/// What a foreign program says, and whether it was content.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> (bool, String) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// OpenSSL's judgement, with words separated by spaces; `{}` stands for the paths in turn.
pub(crate) fn openssl(line: &str, paths: &[&Path]) -> (bool, String) {
    let mut paths = paths.iter();
    let words: Vec<String> = line
        .split(' ')
        .map(|word| if word == "{}" { paths.next().unwrap().display().to_string() } else { word.to_owned() })
        .collect();
    run("openssl", &words)
}
