//! What an authority makes, as OpenSSL sees it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mainstay_pki::{Authority, KeyKind, Password, Profile, Purpose, Reason, Verify, verify};
use time::Duration;

use crate::rig::{authority, now, openssl, order, settings};

#[test]
fn openssl_believes_what_was_signed_for_its_purpose_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    let names = ["node.acme.test", "localhost", "127.0.0.1", "URI:spiffe://acme/node"];
    for key in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let name = key.word();
        it.issue(&order(Profile::Server, name, &names, key), now()).unwrap();
        it.issue(&order(Profile::Client, name, &[], key), now()).unwrap();
        it.issue(&order(Profile::JwtSigner, name, &[], key), now()).unwrap();
        let pki = dir.path().join("pki");
        let [root, intermediate] = [pki.join("root.crt"), pki.join("intermediate.crt")];
        let server = it.path(Profile::Server, name, ".crt");
        let client = it.path(Profile::Client, name, ".crt");
        let believed = |purpose: &str, leaf: &Path| {
            let line = format!("verify -x509_strict -purpose {purpose} -CAfile {{}} -untrusted {{}} {{}}");
            openssl(&line, &[&root, &intermediate, leaf])
        };
        for (purpose, leaf, expect) in [
            ("sslserver", &server, true),
            ("sslclient", &client, true),
            ("sslclient", &server, false),
            ("sslserver", &client, false),
        ] {
            let (believed, said) = believed(purpose, leaf);
            assert_eq!(believed, expect, "{key} {purpose}: {said}");
        }
        let (good, said) = openssl("verify -partial_chain -CAfile {} {}", &[&intermediate, &server]);
        assert!(good, "the intermediate alone: {said}");
        let (good, said) = openssl(
            "verify -verify_hostname node.acme.test -CAfile {} -untrusted {} {}",
            &[&root, &intermediate, &server],
        );
        assert!(good, "{said}");
        let (_, text) = openssl("x509 -noout -text -in {}", &[&server]);
        for part in [
            "DNS:node.acme.test, DNS:localhost, IP Address:127.0.0.1, URI:spiffe://acme/node",
            "CA:FALSE",
            "TLS Web Server Authentication",
            "URI:http://crl.acme.test/revoked.crl",
            "OCSP - URI:http://ocsp.acme.test:2561",
            "C = GB, O = Acme, CN = node.acme.test",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(text.contains("Key Encipherment"), key == KeyKind::Rsa2048, "{text}");
        let (_, text) = openssl("x509 -noout -subject -in {}", &[&client]);
        assert!(text.contains(&format!("CN = {name}")), "a database takes it for the user's name: {text}");
        let (_, text) =
            openssl("x509 -noout -ext extendedKeyUsage -in {}", &[&it.path(Profile::JwtSigner, name, ".crt")]);
        assert!(!text.contains("TLS"), "{text}");
    }
    let (_, text) = openssl("x509 -noout -text -in {}", &[&dir.path().join("pki/intermediate.crt")]);
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
}

#[test]
fn keys_are_their_owners_and_fit_their_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    let mut wanted = order(Profile::Client, "partya", &[], KeyKind::Rsa2048);
    wanted.der = true;
    it.issue(&wanted, now()).unwrap();
    let path = |ending: &str| it.path(Profile::Client, "partya", ending);
    for private in
        [path(".key"), path(".key.der"), dir.path().join("pki/root.key"), dir.path().join("pki/intermediate.key")]
    {
        let mode = std::fs::metadata(&private).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", private.display());
    }
    let (_, of_key) = openssl("pkey -pubout -in {}", &[&path(".key")]);
    let (_, of_certificate) = openssl("x509 -noout -pubkey -in {}", &[&path(".crt")]);
    let (_, of_der) = openssl("pkey -pubout -inform DER -in {}", &[&path(".key.der")]);
    let (_, of_der_certificate) = openssl("x509 -noout -pubkey -inform DER -in {}", &[&path(".crt.der")]);
    assert!(of_key.contains("BEGIN PUBLIC KEY"), "{of_key}");
    assert!([of_certificate, of_der, of_der_certificate].iter().all(|other| *other == of_key));
    let chain = std::fs::read_to_string(path("-chain.crt")).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 3, "leaf, intermediate, root");
}

#[test]
fn what_is_revoked_is_on_the_list_and_no_longer_believed() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    it.issue(&order(Profile::Client, "good", &[], KeyKind::EcdsaP256), now()).unwrap();
    it.issue(&order(Profile::Client, "lost", &[], KeyKind::EcdsaP256), now()).unwrap();
    it.revoke(Profile::Client, "lost", Reason::KeyCompromise, now()).unwrap();
    let pki = dir.path().join("pki");
    let verdict = |name: &str| {
        openssl(
            "verify -crl_check -CRLfile {} -CAfile {} {}",
            &[&pki.join("revoked.crl"), &pki.join("chain.crt"), &it.path(Profile::Client, name, ".crt")],
        )
    };
    let (good, said) = verdict("good");
    assert!(good, "{said}");
    let (good, said) = verdict("lost");
    assert!(!good && said.contains("certificate revoked"), "{said}");
    let (_, text) = openssl("crl -noout -text -in {}", &[&pki.join("revoked.crl")]);
    assert!(text.contains("Key Compromise") && text.contains("X509v3 CRL Number"), "{text}");
    let ours = |name: &str, at| {
        let what = Verify {
            chain: it.path(Profile::Client, name, "-chain.crt"),
            anchors: vec![pki.join("intermediate.crt")],
            lists: vec![pki.join("revoked.crl")],
            purpose: Purpose::Client,
            host: None,
            key: Some((it.path(Profile::Client, name, ".key"), None)),
        };
        verify(&what, at).map_err(|error| error.to_string())
    };
    assert_eq!(ours("good", now()), Ok(()));
    assert!(ours("lost", now()).unwrap_err().contains("is revoked"));
    assert!(ours("good", now() + Duration::days(31)).unwrap_err().contains("out of date"));
    assert!(ours("good", now() + Duration::days(400)).unwrap_err().contains("expired"));
    drop(it);
    let mut again = Authority::open(&pki, None).unwrap();
    let refused = again.revoke(Profile::Client, "lost", Reason::Unspecified, now()).unwrap_err().to_string();
    assert!(refused.contains("was revoked on"), "{refused}");
}

#[test]
fn the_next_certificate_takes_the_place_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    let wanted = order(Profile::Server, "node", &[], KeyKind::EcdsaP256);
    let first = it.issue(&wanted, now()).unwrap();
    assert_eq!(first.names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["DNS:node.acme.test"]);
    let refused = it.issue(&wanted, now()).unwrap_err().to_string();
    assert!(refused.contains("mainstay pki renew server node"), "{refused}");
    let key = std::fs::read(it.path(Profile::Server, "node", ".key")).unwrap();
    let second = it.renew(Profile::Server, "node", now() + Duration::days(300)).unwrap();
    assert_ne!(first.serial, second.serial);
    assert_ne!(std::fs::read(it.path(Profile::Server, "node", ".key")).unwrap(), key, "with a new key");
    assert_eq!((second.not_after - first.not_after).whole_days(), 300);
    let (_, text) = openssl("x509 -noout -serial -in {}", &[&it.path(Profile::Server, "node", ".crt")]);
    assert_eq!(text.trim().to_ascii_lowercase(), format!("serial={}", second.serial));
    assert_eq!(it.current(Profile::Server, "node").unwrap().serial, second.serial);
    assert_eq!(it.issued().len(), 2);
}

#[test]
fn a_new_intermediate_keeps_what_the_old_one_signed_valid() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = authority(&dir, None);
    it.issue(&order(Profile::Server, "node", &[], KeyKind::EcdsaP256), now()).unwrap();
    let pki = dir.path().join("pki");
    let before = std::fs::read_to_string(pki.join("intermediate.crt")).unwrap();
    it.renew_intermediate(now() + Duration::seconds(1)).unwrap();
    let after = std::fs::read_to_string(pki.join("intermediate.crt")).unwrap();
    assert_ne!(before, after);
    let chain = it.path(Profile::Server, "node", "-chain.crt");
    assert!(std::fs::read_to_string(&chain).unwrap().contains(&after), "chains hold the new one");
    let (good, said) =
        openssl("verify -CAfile {} -untrusted {} {}", &[&pki.join("root.crt"), &pki.join("intermediate.crt"), &chain]);
    assert!(good, "{said}");
}

#[test]
fn keys_of_authorities_can_be_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "correct horse battery staple\nand more\n").unwrap();
    let password = Password::from_file(&file).unwrap();
    let mut it = authority(&dir, Some(password.clone()));
    it.issue(&order(Profile::Server, "node", &[], KeyKind::EcdsaP256), now()).unwrap();
    drop(it);
    let pki = dir.path().join("pki");
    let key = pki.join("intermediate.key");
    assert!(std::fs::read_to_string(&key).unwrap().contains("BEGIN ENCRYPTED PRIVATE KEY"));
    std::fs::write(&file, "correct horse battery staple\n").unwrap();
    let (good, said) = openssl(&format!("pkey -noout -in {{}} -passin file:{}", file.display()), &[&key]);
    assert!(good, "{said}");
    let mut without = Authority::open(&pki, None).unwrap();
    let said = without.renew(Profile::Server, "node", now()).unwrap_err().to_string();
    assert!(said.contains("intermediate.key") && said.contains("a password is needed"), "{said}");
    drop(without);
    std::fs::write(&file, "wrong\n").unwrap();
    let mut wrong = Authority::open(&pki, Some(Password::from_file(&file).unwrap())).unwrap();
    let said = wrong.renew(Profile::Server, "node", now()).unwrap_err().to_string();
    assert!(said.contains("does not open"), "{said}");
    assert_eq!(wrong.issued().len(), 1, "nothing was signed");
}

#[test]
fn one_process_changes_an_authority_and_one_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    let it = authority(&dir, None);
    let pki = dir.path().join("pki");
    let said = Authority::open(&pki, None).unwrap_err().to_string();
    assert!(said.contains("another process"), "{said}");
    drop(it);
    let said = Authority::init(&pki, settings(), None, now()).unwrap_err().to_string();
    assert!(said.contains("exists"), "{said}");
    assert!(Authority::open(&pki, None).is_ok());
}
