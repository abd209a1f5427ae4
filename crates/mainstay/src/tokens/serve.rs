//! Connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::lines::Target;
use mainstay_pki::jwt::Hashed;
use mainstay_proxy::access::Format;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};

use super::answer::{Bounds, Endpoint};
use super::limit::Limit;
use super::settings::Settings;
use crate::run::logging::Log;
use crate::run::signals::{Signals, Wish};

/// Serves until SIGTERM or SIGINT. SIGHUP has every file read again; a file that is wrong changes nothing.
pub fn command(file: &Path) -> ExitCode {
    let log = match Log::start(LevelFilter::INFO, Format::Text, Target::Stderr) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("mainstay: cannot log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = Settings::read(file).and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(|error| format!("no runtime: {error}"))?.block_on(serve(file, settings))
    });
    log.stop();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mainstay: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(file: &Path, settings: Settings) -> Result<(), String> {
    let mut signals = Signals::take().map_err(|error| format!("no signals: {error}"))?;
    let at = settings.at;
    let listener = TcpListener::bind(at).await.map_err(|error| format!("cannot listen at {at}: {error}"))?;
    let here = listener.local_addr().map_err(|error| format!("cannot listen at {at}: {error}"))?;
    info!(at = %here, clients = settings.clients.len(), kid = settings.signer.kid(), "gives tokens");
    let bounds = Arc::new(Bounds { limit: Mutex::new(Limit::default()), hashing: Semaphore::new(HASHING) });
    let (change, endpoint) = watch::channel(Arc::new(prepare(settings, &bounds)?));
    let mut failures = Failures::default();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Drain | Wish::End => return Ok(()),
                Wish::Reload => match Settings::read(file).and_then(|settings| {
                    if settings.at == at { prepare(settings, &bounds) } else { Err("`at` cannot change while it runs".to_owned()) }
                }) {
                    Ok(next) => {
                        change.send_replace(Arc::new(next));
                        info!("read everything again");
                    }
                    Err(error) => error!("nothing was changed: {error}"),
                },
            },
            (accepted, permit) = accept(&listener, &room) => match accepted {
                Ok((stream, from)) => {
                    let endpoint = endpoint.borrow().clone();
                    drop(tokio::spawn(converse(stream, from, endpoint, permit)));
                }
                Err(error) => {
                    if let Some(unsaid) = failures.one(clock::now()) {
                        warn!(%error, unsaid, "clients cannot be let in: they wait, or are turned away by the kernel");
                    }
                    tokio::time::sleep(AFTER_A_FAILURE).await;
                }
            },
        }
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (io::Result<(TcpStream, SocketAddr)>, Option<OwnedSemaphorePermit>) {
    // It fails for a semaphore that was closed, which this one never is.
    let permit = room.clone().acquire_owned().await.ok();
    (listener.accept().await, permit)
}

fn prepare(settings: Settings, bounds: &Arc<Bounds>) -> Result<Endpoint, String> {
    let nobody = Hashed::new("whoever asks for a name that nobody has").map_err(|error| error.to_string())?;
    Ok(Endpoint { settings: Arc::new(settings), bounds: Arc::clone(bounds), nobody })
}

/// Connections that could not be accepted: told at once, and then no more than now and again.
#[derive(Debug, Default)]
struct Failures {
    said: Option<Moment>,
    unsaid: u64,
}

impl Failures {
    /// One more; how many were not told since the last that was, if this one is to be.
    fn one(&mut self, now: Moment) -> Option<u64> {
        if self.said.is_some_and(|said| now < said + SAID_EVERY) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

async fn converse(stream: TcpStream, from: SocketAddr, endpoint: Arc<Endpoint>, permit: Option<OwnedSemaphorePermit>) {
    let talk = async {
        let stream = match TlsAcceptor::from(endpoint.settings.tls.clone()).accept(stream).await {
            Ok(stream) => stream,
            Err(error) => return debug!(%from, %error, "no TLS"),
        };
        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            let endpoint = endpoint.clone();
            async move { Ok::<_, Infallible>(endpoint.answer(request, from.ip()).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(REQUEST)
            .timer(TokioTimer::new())
            .header_read_timeout(WITHIN)
            .serve_connection(TokioIo::new(stream), service);
        // A client that left is its own fault; there is nobody to tell.
        let _ended = connection.await;
    };
    if tokio::time::timeout(WITHIN, talk).await.is_err() {
        debug!(%from, "was too slow");
    }
    drop(permit);
}

/// Connections at a time; more wait in the kernel.
const CONNECTIONS: usize = 256;

/// Secrets that are hashed at a time.
const HASHING: usize = 2;

/// Bytes of a request's head.
const REQUEST: usize = 16 * 1024;

/// How long a connection may take, from its first byte to its last.
const WITHIN: Duration = Duration::from_secs(10);

/// How long to wait when nothing can be accepted: out of descriptors, most likely.
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

/// How often that is told while it lasts.
const SAID_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_at_once_and_then_now_and_again() {
        let mut failures = Failures::default();
        let start = Moment::ZERO + Duration::from_secs(100);
        let told = [0, 1, 9999, 10_000, 10_001, 30_000].map(|ms| failures.one(start + Duration::from_millis(ms)));
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
