//! Who calls: users by their tokens.

use std::path::Path;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::grpc::{Code, Status};

/// The keys by which tokens are judged.
#[derive(Debug)]
pub(super) struct Tokens {
    keys: JwkSet,
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    aud: serde_json::Value,
}

impl Tokens {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let read =
            || -> Result<JwkSet, Box<dyn std::error::Error>> { Ok(serde_json::from_slice(&std::fs::read(path)?)?) };
        let keys = read().map_err(|error| format!("--jwks {}: {error}", path.display()))?;
        Ok(Self { keys })
    }

    /// The user that a token names: it is signed by one of the keys, not over, and for a Ledger API.
    pub(super) fn user(&self, token: Option<&str>) -> Result<String, Status> {
        let claims = token.and_then(|token| self.claims(token));
        let meant = claims.filter(|claims| {
            let audience = claims.aud.to_string().contains("https://daml.com/jwt/aud/participant/");
            audience || claims.scope.split(' ').any(|scope| scope == SCOPE)
        });
        meant.map(|claims| claims.sub).ok_or_else(|| Status::new(Code::Unauthenticated, "An error occurred."))
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        let key = self.keys.find(header.kid.as_deref()?)?;
        let said = key.common.key_algorithm?.to_string().parse().ok()?;
        let mut rules = Validation::new(said);
        rules.validate_aud = false;
        decode(token, &DecodingKey::from_jwk(key).ok()?, &rules).ok().map(|token| token.claims)
    }
}

const SCOPE: &str = "daml_ledger_api";
