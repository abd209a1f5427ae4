//! Reading a node.conf of Corda, from outside: what is said of whole files, and what they become, as golden texts.
//! `MAINSTAY_BLESS=1` writes them anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use mainstay::config::corda::{looks_like_corda, read_in};
use mainstay::config::fault::{Faults, Report};
use mainstay::config::load_text;
use mainstay::config::nginx::looks_like_nginx;
use mainstay::config::print::print;
use mainstay::config::source::Sources;

#[test]
fn the_document() {
    good("document", &[("HOSTNAME", "corda-1")]);
}

#[test]
fn one_file_for_both_machines() {
    good("bank", &[("HOSTNAME", "corda-2"), ("DB_USER", "bank_a_2")]);
}

#[test]
fn a_trial_on_one_machine() {
    good("trial", &[]);
}

#[test]
fn the_example() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/corda/node.conf");
    let (said, toml) = import(&path, &[]);
    let toml = toml.unwrap_or_else(|| panic!("{said}"));
    assert!(toml.contains("\"postgres://mainstay@db-a:5432,db-b:5432/mainstay?sslmode=verify-full\""), "{toml}");
}

#[test]
fn broken_files_are_reported_whole() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder("broken")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "conf"));
    assert!(files.len() >= 10, "only {} broken files", files.len());
    for path in files {
        let (said, toml) = import(&path, &[("HOSTNAME", "corda-1")]);
        assert_eq!(toml, None, "{}", path.display());
        assert!(!said.contains("hush"), "a secret is shown: {said}");
        compare(&path.with_extension("txt"), &said);
    }
}

#[test]
fn files_are_told_apart() {
    for (text, expect) in [
        ("myLegalName=\"O=A\"", true),
        ("{ \"myLegalName\": \"O=A\" }", true),
        ("// a comment\n\nrpcSettings { address = \"a:1\" }", true),
        ("rpcSettings.address = \"a:1\"", true),
        ("include \"other.conf\"\np2pAddress = \"a:1\"", true),
        ("[pool.a]\nnodes = [\"a:1\"]\n", false),
        ("[pool.rpcSettings]\nnodes = [\"a:1\"]\n", false),
        ("events {}\nhttp { server { listen 80; } }\n", false),
        ("stream { upstream p2pAddress { server a:1; } }\n", false),
        ("", false),
        ("canton { participants { a { } } }", false),
    ] {
        assert_eq!(looks_like_corda(text), expect, "{text}");
    }
    let document = std::fs::read_to_string(folder("golden").join("document.conf")).unwrap();
    assert!(looks_like_corda(&document));
    assert!(!looks_like_corda("worker_processes 1;") && looks_like_nginx("worker_processes 1;"));
}

/// Holds what is said of a file to `NAME.txt` and what it becomes to `NAME.toml`, which must read as a good configuration.
fn good(name: &str, environment: &[(&str, &str)]) {
    let path = folder("golden").join(format!("{name}.conf"));
    let (said, toml) = import(&path, environment);
    let toml = toml.unwrap_or_else(|| panic!("{said}"));
    assert!(!said.contains("not to be shown") && !toml.contains("not to be shown"), "a secret is shown");
    compare(&path.with_extension("txt"), &said);
    compare(&path.with_extension("toml"), &toml);
    let read = load_text("imported.toml", &toml, path.parent(), &[]);
    assert!(read.is_ok(), "{}", read.unwrap_err());
}

/// What is said of a file, and the TOML of it if it is good.
fn import(path: &Path, environment: &[(&str, &str)]) -> (String, Option<String>) {
    let variable =
        |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let text = std::fs::read_to_string(path).unwrap();
    assert!(looks_like_corda(&text), "{}", path.display());
    let shown = path.display().to_string();
    let config = read_in(&shown, &text, path.parent(), &variable, &mut sources, &mut report);
    let toml = (!report.has_faults()).then(|| print(&config));
    let faults = Faults { found: report.into_found(), sources };
    let said = match &toml {
        Some(_) => faults.shown_notes(),
        None => format!("{}{faults}\n", faults.shown_notes()),
    };
    (said, toml)
}

/// Paths are shown as they are given; those of this machine are cut.
fn compare(golden: &Path, found: &str) {
    let folder = golden.parent().unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let found = found.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), "FOLDER");
    let found = found
        .replace(&format!("\"{}\"", host.trim()), "\"MACHINE\"")
        .replace(&format!("node, {}:", host.trim()), "node, MACHINE:");
    if std::env::var_os("MAINSTAY_BLESS").is_some() {
        std::fs::write(golden, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(golden).unwrap_or_default(), "{}", golden.display());
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corda").join(name)
}
