//! What a head looks like when it goes on.

use mainstay_wire::h1::{
    Connection, ForwardedEdit, HeadLimits, HostEdit, MOST_FIELDS, Method, Parsed, RequestEdit, ResponseEdit, Version,
    request, response,
};

const LIMITS: HeadLimits = HeadLimits { request_line: 1024, head: 4096, fields: 32 };

const PASS: RequestEdit<'static> = RequestEdit {
    prefix: None,
    host: HostEdit::Keep,
    set: &[],
    forwarded: ForwardedEdit::Pass,
    keep_alive: true,
    upgrade: false,
};

const ANSWER: ResponseEdit<'static> =
    ResponseEdit { add: &[], connection: Connection::Keep, client: Version::Http11, status: None, dechunk: false };

/// Lines are written with `\n` here; the head has a blank line behind what is given.
fn check(head: &str, edit: &RequestEdit<'_>, expect: &str) {
    let bytes = crlf(head);
    let Parsed::Done(read) = request(&bytes, &LIMITS).unwrap() else { panic!("incomplete: {head}") };
    let mut out = Vec::new();
    read.write_head(&mut out, edit);
    assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(crlf(expect)).unwrap());
}

fn check_response(head: &str, asked: Method, edit: &ResponseEdit<'_>, expect: &str) {
    let bytes = crlf(head);
    let Parsed::Done(read) = response(&bytes, &LIMITS, asked).unwrap() else { panic!("incomplete: {head}") };
    let mut out = Vec::new();
    read.write_head(&mut out, edit);
    assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(crlf(expect)).unwrap());
}

fn crlf(lines: &str) -> Vec<u8> {
    format!("{lines}\n\n").replace('\n', "\r\n").into_bytes()
}

#[test]
fn an_unedited_head_goes_on_byte_for_byte() {
    for head in [
        "GET /a%2Fb+c//d?e=%20 HTTP/1.1\nHost: h:1\nX-A:  1 \nx-b:2",
        "POST / HTTP/1.1\nhOST:h\nContent-Length: 5\nExpect: 100-continue",
        "OPTIONS * HTTP/1.1\nHost: h",
    ] {
        check(head, &PASS, head);
    }
}

#[test]
fn hop_by_hop_fields_end_here() {
    check(
        "GET / HTTP/1.1\nHost: h\nConnection: keep-alive, X-Foo\nKeep-Alive: 5\nx-foo: 1\nProxy-Connection: close\n\
         TE: gzip\nUpgrade: websocket\nProxy-Authorization: Basic eA==\nX-Bar: 2",
        &PASS,
        "GET / HTTP/1.1\nHost: h\nX-Bar: 2",
    );
    check(
        "GET / HTTP/1.1\nHost: h\nConnection: close\nConnection: X-A , x-b\nX-a: 1\nX-B: 1\nX-A: 2\nX-AB: 3",
        &PASS,
        "GET / HTTP/1.1\nHost: h\nX-AB: 3",
    );
    check(
        "GET / HTTP/1.1\nHost: h\nConnection: X-Forwarded-For\nX-Forwarded-For: 198.51.100.1",
        &RequestEdit { forwarded: ForwardedEdit::Append { client: b"192.0.2.1", proto: b"http" }, ..PASS },
        "GET / HTTP/1.1\nHost: h\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h",
    );
    check_response(
        "HTTP/1.1 200 OK\nConnection: close, X-Foo\nX-Foo: 1\nDate: then\nServer: n\nTransfer-Encoding: chunked\n\
         Trailer: X\nProxy-Authenticate: Basic\nUpgrade: h2c",
        Method::Get,
        &ANSWER,
        "HTTP/1.1 200 OK\nDate: then\nServer: n\nTrailer: X\nTransfer-Encoding: chunked",
    );
}

#[test]
fn targets() {
    let host = "HTTP/1.1\nHost: h";
    for (target, prefix, expect) in [
        ("/a/b%2Fc?d", Some((2, &b"/x"[..])), "/x/b%2Fc?d"),
        ("/a/b%2Fc?d", Some((4, b"")), "/%2Fc?d"),
        ("/a", Some((2, b"")), "/"),
        ("/a?b", Some((2, b"x")), "/x?b"),
        ("/a/b", Some((9, b"/x")), "/x"),
        ("/a?b", Some((9, b"/x/")), "/x/?b"),
        ("/a?b", Some((0, b"/x")), "/x/a?b"),
        ("http://h", None, "/"),
        ("http://h?a", None, "/?a"),
        ("http://h?a", Some((1, b"/x")), "/x?a"),
        ("http://h/a/b?c", None, "/a/b?c"),
        ("http://h/a/b?c", Some((3, b"/x/")), "/x/b?c"),
    ] {
        check(&format!("GET {target} {host}"), &RequestEdit { prefix, ..PASS }, &format!("GET {expect} {host}"));
    }
    let edit = RequestEdit { prefix: Some((1, b"/x")), ..PASS };
    check(&format!("OPTIONS * {host}"), &edit, &format!("OPTIONS * {host}"));
    check(&format!("OPTIONS http://h {host}"), &PASS, &format!("OPTIONS * {host}"));
}

#[test]
fn hosts() {
    let set = RequestEdit { host: HostEdit::Set(b"node:9101"), ..PASS };
    check("GET / HTTP/1.1\nA: 1\nHost: h", &set, "GET / HTTP/1.1\nHost: node:9101\nA: 1");
    check("GET / HTTP/1.0\nA: 1", &set, "GET / HTTP/1.1\nHost: node:9101\nA: 1");
    check("GET / HTTP/1.0\nA: 1", &PASS, "GET / HTTP/1.1\nHost: \nA: 1");
    check("GET http://x:1/ HTTP/1.1\nA: 1\nHost: h", &PASS, "GET / HTTP/1.1\nHost: x:1\nA: 1");
    check("GET http://x:1/ HTTP/1.1\nHost: h", &set, "GET / HTTP/1.1\nHost: node:9101");
}

#[test]
fn framing_is_written_in_one_way() {
    check("PUT / HTTP/1.1\nHost: h\nContent-Length: 007", &PASS, "PUT / HTTP/1.1\nHost: h\nContent-Length: 7");
    check(
        "PUT / HTTP/1.1\nHost: h\ntransfer-encoding:\tCHUNKED\nTrailer: A\nTE: trailers, gzip\nConnection: TE",
        &RequestEdit { keep_alive: false, ..PASS },
        "PUT / HTTP/1.1\nHost: h\nTrailer: A\nTransfer-Encoding: chunked\nTE: trailers\nConnection: close, TE",
    );
    check(
        "PUT / HTTP/1.0\nHost: h\nExpect: 100-continue\nContent-Length: 1",
        &PASS,
        "PUT / HTTP/1.1\nHost: h\nContent-Length: 1",
    );
    check("GET / HTTP/1.7\nHost: h", &PASS, "GET / HTTP/1.1\nHost: h");
}

#[test]
fn upgrades() {
    let head = "GET / HTTP/1.1\nHost: h\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: x";
    check(head, &PASS, "GET / HTTP/1.1\nHost: h\nSec-WebSocket-Key: x");
    check(
        head,
        &RequestEdit { upgrade: true, ..PASS },
        "GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nSec-WebSocket-Key: x\nConnection: upgrade",
    );
    check_response(
        "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nContent-Length: 0",
        Method::Get,
        &ResponseEdit { connection: Connection::Upgrade, ..ANSWER },
        "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: upgrade",
    );
    check_response(
        "HTTP/1.1 426 Upgrade Required\nConnection: Upgrade\nUpgrade: TLS/1.2\nContent-Length: 0",
        Method::Get,
        &ANSWER,
        "HTTP/1.1 426 Upgrade Required\nUpgrade: TLS/1.2\nContent-Length: 0\nConnection: upgrade",
    );
}

#[test]
fn fields_that_are_set() {
    let set = |set| RequestEdit { set, ..PASS };
    let head = "POST / HTTP/1.1\nHost: h\nX-A: 1\nCookie: c\nx-a: 2\nContent-Length: 5\nExpect: 100-continue";
    check(
        head,
        &set(&[(b"x-A", b"new"), (b"COOKIE", b""), (b"Expect", b""), (b"X-B", b"b")]),
        "POST / HTTP/1.1\nHost: h\nContent-Length: 5\nx-A: new\nX-B: b",
    );
    check(
        head,
        &set(&[(b"Host", b"x"), (b"Content-Length", b"6"), (b"transfer-encoding", b"chunked"), (b"Connection", b"x")]),
        head,
    );
    check(head, &set(&[(b"Upgrade", b"x"), (b"TE", b"x"), (b"X", b"")]), head);
}

#[test]
fn the_last_of_the_most_fields_is_judged_too() {
    let head = format!("GET / HTTP/1.1\nHost: h{}", "\nX: 1".repeat(MOST_FIELDS - 2));
    let edit = RequestEdit { set: &[(b"Y", b"")], ..PASS };
    let limits = HeadLimits { fields: MOST_FIELDS, ..LIMITS };
    for (last, expect) in [("\nX: 2", format!("{head}\nX: 2")), ("\ny: 2", head.clone()), ("\nTE: gzip", head.clone())]
    {
        let bytes = crlf(&format!("{head}{last}"));
        let Parsed::Done(read) = request(&bytes, &limits).unwrap() else { panic!("incomplete") };
        let mut out = Vec::new();
        read.write_head(&mut out, &edit);
        assert_eq!(out, crlf(&expect));
        assert_eq!(read.fields().count(), MOST_FIELDS);
    }
}

#[test]
fn what_nodes_are_told_about_the_client() {
    let edit = |forwarded| RequestEdit { forwarded, ..PASS };
    let append = edit(ForwardedEdit::Append { client: b"192.0.2.1", proto: b"http" });
    let replace = edit(ForwardedEdit::Replace { client: b"192.0.2.1", proto: b"http" });
    let plain = "GET / HTTP/1.1\nHost: h";
    let told = "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h";
    check(plain, &append, &format!("{plain}\n{told}"));
    check(plain, &replace, &format!("{plain}\n{told}"));
    let came = format!(
        "{plain}\nX-Forwarded-For: 198.51.100.1\nX-Forwarded-Proto: https\nX-Forwarded-Port: 1\nForwarded: for=a\n\
         X-Forwarded-For: b, c\nX-Forwarded-Host: front"
    );
    check(&came, &PASS, &came);
    check(&came, &replace, &format!("{plain}\n{told}"));
    check(
        &came,
        &append,
        &format!(
            "{plain}\nX-Forwarded-Proto: https\nX-Forwarded-Port: 1\nForwarded: for=a\nX-Forwarded-Host: front\n\
             X-Forwarded-For: 198.51.100.1, b, c, 192.0.2.1"
        ),
    );
    check(
        &came,
        &RequestEdit { set: &[(b"x-forwarded-for", b"mine"), (b"X-Forwarded-Host", b"")], ..replace },
        &format!("{plain}\nX-Forwarded-Proto: http\nx-forwarded-for: mine"),
    );
    check(
        "GET / HTTP/1.0\nA: 1",
        &RequestEdit { host: HostEdit::Set(b"n"), ..append },
        "GET / HTTP/1.1\nHost: n\nA: 1\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http",
    );
}

#[test]
fn answers() {
    let to_10 = ResponseEdit { client: Version::Http10, ..ANSWER };
    let close = ResponseEdit { connection: Connection::Close, ..ANSWER };
    let sized = "HTTP/1.1 200 OK\nServer: n\nContent-Length: 5";
    check_response(sized, Method::Get, &ANSWER, sized);
    check_response(sized, Method::Get, &close, &format!("{sized}\nConnection: close"));
    check_response(sized, Method::Get, &to_10, &format!("{sized}\nConnection: keep-alive"));
    check_response(sized, Method::Head, &ANSWER, sized);
    check_response("HTTP/1.0 404 \nContent-Length: 05", Method::Get, &ANSWER, "HTTP/1.1 404 \nContent-Length: 5");
    check_response("HTTP/1.1 200\nA: 1", Method::Get, &close, "HTTP/1.1 200 \nA: 1\nConnection: close");
    let chunked = "HTTP/1.1 200 OK\nTrailer: X\nTransfer-Encoding: chunked";
    check_response(chunked, Method::Get, &ANSWER, chunked);
    let whole = "HTTP/1.1 200 OK\nConnection: close";
    check_response(chunked, Method::Get, &ResponseEdit { dechunk: true, ..close }, whole);
    check_response(chunked, Method::Get, &ResponseEdit { client: Version::Http10, ..close }, whole);
    check_response("HTTP/1.1 204 No Content\nContent-Length: 5", Method::Get, &ANSWER, "HTTP/1.1 204 No Content");
    check_response(
        "HTTP/1.1 304 Not Modified\nContent-Length: 5\nConnection: Content-Length",
        Method::Get,
        &ANSWER,
        "HTTP/1.1 304 Not Modified\nContent-Length: 5",
    );
    check_response(
        "HTTP/1.1 103 Early Hints\nLink: </a>\nConnection: close",
        Method::Get,
        &close,
        "HTTP/1.1 103 Early Hints\nLink: </a>",
    );
}

#[test]
fn answers_with_another_status_and_more_fields() {
    let edit = ResponseEdit {
        add: &[(b"X-A", b"1"), (b"X-A", b"2"), (b"Content-Length", b"9"), (b"Connection", b"x")],
        status: Some(503),
        ..ANSWER
    };
    check_response(
        "HTTP/1.1 404 Nowhere\nX-A: 0\nContent-Length: 5",
        Method::Get,
        &edit,
        "HTTP/1.1 503 Service Unavailable\nX-A: 0\nContent-Length: 5\nX-A: 1\nX-A: 2",
    );
    check_response(
        "HTTP/1.1 200 OK\nContent-Length: 5",
        Method::Get,
        &ResponseEdit { status: Some(299), ..ANSWER },
        "HTTP/1.1 299 \nContent-Length: 5",
    );
}
