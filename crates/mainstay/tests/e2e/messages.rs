//! Messages of every shape, byte for byte, through the front.

use mainstay::demo::stage::{Dir, Front};

use crate::kit;
use crate::raw::{Backend, Raw, fields, first_line};

/// A front that changes nothing it need not, before one node.
pub(crate) struct Pass {
    pub(crate) backend: Backend,
    front: Front,
    _dir: Dir,
}

impl Pass {
    pub(crate) async fn start() -> Self {
        let (dir, backend) = (kit::dir(), Backend::tcp().await);
        let front = kit::front(&dir, &[backend.at()], "", TRANSPARENT, "").await;
        Self { backend, front, _dir: dir }
    }

    pub(crate) async fn client(&self) -> Raw {
        Raw::connect(self.front.at()).await
    }
}

#[test]
fn targets_go_on_byte_for_byte() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
        for target in [
            "/transaction/a%2Fb%2B+c==",
            "/transaction/ab%2fcd%3D%3d?x=%2F&y=a+b",
            "//double//slashes/",
            "/dots/../and/./more/..",
            "/%",
            "/%zz%00",
            "/q?",
            "/?a=b?c=d&&",
            "/~!$&'()*+,;=:@-._/|^`{}[]\"<>\\",
        ] {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
            assert_eq!(first_line(&node.head().await), format!("GET {target} HTTP/1.1"));
            node.send(EMPTY).await;
            client.expect(EMPTY).await;
        }
    });
}

#[test]
fn an_absolute_target_becomes_its_path_and_its_host_wins() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET http://one.example:8080/a%2Fb?c HTTP/1.1\r\nHost: two.example\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        let head = node.head().await;
        assert_eq!(first_line(&head), "GET /a%2Fb?c HTTP/1.1");
        assert_eq!(fields(&head, "host"), ["one.example:8080"]);
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn fields_pass_but_those_of_the_connection() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                    TE: trailers\r\nProxy-Connection: keep-alive\r\nX-Two: 1\r\nx-two: 2\r\nX-Odd:  \tspaced  \r\n\r\n";
        client.send(head).await;
        let mut node = pass.backend.accept().await;
        let head = node.head().await;
        for gone in ["x-hop", "keep-alive", "proxy-connection"] {
            assert!(fields(&head, gone).is_empty(), "{gone} in {head}");
        }
        assert_eq!(fields(&head, "x-two"), ["1", "2"]);
        assert_eq!(fields(&head, "x-odd"), ["spaced"]);
        let answer = "HTTP/1.1 200 Fine\r\nDate: then\r\nServer: node/1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
                      Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nhi";
        node.send(answer).await;
        let head = client.head().await;
        client.expect("hi").await;
        assert_eq!(first_line(&head), "HTTP/1.1 200 Fine");
        assert_eq!((fields(&head, "date"), fields(&head, "server")), (vec!["then"], vec!["node/1"]));
        assert_eq!((fields(&head, "set-cookie"), fields(&head, "x-hop")), (vec!["a", "b"], vec![]));
    });
}

#[test]
fn chunked_bodies_pass_both_ways_with_their_trailers() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").await;
        let mut node = pass.backend.accept().await;
        assert_eq!(fields(&node.head().await, "transfer-encoding"), ["chunked"]);
        node.expect("5\r\nhel").await;
        client.send("lo\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n").await;
        node.expect("lo\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n").await;
        node.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab").await;
        let head = client.head().await;
        assert_eq!(fields(&head, "transfer-encoding"), ["chunked"]);
        client.expect("3\r\nab").await;
        node.send("c\r\n0\r\nX-End: 2\r\n\r\n").await;
        client.expect("c\r\n0\r\nX-End: 2\r\n\r\n").await;
        client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(first_line(&node.head().await), "GET /next HTTP/1.1");
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn answers_without_a_body_leave_the_connection_usable() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("HEAD /0 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        for (number, answer) in [
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"e\"\r\n\r\n",
        ]
        .into_iter()
        .enumerate()
        {
            node.send(answer).await;
            client.expect(answer).await;
            let method = if number == 2 { "HEAD" } else { "GET" };
            client.send(format!("{method} /{number} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
            assert_eq!(first_line(&node.head().await), format!("{method} /{number} HTTP/1.1"));
        }
        // To HEAD the coding may be told or not, but no chunk follows.
        node.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 200 OK");
        client.send("GET /last HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(first_line(&node.head().await), "GET /last HTTP/1.1");
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn an_answer_that_ends_with_its_connection_arrives_whole() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send("HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nhello ").await;
        let head = client.head().await;
        node.send("world").await;
        drop(node);
        let body = client.rest().await;
        // To a client of HTTP/1.1 it may come in chunks; without them its end is the connection's.
        match fields(&head, "transfer-encoding").as_slice() {
            [] => assert_eq!(body, "hello world"),
            _ => assert!(body.ends_with("0\r\n\r\n") && body.contains("hello "), "{body}"),
        }
    });
}

#[test]
fn an_answer_that_breaks_off_is_not_taken_for_whole() {
    kit::run(async {
        let pass = Pass::start().await;
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ] {
            let mut client = pass.client().await;
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let mut node = pass.backend.accept().await;
            node.head().await;
            node.send(answer).await;
            client.expect(answer).await;
            drop(node);
            client.closed().await;
        }
    });
}

#[test]
fn an_http_1_0_client_gets_what_it_understands() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET / HTTP/1.0\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
        let head = client.head().await;
        assert!(fields(&head, "transfer-encoding").is_empty(), "{head}");
        client.expect("hello").await;
        client.closed().await;
    });
}

#[test]
fn interim_responses_pass_on_the_way() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        let head = node.head().await;
        assert_eq!(fields(&head, "expect"), ["100-continue"]);
        node.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 100 Continue");
        client.send("hello").await;
        node.expect("hello").await;
        node.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
        let hints = client.head().await;
        assert_eq!((first_line(&hints), fields(&hints, "link")), ("HTTP/1.1 103 Early Hints", vec!["</a>"]));
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
    });
}

#[test]
fn a_refused_expectation_ends_without_the_body() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(first_line(&client.head().await), "HTTP/1.1 417 No");
        client.closed().await;
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        let mut all = String::new();
        for number in 0..5 {
            all.push_str(&format!("POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab{number}"));
        }
        client.send(&all).await;
        let mut node = pass.backend.accept().await;
        for number in 0..5 {
            assert_eq!(first_line(&node.head().await), format!("POST /{number} HTTP/1.1"));
            node.expect(format!("ab{number}")).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            node.send(&answer).await;
            client.expect(&answer).await;
        }
    });
}

#[test]
fn an_upgrade_becomes_a_tunnel() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        client.send(request).await;
        let mut node = pass.backend.accept().await;
        let head = node.head().await;
        assert_eq!(fields(&head, "upgrade"), ["websocket"]);
        assert!(fields(&head, "connection").iter().any(|value| value.eq_ignore_ascii_case("upgrade")), "{head}");
        // The first bytes of the tunnel come along with the head.
        node.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x00\x01")
            .await;
        let head = client.head().await;
        assert_eq!(first_line(&head), "HTTP/1.1 101 Switching Protocols");
        client.expect("\x00\x01").await;
        client.send("\x02GET / HTTP/1.1\r\n\r\n").await;
        node.expect("\x02GET / HTTP/1.1\r\n\r\n").await;
        client.finish().await;
        node.closed().await;
        node.send("last words").await;
        drop(node);
        assert_eq!(client.rest().await, "last words");
    });
}

#[test]
fn an_upgrade_that_is_declined_is_an_ordinary_answer() {
    kit::run(async {
        let pass = Pass::start().await;
        let mut client = pass.client().await;
        client.send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        let mut node = pass.backend.accept().await;
        node.head().await;
        node.send(EMPTY).await;
        client.expect(EMPTY).await;
        client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(first_line(&node.head().await), "GET /next HTTP/1.1");
    });
}

/// Nothing is added to requests.
pub(crate) const TRANSPARENT: &str = "host = \"keep\"\nforwarded = \"pass\"\nupgrade = true";
/// The shortest good answer.
pub(crate) const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
