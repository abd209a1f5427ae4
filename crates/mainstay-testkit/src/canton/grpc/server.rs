//! A port on which gRPC is served, and which can be closed again.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::frame::{self, Reader};
use super::status::{Code, Status};

/// What is served.
pub(in super::super) trait Service: Send + Sync + 'static {
    /// Answers a call. What it returns ends the call.
    fn answer(&self, call: Call, reply: &mut Reply) -> impl Future<Output = Result<(), Status>> + Send;
}

/// A call with its one message.
#[derive(Debug)]
pub(in super::super) struct Call {
    /// `/package.Service/Method`.
    pub(in super::super) path: String,
    fields: HeaderMap,
    message: Bytes,
}

impl Call {
    /// Its message.
    pub(in super::super) fn message<M: Message + Default>(&self) -> Result<M, Status> {
        M::decode(self.message.clone()).map_err(|error| Status::new(Code::Internal, format!("INTERNAL: {error}")))
    }

    /// The token that came with it.
    pub(in super::super) fn token(&self) -> Option<&str> {
        self.fields.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
    }
}

/// Where the answer to a call goes.
#[derive(Debug)]
pub(in super::super) struct Reply {
    respond: SendResponse<Bytes>,
    open: Option<SendStream<Bytes>>,
}

impl Reply {
    /// Answers with the one message there is.
    pub(in super::super) fn one(&mut self, message: &impl Message) -> Result<(), Status> {
        self.begin();
        if let Some(open) = &mut self.open {
            // As in `begin`.
            let _gone = open.send_data(frame::write(message), false);
        }
        Ok(())
    }

    /// Sends the head, which lets the client know that the stream is open.
    pub(in super::super) fn begin(&mut self) {
        if self.open.is_none() {
            // A client that is gone is seen by `gone`.
            self.open = self.respond.send_response(head(), false).ok();
        }
    }

    /// One more message of a stream, as soon as the client takes it.
    pub(in super::super) async fn send(&mut self, message: &impl Message) -> Result<(), Status> {
        self.begin();
        let gone = || Status::cut("the client is gone");
        let Some(open) = &mut self.open else { return Err(gone()) };
        let bytes = frame::write(message);
        open.reserve_capacity(bytes.len());
        while open.capacity() < bytes.len() {
            match std::future::poll_fn(|context| open.poll_capacity(context)).await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(gone()),
            }
        }
        open.send_data(bytes, false).map_err(|_| gone())
    }

    /// Waits until the client is gone.
    pub(in super::super) async fn gone(&mut self) {
        let Some(open) = &mut self.open else { return };
        let _reason = std::future::poll_fn(|context| open.poll_reset(context)).await;
    }

    /// Ends the call, in its head when nothing was sent before.
    fn end(&mut self, status: &Status) {
        let trailers = status.write();
        let _gone = match &mut self.open {
            Some(open) => open.send_trailers(trailers),
            None => {
                let mut head = head();
                head.headers_mut().extend(trailers);
                self.respond.send_response(head, true).map(|_| ())
            }
        };
    }
}

/// How calls that are under way end when a port is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// Each gets this much time.
    Within(Duration),
}

/// A port that is served. It is closed when this is dropped.
#[derive(Debug)]
pub(in super::super) struct Port {
    closing: watch::Sender<Closing>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Port {
    /// Listens, and serves from now on.
    pub(in super::super) async fn open<S: Service>(
        at: &str,
        tls: Option<TlsAcceptor>,
        service: Arc<S>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let (closing, closes) = watch::channel(Closing::No);
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((socket, _)) => {
                        tokio::spawn(connection(socket, tls.clone(), Arc::clone(&service), closes.clone()));
                    }
                    Err(error) => {
                        eprintln!("accept: {error}");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        });
        Ok(Self { closing, accepting })
    }

    /// Refuses whoever connects from now on; cuts what is there after `within`, or a moment in which calls can say how
    /// they end.
    pub(in super::super) async fn close(self, within: Duration) {
        let within = within.max(ENDING);
        self.accepting.abort();
        // Nobody is left to be told when there is no connection.
        let _none = self.closing.send(Closing::Within(within));
        // The listening socket is gone when its task is.
        let closing = self.closing.clone();
        drop(self);
        let _bound = tokio::time::timeout(within + Duration::from_secs(1), closing.closed()).await;
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connection<S: Service>(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    service: Arc<S>,
    closes: watch::Receiver<Closing>,
) {
    let _slower_without = socket.set_nodelay(true);
    let Some(tls) = tls else { return speak(socket, service, closes).await };
    match tokio::time::timeout(HANDSHAKE, tls.accept(socket)).await {
        Ok(Ok(stream)) => speak(stream, service, closes).await,
        Ok(Err(error)) => eprintln!("TLS: {error}"),
        Err(_) => eprintln!("TLS: a client took too long"),
    }
}

async fn speak<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: Arc<S>,
    mut closes: watch::Receiver<Closing>,
) {
    let mut http = h2::server::Builder::new();
    http.max_concurrent_streams(STREAMS);
    // A front brings the calls of many clients, and what these cancel looks like a flood to a server that counts resets.
    // Canton's (grpc-java) does not unless it is told to.
    http.max_pending_accept_reset_streams(RESETS).max_concurrent_reset_streams(RESETS);
    http.max_local_error_reset_streams(None);
    let Ok(Ok(mut connection)) = tokio::time::timeout(HANDSHAKE, http.handshake::<_, Bytes>(stream)).await else {
        return;
    };
    let mut end = None;
    loop {
        let until = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    tokio::spawn(exchange(request, respond, Arc::clone(&service)));
                }
                Some(Err(error)) => {
                    eprintln!("a connection ended: {error}");
                    return;
                }
                None => return,
            },
            changed = closes.changed(), if end.is_none() => {
                let within = match *closes.borrow_and_update() {
                    Closing::Within(within) if changed.is_ok() => within,
                    _ => Duration::ZERO,
                };
                connection.graceful_shutdown();
                end = Some(tokio::time::Instant::now() + within);
            }
            () = until => return,
        }
    }
}

async fn exchange<S: Service>(request: Request<RecvStream>, respond: SendResponse<Bytes>, service: Arc<S>) {
    let (parts, body) = request.into_parts();
    let mut reply = Reply { respond, open: None };
    let answered = async {
        let message = taken(body).await?;
        let call = Call { path: parts.uri.path().to_owned(), fields: parts.headers, message };
        service.answer(call, &mut reply).await
    };
    let status = answered.await.err().unwrap_or_else(|| Status::new(Code::Ok, ""));
    reply.end(&status);
}

/// The one message of a request.
async fn taken(mut body: RecvStream) -> Result<Bytes, Status> {
    let (mut reader, mut message) = (Reader::default(), None);
    while let Some(data) = body.data().await {
        let data = data.map_err(|_| Status::cut("the client is gone"))?;
        // A window that cannot be given back is that of a stream that has ended.
        let _ended = body.flow_control().release_capacity(data.len());
        reader.take(&data);
        if let Some(next) = reader.next()?
            && message.replace(next).is_some()
        {
            return Err(Status::new(Code::Internal, "more than one message"));
        }
    }
    message.ok_or_else(|| Status::new(Code::Internal, "no message"))
}

fn head() -> Response<()> {
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    head
}

/// Longest time for calls to say how they end.
const ENDING: Duration = Duration::from_secs(1);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most calls of one connection at a time.
const STREAMS: u32 = 1000;
/// Most calls that were cancelled and are still known.
const RESETS: usize = 10_000;
