//! Responses that are refused: whatever a node sends, a client gets one reading of it or none.

use mainstay_wire::h1::{Fault, HeadLimits, Method, response};

const LIMITS: HeadLimits = HeadLimits { request_line: 0, head: 8192, fields: 64 };

fn check(head: &[u8], expect: Fault) {
    for asked in [Method::Get, Method::Head] {
        assert_eq!(response(head, &LIMITS, asked).map(|_| "accepted"), Err(expect), "{}", head.escape_ascii());
    }
}

#[test]
fn status_lines() {
    for &(line, fault) in STATUS_LINES {
        check(&[line, b"\r\nContent-Length: 0\r\n\r\n"].concat(), fault);
    }
}

#[test]
fn fields() {
    for &(lines, fault) in FIELDS {
        check(&[b"HTTP/1.1 200 OK\r\n", lines, b"\r\n\r\n"].concat(), fault);
    }
}

#[test]
fn whole_heads() {
    for &(head, fault) in HEADS {
        check(head, fault);
    }
}

const STATUS_LINES: &[(&[u8], Fault)] = &[
    (b"", Fault::BadStatusLine),
    (b"HTTP/1.1", Fault::BadStatusLine),
    (b"HTTP/1.1 ", Fault::BadStatusLine),
    (b"HTTP/1.1 20", Fault::BadStatusLine),
    (b"HTTP/1.1 2000 OK", Fault::BadStatusLine),
    (b"HTTP/1.1 099 OK", Fault::BadStatusLine),
    (b"HTTP/1.1 000 OK", Fault::BadStatusLine),
    (b"HTTP/1.1 -20 OK", Fault::BadStatusLine),
    (b"HTTP/1.1 2x0 OK", Fault::BadStatusLine),
    (b"HTTP/1.1  200 OK", Fault::BadStatusLine),
    (b"HTTP/1.1\t200 OK", Fault::BadStatusLine),
    (b"HTTP/1.1 200\tOK", Fault::BadStatusLine),
    (b"HTTP/1.1 200OK", Fault::BadStatusLine),
    (b" HTTP/1.1 200 OK", Fault::BadStatusLine),
    (b"\r\nHTTP/1.1 200 OK", Fault::BadStatusLine),
    (b"http/1.1 200 OK", Fault::BadStatusLine),
    (b"HTTP/1.x 200 OK", Fault::BadStatusLine),
    (b"HTTP/1 200 OK", Fault::BadStatusLine),
    (b"ICY 200 OK", Fault::BadStatusLine),
    (b"200 OK", Fault::BadStatusLine),
    (b"<html>", Fault::BadStatusLine),
    (b"SSH-2.0-OpenSSH_9.2", Fault::BadStatusLine),
    (b"\x15\x03\x01\x00\x02\x02\x16", Fault::BadStatusLine),
    (b"HTTP/2.0 200 OK", Fault::UnsupportedVersion),
    (b"HTTP/0.9 200 OK", Fault::UnsupportedVersion),
    (b"HTTP/1.1 200 OK\x00", Fault::ControlByte),
    (b"HTTP/1.1 200 O\x1bK", Fault::ControlByte),
    (b"HTTP/1.1 200 OK\x7f", Fault::ControlByte),
    (b"HTTP/1.1 200 OK\nX: y", Fault::BareLf),
    (b"HTTP/1.1 200 OK\rX: y", Fault::BareCr),
    (b"HTTP/1.1 200\nX: y", Fault::BareLf),
];

const FIELDS: &[(&[u8], Fault)] = &[
    (b"Content-Length: 5\r\nContent-Length: 5", Fault::TwoContentLengths),
    (b"Content-Length: 5\r\nContent-Length: 6", Fault::TwoContentLengths),
    (b"Content-Length: 5, 5", Fault::TwoContentLengths),
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Fault::LengthAndCoding),
    (b"Content-Length: +5", Fault::BadContentLength),
    (b"Content-Length: -1", Fault::BadContentLength),
    (b"Content-Length:", Fault::BadContentLength),
    (b"Content-Length: 9223372036854775808", Fault::ContentLengthOverflow),
    (b"Transfer-Encoding: gzip, chunked", Fault::UnknownCoding),
    (b"Transfer-Encoding: gzip", Fault::UnknownCoding),
    (b"Transfer-Encoding: identity", Fault::UnknownCoding),
    (b"Transfer-Encoding: chunked, chunked", Fault::RepeatedCoding),
    (b"Transfer-Encoding: chunked, gzip", Fault::CodingNotFinal),
    (b"Transfer-Encoding:", Fault::BadCoding),
    (b"Content-Length : 5", Fault::SpaceBeforeColon),
    (b"X: a\r\n b", Fault::ObsFold),
    (b"X: a\nY: b", Fault::BareLf),
    (b"X: a\rY: b", Fault::BareCr),
    (b"X: a\x00", Fault::ControlByte),
    (b": a", Fault::EmptyFieldName),
    (b"X\x01: a", Fault::BadFieldName),
    (b"garbage", Fault::MissingColon),
    (b"Connection: a b", Fault::BadConnection),
];

const HEADS: &[(&[u8], Fault)] = &[
    (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::CodingInHttp10),
    (b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n", Fault::ObsFold),
    (b"HTTP/1.1 200 OK\n\n", Fault::BareLf),
    (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", Fault::BodyOnInterim),
    (b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::BodyOnInterim),
    (b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\n\r\n", Fault::BodyOnInterim),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::LengthAndCoding),
];
