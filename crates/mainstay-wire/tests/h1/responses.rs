//! Responses that are accepted, and what is read in them.

use mainstay_wire::h1::{HeadLimits, Method, Parsed, Response, ResponseBody, Version, response};

const LIMITS: HeadLimits = HeadLimits { request_line: 0, head: 8192, fields: 64 };

fn check<T: PartialEq + std::fmt::Debug>(head: &str, asked: Method, read: fn(&Response<'_>) -> T, expect: T) {
    let bytes = format!("{}\r\n\r\n", head.replace('\n', "\r\n")).into_bytes();
    match response(&bytes, &LIMITS, asked) {
        Ok(Parsed::Done(response)) => {
            assert_eq!(response.len, bytes.len());
            assert_eq!(read(&response), expect, "{head}");
        }
        other => panic!("{head}: {other:?}"),
    }
}

#[test]
fn status_lines() {
    for (line, version, status, reason) in [
        ("HTTP/1.1 200 OK", Version::Http11, 200, "OK"),
        ("HTTP/1.1 200 ", Version::Http11, 200, ""),
        ("HTTP/1.1 200", Version::Http11, 200, ""),
        ("HTTP/1.0 404 Not Found", Version::Http10, 404, "Not Found"),
        ("HTTP/1.2 100 \tGo  on ", Version::Http11, 100, "\tGo  on "),
        ("HTTP/1.1 999 \u{e9}", Version::Http11, 999, "\u{e9}"),
        ("HTTP/1.1 599 200 OK", Version::Http11, 599, "200 OK"),
    ] {
        check(line, Method::Get, |r| (r.version, r.status), (version, status));
        check(line, Method::Get, |r| r.reason.to_vec(), reason.as_bytes().to_vec());
    }
}

#[test]
fn body_lengths() {
    let (get, head) = (Method::Get, Method::Head);
    for (lines, asked, body) in [
        ("HTTP/1.1 200 OK\nContent-Length: 5", get, ResponseBody::Length(5)),
        ("HTTP/1.1 200 OK\nContent-Length: 0", get, ResponseBody::Length(0)),
        ("HTTP/1.1 200 OK\nContent-Length: 5", head, ResponseBody::None),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", get, ResponseBody::Chunked),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", head, ResponseBody::None),
        ("HTTP/1.1 200 OK", get, ResponseBody::UntilClose),
        ("HTTP/1.1 200 OK", head, ResponseBody::None),
        ("HTTP/1.0 200 OK", get, ResponseBody::UntilClose),
        ("HTTP/1.1 100 Continue", get, ResponseBody::None),
        ("HTTP/1.1 103 Early Hints\nContent-Length: 0", get, ResponseBody::None),
        ("HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: x", get, ResponseBody::None),
        ("HTTP/1.1 204 No Content", get, ResponseBody::None),
        ("HTTP/1.1 204 No Content\nContent-Length: 5", get, ResponseBody::None),
        ("HTTP/1.1 204 No Content\nTransfer-Encoding: chunked", get, ResponseBody::None),
        ("HTTP/1.1 304 Not Modified\nContent-Length: 5", get, ResponseBody::None),
        ("HTTP/1.1 304 Not Modified\nTransfer-Encoding: chunked", get, ResponseBody::None),
        ("HTTP/1.1 205 Reset Content\nContent-Length: 0", get, ResponseBody::Length(0)),
        ("HTTP/1.1 500 Oops\nConnection: Content-Length\nContent-Length: 3", get, ResponseBody::Length(3)),
    ] {
        check(lines, asked, |r| r.body, body);
    }
}

#[test]
fn keep_alive() {
    for (lines, keep_alive) in [
        ("HTTP/1.1 200 OK\nContent-Length: 5", true),
        ("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", false),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: Keep-Alive", true),
        ("HTTP/1.1 200 OK", false),
        ("HTTP/1.1 200 OK\nConnection: keep-alive", false),
        ("HTTP/1.0 200 OK\nContent-Length: 5", false),
        ("HTTP/1.0 200 OK\nContent-Length: 5\nConnection: keep-alive", true),
        ("HTTP/1.0 200 OK\nConnection: keep-alive", false),
        ("HTTP/1.1 204 No Content", true),
        ("HTTP/1.1 204 No Content\nContent-Length: 0", true),
        ("HTTP/1.1 204 No Content\nContent-Length: 5", false),
        ("HTTP/1.1 204 No Content\nTransfer-Encoding: chunked", false),
        ("HTTP/1.1 304 Not Modified\nContent-Length: 5", true),
        ("HTTP/1.1 100 Continue", true),
        ("HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: x", false),
    ] {
        check(lines, Method::Get, |r| r.keep_alive, keep_alive);
    }
}

#[test]
fn interim_and_upgrade() {
    for (lines, interim, upgrade) in [
        ("HTTP/1.1 100 Continue", true, None),
        ("HTTP/1.1 103 Early Hints", true, None),
        ("HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket", false, Some("websocket")),
        ("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket", false, None),
        ("HTTP/1.1 200 OK", false, None),
    ] {
        check(lines, Method::Get, |r| r.is_interim(), interim);
        check(lines, Method::Get, |r| r.upgrade.map(<[u8]>::to_vec), upgrade.map(|text| text.as_bytes().to_vec()));
    }
}

#[test]
fn fields_of_requests_mean_nothing_here() {
    let lines = "HTTP/1.1 200 OK\nHost:\nHost: a b\nExpect: x\nTE: y\nContent-Length: 0";
    check(lines, Method::Get, |r| r.fields().count(), 5);
    check(lines, Method::Get, |r| r.field(b"expect").map(<[u8]>::to_vec), Some(b"x".to_vec()));
}
