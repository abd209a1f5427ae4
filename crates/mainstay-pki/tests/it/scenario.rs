//! A scenario, applied again and again.

use std::path::Path;

use mainstay_pki::{Deed, How, Profile, Scenario};
use time::{Duration, OffsetDateTime};

use crate::rig::now;

const FILE: &str = r#"
[authority.domain]
domain = "acme.test"
organization = "Acme"
key = "ecdsa-p256"

[authority.participant1]
dir = "certs/p1"
domain = "customer1.test"
key = "ecdsa-p256"

[cert.sequencer]
authority = "domain"
for = "server"
names = ["sequencer.acme.test", "localhost", "127.0.0.1"]
key = "ecdsa-p256"

[cert.admin]
authority = "domain"
for = "client"
name = "admin-api"
key = "ecdsa-p256"
der = true

[cert.p1-tokens]
authority = "participant1"
for = "jwt-signer"
name = "auth"
key = "ecdsa-p256"
"#;

fn write(dir: &Path, text: &str) -> Scenario {
    std::fs::write(dir.join("pki.toml"), text).unwrap();
    Scenario::read(&dir.join("pki.toml")).unwrap()
}

/// Each thing's first word, in order.
fn words(scenario: &Scenario, how: How, at: OffsetDateTime) -> Vec<String> {
    let done = scenario.apply(how, at).unwrap();
    done.iter().map(|done| done.to_string().split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn it_makes_what_is_missing_and_renews_what_is_due_and_touches_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = write(dir.path(), FILE);
    let [go, dry] = [How::default(), How { dry: true, ..How::default() }];
    assert_eq!(words(&scenario, dry, now()), ["made"; 5]);
    assert!(scenario.apply(dry, now()).unwrap().iter().all(|done| done.planned().starts_with("to make  ")));
    assert!(!dir.path().join("domain").exists(), "a dry run makes nothing");
    assert_eq!(words(&scenario, go, now()), ["made"; 5]);
    for made in ["domain/client/admin-api.key.der", "certs/p1/jwt-signer/auth-chain.crt", "domain/server/sequencer.key"]
    {
        assert!(dir.path().join(made).exists(), "{made}");
    }
    let state = |path: &str| std::fs::read(dir.path().join(path)).unwrap();
    let [register, key] = [state("domain/register.json"), state("domain/server/sequencer.key")];
    assert_eq!(words(&scenario, go, now()), ["kept"; 5]);
    assert_eq!((state("domain/register.json"), state("domain/server/sequencer.key")), (register, key));

    let later = now() + Duration::days(21);
    assert_eq!(
        words(&scenario, go, later),
        ["renewed", "kept", "kept", "renewed", "kept"],
        "lists are valid for 30 days"
    );
    let later = now() + Duration::days(255);
    assert_eq!(words(&scenario, dry, later), ["renewed", "renewed", "renewed", "renewed", "renewed"]);
    assert_eq!(words(&scenario, go, later), ["renewed", "renewed", "renewed", "renewed", "renewed"]);
    assert_eq!(words(&scenario, go, later), ["kept"; 5]);

    std::fs::remove_file(dir.path().join("domain/server/sequencer.key")).unwrap();
    assert_eq!(words(&scenario, go, later), ["kept", "kept", "made", "kept", "kept"]);
}

#[test]
fn what_differs_is_told_and_replaced_only_on_wish() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = write(dir.path(), FILE);
    scenario.apply(How::default(), now()).unwrap();
    let scenario = write(dir.path(), &FILE.replace("\"localhost\", ", ""));
    let done = scenario.apply(How::default(), now()).unwrap();
    let told = done.iter().find(|done| matches!(done.deed, Deed::Differs { .. })).unwrap().to_string();
    assert!(told.contains("DNS:localhost") && told.contains("--replace"), "{told}");
    assert_eq!(words(&scenario, How { replace: true, dry: false }, now()), ["kept", "kept", "renewed", "kept", "kept"]);
    assert_eq!(words(&scenario, How::default(), now()), ["kept"; 5]);
    let pki = dir.path().join("domain");
    let mut it = mainstay_pki::Authority::open(&pki, None).unwrap();
    it.revoke(Profile::Client, "admin-api", mainstay_pki::Reason::Superseded, now()).unwrap();
    drop(it);
    assert_eq!(words(&scenario, How::default(), now()), ["kept", "differs", "kept", "kept", "kept"]);
    let scenario = write(dir.path(), &FILE.replace("organization = \"Acme\"", "organization = \"Emca\""));
    assert_eq!(words(&scenario, How::default(), now())[0], "differs");
}

#[test]
fn faults_of_a_file_are_told() {
    fn check(edit: (&str, &str), expect: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let text = FILE.replace(edit.0, edit.1);
        assert_ne!(text, FILE, "{edit:?} changes nothing");
        std::fs::write(dir.path().join("pki.toml"), text).unwrap();
        let said = Scenario::read(&dir.path().join("pki.toml")).map(|_| ()).unwrap_err().to_string();
        for part in expect {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }
    check(("authority = \"participant1\"", "authority = \"p1\""), &["[cert.p1-tokens]", "domain, participant1"]);
    check(("\"localhost\"", "\"local host\""), &["[cert.sequencer]", "`local host` is no host name"]);
    check(("for = \"client\"", "for = \"clients\""), &["pki.toml", "`clients`", "line 20"]);
    check(("der = true", "dre = true"), &["dre"]);
    check(("dir = \"certs/p1\"", "dir = \"domain\""), &["[authority.participant1]", "[authority.domain]"]);
    check(("name = \"admin-api\"", "renew_before_days = 400"), &["renewed each time"]);
    check(
        (
            "[cert.p1-tokens]\nauthority = \"participant1\"\nfor = \"jwt-signer\"\nname = \"auth\"",
            "[cert.b]\nauthority = \"domain\"\nfor = \"client\"\nname = \"admin-api\"",
        ),
        &["[cert.b] is the same as [cert.admin]"],
    );
}
