//! Tokens and key sets, as Python's libraries see them.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_pki::jwt::{Claims, Expected, Hashed, KeySet, Ledger, Signer, decode, verify};
use mainstay_pki::{KeyKind, Profile};
use serde_json::{Value, json};
use time::Duration;

use crate::rig::{authority, now, order, run};

fn claims() -> Claims {
    Claims {
        subject: Some("alice".to_owned()),
        audience: vec!["https://daml.com/jwt/aud/participant/p1::1220".to_owned()],
        scope: Some("daml_ledger_api".to_owned()),
        issuer: Some("acme".to_owned()),
        lifetime: Duration::minutes(10),
        ledger: None,
    }
}

/// A signer of each kind, and the key set of both.
fn signers(dir: &tempfile::TempDir) -> (Vec<Signer>, KeySet) {
    let mut it = authority(dir, None);
    let kinds = [KeyKind::Rsa2048, KeyKind::EcdsaP256];
    let mut chains = Vec::new();
    let signers = kinds
        .iter()
        .map(|kind| {
            it.issue(&order(Profile::JwtSigner, kind.word(), &[], *kind), now()).unwrap();
            chains.push(it.path(Profile::JwtSigner, kind.word(), "-chain.crt"));
            Signer::from_file(&it.path(Profile::JwtSigner, kind.word(), ".key"), None).unwrap()
        })
        .collect();
    (signers, KeySet::of_certificates(&chains).unwrap())
}

#[test]
fn python_believes_our_tokens_by_our_key_set() {
    let dir = tempfile::tempdir().unwrap();
    let (signers, keys) = signers(&dir);
    let set = dir.path().join("jwks.json");
    std::fs::write(&set, keys.to_json().unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/judge.py");
    let (there, said) = run(PYTHON, &["-c", "import jwcrypto, cryptography"]);
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI installs Python's jwcrypto: {said}");
        eprintln!(
            "SKIPPED python_believes_our_tokens_by_our_key_set: no jwcrypto for python3 (Debian: python3-jwcrypto)"
        );
        return;
    }
    for signer in signers {
        let token = dir.path().join("token");
        std::fs::write(&token, signer.sign(&claims(), now()).unwrap().text()).unwrap();
        let (good, said) = run(PYTHON, &[script.as_path(), &set, &token]);
        assert!(good, "{said}");
        let judged: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(judged["claims"]["sub"], "alice");
        assert_eq!(judged["claims"]["aud"], "https://daml.com/jwt/aud/participant/p1::1220");
        assert_eq!(judged["header"]["kid"], signer.kid());
        assert_eq!(judged["thumbprints"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_token_is_believed_by_its_key_its_time_and_what_is_expected_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (signers, keys) = signers(&dir);
    for signer in &signers {
        let token = signer.sign(&claims(), now()).unwrap();
        let judge = |expected: &Expected, later: Duration| {
            verify(token.text(), &keys, expected, now() + later).map(|_| ()).map_err(|error| error.to_string())
        };
        let none = Expected::default();
        assert_eq!(judge(&none, Duration::ZERO), Ok(()));
        assert!(judge(&none, Duration::minutes(11)).unwrap_err().contains("is over since"));
        let expected = |audience: &str, issuer: &str, scope: &str| Expected {
            audience: Some(audience.to_owned()),
            issuer: Some(issuer.to_owned()),
            scope: Some(scope.to_owned()),
        };
        let audience = "https://daml.com/jwt/aud/participant/p1::1220";
        assert_eq!(judge(&expected(audience, "acme", "daml_ledger_api"), Duration::ZERO), Ok(()));
        assert!(judge(&expected("p2", "acme", "daml_ledger_api"), Duration::ZERO).unwrap_err().contains("(aud)"));
        assert!(judge(&expected(audience, "emca", "daml_ledger_api"), Duration::ZERO).unwrap_err().contains("(iss)"));
        assert!(judge(&expected(audience, "acme", "daml"), Duration::ZERO).unwrap_err().contains("(scope)"));
    }
}

#[test]
fn forged_tokens_are_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (signers, keys) = signers(&dir);
    let token = signers[0].sign(&claims(), now()).unwrap();
    let parts: Vec<&str> = token.text().split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = |alg: &str, kid: &str| encode(&json!({"alg": alg, "kid": kid, "typ": "JWT"}));
    let check = |text: &str, expect: &str| {
        let said = verify(text, &keys, &Expected::default(), now()).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(expect), "{text}: {said}");
        assert!(!said.contains(parts[2]), "no signature is told of");
    };
    let [kid, other] = [signers[0].kid(), signers[1].kid()];
    let forged = encode(&json!({"sub": "root", "exp": now().unix_timestamp() + 1000}));
    check(&format!("{}.{forged}.{}", parts[0], parts[2]), "signature is wrong");
    check(&format!("{}.{forged}.", header("none", kid)), "is not signed");
    check(&format!("{}.{forged}.", header("None", kid)), "is not signed");
    check(&format!("{}.{forged}.{}", header("HS256", kid), parts[2]), "is signed as HS256");
    check(
        &format!("{}.{forged}.{}", header("RS256", other), parts[2]),
        "is signed as RS256, though its key is for ES256",
    );
    check(&format!("{}.{}.{}", header("RS256", "nobody"), parts[1], parts[2]), "not in the key set");
    check(&format!("{}.{}.{}", encode(&json!({"alg": "RS256"})), parts[1], parts[2]), "does not say which key");
    check(&format!("{}.{}", parts[0], parts[1]), "three parts");
    check("a.b.c", "is no token");
    check("", "is no token");
    let mut endless = claims();
    endless.lifetime = Duration::ZERO;
    assert!(signers[0].sign(&endless, now()).is_err());
    assert_eq!(format!("{token:?} {:?}", claims().scope), "Token(..) Some(\"daml_ledger_api\")");
}

#[test]
fn rights_of_canton_2_stand_in_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let (signers, _) = signers(&dir);
    let mut claims = claims();
    claims.ledger = Some(Ledger { act_as: vec!["alice".to_owned()], admin: true, ..Ledger::default() });
    claims.audience.clear();
    let token = signers[1].sign(&claims, now()).unwrap();
    let decoded = decode(token.text()).unwrap();
    let rights = &decoded.claims["https://daml.com/ledger-api"];
    assert_eq!(
        (&rights["actAs"], &rights["admin"], &rights["ledgerId"]),
        (&json!(["alice"]), &json!(true), &Value::Null)
    );
    assert_eq!(decoded.claims.get("aud"), None);
    assert_eq!(decoded.header["alg"], "ES256");
}

#[test]
fn key_sets_that_can_be_read_in_two_ways_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_, keys) = signers(&dir);
    let path = dir.path().join("jwks.json");
    let mut set: Value = serde_json::from_str(&keys.to_json().unwrap()).unwrap();
    set["keys"][1]["kid"] = set["keys"][0]["kid"].clone();
    std::fs::write(&path, set.to_string()).unwrap();
    let said = KeySet::from_file(&path).unwrap_err().to_string();
    assert!(said.contains("twice") && said.contains("jwks.json"), "{said}");
    std::fs::write(&path, "{}").unwrap();
    assert!(KeySet::from_file(&path).unwrap_err().to_string().contains("is no key set"));
}

#[test]
fn secrets_are_kept_as_hashes() {
    let hashed = Hashed::new("a long enough secret").unwrap();
    assert!(hashed.is("a long enough secret") && !hashed.is("a long enough secreT"));
    let text = String::from(hashed.clone());
    assert!(text.starts_with("pbkdf2-sha256$") && !text.contains("secret"));
    assert!(Hashed::try_from(text).unwrap() == hashed);
    assert_eq!(format!("{hashed:?}"), "Hashed(..)");
    assert!(Hashed::new("short").is_err());
    for wrong in ["", "a long enough secret", "pbkdf2-sha256$1$AAAA$AAAA", "pbkdf2-sha256$600000$AAAA$AAAA$"] {
        let said = Hashed::try_from(wrong.to_owned()).unwrap_err().to_string();
        assert!(said.contains("is no hashed secret") && (wrong.is_empty() || !said.contains(wrong)), "{said}");
    }
}

/// Debian's own, for which Debian has the libraries.
const PYTHON: &str = "/usr/bin/python3";
