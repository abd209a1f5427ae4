//! What a child gets with its tenure.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use mainstay_core::lease::Name;
use rustix::rand::{GetRandomFlags, getrandom};

/// What the child of one tenure gets.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// How it logs in to its database. Only where the lease has roles.
    pub credential: Option<Credential>,
    /// The lock of the lease, held. The child must inherit it (without `FD_CLOEXEC`, under any number): the lock then lives
    /// as long as the last of its processes, and nobody else takes the lease before that. Whoever holds this handle holds
    /// the lock, so it is dropped once the child has its own. Only on a store of one machine.
    pub lock: Option<Arc<OwnedFd>>,
}

/// A role that may log in for one tenure.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The role's name.
    pub role: Name,
    /// Its password, drawn for this tenure.
    pub password: Secret,
}

/// A text that is never shown: `Debug` hides it, and it is overwritten when dropped.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_bytes())
    }

    /// The first line of a file.
    ///
    /// # Errors
    /// A sentence: it cannot be read, or holds nothing.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("the password cannot be read from {}: {error}", path.display()))?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Self::new(line)),
            _ => Err(format!("the password file {} is empty: write the password into its first line", path.display())),
        }
    }

    /// Draws one that nobody guesses: 256 bits.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn draw() -> io::Result<Self> {
        let mut bytes = [0_u8; 32];
        if getrandom(&mut bytes, GetRandomFlags::empty())? != bytes.len() {
            return Err(io::Error::other("the system gave too few random numbers"));
        }
        let mut text = String::with_capacity(64);
        for byte in bytes {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        bytes.fill(0);
        std::hint::black_box(&bytes);
        Ok(Self::new(text))
    }

    /// The text itself, for the one who must have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from leaving out a write that nobody reads.
        std::hint::black_box(&self.0);
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let credential = Credential { role: "partya_1".into(), password: Secret::new("hunter2") };
        let grant = Grant { credential: Some(credential), lock: None };
        assert!(!format!("{grant:?}").contains("hunter2"));
        assert_eq!(grant.credential.map(|it| it.password.reveal().to_owned()).as_deref(), Some("hunter2"));
    }
}
