//! Whose certificate is let in.

use std::fmt;

use crate::certificate::Certificate;

/// A name, or with `*` for a run of characters without a dot, a set of names. Letters are compared as in host names:
/// large and small are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// Whether it fits a name of the certificate: its common name, an alternative name, or its whole subject.
    #[must_use]
    pub fn fits(&self, certificate: &Certificate) -> bool {
        let own = certificate.common_name.iter().chain(&certificate.names).chain([&certificate.subject]);
        own.into_iter().any(|name| fits(self.0.as_bytes(), name.to_ascii_lowercase().as_bytes()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Goes back only to the last star: a star that took too little takes one more.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(expected) if expected == byte => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) if name.get(from).is_some_and(|taken| *taken != b'.') => {
                    star = Some((after, from + 1));
                    p = after;
                    n = from + 1;
                }
                _ => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for name in yes {
            assert!(fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for name in no {
            assert!(!fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }

    #[test]
    fn a_star_stays_within_a_label() {
        check("participant1", &["participant1"], &["participant", "participant12", "xparticipant1", ""]);
        check("*.bank.com", &["a.bank.com", ".bank.com"], &["a.b.bank.com", "bank.com", "a.bank.com.evil"]);
        check("p*.*.com", &["p1.x.com", "p.x.com"], &["q.x.com", "p1.x.y.com", "p1.com"]);
        check("*", &["anything", ""], &["any.thing"]);
        check("a*b*c", &["abc", "axxbyyc", "abbcbc"], &["ab", "a.bc", "abcx"]);
    }
}
