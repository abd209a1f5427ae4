//! PEM blocks (RFC 7468), with the place of each.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fault::Fault;

/// A block.
pub(crate) struct Block<'a> {
    /// What its first line calls it.
    pub(crate) label: &'a str,
    /// Counted from 1.
    pub(crate) number: usize,
    /// The line it begins on, counted from 1.
    pub(crate) line: usize,
    /// What is in it; empty where it is encrypted.
    pub(crate) der: Vec<u8>,
    /// Whether it can be read only with a password.
    pub(crate) is_encrypted: bool,
}

impl Block<'_> {
    /// Whether it is a private key of whatever kind.
    pub(crate) fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// A fault of this block.
    pub(crate) fn fault(&self, path: &Path, message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault::of(path, message, help).at(self.number, self.line)
    }
}

/// The blocks of a text. What stands between them is left aside, as everywhere.
///
/// # Errors
/// A block that does not end or is no base64.
pub(crate) fn blocks<'a>(path: &Path, text: &'a str) -> Result<Vec<Block<'a>>, Fault> {
    let mut found: Vec<Block<'a>> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((line, first)) = lines.next() {
        let Some(label) = first.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) else { continue };
        let mut block = Block { label, number: found.len() + 1, line, der: Vec::new(), is_encrypted: false };
        let mut base64 = String::new();
        let mut ended = false;
        for (_, inside) in lines.by_ref() {
            let inside = inside.trim();
            if let Some(end) = inside.strip_prefix(END).and_then(|rest| rest.strip_suffix(DASHES)) {
                ended = end == label;
                break;
            }
            if inside.starts_with(BEGIN) {
                break;
            }
            if inside.contains(':') {
                block.is_encrypted |= inside.contains("ENCRYPTED");
            } else {
                base64.push_str(inside);
            }
        }
        if !ended {
            let help = format!("look for `{END}{label}{DASHES}`: a part of the file may be missing");
            return Err(block.fault(path, "does not end", help));
        }
        block.is_encrypted |= label == "ENCRYPTED PRIVATE KEY";
        if !block.is_encrypted {
            let decoded = STANDARD.decode(base64.as_bytes());
            block.der = decoded.map_err(|_| block.fault(path, "is no base64", "copy the file again"))?;
        }
        found.push(block);
    }
    Ok(found)
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&[(&str, usize, bool)], &str>) {
        let found = blocks(Path::new("a.pem"), text);
        let told = |blocks: Vec<Block<'_>>| -> Vec<(String, usize, bool)> {
            blocks.iter().map(|block| (block.label.to_owned(), block.line, block.is_encrypted)).collect()
        };
        let expect = expect.map(|blocks| blocks.iter().map(|(a, b, c)| ((*a).to_owned(), *b, *c)).collect());
        assert_eq!(found.map(told).map_err(|fault| fault.to_string()), expect.map_err(str::to_owned));
    }

    #[test]
    fn blocks_are_found_with_their_places() {
        check("", Ok(&[]));
        check("Bag Attributes\n-----BEGIN X-----\nAAAA\n-----END X-----\n", Ok(&[("X", 2, false)]));
        let two = "-----BEGIN X-----\r\nAAAA\r\n-----END X-----\r\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n\
                   -----END ENCRYPTED PRIVATE KEY-----";
        check(two, Ok(&[("X", 1, false), ("ENCRYPTED PRIVATE KEY", 4, true)]));
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
                   -----END RSA PRIVATE KEY-----";
        check(old, Ok(&[("RSA PRIVATE KEY", 1, true)]));
    }

    #[test]
    fn a_block_that_is_none_is_told_by_its_place() {
        check("-----BEGIN X-----\nAAAA\n", Err("a.pem:1 (PEM block 1) does not end"));
        check("-----BEGIN X-----\nAAAA\n-----BEGIN X-----\n", Err("a.pem:1 (PEM block 1) does not end"));
        check("-----BEGIN X-----\nAAAA\n-----END Y-----\n", Err("a.pem:1 (PEM block 1) does not end"));
        let second = "-----BEGIN X-----\nAAAA\n-----END X-----\n-----BEGIN X-----\n!!\n-----END X-----\n";
        check(second, Err("a.pem:4 (PEM block 2) is no base64"));
    }
}
