//! What is said of whole files, and what they become, as golden texts. `MAINSTAY_BLESS=1` writes them anew.

use std::path::{Path, PathBuf};

use super::config::import::import;
use super::config::{load, load_text};

#[test]
fn tessera_ha() {
    check(&examples(), "tessera-ha", &[]);
}

#[test]
fn goquorum_node() {
    check(&examples(), "goquorum-node", &["url1:port1=127.0.0.1:9101", "url2:port2=127.0.0.1:9102", IPC]);
}

#[test]
fn goquorum_proxy() {
    // The fault that no map mends stays: the mirror's proxy_pass lacks its scheme.
    check(&examples(), "goquorum-proxy", &["url1:port1=127.0.0.1:9101", "quorum/url2:port2=127.0.0.1:9102"]);
}

#[test]
fn quorum_node() {
    check(&examples(), "quorum-node", &[IPC]);
}

#[test]
fn quorum_proxy() {
    check(&examples(), "quorum-proxy", &["listen:22000=127.0.0.1:22001"]);
}

#[test]
fn one_of_everything() {
    check(&goldens(), "everything", &["tessera/10.0.1.11:9101=127.0.0.1:9101"]);
}

#[test]
fn calls_of_grpc() {
    check(&goldens(), "grpc", &[]);
}

#[test]
fn many_faults() {
    check(&goldens(), "broken", &[]);
}

#[test]
fn the_scheme_put_in_the_document_runs() {
    let path = examples().join("goquorum-proxy.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    let mended = text.replace("proxy_pass url2:port2/partyinfo;", "proxy_pass http://url2:port2/partyinfo;");
    assert_ne!(text, mended);
    let maps = ["url1:port1=127.0.0.1:9101", "url2:port2=127.0.0.1:9102"].map(str::to_owned);
    let loaded = load_text("goquorum-proxy.conf", &mended, None, &maps).unwrap();
    assert_eq!(loaded.plan.listeners.len(), 3);
}

#[test]
fn what_is_no_nginx_file() {
    for (name, text) in [("toml", "[pool.a]\nnodes = [\"a:1\"]\n"), ("empty", ""), ("key", "at = \":80\"\n")] {
        let path = std::env::temp_dir().join(format!("mainstay-import-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let faults = import(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(faults.found[0].message, "it is no nginx.conf and no node.conf of Corda", "{name}");
    }
    let faults = import(Path::new("/no/such/file")).unwrap_err();
    assert!(faults.to_string().contains("cannot be read"), "{faults}");
}

/// Holds what `check` says of a file to `NAME.txt`, with maps to `NAME.mapped.txt`, and what `import` prints to
/// `NAME.toml`; and what runs is the same whether the file is run or what was imported.
fn check(folder: &Path, name: &str, maps: &[&str]) {
    let path = folder.join(format!("{name}.conf"));
    let maps: Vec<String> = maps.iter().map(|map| (*map).to_owned()).collect();
    compare(&format!("{name}.txt"), &said(&path, &[]));
    if !maps.is_empty() {
        compare(&format!("{name}.mapped.txt"), &said(&path, &maps));
    }
    let golden = goldens().join(format!("{name}.toml"));
    match import(&path) {
        Ok(imported) => {
            compare(&format!("{name}.toml"), &imported.toml);
            let direct = load(&path, &maps).unwrap();
            let again =
                load_text("imported.toml", &imported.toml, None, &maps).unwrap_or_else(|faults| panic!("{faults}"));
            assert_eq!(direct.plan, again.plan, "{name}");
        }
        Err(_) => assert!(!golden.exists(), "{name} was imported before"),
    }
}

fn said(path: &Path, maps: &[String]) -> String {
    match load(path, maps) {
        Ok(loaded) => format!("{}good: {}\n", loaded.shown_notes(), loaded.summary()),
        Err(faults) => format!("{faults}\n"),
    }
}

/// Paths are shown as they are given; those of this machine are cut.
fn compare(name: &str, found: &str) {
    let golden = goldens().join(name);
    let cut = |text: String, folder: PathBuf| text.replace(&format!("{}/", folder.display()), "");
    let found = cut(cut(found.to_owned(), examples()), goldens());
    if std::env::var_os("MAINSTAY_BLESS").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&golden).unwrap_or_default(), "{}", golden.display());
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nginx")
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nginx/golden")
}

const IPC: &str = "listen:unix:/home/ubuntu/tm.ipc=unix:/tmp/tm.ipc";
