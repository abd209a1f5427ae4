//! Sockets in the file system, on both sides.

use std::time::{Duration, Instant};

use mainstay::demo::load::{Account, Load, Plan, Target};
use mainstay::demo::stage::until;

use crate::kit;
use crate::messages::{EMPTY, TRANSPARENT};
use crate::raw::{Backend, Raw, first_line};

#[test]
fn requests_go_from_socket_to_socket() {
    kit::run(async {
        let dir = kit::dir();
        let backend = Backend::unix(&dir.file("node.sock"));
        let path = dir.file("front.sock");
        let rest = format!("[listen.ipc]\nat = \"unix:{}\"\nto = \"http://nodes\"\n{TRANSPARENT}", path.display());
        let _front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, &rest).await;
        let mut client = Raw::connect_unix(&path).await;
        client.send("POST /send HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\nhello").await;
        let mut node = backend.accept().await;
        assert_eq!(first_line(&node.head().await), "POST /send HTTP/1.1");
        node.expect("hello").await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
        // A node that goes leaves its file behind; its successor takes it over.
        drop(node);
        drop(backend);
        std::fs::remove_file(dir.file("node.sock")).expect("the file is there");
        let backend = Backend::unix(&dir.file("node.sock"));
        client.send("GET /again HTTP/1.1\r\nHost: c\r\n\r\n").await;
        let mut node = backend.accept().await;
        assert_eq!(first_line(&node.head().await), "GET /again HTTP/1.1");
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn a_load_over_a_socket_loses_nothing() {
    kit::run(async {
        let dir = kit::dir();
        let node = kit::node("a", &dir).await;
        let path = dir.file("front.sock");
        let rest = format!("[listen.ipc]\nat = \"unix:{}\"\nto = \"http://nodes\"", path.display());
        let _front = kit::front(&dir, &[node.at().to_string()], "", "", &rest).await;
        let open = async || tokio::net::UnixStream::connect(&path).await.is_ok();
        until("the socket does not open", Duration::from_secs(10), open).await.expect("it opens");
        let start = Instant::now();
        let target = Target::Unix(path);
        let plan = Plan { target, rate: 400, fresh_every: 2, timeout: Duration::from_secs(5) };
        let load = Load::start(plan).expect("a load starts");
        kit::done(load.book(), 400).await;
        let account = Account::of(&load.finish(), &kit::rows(&dir), start, Instant::now());
        assert_eq!((account.lost.len(), account.missing, account.twice), (0, 0, 0), "{account}");
    });
}
