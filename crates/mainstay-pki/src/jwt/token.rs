//! Tokens: signed, looked into, verified.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::KeySet;
use super::keys::thumbprint;
use crate::{Error, Key, Password};

/// What signs tokens.
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    kid: String,
}

impl Signer {
    /// From a private key's file: RSA signs as RS256, P-256 as ES256.
    ///
    /// # Errors
    /// The file cannot be read, or its key is of another kind.
    pub fn from_file(path: &Path, password: Option<&Password>) -> Result<Self, Error> {
        let key = Key::from_file(path, password)?;
        let wrong = |error: &dyn fmt::Display| Error::content(path, format!("cannot sign tokens: {error}"));
        let text = key.to_pem(None)?;
        let algorithm = if key.0.algorithm() == &rcgen::PKCS_RSA_SHA256 {
            Algorithm::RS256
        } else if key.0.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256 {
            Algorithm::ES256
        } else {
            return Err(wrong(&"its key is neither RSA nor on P-256"));
        };
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(text.as_bytes()),
            _ => EncodingKey::from_ec_pem(text.as_bytes()),
        }
        .map_err(|error| wrong(&error))?;
        let public = Jwk::from_encoding_key(&key, algorithm).map_err(|error| wrong(&error))?;
        Ok(Self { kid: thumbprint(&public)?, key, algorithm })
    }

    /// The number of its key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs a token.
    ///
    /// # Errors
    /// A time that cannot be told.
    pub fn sign(&self, claims: &Claims, now: OffsetDateTime) -> Result<Token, Error> {
        if claims.lifetime <= Duration::ZERO {
            return Err(Error::refused("a token that is over before it begins: give it a lifetime"));
        }
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        let text = jsonwebtoken::encode(&header, &claims.to_json(now), &self.key)
            .map_err(|error| Error::refused(format!("could not be signed: {error}")))?;
        Ok(Token(Zeroizing::new(text)))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?}, {})", self.algorithm, self.kid)
    }
}

/// A token. Shown by whoever asks for its text, and by nobody else.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who it is about: a user of the ledger.
    pub subject: Option<String>,
    /// Who it is for. Canton 3 takes `https://daml.com/jwt/aud/participant/ID`, Canton 2 also the bare ID.
    pub audience: Vec<String>,
    /// What it is good for. Canton takes `daml_ledger_api`.
    pub scope: Option<String>,
    /// Who signed it.
    pub issuer: Option<String>,
    /// How long it is good for.
    pub lifetime: Duration,
    /// What Canton 2 takes instead of a user: the rights themselves.
    pub ledger: Option<Ledger>,
}

/// Rights on a ledger, as Canton 2's custom tokens name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Of which ledger; of any if absent.
    pub ledger_id: Option<String>,
    /// For which application; for any if absent.
    pub application_id: Option<String>,
    /// Parties it may act as.
    pub act_as: Vec<String>,
    /// Parties it may read as.
    pub read_as: Vec<String>,
    /// Whether it may administrate.
    pub admin: bool,
}

impl Claims {
    fn to_json(&self, now: OffsetDateTime) -> Value {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value);
            }
        };
        put("iat", Some(json!(now.unix_timestamp())));
        put("exp", Some(json!((now + self.lifetime).unix_timestamp())));
        put("sub", self.subject.as_ref().map(|it| json!(it)));
        put("iss", self.issuer.as_ref().map(|it| json!(it)));
        put("scope", self.scope.as_ref().map(|it| json!(it)));
        put(
            "aud",
            match self.audience.as_slice() {
                [] => None,
                // RFC 7519, 4.1.3: one may stand alone, and there are readers that take it only so.
                [one] => Some(json!(one)),
                several => Some(json!(several)),
            },
        );
        put(
            LEDGER_API,
            self.ledger.as_ref().map(|it| {
                json!({
                    "ledgerId": it.ledger_id, "applicationId": it.application_id,
                    "actAs": it.act_as, "readAs": it.read_as, "admin": it.admin,
                })
            }),
        );
        Value::Object(claims)
    }
}

/// What a token says, without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Its header.
    pub header: Value,
    /// Its claims.
    pub claims: Value,
}

/// What a token is expected to be, when it is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Who it must be for.
    pub audience: Option<String>,
    /// Who must have signed it.
    pub issuer: Option<String>,
    /// What it must be good for: a word of its `scope`.
    pub scope: Option<String>,
}

/// What a token says. Says nothing about whether it is true.
///
/// # Errors
/// It is no token.
pub fn decode(token: &str) -> Result<Decoded, Error> {
    let parts: Vec<&str> = token.trim().split('.').collect();
    let [header, claims, _] = parts.as_slice() else {
        return Err(Error::refused(format!("is no token: three parts between dots are expected, not {}", parts.len())));
    };
    Ok(Decoded { header: part(header, "header")?, claims: part(claims, "claims")? })
}

/// Verifies a token: its signature by a key of the set, its times, and what is expected of it.
///
/// # Errors
/// What stands against it.
pub fn verify(token: &str, keys: &KeySet, expected: &Expected, now: OffsetDateTime) -> Result<Decoded, Error> {
    let token = token.trim();
    let decoded = decode(token)?;
    let alg = decoded.header.get("alg").and_then(Value::as_str).unwrap_or_default();
    if alg.eq_ignore_ascii_case("none") || alg.is_empty() {
        return Err(Error::refused("is not signed (alg is none): anybody could have made it"));
    }
    let kid = decoded.header.get("kid").and_then(Value::as_str);
    let key = keys.find(kid).ok_or_else(|| match kid {
        Some(kid) => Error::refused(format!("is signed by the key {kid}, which is not in the key set")),
        None => Error::refused("does not say which key signed it (kid), and the key set has several"),
    })?;
    let algorithm = allowed(key).ok_or_else(|| Error::refused("its key is neither RSA nor on P-256"))?;
    if alg != format!("{algorithm:?}") {
        return Err(Error::refused(format!("is signed as {alg}, though its key is for {algorithm:?}")));
    }
    let key = DecodingKey::from_jwk(key).map_err(|error| Error::refused(format!("its key cannot be used: {error}")))?;
    // Times and audience are looked at below, by the given clock.
    let mut signature = Validation::new(algorithm);
    signature.required_spec_claims.clear();
    signature.validate_exp = false;
    signature.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, &key, &signature)
        .map_err(|_| Error::refused("its signature is wrong: it was changed, or signed by another key"))?;
    judge(&decoded.claims, expected, now)?;
    Ok(decoded)
}

fn judge(claims: &Value, expected: &Expected, now: OffsetDateTime) -> Result<(), Error> {
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let now = now.unix_timestamp() as f64;
    match seconds("exp") {
        None => return Err(Error::refused("has no end (exp)")),
        Some(end) if end <= now => return Err(Error::refused(format!("is over since {:.0} s", now - end))),
        Some(_) => {}
    }
    if let Some(begin) = seconds("nbf").filter(|begin| *begin > now + LENIENCE) {
        return Err(Error::refused(format!("is good only in {:.0} s", begin - now)));
    }
    if let Some(audience) = &expected.audience {
        let named = match claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        };
        if !named {
            return Err(Error::refused(format!("is not for {audience} (aud)")));
        }
    }
    if let Some(issuer) = &expected.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(issuer)
    {
        return Err(Error::refused(format!("is not signed by {issuer} (iss)")));
    }
    if let Some(scope) = &expected.scope {
        let scopes = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        if !scopes.split(' ').any(|word| word == scope) {
            return Err(Error::refused(format!("is not good for {scope} (scope)")));
        }
    }
    Ok(())
}

/// A key says what it is for; what a token says of itself is not believed.
fn allowed(key: &Jwk) -> Option<Algorithm> {
    use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, KeyAlgorithm};
    let by_kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    match key.common.key_algorithm {
        None => Some(by_kind),
        Some(KeyAlgorithm::RS256) if by_kind == Algorithm::RS256 => Some(by_kind),
        Some(KeyAlgorithm::ES256) if by_kind == Algorithm::ES256 => Some(by_kind),
        Some(_) => None,
    }
}

fn part(text: &str, what: &str) -> Result<Value, Error> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| Error::refused(format!("is no token: its {what} is not base64url")))?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::refused(format!("is no token: its {what} is not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Error::refused(format!("is no token: its {what} is no object"))) }
}

const LEDGER_API: &str = "https://daml.com/ledger-api";

/// Seconds by which another's clock may be ahead.
const LENIENCE: f64 = 60.0;
