//! Requests that are accepted, and what is read in them.

use mainstay_wire::h1::{BodyLength, HeadLimits, Method, Parsed, Request, Version, host_name, request};

const LIMITS: HeadLimits = HeadLimits { request_line: 1024, head: 8192, fields: 64 };

fn read(head: &[u8]) -> Request<'_> {
    match request(head, &LIMITS) {
        Ok(Parsed::Done(request)) => request,
        other => panic!("{}: {other:?}", head.escape_ascii()),
    }
}

/// A request with these field lines beside Host.
fn with_fields(version: &str, lines: &str) -> Vec<u8> {
    format!("POST / HTTP/{version}\r\nHost: h\r\n{}\r\n", lines.replace('\n', "\r\n")).into_bytes()
}

#[test]
fn targets_are_taken_apart_and_kept_as_they_came() {
    let check = |method: &str, target: &str, path: &str, query: Option<&str>, origin: &str, host: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        let read = read(&head);
        assert_eq!(read.target, target.as_bytes());
        assert_eq!(read.path, path.as_bytes(), "path of {target}");
        assert_eq!(read.query, query.map(str::as_bytes), "query of {target}");
        assert_eq!(read.origin, origin.as_bytes(), "origin of {target}");
        assert_eq!(read.host, Some(host.as_bytes()), "host of {target}");
    };
    for target in [
        "/",
        "/transaction/4pXJ%2Bq0V+d8Tn%2FyS5m1W/cLr==",
        "//a//b/../c/./d;p=1",
        "/%00%zz%",
        "/a\"<>\\^`{|}~!$&'()*,:@[]",
        "/http://x/",
    ] {
        check("GET", target, target, None, target, "h");
    }
    check("GET", "/a?b=c%20d?e", "/a", Some("b=c%20d?e"), "/a?b=c%20d?e", "h");
    check("GET", "/?", "/", Some(""), "/?", "h");
    check("OPTIONS", "*", "*", None, "*", "h");
    check("GET", "http://x:81/a/b?c", "/a/b", Some("c"), "/a/b?c", "x:81");
    check("GET", "HTTPS://x/a", "/a", None, "/a", "x");
    check("GET", "http://x", "/", None, "/", "x");
    check("GET", "http://x?a/b", "/", Some("a/b"), "?a/b", "x");
    check("OPTIONS", "http://x", "*", None, "*", "x");
    check("OPTIONS", "http://x/", "/", None, "/", "x");
    check("GET", "http://[2001:db8::1]:80/", "/", None, "/", "[2001:db8::1]:80");
}

#[test]
fn hosts() {
    for (host, name) in [
        ("h", "h"),
        ("tessera_1:9080", "tessera_1"),
        ("a.B-c.example.:0", "a.B-c.example."),
        ("127.0.0.1:65535", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]"),
        ("h:", "h"),
        ("a%20b", "a%20b"),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: \t{host} \r\n\r\n").into_bytes();
        assert_eq!(read(&head).host, Some(host.as_bytes()));
        assert_eq!(host_name(host.as_bytes()), name.as_bytes());
    }
    assert_eq!(read(b"GET / HTTP/1.0\r\n\r\n").host, None);
    assert_eq!(read(b"GET http://x/ HTTP/1.0\r\n\r\n").host, Some(&b"x"[..]));
    assert_eq!(host_name(b"a b"), b"a b");
}

#[test]
fn methods() {
    for (text, method, safe, idempotent) in [
        ("GET", Method::Get, true, true),
        ("HEAD", Method::Head, true, true),
        ("OPTIONS", Method::Options, true, true),
        ("PUT", Method::Put, false, true),
        ("DELETE", Method::Delete, false, true),
        ("POST", Method::Post, false, false),
        ("PATCH", Method::Patch, false, false),
        ("get", Method::Other, false, false),
        ("M-SEARCH", Method::Other, false, false),
        ("CONNECTED", Method::Other, false, false),
        ("PRI", Method::Other, false, false),
    ] {
        let head = format!("{text} / HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        let read = read(&head);
        assert_eq!((read.method, read.method_text), (method, text.as_bytes()));
        assert_eq!((method.is_safe(), method.is_idempotent()), (safe, idempotent), "{text}");
    }
}

#[test]
fn body_lengths() {
    for (lines, body) in [
        ("", BodyLength::None),
        ("Content-Length: 0\n", BodyLength::Length(0)),
        ("Content-Length:5\n", BodyLength::Length(5)),
        ("content-length: \t 0005 \t\n", BodyLength::Length(5)),
        ("Content-Length: 9223372036854775807\n", BodyLength::Length(i64::MAX as u64)),
        ("Transfer-Encoding: chunked\n", BodyLength::Chunked),
        ("TRANSFER-ENCODING:\tChunKed \n", BodyLength::Chunked),
        ("Content_Length: 5\nTransfer_Encoding: chunked\nX-Content-Length: 7\n", BodyLength::None),
    ] {
        assert_eq!(read(&with_fields("1.1", lines)).body, body, "{lines}");
    }
}

#[test]
fn versions_and_keep_alive() {
    for (version, lines, expect, keep_alive) in [
        ("1.1", "", Version::Http11, true),
        ("1.1", "Connection: close\n", Version::Http11, false),
        ("1.1", "Connection: Keep-Alive\nConnection: CLOSE\n", Version::Http11, false),
        ("1.1", "Connection: keep-alive, X-Foo\n", Version::Http11, true),
        ("1.1", "Connection: close, upgrade\n", Version::Http11, false),
        ("1.1", "Connection: ,,\n", Version::Http11, true),
        ("1.1", "Connection:\n", Version::Http11, true),
        ("1.1", "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o\nConnection: close\n", Version::Http11, false),
        ("1.1", "Connection: not-close\n", Version::Http11, true),
        ("1.1", "Proxy-Connection: close\n", Version::Http11, true),
        ("1.2", "", Version::Http11, true),
        ("1.9", "", Version::Http11, true),
        ("1.0", "", Version::Http10, false),
        ("1.0", "Connection: keep-alive\n", Version::Http10, true),
        ("1.0", "Connection: keep-alive, close\n", Version::Http10, false),
        ("1.0", "Proxy-Connection: keep-alive\n", Version::Http10, false),
    ] {
        let head = with_fields(version, lines);
        let read = read(&head);
        assert_eq!((read.version, read.keep_alive), (expect, keep_alive), "{version} {lines}");
    }
}

#[test]
fn expectations() {
    for (version, lines, expect) in [
        ("1.1", "Expect: 100-continue\nContent-Length: 1\n", true),
        ("1.1", "Expect: 100-Continue\nTransfer-Encoding: chunked\n", true),
        ("1.1", "Expect: 100-continue, 100-continue\nContent-Length: 1\n", true),
        ("1.1", "Expect: 100-continue\nContent-Length: 0\n", false),
        ("1.1", "Expect: 100-continue\n", false),
        ("1.0", "Expect: 100-continue\nContent-Length: 1\n", false),
        ("1.1", "Content-Length: 1\n", false),
    ] {
        assert_eq!(read(&with_fields(version, lines)).expect_continue, expect, "{version} {lines}");
    }
}

#[test]
fn upgrades() {
    for (version, lines, upgrade) in [
        ("1.1", "Connection: Upgrade\nUpgrade: websocket\n", Some("websocket")),
        ("1.1", "Upgrade: a/1, b\nConnection: keep-alive, upgrade\n", Some("a/1, b")),
        ("1.1", "Connection: close, upgrade\nUpgrade: websocket\n", Some("websocket")),
        ("1.1", "Connection: Upgrade\nUpgrade: websocket\nContent-Length: 0\n", Some("websocket")),
        ("1.1", "Connection: Upgrade\nUpgrade: websocket\nContent-Length: 1\n", None),
        ("1.1", "Connection: Upgrade\nUpgrade: websocket\nTransfer-Encoding: chunked\n", None),
        ("1.1", "Connection: keep-alive\nUpgrade: websocket\n", None),
        ("1.1", "Connection: Upgrade\n", None),
        ("1.1", "Connection: Upgrade\nUpgrade:\n", None),
        ("1.1", "Connection: Upgrade\nUpgrade: a\nUpgrade: b\n", None),
        ("1.1", "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x\n", None),
        ("1.1", "Connection: Upgrade\nUpgrade: websocket, H2C\n", None),
        ("1.0", "Connection: Upgrade\nUpgrade: websocket\n", None),
    ] {
        assert_eq!(read(&with_fields(version, lines)).upgrade, upgrade.map(str::as_bytes), "{version} {lines}");
    }
}

#[test]
fn fields_are_given_as_they_came() {
    let head =
        with_fields("1.1", "X-A:  1 2\t \nx-a:3\nEmpty:\nSpaces:  \nTab: a\tb\nHigh: \u{e9}\n!#$%&'*+-.^_`|~09: x\n");
    let read = read(&head);
    let fields: Vec<(&[u8], &[u8])> = read.fields().collect();
    assert_eq!(
        fields,
        [
            (&b"Host"[..], &b"h"[..]),
            (b"X-A", b"1 2"),
            (b"x-a", b"3"),
            (b"Empty", b""),
            (b"Spaces", b""),
            (b"Tab", b"a\tb"),
            (b"High", "\u{e9}".as_bytes()),
            (b"!#$%&'*+-.^_`|~09", b"x"),
        ]
    );
    assert_eq!(read.field(b"x-A"), Some(&b"1 2"[..]));
    assert_eq!(read.field(b"empty"), Some(&b""[..]));
    assert_eq!(read.field(b"X"), None);
    assert_eq!(read.field(b"X-A: 1"), None);
}

#[test]
fn a_head_ends_where_the_next_begins() {
    let first = b"\r\n\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
    let bytes = [&first[..], b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n\x00garbage"].concat();
    let one = read(&bytes);
    assert_eq!((one.len, one.path), (first.len(), &b"/1"[..]));
    let two = read(&bytes[one.len..]);
    assert_eq!((two.path, &bytes[one.len + two.len..]), (&b"/2"[..], &b"\x00garbage"[..]));
}
