//! The corpus of the fuzz target, read again.

use std::path::Path;

use super::check::toml;

#[test]
fn every_input_of_the_corpus_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for folder in ["fuzz/corpus/toml", "examples", "crates/mainstay/tests/check"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                toml(&std::fs::read(&path).unwrap());
                count += 1;
            }
        }
    }
    assert!(count > 20, "only {count} inputs");
}

/// A file that is cut anywhere is still reported, not stumbled over.
#[test]
fn every_prefix_of_a_file_is_read() {
    let text = include_str!("../check/routes.toml");
    for (end, _) in text.char_indices() {
        toml(&text.as_bytes()[..end]);
    }
}
