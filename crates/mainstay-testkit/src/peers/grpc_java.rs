//! Client and server of gRPC's interoperability tests in Java.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::jars::{Jars, class_path};
use crate::Trouble;
use crate::process::{Launch, Process, free_port};

/// Both, from `grpc-interop-testing`. Over TLS they show and trust certificates that come with it.
#[derive(Debug)]
pub struct GrpcJava {
    jars: Jars,
}

/// The client's HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// That of Netty.
    Netty,
    /// That of OkHttp.
    OkHttp,
}

impl GrpcJava {
    /// Fetches and compiles what is not there. [`Trouble::Missing`] when there is no Maven or no JDK, or they cannot be had.
    pub async fn classes() -> Result<Self, Trouble> {
        let jars = Jars::of("io.grpc:grpc-interop-testing:1.70.0", async |folder| {
            let source = folder.join("Peers.java");
            std::fs::write(&source, PEERS).map_err(|error| Trouble::failed("write a source", error))?;
            let (classes, paths) = (folder.join("classes"), class_path(folder));
            let words = ["-cp".into(), paths.into(), "-d".into(), classes.clone().into_os_string(), source.into()];
            let log = folder.join("log");
            Launch::new("javac", "javac").args(words).run(&log, COMPILING).await?;
            let peers = Jars { folder: folder.to_owned() };
            let certificates = peers.run("java", OPTIONS, MAIN).args(["certificates".into(), classes]);
            certificates.run(&log, COMPILING).await
        });
        Ok(Self { jars: jars.await? })
    }

    /// Starts the server on a free port of 127.0.0.1 and waits until it listens.
    pub async fn serve(&self, log: &Path, is_secure: bool) -> Result<(Process, u16), Trouble> {
        let port = free_port()?;
        let words = ["serve".to_owned(), port.to_string(), is_secure.to_string()];
        let mut process = self.jars.run("grpc-java's server", OPTIONS, MAIN).args(words).start(log)?;
        let listens = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        process.ready(STARTING, listens).await?;
        Ok((process, port))
    }

    /// Plays cases against a server, one after the other; over TLS with one whose certificate is for [`Self::NAME`].
    pub async fn play(
        &self,
        cases: &[&str],
        port: u16,
        log: &Path,
        stack: Stack,
        is_secure: bool,
    ) -> Result<(), Trouble> {
        let words = [
            "play".to_owned(),
            cases.join(","),
            "--server_host=127.0.0.1".to_owned(),
            format!("--server_port={port}"),
            format!("--use_tls={is_secure}"),
            format!("--use_test_ca={is_secure}"),
            format!("--server_host_override={}", Self::NAME),
            format!("--use_okhttp={}", stack == Stack::OkHttp),
            "--soak_iterations=5".to_owned(),
            // Its own are for a machine that does nothing else.
            "--soak_per_iteration_max_acceptable_latency_ms=20000".to_owned(),
            "--soak_overall_timeout_seconds=100".to_owned(),
        ];
        self.jars.run("grpc-java's client", OPTIONS, MAIN).args(words).run(log, PLAYING).await
    }

    /// A file of the certificates that come with it: `ca.pem`, or `server1.pem` and `server1.key` of [`Self::NAME`].
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.jars.folder.join("classes").join(name)
    }

    /// What the server's certificate is for.
    pub const NAME: &str = "foo.test.google.fr";
}

const PEERS: &str = include_str!("Peers.java");
const MAIN: &str = "io.grpc.testing.integration.Peers";
/// For programs that run for seconds.
const OPTIONS: &[&str] = &["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
const COMPILING: Duration = Duration::from_secs(180);
const STARTING: Duration = Duration::from_secs(60);
const PLAYING: Duration = Duration::from_secs(180);
