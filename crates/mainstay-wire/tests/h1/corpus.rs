//! The fuzz targets' corpus, replayed through the checks of the targets.

use std::path::Path;

use crate::support::checks;

#[test]
fn heads() {
    replay("heads", checks::head);
}

#[test]
fn chunked() {
    replay("chunked", checks::chunked);
}

/// Every file of the corpus of `target`, which is kept small enough to replay each time.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!((10..=MOST_FILES).contains(&files.len()), "{} files in {}", files.len(), folder.display());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() <= MOST_BYTES, "{} is too large", file.display());
        // The name, for when the check panics.
        println!("{}", file.display());
        check(&bytes);
    }
}

const MOST_FILES: usize = 300;
const MOST_BYTES: usize = 4096;
