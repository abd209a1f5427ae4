//! Messages that come in pieces, too early, too late, or unasked.

use crate::kit;
use crate::messages::{EMPTY, Pass};
use crate::raw::{Raw, fields, first_line};

#[test]
fn messages_may_come_byte_by_byte() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        let request =
            "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;e=1\r\nok\r\n0\r\nX-U: 2\r\n\r\n";
        let (head, body) = request.split_at(request.find("3\r\nabc").expect("a body"));
        let mut node = None;
        for _ in 0..2 {
            trickle(&mut client, head).await;
            let mut connected = match node.take() {
                Some(node) => node,
                None => pass.backend.accept().await,
            };
            assert_eq!(first_line(&connected.head().await), "POST /x HTTP/1.1");
            trickle(&mut client, body).await;
            connected.expect(body).await;
            trickle(&mut connected, answer).await;
            client.expect(answer).await;
            node = Some(connected);
        }
    });
}

async fn trickle(to: &mut Raw, text: &str) {
    for byte in text.bytes() {
        to.send([byte]).await;
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_body_may_end_and_the_next_request_begin_anywhere() {
    kit::run(async {
        let pass = Pass::start().await;
        // Around the size of what is read at once, which is 64 KiB.
        for length in [65_000, 65_400, 65_470, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let mut client = pass.client().await;
            let body = "b".repeat(length);
            let first = format!("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
            let second = "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
            let both = first + second;
            let receive = async {
                let mut node = pass.backend.accept().await;
                node.head().await;
                node.expect(&body).await;
                node
            };
            let (mut node, ()) = tokio::join!(receive, client.send(&both));
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            tokio::join!(node.send(&answer), client.expect(&answer));
            assert_eq!(first_line(&node.head().await), "POST /2 HTTP/1.1", "{length}");
            node.expect("hi").await;
            // Closed, so that the next round has a new connection.
            node.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            assert_eq!(first_line(&client.head().await), "HTTP/1.1 200 OK");
        }
    });
}

#[test]
fn what_a_node_says_unasked_reaches_nobody() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        // In the same packet as the answer, or some time later.
        node.send(format!("{EMPTY}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")).await;
        client.expect(EMPTY).await;
        node.closed().await;
        client.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        assert_eq!(first_line(&node.head().await), "GET /2 HTTP/1.1");
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
        node.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
        node.closed().await;
        client.send("GET /3 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        assert_eq!(first_line(&node.head().await), "GET /3 HTTP/1.1");
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn an_answer_before_the_whole_request_reaches_its_client() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nthe first of it").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.expect("the first of it").await;
        node.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!").await;
        drop(node);
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 413 Too Large");
        client.expect("no!").await;
        client.closed().await;
    });
}

#[test]
fn a_client_that_says_no_more_is_still_answered() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi").await;
        client.finish().await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.expect("hi").await;
        node.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 200 OK");
        client.expect("hello").await;
        client.closed().await;
    });
}

#[test]
fn a_client_that_says_no_more_gets_all_of_a_long_answer() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.finish().await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n")).await;
        node.send(vec![b'x'; LONG]).await;
        // What the client has not read yet is with the system when the front is done with it.
        node.send("over").await;
        node.closed().await;
        client.head().await;
        client.skip(LONG).await;
        client.closed().await;
    });
}

#[test]
fn answers_that_are_no_http_become_502() {
    kit::run(async {
        let pass = Pass::start().await;
        for answer in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 101 Unasked\r\n\r\n",
        ] {
            let mut client = pass.client().await;
            client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
            let mut node = pass.backend.accept().await;
            while node.head().await.starts_with("GET / ") {
                // A node that talks nonsense is asked whether it lives.
                node.send(EMPTY).await;
                node = pass.backend.accept().await;
            }
            node.send(answer).await;
            let head = client.head().await;
            assert_eq!(first_line(&head), "HTTP/1.1 502 Bad Gateway", "{answer:?}");
            node.closed().await;
        }
    });
}

#[test]
fn an_answer_that_follows_an_interim_one_at_once_needs_no_body() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 103 Early Hints");
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 413 Too Large");
    });
}

#[test]
fn interim_responses_without_end_are_no_answer() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(257)).await;
        for _ in 0..256 {
            assert_eq!(first_line(&client.head().await), "HTTP/1.1 103 Early Hints");
        }
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 502 Bad Gateway");
    });
}

#[test]
fn each_side_may_close_without_the_other() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        drop(node);
        let head = client.head().await;
        assert!(fields(&head, "connection").iter().all(|value| !value.eq_ignore_ascii_case("close")), "{head}");
        client.send("GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send(EMPTY).await;
        let head = client.head().await;
        assert_eq!(fields(&head, "connection"), ["close"], "{head}");
        client.closed().await;
    });
}

#[test]
fn a_client_that_goes_frees_its_node() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
        client.head().await;
        drop(client);
        let block = vec![b'x'; 1 << 20];
        let mut blocks = 0;
        while node.try_send(&block).await.is_ok() {
            blocks += 1;
            assert!(blocks < 100, "all of it went to nobody");
        }
    });
}

#[test]
fn options_may_ask_about_the_server_as_a_whole() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        assert_eq!(first_line(&node.head().await), "OPTIONS * HTTP/1.1");
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

/// More than a socket takes at once from a client that does not read, less than it takes in the end.
const LONG: usize = 1 << 20;
