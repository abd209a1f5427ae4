//! A client as GoQuorum's: kept connections, five seconds for an answer.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

/// Where to connect.
#[derive(Clone, Debug)]
pub(crate) enum To {
    Tcp(String),
    Unix(PathBuf),
}

/// One connection, made anew when it breaks.
#[derive(Debug)]
pub(crate) struct Client {
    to: To,
    kept: Option<SendRequest<Full<Bytes>>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub(crate) fn new(to: To) -> Self {
        Self { to, kept: None }
    }

    pub(crate) fn tcp(at: &str) -> Self {
        Self::new(To::Tcp(at.to_owned()))
    }

    pub(crate) async fn get(&mut self, target: &str) -> Result<Answer, String> {
        self.ask(Request::get(target), Vec::new()).await
    }

    pub(crate) async fn post(&mut self, target: &str, kind: &str, body: Vec<u8>) -> Result<Answer, String> {
        self.ask(Request::post(target).header("content-type", kind), body).await
    }

    async fn ask(&mut self, head: hyper::http::request::Builder, body: Vec<u8>) -> Result<Answer, String> {
        let request = head.header("host", "localhost").body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| error.to_string())?;
        let answered = tokio::time::timeout(TIMEOUT, self.exchange(request)).await;
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")));
        if answered.is_err() {
            self.kept = None;
        }
        answered
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let mut sender = match self.kept.take().filter(|kept| !kept.is_closed()) {
            Some(kept) => kept,
            None => connect(&self.to).await?,
        };
        sender.ready().await.map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        self.kept = Some(sender);
        Ok(Answer { status, body: body.to_bytes().to_vec() })
    }
}

async fn connect(to: &To) -> Result<SendRequest<Full<Bytes>>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let handshaken = match to {
        To::Tcp(at) => {
            let stream = TcpStream::connect(at).await.map_err(failed)?;
            let made = handshake(TokioIo::new(stream)).await;
            made.map(|(sender, connection)| (sender, tokio::spawn(async move { connection.await.is_ok() })))
        }
        To::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(failed)?;
            let made = handshake(TokioIo::new(stream)).await;
            made.map(|(sender, connection)| (sender, tokio::spawn(async move { connection.await.is_ok() })))
        }
    };
    handshaken.map(|(sender, _)| sender).map_err(|error| error.to_string())
}

/// GoQuorum's default.
const TIMEOUT: Duration = Duration::from_secs(5);
