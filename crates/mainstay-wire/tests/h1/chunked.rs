//! Chunked bodies: what is data, where they end, and what is refused.

use mainstay_wire::h1::{ChunkLimits, Chunks, Fault, Scan};

const LIMITS: ChunkLimits = ChunkLimits { extensions: 64, trailers: 128 };

/// Reads `body` in pieces of `piece` bytes. What is left of it when it is done is not handed over.
fn read(body: &[u8], piece: usize, limits: ChunkLimits) -> Result<(usize, bool, Vec<u8>), Fault> {
    let (mut chunks, mut used, mut data) = (Chunks::new(limits), 0, Vec::new());
    for piece in body.chunks(piece) {
        let scan = chunks.decode(piece, |bytes| data.extend_from_slice(bytes))?;
        used += scan.used;
        if scan.done {
            return Ok((used, true, data));
        }
    }
    Ok((used, false, data))
}

/// The verdict is the same in pieces of every size.
fn check(body: &[u8], expect: Result<(usize, bool, &[u8]), Fault>) {
    for piece in 1..=body.len().max(1) {
        let read = read(body, piece, LIMITS);
        let read = read.as_ref().map(|(used, done, data)| (*used, *done, data.as_slice())).map_err(|fault| *fault);
        assert_eq!(read, expect, "{} in pieces of {piece}", body.escape_ascii());
    }
}

#[test]
fn accepted() {
    for &(body, data) in ACCEPTED {
        check(body, Ok((body.len(), true, data)));
        check(&body[..body.len() - 1], Ok((body.len() - 1, false, data)));
        check(&[body, b"GET / HTTP/1.1\r\n"].concat(), Ok((body.len(), true, data)));
    }
}

#[test]
fn refused() {
    for &(body, fault) in REFUSED {
        check(body, Err(fault));
    }
}

#[test]
fn bytes_that_are_no_digits() {
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_hexdigit()) {
        check(&[byte], Err(Fault::BadChunkSize));
        if !b";\r\n".contains(&byte) {
            check(&[b'5', byte], Err(Fault::BadChunkSize));
        }
    }
}

#[test]
fn forbidden_trailers() {
    for name in ["Content-Length", "TRANSFER-ENCODING", "host", "Te", "Connection", "Authorization", "X-Forwarded-For"]
    {
        check(format!("0\r\n{name}: 1\r\n\r\n").as_bytes(), Err(Fault::ForbiddenTrailer));
        check(format!("0\r\nA: 1\r\n{name}:").as_bytes(), Err(Fault::ForbiddenTrailer));
        let longer = format!("0\r\nX{name}: 1\r\n{name}x: 1\r\n\r\n");
        check(longer.as_bytes(), Ok((longer.len(), true, b"")));
    }
    check(b"0\r\nproxy-authentication-info: 1\r\n\r\n", Err(Fault::ForbiddenTrailer));
    let longest = b"0\r\nproxy-authentication-infox: 1\r\n\r\n";
    check(longest, Ok((longest.len(), true, b"")));
}

#[test]
fn sizes_up_to_a_signed_number() {
    let mut chunks = Chunks::new(LIMITS);
    assert_eq!(chunks.scan(b"7fffffffffffffff\r\nabc"), Ok(Scan { used: 21, done: false }));
    assert_eq!(chunks.data_left(), i64::MAX as u64 - 3);
    check(b"8000000000000000", Err(Fault::ChunkSizeOverflow));
    check(b"ffffffffffffffff", Err(Fault::ChunkSizeOverflow));
    check(b"00000000000000005", Err(Fault::ChunkSizeOverflow));
    check(b"10000000000000000", Err(Fault::ChunkSizeOverflow));
}

#[test]
fn extensions_are_bounded_but_grow_with_the_data() {
    let long = |length: usize| format!("1;{}\r\nx\r\n", "a".repeat(length));
    assert!(read(long(63).as_bytes(), 7, LIMITS).is_ok());
    assert_eq!(read(long(64).as_bytes(), 7, LIMITS), Err(Fault::ChunkExtensionsTooLong));
    let many = "1;a\r\nx\r\n".repeat(40);
    assert_eq!(read(many.as_bytes(), 7, LIMITS), Err(Fault::ChunkExtensionsTooLong));
    let signed = format!("400;signature={}\r\n{}\r\n", "f".repeat(40), "x".repeat(0x400)).repeat(100);
    assert_eq!(read(signed.as_bytes(), 1000, LIMITS).map(|(used, ..)| used), Ok(signed.len()));
    let none = ChunkLimits { extensions: 0, trailers: 2 };
    assert_eq!(read(b"0;a\r\n\r\n", 1, none), Err(Fault::ChunkExtensionsTooLong));
    assert_eq!(read(b"0\r\n\r\n", 1, none), Ok((5, true, Vec::new())));
}

#[test]
fn trailers_are_bounded() {
    let body = |length: usize| format!("0\r\nA: {}\r\n\r\n", "a".repeat(length));
    assert!(read(body(128 - 7).as_bytes(), 9, LIMITS).is_ok_and(|(_, done, _)| done));
    assert_eq!(read(body(128 - 6).as_bytes(), 9, LIMITS), Err(Fault::TrailersTooLarge));
    let endless = format!("0\r\n{}", "a".repeat(129));
    assert_eq!(read(endless.as_bytes(), 9, LIMITS), Err(Fault::TrailersTooLarge));
    assert_eq!(Fault::TrailersTooLarge.status(), 431);
}

#[test]
fn nothing_is_used_once_done() {
    let mut chunks = Chunks::new(LIMITS);
    assert_eq!(chunks.scan(b""), Ok(Scan { used: 0, done: false }));
    assert_eq!(chunks.scan(b"0\r\n\r\nnext"), Ok(Scan { used: 5, done: true }));
    assert_eq!(chunks.scan(b"next"), Ok(Scan { used: 0, done: true }));
}

const ACCEPTED: &[(&[u8], &[u8])] = &[
    (b"0\r\n\r\n", b""),
    (b"0000000000000000\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"05\r\nhello\r\n1\r\n \r\n00005\r\nworld\r\n0\r\n\r\n", b"hello world"),
    (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (b"5\r\n\r\n0\r\n\r\n0\r\n\r\n", b"\r\n0\r\n"),
    (b"2\r\n\x00\xff\r\n0\r\n\r\n", b"\x00\xff"),
    (b"1;a\r\nx\r\n0\r\n\r\n", b"x"),
    (b"1;a=b;c\r\nx\r\n0;d=e\r\n\r\n", b"x"),
    (b"1;a=\"b c;\\\"\\\\\t\xe9\"\r\nx\r\n0\r\n\r\n", b"x"),
    (b"1;a=\"\"\r\nx\r\n0\r\n\r\n", b"x"),
    (b"1; a = b ; c\r\nx\r\n0\r\n\r\n", b"x"),
    (b"1;\ta=\"b\" ;c\r\nx\r\n0\r\n\r\n", b"x"),
    (b"0\r\nX-Sum: 1\r\n\r\n", b""),
    (b"0\r\nA:\r\nB: \tb\xe9 \t\r\n!#$%&'*+-.^_`|~0: c\r\n\r\n", b""),
];

const REFUSED: &[(&[u8], Fault)] = &[
    // Sizes.
    (b"\r\n", Fault::BadChunkSize),
    (b";a\r\n", Fault::BadChunkSize),
    (b"+5\r\n", Fault::BadChunkSize),
    (b"-5\r\n", Fault::BadChunkSize),
    (b"-0\r\n", Fault::BadChunkSize),
    (b"0x5\r\n", Fault::BadChunkSize),
    (b" 5\r\n", Fault::BadChunkSize),
    (b"5 \r\n", Fault::BadChunkSize),
    (b"5\t\r\n", Fault::BadChunkSize),
    (b"5 ;a\r\n", Fault::BadChunkSize),
    (b"5 5\r\n", Fault::BadChunkSize),
    (b"5,5\r\n", Fault::BadChunkSize),
    (b"5.\r\n", Fault::BadChunkSize),
    (b"5h\r\n", Fault::BadChunkSize),
    (b"5_0\r\n", Fault::BadChunkSize),
    (b"5\x00\r\n", Fault::BadChunkSize),
    (b"\"5\"\r\n", Fault::BadChunkSize),
    (b"0 \r\n\r\n", Fault::BadChunkSize),
    (b"1\r\na\r\n\r\n", Fault::BadChunkSize),
    (b"1\r\na\r\n\r\n0\r\n\r\n", Fault::BadChunkSize),
    // Line ends.
    (b"5\nhello", Fault::BareLf),
    (b"5\rhello", Fault::BareCr),
    (b"5\r\rhello", Fault::BareCr),
    (b"5;a\nhello", Fault::BareLf),
    (b"5;a\rhello", Fault::BareCr),
    (b"0\r\n\n", Fault::BareLf),
    (b"0\r\n\rX", Fault::BareCr),
    (b"0\n\n", Fault::BareLf),
    // Data not followed by CRLF.
    (b"5\r\nhelloX", Fault::MissingChunkEnd),
    (b"5\r\nhello\n", Fault::MissingChunkEnd),
    (b"5\r\nhello\rX", Fault::MissingChunkEnd),
    (b"5\r\nhello0\r\n\r\n", Fault::MissingChunkEnd),
    (b"4\r\nhello\r\n", Fault::MissingChunkEnd),
    (b"6\r\nhello\r\n0\r\n\r\n", Fault::MissingChunkEnd),
    // Extensions.
    (b"1;\r\n", Fault::BadChunkExtension),
    (b"1; \r\n", Fault::BadChunkExtension),
    (b"1;;a\r\n", Fault::BadChunkExtension),
    (b"1;a;\r\n", Fault::BadChunkExtension),
    (b"1;=a\r\n", Fault::BadChunkExtension),
    (b"1;a=\r\n", Fault::BadChunkExtension),
    (b"1;a= \r\n", Fault::BadChunkExtension),
    (b"1;a=b=c\r\n", Fault::BadChunkExtension),
    (b"1;a=b c\r\n", Fault::BadChunkExtension),
    (b"1;a b\r\n", Fault::BadChunkExtension),
    (b"1;a \r\n", Fault::BadChunkExtension),
    (b"1;a=b \r\n", Fault::BadChunkExtension),
    (b"1;a=\"b\" \r\n", Fault::BadChunkExtension),
    (b"1;a=\"b\"c\r\n", Fault::BadChunkExtension),
    (b"1;a=\"b\r\n", Fault::BadChunkExtension),
    (b"1;a=\"b\n", Fault::BadChunkExtension),
    (b"1;a=\"b\\\r\n", Fault::BadChunkExtension),
    (b"1;a=\"\x00\"\r\n", Fault::BadChunkExtension),
    (b"1;a=(b)\r\n", Fault::BadChunkExtension),
    (b"1;\x00\r\n", Fault::BadChunkExtension),
    (b"1;\xe9\r\n", Fault::BadChunkExtension),
    (b"1;\na\r\n", Fault::BadChunkExtension),
    // Trailers.
    (b"0\r\n: a\r\n\r\n", Fault::EmptyFieldName),
    (b"0\r\nA\r\n\r\n", Fault::MissingColon),
    (b"0\r\nA : a\r\n\r\n", Fault::SpaceBeforeColon),
    (b"0\r\nA\t: a\r\n\r\n", Fault::SpaceBeforeColon),
    (b"0\r\n A: a\r\n\r\n", Fault::ObsFold),
    (b"0\r\nA: a\r\n b\r\n\r\n", Fault::ObsFold),
    (b"0\r\nA: a\n\r\n", Fault::BareLf),
    (b"0\r\nA: a\rB: b\r\n\r\n", Fault::BareCr),
    (b"0\r\nA\n: a\r\n\r\n", Fault::BareLf),
    (b"0\r\nA: \x00\r\n\r\n", Fault::ControlByte),
    (b"0\r\nA: \x7f\r\n\r\n", Fault::ControlByte),
    (b"0\r\n\x00A: a\r\n\r\n", Fault::BadFieldName),
    (b"0\r\nA\xe9: a\r\n\r\n", Fault::BadFieldName),
    (b"0\r\nA\"B: a\r\n\r\n", Fault::BadFieldName),
];
