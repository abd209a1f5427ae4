//! HTTP/2 and gRPC, judged by programs of others.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mainstay::demo::stage::Front;
use mainstay_testkit::{Grpc, Launch, h2spec_binary};
use tokio::net::TcpListener;

use crate::kit::{dir, exe, had, perform};

#[test]
fn the_listener_conforms_strictly() {
    let built = perform_long(h2spec_binary());
    let Some(h2spec) = had("the_listener_conforms_strictly", built) else { return };
    perform(async {
        let dir = dir();
        let admin = dir.file(Front::ADMIN);
        let node = listening().await;
        let text = |at| {
            format!(
                "[admin]\nat = \"unix:{}\"\n[pool.node]\nnodes = [\"{node}\"]\n\
                 [listen.front]\nat = \"{at}\"\nhttp2 = \"only\"\nto = \"http://node\"\n",
                admin.display()
            )
        };
        let front = Front::start(exe(), &dir, text).await.expect("a front starts");
        let port = front.at().port().to_string();
        let words = ["-h", "127.0.0.1", "-p", &port, "-o", "2", "--strict"].map(str::to_owned);
        // It waits two seconds for each answer, and takes one that came before its second write for a fault, both of which
        // a busy machine brings about: a case that fails for another reason fails every time.
        let mut failed: Option<BTreeSet<String>> = None;
        for attempt in 1.. {
            let log = dir.file(&format!("h2spec.{attempt}.log"));
            // It fails as a whole when one case does.
            let _some_fail =
                Launch::new("h2spec", &h2spec).args(words.clone()).run(&log, Duration::from_secs(240)).await;
            let said = std::fs::read_to_string(&log).expect("a report");
            let cases = said.lines().filter_map(|line| Some(line.rsplit_once('×')?.1.trim().to_owned()));
            let now: BTreeSet<String> = cases.collect();
            let failed = failed.get_or_insert_with(|| now.clone());
            failed.retain(|case| now.contains(case));
            if failed.is_empty() && said.contains("146 tests, ") {
                break;
            }
            assert!(attempt < 4, "{failed:#?}\n{said}");
        }
    });
}

#[test]
fn grpc_interoperates_in_every_case() {
    let built = perform_long(Grpc::binaries());
    let Some(grpc) = had("grpc_interoperates_in_every_case", built) else { return };
    perform(async {
        let dir = dir();
        let (_server, node) = grpc.serve(&dir.file("server.log")).await.expect("a server");
        let admin = dir.file(Front::ADMIN);
        let text = |at| {
            format!(
                "[admin]\nat = \"unix:{}\"\n[pool.calls]\nnodes = [\"127.0.0.1:{node}\"]\n\
                 check = {{ grpc = \"participant\" }}\n[listen.front]\nat = \"{at}\"\nto = \"grpc://calls\"\n",
                admin.display()
            )
        };
        let front = Front::start(exe(), &dir, text).await.expect("a front starts");
        for case in CASES {
            let played = grpc.play(case, front.at().port(), &dir.file(case)).await;
            played.unwrap_or_else(|trouble| panic!("{case}: {trouble}"));
        }
    });
}

/// The address of a node that answers when a request is whole. A front that answered before that would have closed the
/// stream, on which it may then no longer complain of anything.
pub(crate) async fn listening() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async {
                let _whole = request.into_body().collect().await?;
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"hello, hello"))))
            });
            // A request that is cut short ends the connection with an error, as it should.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    at
}

/// Builds a fixture, which may take longer than a test may.
pub(crate) fn perform_long<T>(building: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(building)
}

/// All that pass without anything between client and server.
pub(crate) const CASES: &[&str] = &[
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "custom_metadata",
    "special_status_message",
    "status_code_and_message",
    "unimplemented_method",
    "unimplemented_service",
    "rpc_soak",
    "channel_soak",
];
