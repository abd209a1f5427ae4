//! Certificates, keys, tokens and key sets: made, shown and checked.
//!
//! An [`Authority`] is a directory with a root, an intermediate, what they have signed and a register of it. A
//! [`Scenario`] is one file that says which authorities and certificates there shall be, and is applied as often as
//! somebody likes. [`jwt`] makes the tokens and key sets that Canton's nodes ask for.
//!
//! This crate never opens a socket and never reads a clock: `now` is an argument. It never logs, and no private key,
//! password or token is part of any error or `Debug` output. It never overwrites a private key that is in use: what
//! replaces one is written beside it first.
//!
//! Read first: [`authority`].

pub mod authority;
mod error;
mod file;
mod inspect;
pub mod jwt;
mod key;
mod name;
mod params;
mod profile;
mod register;
mod scenario;
mod verify;

pub use authority::Authority;
pub use error::Error;
pub use file::write_private;
pub use inspect::{Shown, show};
pub use key::{Key, KeyKind, Password};
pub use name::{Name, parse_name};
pub use profile::{Profile, Subject};
pub use register::{Entry, Reason, Revoked};
pub use scenario::{Deed, Done, How, Scenario};
pub use verify::{Purpose, Verify, verify};
