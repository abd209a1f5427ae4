//! Calls to a server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::Request;
use prost::Message;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::frame::{self, Reader};
use super::status::{Code, Status};

/// Where a server is, and what is spoken with it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `host:port`.
    pub at: String,
    /// The name its certificate must have.
    pub name: String,
    /// Without it, bytes go as they are.
    pub tls: Option<Arc<ClientConfig>>,
    /// Sent with each call.
    pub token: Option<String>,
}

/// One connection to a server, made anew when it is lost.
#[derive(Debug)]
pub struct Channel {
    endpoint: Endpoint,
    /// Held for as long as it takes to connect, so that those who wait get the same connection.
    connection: Mutex<Option<SendRequest<Bytes>>>,
}

impl Channel {
    /// Connects when it is used.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connection: Mutex::new(None) }
    }

    /// A call with one answer. `within` is told to the server; nothing is waited for longer than that and a second.
    pub async fn one<A: Message + Default>(
        &self,
        path: &str,
        message: &impl Message,
        within: Duration,
    ) -> Result<A, Status> {
        let call = async {
            let mut incoming = self.begin(path, message, Some(within)).await?;
            let first = incoming.next().await?;
            // Its end is its status.
            while first.is_some() && incoming.next::<A>().await?.is_some() {}
            first.ok_or_else(|| Status::cut("an answer without a message"))
        };
        match tokio::time::timeout(within + GRACE, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Status { said: false, ..Status::new(Code::DeadlineExceeded, "nobody has answered in time") }),
        }
    }

    /// A call with a stream of answers; it is open when the server says so.
    pub async fn stream(&self, path: &str, message: &impl Message) -> Result<Incoming, Status> {
        self.begin(path, message, None).await
    }

    async fn begin(&self, path: &str, message: &impl Message, within: Option<Duration>) -> Result<Incoming, Status> {
        let mut sender = self.connected().await?;
        let scheme = if self.endpoint.tls.is_some() { "https" } else { "http" };
        let mut request = Request::post(format!("{scheme}://{}{path}", self.endpoint.name))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(within) = within {
            request = request.header("grpc-timeout", format!("{}m", within.as_millis()));
        }
        if let Some(token) = &self.endpoint.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(()).map_err(|error| Status::new(Code::Internal, error.to_string()))?;
        let (head, mut body) = sender.send_request(request, false).map_err(|error| cut(&error))?;
        body.send_data(frame::write(message), true).map_err(|error| cut(&error))?;
        let (head, body) = head.await.map_err(|error| cut(&error))?.into_parts();
        match Status::read(&head.headers) {
            Some(status) if status.code != Code::Ok => Err(status),
            Some(_) => Err(Status::cut("an answer without a message")),
            None if head.status != http::StatusCode::OK => Err(Status::cut(format!("HTTP {}", head.status))),
            None => Ok(Incoming { body, reader: Reader::default() }),
        }
    }

    async fn connected(&self) -> Result<SendRequest<Bytes>, Status> {
        let mut kept = self.connection.lock().await;
        if let Some(sender) = kept.take()
            && let Ok(sender) = sender.ready().await
        {
            return Ok(kept.insert(sender).clone());
        }
        let sender = tokio::time::timeout(CONNECTING, self.connect()).await;
        let sender = sender.map_err(|_| Status::cut("the connection takes too long"))??;
        Ok(kept.insert(sender).clone())
    }

    async fn connect(&self) -> Result<SendRequest<Bytes>, Status> {
        let Endpoint { at, name, tls, .. } = &self.endpoint;
        let failed = |error: &dyn std::fmt::Display| Status::cut(format!("{at}: {error}"));
        let socket = TcpStream::connect(at).await.map_err(|error| failed(&error))?;
        socket.set_nodelay(true).map_err(|error| failed(&error))?;
        let mut http = h2::client::Builder::new();
        http.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
        let Some(tls) = tls else {
            let (sender, connection) = http.handshake(socket).await.map_err(|error| failed(&error))?;
            tokio::spawn(connection);
            return Ok(sender);
        };
        let name = ServerName::try_from(name.clone()).map_err(|error| failed(&error))?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await;
        let stream = stream.map_err(|error| failed(&error))?;
        let (sender, connection) = http.handshake(stream).await.map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The answers of a stream.
#[derive(Debug)]
pub struct Incoming {
    body: RecvStream,
    reader: Reader,
}

impl Incoming {
    /// The next of them; nothing after a good end.
    pub async fn next<A: Message + Default>(&mut self) -> Result<Option<A>, Status> {
        loop {
            if let Some(message) = self.reader.next()? {
                let message = A::decode(message).map_err(|error| Status::cut(error.to_string()))?;
                return Ok(Some(message));
            }
            let Some(data) = self.body.data().await else { return self.end().await.map(|()| None) };
            let data = data.map_err(|error| cut(&error))?;
            // A window that cannot be given back is that of a stream that has ended.
            let _ended = self.body.flow_control().release_capacity(data.len());
            self.reader.take(&data);
        }
    }

    async fn end(&mut self) -> Result<(), Status> {
        let trailers = self.body.trailers().await.map_err(|error| cut(&error))?;
        match trailers.as_ref().and_then(Status::read) {
            Some(Status { code: Code::Ok, .. }) => Ok(()),
            Some(status) => Err(status),
            None => Err(Status::cut("the stream ended without a status")),
        }
    }
}

fn cut(error: &h2::Error) -> Status {
    Status::cut(error.to_string())
}

/// What a call may take beyond its time before the client gives it up by itself.
const GRACE: Duration = Duration::from_secs(1);
const CONNECTING: Duration = Duration::from_secs(5);
const WINDOW: u32 = 1 << 20;
