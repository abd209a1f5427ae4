//! Reads HOCON, the language of Corda's and Canton's files, with the place of every value.
//!
//! [`lex`] splits a text into tokens, [`parse`] reads them into the tree of [`raw`], following includes, and [`resolve`]
//! puts the values of substitutions in, which gives [`value`]. It is strict: what it does not know is a fault, and what a
//! file leaves to the environment is marked as such. Not read are `include` of URLs, class paths and Java properties, and
//! system properties of a Java machine.

use std::path::Path;

use super::fault::Report;
use super::source::Sources;

mod lex;
mod mask;
mod parse;
mod raw;
mod resolve;
mod value;

pub use self::value::{Data, Entry, Object, Value};

/// What a file may refer to outside of itself.
pub struct Outside<'a> {
    /// The folder that relative includes count from; `None` follows no include.
    pub folder: Option<&'a Path>,
    /// The environment: what a substitution means that the file does not define.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Reads `text`. It is added to `sources`, as are the files it includes, each with what its secrets are covered. Faults go
/// to `report`; the object is what could be read, and of use only when there is none.
///
/// A required substitution that nothing defines is no fault here but [`Data::Unset`]: whether it matters is for the
/// reader of the value to say.
pub fn read(path: &str, text: &str, outside: &Outside<'_>, sources: &mut Sources, report: &mut Report) -> Object {
    let file = sources.add(path, mask::mask(text));
    let root = parse::Files::new(outside.folder, sources, report).parse(text, file);
    if report.has_faults() {
        return Object::default();
    }
    resolve::resolve(&root, outside.variable, report)
}

/// The names at the beginning of the statements of `text`'s outermost level, as far as it can be read.
pub fn outermost_keys(text: &str) -> Vec<String> {
    parse::outermost_keys(text)
}
