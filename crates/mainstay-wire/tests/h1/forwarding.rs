//! What a head looks like when it goes on.

use mainstay_wire::h1::{
    Connection, ForwardedEdit, HeadLimits, HostEdit, Method, Parsed, RequestEdit, ResponseEdit, Version, request,
    response,
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
    check_response(
        "HTTP/1.1 200 OK\nConnection: close, X-Foo\nX-Foo: 1\nDate: then\nServer: n\nTransfer-Encoding: chunked\nTrailer: X",
        Method::Get,
        &ANSWER,
        "HTTP/1.1 200 OK\nDate: then\nServer: n\nTrailer: X\nTransfer-Encoding: chunked",
    );
}
