//! Requests and answers (RFC 6749, 4.4: the client credentials grant).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use mainstay_io::clock;
use mainstay_pki::jwt::Hashed;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::limit::{Limit, Who};
use super::settings::Settings;

/// What all connections share.
pub(super) struct Endpoint {
    pub(super) settings: Arc<Settings>,
    pub(super) bounds: Arc<Bounds>,
    /// What a name that nobody has is compared with, so that it takes as long as one that somebody has.
    pub(super) nobody: Hashed,
}

/// What outlives a change of the settings.
pub(super) struct Bounds {
    pub(super) limit: Mutex<Limit>,
    /// Secrets that are hashed at a time: each costs a tenth of a second of a core.
    pub(super) hashing: Semaphore,
}

/// What somebody says to be.
struct Credentials {
    name: String,
    secret: Zeroizing<String>,
}

/// Why there is no token: RFC 6749, 5.2.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    text: &'static str,
    wait: Option<std::time::Duration>,
}

impl Endpoint {
    /// Answers a request.
    pub(super) async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>, from: IpAddr) -> Response<Full<Bytes>>
    where
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::GET | &Method::HEAD, JWKS | JWKS_OF_THE_SAMPLE) => {
                let body = Full::from(self.settings.keys.clone());
                with_json(Response::new(body), HeaderValue::from_static("public, max-age=60"))
            }
            (&Method::POST, TOKEN | TOKEN_OF_THE_SAMPLE) => match self.token(request, from).await {
                Ok(document) => {
                    with_json(Response::new(Full::from(document.to_string())), HeaderValue::from_static("no-store"))
                }
                Err(refusal) => refusal.response(),
            },
            (_, JWKS | JWKS_OF_THE_SAMPLE | TOKEN | TOKEN_OF_THE_SAMPLE) => {
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "GET the key set, POST for a token")
                    .response()
            }
            _ => Refusal::new(StatusCode::NOT_FOUND, "invalid_request", "there are /.well-known/jwks.json and /token")
                .response(),
        }
    }

    async fn token<B: Body<Data = Bytes>>(&self, request: Request<B>, from: IpAddr) -> Result<Value, Refusal>
    where
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let basic = request.headers().get(AUTHORIZATION).cloned();
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/json"));
        let body = Limited::new(request.into_body(), LONGEST).collect().await;
        let body = body.map_err(|_| Refusal::bad("the body is too long or was cut off"))?.to_bytes();
        let claimed = credentials(basic.as_ref(), &body, is_json)?;
        let who = self.begin(&claimed.name, from)?;
        let known = self.settings.clients.get(&claimed.name);
        let hashed = known.map_or(&self.nobody, |client| &client.secret).clone();
        let permit = self.bounds.hashing.acquire().await.map_err(|_| Refusal::busy())?;
        let secret = claimed.secret;
        let right = tokio::task::spawn_blocking(move || hashed.is(&secret)).await.map_err(|_| Refusal::busy())?;
        drop(permit);
        let Some(client) = known.filter(|_| right) else {
            warn!(client = ?claimed.name, %from, "a token was refused: no such client, or a wrong secret");
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "invalid_client", "no such client, or a wrong secret"));
        };
        self.limit().was_right(who, clock::now());
        let now = OffsetDateTime::now_utc();
        let claims = self.settings.claims(&claimed.name, client);
        let token = self.settings.signer.sign(&claims, now).map_err(|_| Refusal::busy())?;
        info!(client = claimed.name, %from, "a token was given");
        Ok(json!({
            "access_token": token.text(),
            "token_type": "Bearer",
            "expires_in": self.settings.lifetime.as_secs(),
            "expires_at": (now + claims.lifetime).unix_timestamp(),
        }))
    }

    fn begin(&self, name: &str, from: IpAddr) -> Result<Who, Refusal> {
        self.limit().begin(name, from, clock::now()).map_err(|wait| Refusal {
            wait: Some(wait),
            ..Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                "too many wrong tries: wait and try again",
            )
        })
    }

    fn limit(&self) -> MutexGuard<'_, Limit> {
        // A poisoned lock still guards counts that are whole.
        self.bounds.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusal {
    const fn new(status: StatusCode, error: &'static str, text: &'static str) -> Self {
        Self { status, error, text, wait: None }
    }

    const fn bad(text: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", text)
    }

    const fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again soon")
    }

    fn response(&self) -> Response<Full<Bytes>> {
        let document = json!({ "error": self.error, "error_description": self.text });
        let mut response =
            with_json(Response::new(Full::from(document.to_string())), HeaderValue::from_static("no-store"));
        *response.status_mut() = self.status;
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"mainstay\""));
        }
        if let Some(wait) = self.wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }
}

/// In the `Authorization` header, or in the body as a form or as JSON; never in both (RFC 6749, 2.3).
fn credentials(basic: Option<&HeaderValue>, body: &Bytes, is_json: bool) -> Result<Credentials, Refusal> {
    let fields: Vec<(String, Zeroizing<String>)> = if is_json { from_json(body)? } else { from_form(body)? };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match field("grant_type").as_deref().map(String::as_str) {
        Some("client_credentials") => {}
        Some(_) => {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", "client_credentials is"));
        }
        None => return Err(Refusal::bad("grant_type=client_credentials is missing")),
    }
    let in_body = field("client_id").zip(field("client_secret"));
    match (basic, in_body) {
        (Some(_), Some(_)) => Err(Refusal::bad("the secret stands in the header and in the body: only one of them")),
        (Some(basic), None) => from_basic(basic).ok_or_else(|| Refusal::bad("the Authorization header is not Basic")),
        (None, Some((name, secret))) => Ok(Credentials { name: name.to_string(), secret }),
        (None, None) => Err(Refusal::bad("client_id and client_secret are missing")),
    }
}

fn from_basic(header: &HeaderValue) -> Option<Credentials> {
    let (scheme, value) = header.to_str().ok()?.split_once(' ')?;
    let bytes = Zeroizing::new(STANDARD.decode(value.trim()).ok()?);
    let (name, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    // RFC 6749, 2.3.1: both are encoded as in a form first.
    scheme
        .eq_ignore_ascii_case("Basic")
        .then(|| Some(Credentials { name: decoded(name)?.to_string(), secret: decoded(secret)? }))?
}

fn from_json(body: &Bytes) -> Result<Vec<(String, Zeroizing<String>)>, Refusal> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Refusal::bad("the body is not JSON"))?;
    let Value::Object(fields) = value else { return Err(Refusal::bad("the body is no JSON object")) };
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Some((key, Zeroizing::new(text))),
        _ => None,
    };
    Ok(fields.into_iter().filter_map(text).collect())
}

fn from_form(body: &Bytes) -> Result<Vec<(String, Zeroizing<String>)>, Refusal> {
    let bad = || Refusal::bad("the body is not application/x-www-form-urlencoded");
    let text = std::str::from_utf8(body).map_err(|_| bad())?;
    let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
    for pair in text.trim_end().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(bad)?;
        let key = decoded(key).ok_or_else(bad)?.to_string();
        if fields.iter().any(|(other, _)| *other == key) {
            return Err(Refusal::bad("a parameter stands there twice"));
        }
        fields.push((key, decoded(value).ok_or_else(bad)?));
    }
    Ok(fields)
}

/// `+` and `%XX` of a form.
fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = after;
            }
            byte => bytes.push(*byte),
        }
    }
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn with_json(mut response: Response<Full<Bytes>>, caching: HeaderValue) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, caching);
    response
}

/// RFC 8414's usual place.
const JWKS: &str = "/.well-known/jwks.json";
const TOKEN: &str = "/token";

/// Where the sample repository of document 004 has them, so that its clients need no change.
const JWKS_OF_THE_SAMPLE: &str = "/.well_known/jwks.json";
const TOKEN_OF_THE_SAMPLE: &str = "/auth";

/// Bytes of a request's body.
const LONGEST: usize = 8192;
