//! The fuzz targets' corpus, replayed through the checks of the targets.

use std::path::Path;

use crate::support::{checks, http2};

#[test]
fn heads() {
    replay("heads", checks::head);
}

#[test]
fn chunked() {
    replay("chunked", checks::chunked);
}

#[test]
fn http2_connections() {
    replay("http2", http2::http2);
}

#[test]
fn hpack() {
    replay("hpack", http2::hpack);
}

/// The files of the corpus of `target`, as many as can be replayed each time.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= LEAST_FILES, "{} files in {}", files.len(), folder.display());
    files.sort();
    for file in files.iter().take(MOST_FILES) {
        let bytes = std::fs::read(file).unwrap();
        // Which one it is, for when the check panics.
        println!("{}", file.display());
        check(&bytes);
    }
}

const LEAST_FILES: usize = 10;
const MOST_FILES: usize = 1000;
