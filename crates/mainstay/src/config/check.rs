//! `mainstay check FILE`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use mainstay_proxy::params::At;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::process::Admin;
use super::{Loaded, load};

/// Reports everything that is wrong with a file on standard output, or one line that says it is good; notes go to
/// standard error, and with them what this machine lacks: the file may be meant for another. Exits 0 when the file is
/// good, else 1.
pub fn command(path: &Path, maps: &[String]) -> ExitCode {
    let (text, notes, code) = match load(path, maps) {
        Ok(loaded) => {
            let text = format!("{}: good: {}", path.display(), loaded.summary());
            (text, loaded.shown_notes() + &sockets(path, &loaded), ExitCode::SUCCESS)
        }
        Err(faults) => (faults.to_string(), faults.shown_notes(), ExitCode::FAILURE),
    };
    // Whoever closed the other end does not want to know.
    let _ = std::io::stderr().write_all(notes.as_bytes());
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

/// Which unix sockets could not be made here, and why.
fn sockets(file: &Path, loaded: &Loaded) -> String {
    let listeners = loaded.plan.listeners.iter().filter_map(|listener| match &listener.at {
        At::Unix { path, .. } => Some((format!("[listen.{}]", listener.name), path.as_path())),
        At::Tcp(_) => None,
    });
    let admin = match &loaded.process.admin {
        Admin::Unix(path) => Some(("[admin]".to_owned(), path.as_path())),
        Admin::Default | Admin::Off | Admin::Tcp(_) => None,
    };
    let mut text = String::new();
    for (what, path) in listeners.chain(admin) {
        if let Some(fault) = without_room(path) {
            let written = writeln!(text, "{}: note: {what}: {fault}\n", file.display());
            debug_assert!(written.is_ok(), "a String takes everything");
        }
    }
    text
}

/// Why no socket can be made at this path.
fn without_room(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = folder.display();
    if folder.exists() && !folder.is_dir() {
        return Some(format!("{shown} is not a directory: name another path for the socket"));
    }
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => None,
        Err(Errno::NOENT) => Some(format!(
            "{shown} is not there, so that no socket can be made in it: `mkdir -p {shown}`, or have systemd make it \
             (RuntimeDirectory=)"
        )),
        Err(error) => Some(format!(
            "no socket can be made in {shown} by user {}: {error}: let that user write there, or name another path",
            rustix::process::geteuid().as_raw()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_needs_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let check = |path: &Path, expect: Option<&str>| {
            let found = without_room(path);
            assert_eq!(found.is_some(), expect.is_some(), "{found:?}");
            assert!(found.unwrap_or_default().contains(expect.unwrap_or_default()), "{}", path.display());
        };
        check(&dir.path().join("a.sock"), None);
        check(Path::new("a.sock"), None);
        check(&dir.path().join("none/a.sock"), Some("mkdir -p"));
        check(&file.join("a.sock"), Some("not a directory"));
    }
}
