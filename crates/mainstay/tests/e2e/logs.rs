//! The access log and the structured log.

use std::time::Duration;

use rustix::process::Signal;

use crate::kit;
use crate::running::{Client, Mainstay, Puppet, read};
use mainstay::demo::stage::until;

#[test]
fn a_request_is_one_line_whatever_is_in_it() {
    for format in ["text", "json"] {
        with_node(async |at| {
            let mut it = Mainstay::start(&configuration(&at, format)).await;
            let front = it.listener("front");
            let mut client = Client::connect(front).await;
            client.get("/a%2Fb+c?x=%00").await;
            assert!(client.answered().await.0.starts_with("HTTP/1.1 200 "));
            for nasty in NASTY {
                let mut client = Client::connect(front).await;
                client
                    .send([b"GET ".as_slice(), nasty, b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"].concat())
                    .await;
                client.head().await;
            }
            it.signal(Signal::TERM);
            it.ended().await;
            let log = read(it.dir.file("access.log"));
            assert!(log.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{log}");
            let first = log.lines().find(|line| line.contains("/a%2Fb+c")).expect("a line");
            if format == "json" {
                for line in log.lines() {
                    let record: serde_json::Value = serde_json::from_str(line).expect("each is an object");
                    assert!(record["status"].as_u64() >= Some(200) && record["listener"] == "front", "{line}");
                }
                let record: serde_json::Value = serde_json::from_str(first).expect("an object");
                assert_eq!((&record["path"], &record["method"]), (&"/a%2Fb+c?x=%00".into(), &"GET".into()));
                assert_eq!(record["tries"], serde_json::json!([{ "node": at, "outcome": "200" }]));
                assert_eq!((record["status"].as_u64(), record["retries"].as_u64()), (Some(200), Some(0)));
                assert!(record["end_s"].as_f64() >= record["first_byte_s"].as_f64(), "{record}");
            } else {
                assert!(first.contains(" front \"GET /a%2Fb+c?x=%00\" 200 in="), "{first}");
                assert!(first.contains(&format!(" via={at}/200 ")), "{first}");
                assert!(log.lines().all(|line| line.starts_with("20") && line.matches('"').count() % 2 == 0), "{log}");
            }
        });
    }
}

const NASTY: [&[u8]; 5] = [b"/\"quoted\"", b"/back\\slash\\", b"/\xff\xfe\x80", b"/\x1b[2J", b"/{\"a\":1}"];

#[test]
fn an_answer_that_a_page_replaces_is_in_the_log() {
    kit::run(async {
        let node = Puppet::new().await;
        let at = node.at().to_string();
        let page = "intercept = true\nerror_pages = { status = 404, answer = 503, to = \"/sorry\" }\n\
             routes = [{ path = \"=/sorry\", reply = 200 }]\n";
        let mut it = Mainstay::start(&(configuration(&at, "text") + page)).await;
        let mut client = Client::connect(it.listener("front")).await;
        client.get("/absent").await;
        node.asked().await.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        assert!(client.answered().await.0.starts_with("HTTP/1.1 503 "));
        it.signal(Signal::TERM);
        it.ended().await;
        let log = read(it.dir.file("access.log"));
        assert!(log.contains(&format!(" via={at}/404 ")), "{log}");
    });
}

#[test]
fn rotated_logs_are_left_and_new_ones_begun() {
    with_node(async |at| {
        let mut it = Mainstay::start(&configuration(&at, "text")).await;
        let mut client = Client::connect(it.listener("front")).await;
        let lines = async |name: &str, path: &str| {
            let file = it.dir.file(name);
            until("no line comes", SOON, async || read(file.clone()).contains(path)).await.expect("it comes");
        };
        client.get("/before").await;
        client.answered().await;
        lines("access.log", "/before").await;
        std::fs::rename(it.dir.file("access.log"), it.dir.file("access.log.1")).expect("it can be moved");
        it.signal(Signal::HUP);
        until("no new file", SOON, async || it.dir.file("access.log").exists()).await.expect("it is opened anew");
        client.get("/after").await;
        client.answered().await;
        lines("access.log", "/after").await;
        let old = read(it.dir.file("access.log.1"));
        assert!(old.contains("/before") && !old.contains("/after"), "{old}");
        it.signal(Signal::TERM);
        assert_eq!(it.ended().await, Some(0));
    });
}

#[test]
fn the_structured_log_is_json_where_that_is_wanted() {
    with_node(async |at| {
        let text = configuration(&at, "json").replace("[log]", "[log]\nto = \"{dir}/main.log\"");
        let mut it = Mainstay::start_until(&text, "main.log", "ready: ").await;
        it.signal(Signal::TERM);
        assert_eq!(it.ended().await, Some(0));
        let log = read(it.dir.file("main.log"));
        for line in log.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("each is an object");
            assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
        }
        assert!(log.contains("everything was finished"), "the last words are written: {log}");
        assert_eq!(read(it.dir.file("log")), "", "and nothing to standard error");
    });
}

fn with_node(test: impl AsyncFnOnce(String)) {
    kit::run(async {
        let node = Puppet::new().await;
        let at = node.at().to_string();
        let local = tokio::task::LocalSet::new();
        local.spawn_local(async move { node.serve("ok").await });
        local.run_until(test(at)).await;
    });
}

fn configuration(node: &str, format: &str) -> String {
    format!(
        "[admin]\nat = \"unix:{{dir}}/admin.sock\"\n[log]\nformat = \"{format}\"\naccess = \"{{dir}}/access.log\"\n\
         [pool.kv]\nnodes = [\"{node}\"]\n[listen.front]\nat = \"127.0.0.1:0\"\nto = \"http://kv\"\n"
    )
}

/// Longest time for what should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(15);
