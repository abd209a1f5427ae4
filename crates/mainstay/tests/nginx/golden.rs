//! What is said of whole files, and what they become, as golden texts. `MAINSTAY_BLESS=1` writes them anew.

use std::path::{Path, PathBuf};

use super::config::import::import;

#[test]
fn documents() {
    for name in ["goquorum-node", "goquorum-proxy", "quorum-node", "quorum-proxy", "tessera-ha"] {
        golden(&examples().join(format!("{name}.conf")), name);
    }
}

#[test]
fn one_of_everything() {
    golden(&goldens().join("everything.conf"), "everything");
}

#[test]
fn many_faults() {
    golden(&goldens().join("broken.conf"), "broken");
}

#[test]
fn what_is_no_nginx_file() {
    for (name, text) in [("toml", "[pool.a]\nnodes = [\"a:1\"]\n"), ("empty", ""), ("key", "at = \":80\"\n")] {
        let path = std::env::temp_dir().join(format!("mainstay-import-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let faults = import(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(faults.found[0].message, "it is no nginx.conf", "{name}");
    }
    let faults = import(Path::new("/no/such/file")).unwrap_err();
    assert!(faults.to_string().contains("cannot be read"), "{faults}");
}

/// Holds the import of a file to `golden/NAME.toml` and what is said of it to `golden/NAME.txt`.
fn golden(path: &Path, name: &str) {
    match import(path) {
        Ok(imported) => {
            let notes: Vec<String> = imported.notes.iter().map(|note| note.render(&imported.sources)).collect();
            compare(&goldens().join(format!("{name}.txt")), &notes.join("\n"));
            compare(&goldens().join(format!("{name}.toml")), &imported.toml);
        }
        Err(faults) => {
            compare(&goldens().join(format!("{name}.txt")), &format!("{faults}\n"));
            assert!(!goldens().join(format!("{name}.toml")).exists(), "{name} was imported before");
        }
    }
}

/// Paths are shown as they are given; those of this machine are cut.
fn compare(golden: &Path, found: &str) {
    let found =
        found.replace(&format!("{}/", examples().display()), "").replace(&format!("{}/", goldens().display()), "");
    if std::env::var_os("MAINSTAY_BLESS").is_some() {
        std::fs::write(golden, &found).unwrap();
    }
    let expect = std::fs::read_to_string(golden).unwrap_or_default();
    assert_eq!(found, expect, "{}", golden.display());
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nginx")
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nginx/golden")
}
