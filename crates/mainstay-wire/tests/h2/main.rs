//! HTTP/2 as a whole: two of our ends against each other with every cut, what is refused, and the `h2` crate as oracle in
//! both roles.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod floods;
mod oracle;
mod pair;
mod refused;
mod support;
