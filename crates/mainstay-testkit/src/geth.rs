//! Real geth nodes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Trouble;
use crate::cache::Cache;
use crate::process::{Launch, Process, free_port};

/// A real geth on a development chain of its own, with JSON-RPC over HTTP on 127.0.0.1. Stopped and removed when this is
/// dropped.
#[derive(Debug)]
pub struct Geth {
    // Before the directory: it is dropped first.
    process: Process,
    port: u16,
    _dir: TempDir,
}

impl Geth {
    /// Starts one and waits until it answers.
    pub async fn start(binary: &Path, name: &str) -> Result<Self, Trouble> {
        let dir = TempDir::with_prefix("mainstay-geth-").map_err(|error| Trouble::failed("make a directory", error))?;
        let (port, auth) = (free_port()?, free_port()?);
        let text = |name: &str| dir.path().join(name).display().to_string();
        let args = [
            ["--dev", "--dev.period=1", "--cache=64", "--verbosity=2", "--http", "--http.addr=127.0.0.1"]
                .map(str::to_owned),
            [
                format!("--datadir={}", text("data")),
                format!("--ipcpath={}", text("ipc")),
                format!("--http.port={port}"),
                format!("--authrpc.port={auth}"),
                "--http.api=eth,net,web3".to_owned(),
                "--identity=".to_owned() + name,
            ],
        ];
        let launch = Launch::new(name, binary).args(args.into_iter().flatten());
        let mut process = launch.start(&dir.path().join("log"))?;
        process.ready(STARTING, async || block_number(port).await.is_some()).await?;
        Ok(Self { process, port, _dir: dir })
    }

    /// Where its JSON-RPC is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process, to kill or freeze it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The pinned geth: built once through the Go module proxy and kept in `$MAINSTAY_TEST_CACHE`, or else in
/// `mainstay-testkit` of the user's cache directory. [`Trouble::Missing`] when there is no Go, or no such build with it.
pub async fn geth_binary() -> Result<PathBuf, Trouble> {
    let cache = Cache::own(&format!("geth-{VERSION}"))?;
    let binary = cache.folder.join("geth");
    if binary.exists() {
        return Ok(binary);
    }
    let Some(go) = go() else {
        return Err(Trouble::Missing("no Go to build geth with: install Debian's golang".to_owned()));
    };
    let _held = cache.fill().await?;
    if !binary.exists() {
        build(&go, &cache.folder).await?;
    }
    Ok(binary)
}

async fn build(go: &Path, folder: &Path) -> Result<(), Trouble> {
    let version = Command::new(go).arg("version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut words = vec![format!("GOBIN={}", folder.display()), go.display().to_string(), "install".to_owned()];
    if minor(&version).is_none_or(|minor| minor >= 23) {
        // From 1.23 on the linker refuses a reference this version of geth needs.
        words.push("-ldflags=-checklinkname=0".to_owned());
    }
    words.push(format!("github.com/ethereum/go-ethereum/cmd/geth@{VERSION}"));
    let launch = Launch::new("the build of geth", "env").args(words);
    let built = launch.run(&folder.join("log"), BUILDING).await;
    built.map_err(|trouble| Trouble::Missing(format!("geth cannot be built with {}: {trouble}", version.trim())))
}

/// The minor version in what `go version` says.
fn minor(version: &str) -> Option<u32> {
    let rest = version.split_once("go1.")?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

pub(crate) fn go() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/local/go/bin")]);
    folders.map(|folder| folder.join("go")).find(|go| go.exists())
}

/// What it says to `eth_blockNumber`, asked on a connection of its own.
async fn block_number(port: u16) -> Option<String> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWERING, ask).await.ok()?.ok()?;
    answer.contains("\"result\"").then_some(answer)
}

/// The last version that can be had from the Go module proxy and seals blocks by itself.
const VERSION: &str = "v1.13.15";
/// Longest time to build it with nothing downloaded before.
const BUILDING: Duration = Duration::from_secs(15 * 60);
/// Longest time to start.
const STARTING: Duration = Duration::from_secs(60);
/// Longest time for an answer.
const ANSWERING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn reads_the_version_of_go() {
        assert_eq!(minor("go version go1.26.8 linux/amd64"), Some(26));
        assert_eq!(minor("go version go1.19 linux/amd64"), Some(19));
        assert_eq!(minor("devel"), None);
    }
}
