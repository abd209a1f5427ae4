//! `mainstay check` on files: examples that are good, and broken ones whose whole report is held.

#![expect(clippy::unwrap_used, reason = "a test says by failing what is wrong")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn broken_files_are_reported_whole() {
    let broken = files(&root().join("crates/mainstay/tests/check"), "toml");
    assert!(broken.len() >= 10, "only {} broken files", broken.len());
    for file in broken {
        let output = check(&file);
        let found = String::from_utf8(output.stdout).unwrap();
        let expected = file.with_extension("expected");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(found, wanted, "{} (UPDATE=1 writes it anew)", file.display());
        assert_eq!(output.status.code(), Some(1), "{}", file.display());
    }
}

#[test]
fn examples_are_good() {
    let mut examples = files(&root().join("examples"), "toml");
    examples.extend(files(&root().join("examples/failover"), "toml"));
    examples.extend(files(&root().join("examples/corda"), "toml"));
    assert!(examples.len() >= 2);
    for file in examples {
        let output = check(&file);
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{found}");
        assert!(found.contains(": good: "), "{found}");
        // They are meant for other machines, with other directories.
        let noted = String::from_utf8(output.stderr).unwrap();
        let mut others = noted.lines().filter(|line| !line.is_empty() && !line.contains("no socket can be made in it"));
        assert_eq!(others.next(), None, "{noted}");
    }
}

#[test]
fn a_map_that_fits_nothing_is_told() {
    let output = mainstay(&["check", "--map", "10.9.9.9:1=127.0.0.1:1", "examples/two-nodes.toml"]);
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(found.contains("what can be mapped: listen::8080, 10.0.1.11:8080, 10.0.1.12:8080"), "{found}");
}

#[test]
fn a_socket_without_a_directory_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    let (none, there) = (dir.path().join("none"), dir.path());
    let listen = |name: &str, folder: &Path| {
        format!("[listen.{name}]\nat = \"unix:{}/{name}.sock\"\nreply = 204\n", folder.display())
    };
    let admin = format!("[admin]\nat = \"unix:{}/admin.sock\"\n", none.display());
    std::fs::write(&file, admin + &listen("bad", &none) + &listen("good", there)).unwrap();
    let output = mainstay(&["check", file.to_str().unwrap()]);
    let noted = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{noted}");
    for what in ["[admin]", "[listen.bad]"] {
        let expect = format!("note: {what}: {} is not there", none.display());
        assert!(noted.contains(&expect), "{expect}: {noted}");
    }
    assert!(!noted.contains("listen.good"), "{noted}");
}

#[test]
fn calls_that_nobody_can_make_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    let noted = |kind: &str, http2: &str, act: &str| {
        let pool = format!("[pool.p]\nnodes = [\"10.0.0.1:4001\"]\n{kind}\n");
        let listen = format!("[listen.l]\nat = \":1001\"\n{http2}\n{act}\n");
        let admin = format!("[admin]\nat = \"unix:{}/admin.sock\"\n", dir.path().display());
        std::fs::write(&file, admin + &pool + &listen).unwrap();
        let output = mainstay(&["check", file.to_str().unwrap()]);
        let noted = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{noted}{}", String::from_utf8_lossy(&output.stdout));
        noted.contains("calls of gRPC come over HTTP/2, and every client that speaks it is answered 505 here")
    };
    let canton = "kind = \"canton\"";
    for (kind, http2, act, expect) in [
        ("", "http2 = false", "to = \"grpc://p\"", true),
        ("", "http2 = false", "routes = [{ path = \"/a\", to = \"grpc://p\" }]", true),
        (canton, "http2 = false", "to = \"http2://p\"", true),
        (canton, "http2 = false", "to = \"grpc://p\"", true),
        // Clients of HTTP/1 may be carried on over HTTP/2.
        ("", "http2 = false", "to = \"http2://p\"", false),
        ("", "http2 = false", "to = \"http://p\"", false),
        (canton, "http2 = \"only\"", "to = \"grpc://p\"", false),
        (canton, "", "to = \"grpc://p\"", false),
    ] {
        assert_eq!(noted(kind, http2, act), expect, "{kind} {http2} {act}");
    }
}

#[test]
fn a_missing_file_is_told() {
    let output = mainstay(&["check", "examples/none.toml"]);
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(found.starts_with("examples/none.toml: cannot be read: "), "{found}");
}

/// Paths in reports are as they were given, so they are given from the root of the project.
fn check(file: &Path) -> Output {
    let path = file.strip_prefix(root()).unwrap();
    mainstay(&["check", path.to_str().unwrap()])
}

fn mainstay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mainstay")).args(arguments).current_dir(root()).output().unwrap()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
