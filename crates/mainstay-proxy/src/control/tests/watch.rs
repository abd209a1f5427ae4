//! Nodes that are watched as well as checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::harness::{Run, checked, eventually};
use crate::params::Probe;
use crate::view::{OutReason, Standing};

/// A node that tells how it is.
struct Told {
    address: SocketAddr,
    /// 1 is SERVING.
    status: watch::Sender<u8>,
    /// Streams that watch it, all in all.
    watchers: Arc<AtomicU64>,
}

impl Told {
    /// `watchable`: whether it has Watch at all.
    async fn start(watchable: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (status, told) = watch::channel(1);
        let watchers = Arc::<AtomicU64>::default();
        let count = Arc::clone(&watchers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, told.clone(), Arc::clone(&count), watchable));
            }
        });
        Self { address, status, watchers }
    }
}

async fn serve(stream: TcpStream, told: watch::Receiver<u8>, count: Arc<AtomicU64>, watchable: bool) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        match (request.uri().path(), watchable) {
            ("/grpc.health.v1.Health/Check", _) => {
                let status = *told.borrow();
                let mut down = respond.send_response(head(), false).unwrap();
                down.send_data(envelope(status), false).unwrap();
                down.send_trailers(trailers("0")).unwrap();
            }
            ("/grpc.health.v1.Health/Watch", true) => {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(tell(respond, told.clone()));
            }
            _ => {
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = head();
                head.headers_mut().insert("grpc-status", "12".parse().unwrap());
                respond.send_response(head, true).unwrap();
            }
        }
    }
}

/// Tells each status as it changes; 9 ends the stream.
async fn tell(mut respond: SendResponse<Bytes>, mut told: watch::Receiver<u8>) {
    let mut down = respond.send_response(head(), false).unwrap();
    loop {
        let status = *told.borrow_and_update();
        if status == 9 {
            down.send_reset(h2::Reason::INTERNAL_ERROR);
            return;
        }
        // Split, as frames may be.
        let whole = envelope(status);
        let _ = down.send_data(whole.slice(..3), false);
        let _ = down.send_data(whole.slice(3..), false);
        if told.changed().await.is_err() {
            return;
        }
    }
}

fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

fn trailers(status: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert("grpc-status", status.parse().unwrap());
    map
}

fn envelope(status: u8) -> Bytes {
    Bytes::from(vec![0, 0, 0, 0, 2, 8, status])
}

/// A control that would check its nodes once an hour.
fn watching(addresses: &[SocketAddr], watch: bool) -> Run {
    Run::start(checked(addresses, |checker| {
        checker.probe = Probe::Grpc { service: "participant".into(), watch };
        checker.every = Duration::from_secs(3600);
        checker.timeout = Duration::from_secs(20);
    }))
}

#[tokio::test]
async fn what_is_told_is_checked_at_once() {
    let node = Told::start(true).await;
    let mut run = watching(&[node.address], true);
    eventually("it is watched", || node.watchers.load(Ordering::SeqCst) == 1 && run.checks(0) >= 1).await;
    for _ in 0..3 {
        node.status.send_replace(2);
        run.until(&[Standing::Out(OutReason::Unwell)]).await;
        node.status.send_replace(1);
        run.until(&[Standing::In]).await;
    }
    assert_eq!(node.watchers.load(Ordering::SeqCst), 1, "by one stream");
    let told = run.status(0).checks[0].counts.told;
    // The last node of a pool is also looked at for a sign of life, which may be how it came back.
    assert!((3..20).contains(&told), "{told}");
}

#[tokio::test]
async fn a_stream_that_is_lost_is_news_and_another_takes_its_place() {
    let node = Told::start(true).await;
    let mut run = watching(&[node.address], true);
    eventually("it is watched", || node.watchers.load(Ordering::SeqCst) == 1 && run.checks(0) >= 1).await;
    node.status.send_replace(9);
    run.until(&[Standing::Out(OutReason::Unwell)]).await;
    node.status.send_replace(1);
    run.until(&[Standing::In]).await;
    eventually("it is watched again", || node.watchers.load(Ordering::SeqCst) >= 2).await;
}

#[tokio::test]
async fn who_cannot_be_watched_is_asked() {
    let node = Told::start(false).await;
    let mut run = watching(&[node.address], true);
    run.until(&[Standing::In]).await;
    eventually("it was tried", || node.watchers.load(Ordering::SeqCst) == 1 && run.checks(0) >= 1).await;
    assert_eq!(run.status(0).checks[0].counts.told, 0);
    // And who is not to be watched is not.
    let node = Told::start(true).await;
    let run = watching(&[node.address], false);
    eventually("it is checked", || run.checks(0) >= 1).await;
    assert_eq!(node.watchers.load(Ordering::SeqCst), 0);
}
