//! The fuzz target's corpus, replayed through the checks of the target.

use std::path::Path;

use super::check;
use super::config::fault::Report;
use super::config::nginx::looks_like_nginx;
use super::config::print::print;
use super::config::read_text;
use super::config::source::Sources;

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
        printed(&String::from_utf8_lossy(&bytes));
    }
}

/// What is printed of a file without faults reads as what was read of the file.
fn printed(text: &str) {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let config = read_text("nginx.conf", text, None, &mut sources, &mut report);
    if report.has_faults() || !looks_like_nginx(text) {
        return;
    }
    let toml = print(&config);
    let again = read_text("printed.toml", &toml, None, &mut sources, &mut report);
    assert!(!report.has_faults(), "{toml}\n{:?}", report.found());
    assert_eq!(config, again, "{toml}");
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
