//! Programs of others that speak HTTP/2, gRPC and WebSocket, fetched or built once and kept.

mod grpc_java;
mod jars;
mod ledger;
mod python;
mod web_sockets;

pub use grpc_java::{GrpcJava, Stack};
pub use ledger::{Database, LedgerClient, LedgerServer};
pub use web_sockets::WebSockets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Trouble;
use crate::cache::Cache;
use crate::geth::go;
use crate::process::{Launch, Process, free_port};

/// The conformance tests of h2spec. [`Trouble::Missing`] when there is no Go, or it cannot be built with it.
pub async fn h2spec_binary() -> Result<PathBuf, Trouble> {
    installed("h2spec", "2.2.1", "github.com/summerwind/h2spec/cmd/h2spec").await
}

/// `grpcurl`, a client of gRPC that learns from a server what it may call. [`Trouble::Missing`] as with [`h2spec_binary`].
pub async fn grpcurl_binary() -> Result<PathBuf, Trouble> {
    installed("grpcurl", "1.9.3", "github.com/fullstorydev/grpcurl/cmd/grpcurl").await
}

/// What `go install` makes of this version of a package.
async fn installed(name: &str, version: &str, package: &str) -> Result<PathBuf, Trouble> {
    let cache = Cache::own(&format!("{name}-{version}"))?;
    let binary = cache.folder.join(name);
    let _held = cache.fill().await?;
    if !binary.exists() {
        let words = ["install".to_owned(), format!("{package}@v{version}")];
        build(name, &cache.folder, &cache.folder, words).await?;
    }
    Ok(binary)
}

/// The client and the server by which implementations of gRPC are tried against each other.
#[derive(Debug)]
pub struct Grpc {
    client: PathBuf,
    server: PathBuf,
}

impl Grpc {
    /// Builds them if they are not there. [`Trouble::Missing`] when there is no Go, or they cannot be built with it.
    pub async fn binaries() -> Result<Self, Trouble> {
        let cache = Cache::own("grpc-go-1.85.0-3")?;
        let peers = Self { client: cache.folder.join("client"), server: cache.folder.join("server") };
        let _held = cache.fill().await?;
        if !(peers.client.exists() && peers.server.exists()) {
            let source = cache.folder.join("source");
            let put = |path: PathBuf, text: &str| {
                fs::write(&path, text).map_err(|error| Trouble::failed(format!("write {}", path.display()), error))
            };
            fs::create_dir_all(source.join("server")).map_err(|error| Trouble::failed("make a directory", error))?;
            put(source.join("go.mod"), MODULE)?;
            put(source.join("server/main.go"), SERVER)?;
            let out = format!("{}/", cache.folder.display());
            let words = ["build", "-o", &out, "./server", "google.golang.org/grpc/interop/client"].map(str::to_owned);
            build("grpc-go's peers", &source, &cache.folder, words).await?;
        }
        Ok(peers)
    }

    /// Starts the server on a free port of 127.0.0.1 and waits until it listens.
    pub async fn serve(&self, log: &Path) -> Result<(Process, u16), Trouble> {
        self.serve_with(log, []).await
    }

    /// The same over TLS, with this certificate and its key.
    pub async fn serve_secure(&self, log: &Path, cert: &Path, key: &Path) -> Result<(Process, u16), Trouble> {
        self.serve_with(log, [cert, key].map(|path| path.display().to_string())).await
    }

    async fn serve_with(&self, log: &Path, more: impl IntoIterator<Item = String>) -> Result<(Process, u16), Trouble> {
        let port = free_port()?;
        let launch = Launch::new("grpc-go's server", &self.server).args([port.to_string()]).args(more);
        let mut process = launch.start(log)?;
        let listens = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        process.ready(STARTING, listens).await?;
        Ok((process, port))
    }

    /// Plays one case against a server.
    pub async fn play(&self, case: &str, port: u16, log: &Path) -> Result<(), Trouble> {
        self.play_with(case, port, log, []).await
    }

    /// The same over TLS with a server whose certificate is for localhost and of this authority.
    pub async fn play_secure(&self, case: &str, port: u16, log: &Path, ca: &Path) -> Result<(), Trouble> {
        let more = ["-use_tls=true", "-use_test_ca=true", "-server_host_override=localhost"].map(str::to_owned);
        self.play_with(case, port, log, more.into_iter().chain([format!("-ca_file={}", ca.display())])).await
    }

    async fn play_with(
        &self,
        case: &str,
        port: u16,
        log: &Path,
        more: impl IntoIterator<Item = String>,
    ) -> Result<(), Trouble> {
        let words = [
            "-server_host=127.0.0.1".to_owned(),
            format!("-server_port={port}"),
            format!("-test_case={case}"),
            "-soak_iterations=5".to_owned(),
        ];
        Launch::new(case, &self.client).args(words).args(more).run(log, PLAYING).await
    }
}

async fn build(
    what: &str,
    source: &Path,
    folder: &Path,
    words: impl IntoIterator<Item = String>,
) -> Result<(), Trouble> {
    let Some(go) = go() else {
        return Err(Trouble::Missing(format!("no Go to build {what} with: install Debian's golang")));
    };
    let chdir = format!("--chdir={}", source.display());
    let set = [chdir, format!("GOBIN={}", folder.display()), "GOFLAGS=-mod=mod".to_owned(), go.display().to_string()];
    let launch = Launch::new(what, "env").args(set.into_iter().chain(words));
    let built = launch.run(&folder.join("log"), BUILDING).await;
    built.map_err(|trouble| Trouble::Missing(format!("{what} cannot be built: {trouble}")))
}

const MODULE: &str = "module peers\n\ngo 1.24\n\nrequire google.golang.org/grpc v1.85.0\n";
const SERVER: &str = include_str!("server.go");
/// Longest time to build something with nothing downloaded before.
const BUILDING: Duration = Duration::from_secs(15 * 60);
const STARTING: Duration = Duration::from_secs(60);
const PLAYING: Duration = Duration::from_secs(120);
