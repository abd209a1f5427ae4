//! The endpoint without its sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use mainstay_pki::authority::{Order, Settings as Made};
use mainstay_pki::jwt::{Expected, Hashed, KeySet, verify};
use mainstay_pki::{Authority, KeyKind, Profile};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::answer::{Bounds, Endpoint};
use super::limit::Limit;
use super::settings::Settings;

const SECRET: &str = "correct horse+battery";

/// An endpoint with the client `alice`, and the directory of its files.
fn endpoint() -> (tempfile::TempDir, Endpoint) {
    let dir = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::now_utc();
    let mut made = Made::new("acme.test");
    made.key = KeyKind::EcdsaP256;
    let mut pki = Authority::init(&dir.path().join("pki"), made, None, now).unwrap();
    for profile in [Profile::Server, Profile::JwtSigner] {
        let order = Order {
            profile,
            name: "auth".to_owned(),
            names: Vec::new(),
            days: None,
            key: KeyKind::EcdsaP256,
            der: false,
        };
        pki.issue(&order, now).unwrap();
    }
    let hashed = String::from(Hashed::new(SECRET).unwrap());
    let text = format!(
        "at = \"127.0.0.1:0\"\ncert = \"pki/server/auth-chain.crt\"\nkey = \"pki/server/auth.key\"\n\
         signer = \"pki/jwt-signer/auth.key\"\npublish = [\"pki/jwt-signer/auth-chain.crt\"]\nissuer = \"acme\"\n\
         [client.alice]\nsecret = \"{hashed}\"\nparticipant = \"p1\"\n"
    );
    let file = dir.path().join("tokens.toml");
    std::fs::write(&file, text).unwrap();
    let settings = Arc::new(Settings::read(&file).unwrap());
    let nobody = Hashed::new("somebody else altogether").unwrap();
    let bounds = Bounds { limit: Mutex::new(Limit::default()), hashing: Semaphore::new(1) };
    (dir, Endpoint { settings, bounds: Arc::new(bounds), nobody })
}

async fn ask(it: &Endpoint, from: u8, request: Request<Full<Bytes>>) -> (StatusCode, Value) {
    let response = it.answer(request, IpAddr::V4(Ipv4Addr::new(127, 0, 0, from))).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn post(path: &str, kind: &str, basic: Option<&str>, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post(path).header("content-type", kind);
    if let Some(basic) = basic {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(basic)));
    }
    request.body(Full::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn who_knows_the_secret_has_a_token_that_the_published_keys_verify() {
    let (dir, it) = endpoint();
    let form = "application/x-www-form-urlencoded";
    let encoded = "correct+horse%2Bbattery";
    let in_form = format!("grant_type=client_credentials&client_id=alice&client_secret={encoded}");
    let in_json = format!(r#"{{"grant_type":"client_credentials","client_id":"alice","client_secret":"{SECRET}"}}"#);
    let (_, keys) = ask(&it, 1, Request::get("/.well-known/jwks.json").body(Full::default()).unwrap()).await;
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, keys.to_string()).unwrap();
    let keys = KeySet::from_file(&file).unwrap();
    for request in [
        post("/token", form, None, &in_form),
        post("/auth", "application/json", None, &in_json),
        post("/token", form, Some(&format!("alice:{encoded}")), "grant_type=client_credentials"),
    ] {
        let (status, said) = ask(&it, 1, request).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        assert_eq!((&said["token_type"], &said["expires_in"]), (&"Bearer".into(), &600.into()));
        let expected = Expected {
            audience: Some("https://daml.com/jwt/aud/participant/p1".to_owned()),
            issuer: Some("acme".to_owned()),
            scope: None,
        };
        let token = said["access_token"].as_str().unwrap();
        let decoded = verify(token, &keys, &expected, OffsetDateTime::now_utc()).unwrap();
        assert_eq!(decoded.claims["sub"], "alice");
    }
}

#[tokio::test]
async fn everything_else_is_refused_in_the_words_of_the_standard() {
    let (_dir, it) = endpoint();
    let form = "application/x-www-form-urlencoded";
    let mut from = 1;
    let mut check = async |request, status: u16, error: &str| {
        // Each from an address of its own: this is not about their number.
        from += 1;
        let (got, said) = ask(&it, from, request).await;
        assert_eq!((got.as_u16(), said["error"].as_str().unwrap()), (status, error), "{said}");
        assert!(said.get("access_token").is_none());
    };
    let credentials =
        |id: &str, secret: &str| format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    check(post("/token", form, None, &credentials("alice", "wrong")), 401, "invalid_client").await;
    check(post("/token", form, None, &credentials("bob", "correct+horse%2Bbattery")), 401, "invalid_client").await;
    check(post("/token", form, None, &credentials("", "")), 401, "invalid_client").await;
    check(post("/token", form, None, "grant_type=password&client_id=alice"), 400, "unsupported_grant_type").await;
    check(post("/token", form, None, ""), 400, "invalid_request").await;
    check(post("/token", form, None, "grant_type=client_credentials"), 400, "invalid_request").await;
    check(post("/token", form, None, "a=%zz"), 400, "invalid_request").await;
    check(post("/token", form, None, "a=1&a=2"), 400, "invalid_request").await;
    check(post("/token", form, Some("alice:x"), &credentials("alice", "x")), 400, "invalid_request").await;
    check(post("/token", form, Some("alice"), "grant_type=client_credentials"), 400, "invalid_request").await;
    check(post("/token", "application/json", None, "[]"), 400, "invalid_request").await;
    check(post("/token", form, None, &"a".repeat(9000)), 400, "invalid_request").await;
    check(Request::get("/token").body(Full::default()).unwrap(), 405, "invalid_request").await;
    check(Request::get("/").body(Full::default()).unwrap(), 404, "invalid_request").await;
}

#[tokio::test]
async fn guessing_is_slowed_and_locks_nobody_out() {
    let (_dir, it) = endpoint();
    let form = "application/x-www-form-urlencoded";
    let wrong = "grant_type=client_credentials&client_id=alice&client_secret=wrong";
    let right = "grant_type=client_credentials&client_id=alice&client_secret=correct+horse%2Bbattery";
    // The window begins in an hour's time, so that it cannot end in the midst of the tries.
    let later = mainstay_io::clock::now() + std::time::Duration::from_secs(3600);
    it.bounds.limit.lock().unwrap().begin("the first", Ipv4Addr::UNSPECIFIED.into(), later).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(ask(&it, 1, post("/token", form, None, wrong)).await.0.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 2, "{statuses:?}");
    assert_eq!(ask(&it, 1, post("/token", form, None, right)).await.0.as_u16(), 429, "even with the right one");
    for _ in 0..12 {
        assert_eq!(ask(&it, 2, post("/token", form, None, right)).await.0.as_u16(), 200, "the client itself");
    }
}

#[test]
fn faults_of_a_file_are_told_without_its_secrets() {
    let (dir, _) = endpoint();
    let file = dir.path().join("tokens.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let check = |from: &str, to: &str, expect: &str| {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        std::fs::write(&file, text).unwrap();
        let Err(said) = Settings::read(&file) else { panic!("{to} was taken") };
        assert!(said.contains(expect), "{said}");
        assert!(!said.contains("plain secret"), "{said}");
    };
    check("issuer", "isuer", "isuer");
    check("pki/server/auth.key", "pki/server/none.key", "none.key");
    check("pki/server/auth.key", "pki/jwt-signer/auth.key", "cannot be used");
    check("[\"pki/jwt-signer/auth-chain.crt\"]", "[]", "publish has no certificate");
    check("issuer", "lifetime = \"2d\"\nissuer", "lifetime");
    let hash = good.split('"').find(|word| word.starts_with("pbkdf2")).unwrap();
    check(hash, "plain secret", "is no hashed secret");
}
