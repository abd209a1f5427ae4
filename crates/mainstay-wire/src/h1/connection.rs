//! What `Connection` says (RFC 9110 7.6.1).

use super::fault::Fault;
use super::scan::{is_token, list};

/// The options of all `Connection` fields of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `close`, which beats `keep-alive`.
    pub(crate) close: bool,
    /// `keep-alive`.
    pub(crate) keep_alive: bool,
    /// `upgrade`.
    pub(crate) upgrade: bool,
    /// Anything else: names of fields that end here.
    pub(crate) lists_fields: bool,
    count: u8,
}

impl Options {
    /// Adds those of one field value. Empty members are allowed in a list (RFC 9110 5.6.1.2).
    pub(crate) fn note(&mut self, value: &[u8]) -> Result<(), Fault> {
        for option in list(value).filter(|option| !option.is_empty()) {
            self.count += 1;
            if self.count > MOST_OPTIONS {
                return Err(Fault::TooManyOptions);
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if is_token(option) {
                self.lists_fields = true;
            } else {
                return Err(Fault::BadConnection);
            }
        }
        Ok(())
    }
}

/// Each option costs a walk over the fields.
const MOST_OPTIONS: u8 = 16;
