//! gRPC with client and server in Java.

use mainstay_testkit::{GrpcJava, Stack};

use crate::between::{Secured, between};
use crate::kit::{dir, had, run};
use crate::two::{CASES, perform_long};

#[test]
fn grpc_java_interoperates_in_every_case() {
    let fetched = perform_long(GrpcJava::classes());
    let Some(grpc) = had("grpc_java_interoperates_in_every_case", fetched) else { return };
    for is_secure in [false, true] {
        run(async {
            let dir = dir();
            let (_server, node) = grpc.serve(&dir.file("server.log"), is_secure).await.expect("a server");
            let secured = Secured {
                edge: is_secure.then(|| ["server1.pem", "server1.key"].map(|name| grpc.certificate(name))),
                node: is_secure.then(|| (grpc.certificate("ca.pem"), GrpcJava::NAME)),
            };
            let front = between(&dir, &format!("127.0.0.1:{node}"), "grpc", &secured).await;
            let cases = [CASES, MORE].concat();
            for stack in [Stack::Netty, Stack::OkHttp] {
                let log = dir.file(&format!("{stack:?}.log"));
                let played = grpc.play(&cases, front.at().port(), &log, stack, is_secure).await;
                played.unwrap_or_else(|trouble| panic!("{stack:?}, TLS {is_secure}: {trouble}"));
            }
        });
    }
}

/// Cases that this client has beyond those of all.
const MORE: &[&str] = &[
    "client_compressed_unary_noprobe",
    "client_compressed_streaming_noprobe",
    "server_compressed_unary",
    "server_compressed_streaming",
    "very_large_request",
    "pick_first_unary",
];
