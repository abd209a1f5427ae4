//! Clients' secrets, of which only a hash is kept.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A secret's hash: `pbkdf2-sha256$ROUNDS$SALT$HASH`, the last two in base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hashed {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Hashed {
    /// Of a secret.
    ///
    /// # Errors
    /// The secret is too short to be one, or the system has no randomness to give.
    pub fn new(secret: &str) -> Result<Self, Error> {
        if secret.len() < SHORTEST {
            return Err(Error::refused(format!("a secret of {} bytes: at least {SHORTEST} are wanted", secret.len())));
        }
        let mut salt = vec![0; 16];
        rand::fill(&mut salt).map_err(|_| Error::refused("the system has no randomness to give"))?;
        let mut hash = vec![0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, secret.as_bytes(), &mut hash);
        Ok(Self { rounds: ROUNDS, salt, hash })
    }

    /// Whether a secret is the one. Takes as long for a wrong one as for the right one: a tenth of a second or so.
    #[must_use]
    pub fn is(&self, secret: &str) -> bool {
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, self.rounds, &self.salt, secret.as_bytes(), &self.hash).is_ok()
    }
}

impl TryFrom<String> for Hashed {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let read = || {
            let mut parts = text.split('$');
            let known = parts.next() == Some(KIND);
            let rounds = parts.next()?.parse().ok().filter(|rounds| (LEAST..=MOST).contains(rounds))?;
            let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
            let hash = STANDARD_NO_PAD.decode(parts.next()?).ok().filter(|hash| hash.len() == 32)?;
            (known && parts.next().is_none()).then_some(Self { rounds, salt, hash })
        };
        // The text itself may be a secret that was written there by mistake.
        read().ok_or_else(|| Error::refused("is no hashed secret: `mainstay jwt hash` makes one"))
    }
}

impl From<Hashed> for String {
    fn from(it: Hashed) -> Self {
        format!("{KIND}${}${}${}", it.rounds, STANDARD_NO_PAD.encode(&it.salt), STANDARD_NO_PAD.encode(&it.hash))
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(..)")
    }
}

const KIND: &str = "pbkdf2-sha256";

/// What OWASP recommends (2023).
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("is not zero");

/// A file may ask for no fewer, and for no more, as each try costs as much.
const LEAST: NonZeroU32 = NonZeroU32::new(100_000).expect("is not zero");
const MOST: NonZeroU32 = NonZeroU32::new(10_000_000).expect("is not zero");

/// Shorter secrets can be guessed.
const SHORTEST: usize = 16;
