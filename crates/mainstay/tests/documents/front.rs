//! Mainstay on one of the documents' files.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use mainstay_testkit::{Launch, Netns, Process, until};

/// A Mainstay that runs an nginx file.
#[derive(Debug)]
pub(crate) struct Front {
    process: Process,
    admin: PathBuf,
}

impl Front {
    /// Starts it and waits until it serves.
    pub(crate) async fn start(folder: &Path, file: &Path, maps: &[String], netns: Option<&Netns>) -> Self {
        let stem = file.file_stem().expect("a file").display().to_string();
        let (admin, log) = (folder.join(format!("{stem}.admin")), folder.join(format!("{stem}.log")));
        let launch = Launch::new("mainstay", exe())
            .args(["run".to_owned(), file.display().to_string()])
            .args(["--admin".to_owned(), format!("unix:{}", admin.display())])
            .args(options(maps))
            .within(netns);
        let mut process = launch.start(&log).expect("it starts");
        let ready = async || std::fs::read_to_string(&log).unwrap_or_default().contains("ready: ");
        process.ready(STARTING, ready).await.unwrap_or_else(|trouble| panic!("{trouble}"));
        Self { process, admin }
    }

    /// What it has said, and what it thinks of its nodes: for the message of a test that fails.
    pub(crate) fn told(&self) -> String {
        format!("{}\n{}", self.process.said(), self.status())
    }

    /// Waits until no node is out.
    pub(crate) async fn all_in(&self) {
        let nodes = |status: &str| {
            let lines = status.lines().filter(|line| line.starts_with("  "));
            lines.map(|line| line.split_whitespace().nth(1) == Some("in")).collect::<Vec<_>>()
        };
        let all = async || {
            let nodes = nodes(&self.status());
            !nodes.is_empty() && nodes.iter().all(|good| *good)
        };
        until("a node stays out", BACK, all).await.unwrap_or_else(|late| panic!("{late}\n{}", self.told()));
    }

    fn status(&self) -> String {
        let admin = format!("unix:{}", self.admin.display());
        let status = std::process::Command::new(exe()).args(["status", "--admin", &admin]).output();
        status.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }
}

/// `mainstay check`: whether the file is good, and everything said.
pub(crate) fn check(file: &Path, maps: &[String]) -> (bool, String) {
    let output = std::process::Command::new(exe()).arg("check").arg(file).args(options(maps)).output();
    let Output { status, stdout, stderr } = output.expect("it runs");
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.success(), text)
}

/// A file of the documents.
pub(crate) fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nginx").join(name)
}

fn options(maps: &[String]) -> impl Iterator<Item = String> {
    maps.iter().flat_map(|map| ["--map".to_owned(), map.clone()])
}

fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mainstay"))
}

/// Longest time to start.
const STARTING: Duration = Duration::from_secs(30);
/// Longest time for a node to be let in again: the documents' checks come every five seconds.
const BACK: Duration = Duration::from_secs(30);
