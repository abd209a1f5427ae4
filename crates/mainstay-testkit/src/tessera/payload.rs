//! An encoded payload, without its boxes: who may read it is written beside it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha512};

/// What is stored, and pushed to recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Encoded {
    pub(super) sender: String,
    /// The payload in base64, where Tessera has ciphertext.
    pub(super) payload: String,
    /// Makes every send of one payload another one.
    pub(super) nonce: String,
    pub(super) recipients: Vec<String>,
}

impl Encoded {
    /// A payload to be sent, which nothing equals.
    pub(super) fn new(payload: &[u8], sender: &str, recipients: Vec<String>) -> Self {
        let nonce: [u8; 24] = std::array::from_fn(|_| fastrand::u8(..));
        Self { sender: sender.to_owned(), payload: base64(payload), nonce: base64(&nonce), recipients }
    }

    /// The 64 bytes by which it is known.
    pub(super) fn hash(&self) -> Vec<u8> {
        Sha512::new().chain_update(&self.nonce).chain_update(&self.payload).finalize().to_vec()
    }

    /// As one recipient gets it.
    pub(super) fn only_for(&self, recipient: &str) -> Self {
        Self { recipients: vec![recipient.to_owned()], ..self.clone() }
    }

    /// Whether a node with these keys can read it.
    pub(super) fn is_for(&self, keys: &[String]) -> bool {
        keys.contains(&self.sender) || self.recipients.iter().any(|recipient| keys.contains(recipient))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Bytes, or the text Java has for what is wrong with them.
pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text).map_err(|error| match error {
        base64::DecodeError::InvalidByte(_, byte) => format!("Illegal base64 character {byte:x}"),
        _ => "Input byte array has wrong 4-byte ending unit".to_owned(),
    })
}
