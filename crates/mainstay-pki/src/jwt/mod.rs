//! Tokens (RFC 7519) and key sets (RFC 7517), as Canton's participants ask for them.
//!
//! A token is signed by the key of a certificate that an authority made for it ([`crate::Profile::JwtSigner`]). Whoever
//! is shown a token looks its key up in a key set, by the number (`kid`) that both carry: the key's thumbprint
//! (RFC 7638), so that it never has to be chosen.

mod keys;
mod secret;
mod token;

pub use keys::KeySet;
pub use secret::Hashed;
pub use token::{Claims, Decoded, Expected, Ledger, Signer, Token, decode, verify};
