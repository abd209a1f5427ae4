//! Every crate says at its root what it does and what it never does, and has something in it.

use super::{Fault, File};

/// Judges a `crates/NAME/src/lib.rs`.
pub(super) fn root_module(file: &File, syntax: &syn::File) -> Vec<Fault> {
    let is_root = file.crate_folder().is_some_and(|folder| file.path == format!("{folder}/src/lib.rs"));
    if !is_root {
        return Vec::new();
    }
    let docs: String = file.text.lines().map_while(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join("\n");
    let mut faults = Vec::new();
    for (word, advice) in SAYS {
        if !docs.to_lowercase().contains(word) {
            faults.push(file.fault(1, format!("the crate's docs do not say \"{word}\": {advice}")));
        }
    }
    if syntax.items.is_empty() {
        faults.push(file.fault(1, "an empty crate: leave it out until there is something in it"));
    }
    faults
}

const SAYS: &[(&str, &str)] =
    &[("never", "state what it never does"), ("read first", "name the two or three items to read first")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples;

    #[test]
    fn crates_say_what_they_never_do() {
        let case = |path: &str, text: &str, expect: &[(usize, &str)]| {
            let file = samples::file(path, text);
            let syntax = syn::parse_file(&file.text).expect("a sample that parses");
            samples::check(&root_module(&file, &syntax), expect);
        };
        let lib = "crates/mainstay-x/src/lib.rs";
        case(lib, "//! X. *Never* sleeps.\n//! Read first: [`f`].\nfn f() {}", &[]);
        case(lib, "//! X.\n//! Read first: [`f`].\nfn f() {}", &[(1, "\"never\"")]);
        case(lib, "//! X. *Never* sleeps.\nfn f() {}", &[(1, "\"read first\"")]);
        case(lib, "//! X. *Never* sleeps. Read first: nothing.", &[(1, "an empty crate")]);
        case("crates/mainstay-x/src/other.rs", "", &[]);
    }
}
