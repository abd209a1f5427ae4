//! Clients of others.

use std::process::{Output, Stdio};

use mainstay::demo::stage::Dir;
use mainstay_testkit::{Grpc, grpcurl_binary};
use tokio::process::Command;

use crate::between::{Secured, between};
use crate::kit::{dir, had, run};
use crate::secure::{certificates, has};
use crate::two::{listening, perform_long};

#[test]
fn a_load_of_others_is_answered_whole() {
    if !has("a_load_of_others_is_answered_whole", H2LOAD) {
        return;
    }
    run(async {
        let dir = dir();
        let ca = certificates(&dir);
        ca.write("body", &"x".repeat(20_000));
        let node = listening().await;
        for (secured, scheme) in [(Secured::default(), "http"), (secured(&dir), "https")] {
            let front = between(&dir, &node.to_string(), "http", &secured).await;
            let url = format!("{scheme}://localhost:{}/", front.at().port());
            for version in [&["--h1"][..], &[]] {
                for body in [&[][..], &["-d", "body"]] {
                    let mut load = Command::new(H2LOAD);
                    // With HTTP/1 several requests are sent before an answer, too.
                    load.current_dir(dir.path()).args(["-n", "1000", "-c", "8", "-m", "8"]).args(version).args(body);
                    let output = ended(load.arg(&url)).await;
                    let told = String::from_utf8_lossy(&output.stdout).into_owned();
                    let expect = "1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout\n\
                                  status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx\n";
                    assert!(told.contains(expect), "{url} {version:?} {body:?}: {output:?}");
                    let spoken = if version.is_empty() { "h2" } else { "http/1.1" };
                    assert!(told.contains(&format!("rotocol: {spoken}")), "{url} {version:?}: {told}");
                }
            }
        }
    });
}

#[test]
fn a_server_is_explored_and_called() {
    let test = "a_server_is_explored_and_called";
    let Some(grpcurl) = had(test, perform_long(grpcurl_binary())) else { return };
    let Some(grpc) = had(test, perform_long(Grpc::binaries())) else { return };
    run(async {
        let dir = dir();
        let _ca = certificates(&dir);
        let (_server, node) = grpc.serve(&dir.file("server.log")).await.expect("a server");
        let node = format!("127.0.0.1:{node}");
        let hows = [&["-plaintext"][..], &["-cacert", "ca.crt"]];
        for (secured, how) in [Secured::default(), secured(&dir)].iter().zip(hows) {
            let front = between(&dir, &node, "grpc", secured).await;
            let at = format!("localhost:{}", front.at().port());
            let call = async |words: &[&str]| {
                let mut command = Command::new(&grpcurl);
                command.current_dir(dir.path()).args(how).args(["-max-time", "30"]).args(words);
                ended(&mut command).await
            };
            let listed = call(&[&at, "list"]).await;
            let told = String::from_utf8_lossy(&listed.stdout).into_owned();
            assert!(
                told.contains("grpc.health.v1.Health\n") && told.contains("grpc.testing.TestService\n"),
                "{listed:?}"
            );
            let many = r#"{"response_parameters": [{"size": 3}, {"size": 70000}, {"size": 5}]}"#;
            let failing = r#"{"response_status": {"code": 9, "message": "not so; 100 % \u00fc"}}"#;
            for (method, message, expect, code) in [
                ("UnaryCall", r#"{"response_size": 4}"#, "\"body\": \"AAAAAA==\"", 0),
                ("StreamingOutputCall", many, "\"body\": \"AAAAAAA=\"", 0),
                ("UnaryCall", failing, "Message: not so; 100 % ü", 64 + 9),
            ] {
                let path = format!("grpc.testing.TestService/{method}");
                let output = call(&["-d", message, &at, &path]).await;
                let told = [&output.stdout[..], &output.stderr].concat();
                let told = String::from_utf8_lossy(&told).into_owned();
                assert!(told.contains(expect) && output.status.code() == Some(code), "{method} {message}: {told}");
            }
        }
    });
}

/// TLS with clients.
fn secured(dir: &Dir) -> Secured {
    Secured { edge: Some(["edge.crt", "edge.key"].map(|name| dir.file(name))), node: None }
}

/// Runs it to its end.
async fn ended(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("it can be run")
}

const H2LOAD: &str = "/usr/bin/h2load";
