//! A client and a server of WebSocket: the library `websockets`.

use std::path::Path;
use std::time::Duration;

use super::python::Python;
use crate::Trouble;
use crate::process::{Process, free_port};

/// Both, from the package `websockets`.
#[derive(Debug)]
pub struct WebSockets {
    python: Python,
}

impl WebSockets {
    /// Fetches the package if it is not there. [`Trouble::Missing`] when it cannot be had.
    pub async fn scripts() -> Result<Self, Trouble> {
        Ok(Self { python: Python::with(&["websockets==17.4"]).await? })
    }

    /// Starts a server on a free port of 127.0.0.1 that sends back what it gets, over TLS where a certificate and its key
    /// are given, and waits until it listens.
    pub async fn serve(&self, dir: &Path, pair: Option<[&Path; 2]>) -> Result<(Process, u16), Trouble> {
        let port = free_port()?;
        let pair = pair.into_iter().flatten().map(|path| path.display().to_string());
        let words = [port.to_string()].into_iter().chain(pair);
        let launch = self.python.script("web-socket-server.py", SERVER, dir, words)?;
        let mut process = launch.start(&dir.join("web-socket-server.log"))?;
        let listens = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        process.ready(STARTING, listens).await?;
        Ok((process, port))
    }

    /// Plays everything with the server at `url`; one with `wss` must have a certificate of this authority.
    pub async fn play(&self, dir: &Path, url: &str, ca: Option<&Path>) -> Result<(), Trouble> {
        let ca = ca.map(|path| path.display().to_string());
        let words = [url.to_owned()].into_iter().chain(ca);
        let launch = self.python.script("web-socket-client.py", CLIENT, dir, words)?;
        launch.run(&dir.join("web-socket-client.log"), PLAYING).await
    }
}

const SERVER: &str = include_str!("web_socket_server.py");
const CLIENT: &str = include_str!("web_socket_client.py");
const STARTING: Duration = Duration::from_secs(60);
const PLAYING: Duration = Duration::from_secs(120);
