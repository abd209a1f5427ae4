//! Bounds hold as soon as they are passed, never earlier, and also while the head is incomplete.

use mainstay_wire::h1::{Fault, HeadLimits, MOST_FIELDS, MOST_HEAD, Method, Parsed, request, response};

const LIMITS: HeadLimits = HeadLimits { request_line: 100, head: 400, fields: 4 };

fn verdict(bytes: &[u8], limits: &HeadLimits) -> Result<bool, Fault> {
    request(bytes, limits).map(|parsed| parsed != Parsed::More)
}

fn padded(start: &str, pad: usize, end: &str) -> Vec<u8> {
    [start.as_bytes(), &b"a".repeat(pad), end.as_bytes()].concat()
}

#[test]
fn request_line() {
    let frame = "GET / HTTP/1.1".len();
    let fits = padded("GET /", 100 - frame, " HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(verdict(&fits, &LIMITS), Ok(true));
    let longer = padded("GET /", 101 - frame, " HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(verdict(&longer, &LIMITS), Err(Fault::RequestLineTooLong));
    assert_eq!(verdict(&padded("GET /", 96, ""), &LIMITS), Ok(false));
    assert_eq!(verdict(&padded("GET /", 97, ""), &LIMITS), Err(Fault::RequestLineTooLong));
    assert_eq!(verdict(&padded("", 102, ""), &LIMITS), Err(Fault::RequestLineTooLong));
    assert_eq!(Fault::RequestLineTooLong.status(), 414);
}

#[test]
fn head() {
    let start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
    let room = 400 - start.len() - 4;
    assert_eq!(verdict(&padded(start, room, "\r\n\r\n"), &LIMITS), Ok(true));
    assert_eq!(verdict(&padded(&format!("\r\n{start}"), room, "\r\n\r\n"), &LIMITS), Ok(true));
    assert_eq!(verdict(&padded(start, room + 1, "\r\n\r\n"), &LIMITS), Err(Fault::HeadTooLarge));
    assert_eq!(verdict(&padded(start, room + 3, ""), &LIMITS), Ok(false));
    assert_eq!(verdict(&padded(start, room + 4, ""), &LIMITS), Err(Fault::HeadTooLarge));
    assert_eq!(verdict(&padded("GET / HTTP/1.1\r\n", 400, ""), &LIMITS), Err(Fault::HeadTooLarge));
    assert_eq!(Fault::HeadTooLarge.status(), 431);
}

#[test]
fn fields() {
    let start = "GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB:\r\nC:\r\n";
    assert_eq!(verdict(format!("{start}\r\n").as_bytes(), &LIMITS), Ok(true));
    assert_eq!(verdict(start.as_bytes(), &LIMITS), Ok(false));
    assert_eq!(verdict(format!("{start}D").as_bytes(), &LIMITS), Err(Fault::TooManyFields));
    assert_eq!(Fault::TooManyFields.status(), 431);
}

#[test]
fn no_limit_goes_beyond_what_can_be_read() {
    let all = HeadLimits { request_line: usize::MAX, head: usize::MAX, fields: usize::MAX };
    let start = "GET / HTTP/1.1\r\nHost: h\r\n";
    let most = format!("{start}{}", "A: b\r\n".repeat(MOST_FIELDS - 1));
    assert_eq!(verdict(format!("{most}\r\n").as_bytes(), &all), Ok(true));
    assert_eq!(verdict(format!("{most}A").as_bytes(), &all), Err(Fault::TooManyFields));
    let room = MOST_HEAD - start.len() - "X: ".len() - 4;
    assert_eq!(verdict(&padded(&format!("{start}X: "), room, "\r\n\r\n"), &all), Ok(true));
    assert_eq!(verdict(&padded(&format!("{start}X: "), room + 1, "\r\n\r\n"), &all), Err(Fault::HeadTooLarge));
    assert_eq!(verdict(&padded("GET /", MOST_HEAD, ""), &all), Err(Fault::RequestLineTooLong));
    let nothing = HeadLimits { request_line: 0, head: 0, fields: 0 };
    assert_eq!(verdict(b"GET / HTTP/1.1\r\n", &nothing), Err(Fault::RequestLineTooLong));
}

#[test]
fn responses() {
    let verdict = |bytes: &[u8]| response(bytes, &LIMITS, Method::Get).map(|parsed| parsed != Parsed::More);
    let start = "HTTP/1.1 200 OK\r\nX: ";
    let room = 400 - start.len() - 4;
    assert_eq!(verdict(&padded(start, room, "\r\n\r\n")), Ok(true));
    assert_eq!(verdict(&padded(start, room + 1, "\r\n\r\n")), Err(Fault::HeadTooLarge));
    assert_eq!(verdict(&padded(start, room + 3, "")), Ok(false));
    assert_eq!(verdict(&padded(start, room + 4, "")), Err(Fault::HeadTooLarge));
    assert_eq!(verdict(&padded("HTTP/1.1 200 ", 387, "")), Err(Fault::HeadTooLarge));
    assert_eq!(verdict(b"HTTP/1.1 200 OK\r\nA:\r\nB:\r\nC:\r\nD:\r\nE"), Err(Fault::TooManyFields));
}
