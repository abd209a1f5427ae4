//! The fuzz target's corpus, replayed through the checks of the target.

use std::path::Path;

use super::check;

#[test]
fn corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/nginx");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!((10..=MOST_FILES).contains(&files.len()), "{} files in {}", files.len(), folder.display());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() <= MOST_BYTES, "{} is too large", file.display());
        // The name, for when the check panics.
        println!("{}", file.display());
        check::nginx(&bytes);
    }
}

#[test]
fn files_cut_short() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nginx");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        for end in (0..=text.len()).step_by(5) {
            check::nginx(&text[..end]);
        }
    }
}

const MOST_FILES: usize = 600;
const MOST_BYTES: usize = 4096;
