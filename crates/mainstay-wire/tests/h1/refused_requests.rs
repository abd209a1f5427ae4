//! Requests that are refused, each with its own fault: the classic ways to make two parties read one message
//! differently, and what else breaks RFC 9112.

use mainstay_wire::h1::{Fault, HeadLimits, request};

const LIMITS: HeadLimits = HeadLimits { request_line: 1024, head: 8192, fields: 64 };

/// Every complete head is refused with this fault, and so is it without its last line, if the fault is before that.
fn check(head: &[u8], expect: Fault) {
    assert_eq!(request(head, &LIMITS).map(|_| "accepted"), Err(expect), "{}", head.escape_ascii());
}

/// Field lines in an otherwise good request.
fn check_fields(lines: &[u8], expect: Fault) {
    check(&[b"POST / HTTP/1.1\r\nHost: h\r\n", lines, b"\r\n\r\n"].concat(), expect);
}

#[test]
fn request_lines() {
    for &(line, fault) in REQUEST_LINES {
        check(&[line, b"\r\nHost: h\r\n\r\n"].concat(), fault);
    }
}

#[test]
fn fields() {
    for &(lines, fault) in FIELDS {
        check_fields(lines, fault);
    }
}

#[test]
fn whole_heads() {
    for &(head, fault) in HEADS {
        check(head, fault);
    }
}

/// A bad byte is bad wherever it is: no byte below space (but HTAB in a value), nor DEL, gets through a field.
#[test]
fn control_bytes_anywhere() {
    for byte in (0..0x20).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        check_fields(&[b"X-A: a", &[byte][..], b"b"].concat(), Fault::ControlByte);
        check_fields(&[b"X-A: ", &[byte][..]].concat(), Fault::ControlByte);
        check_fields(&[b"X-", &[byte][..], b"A: b"].concat(), Fault::BadFieldName);
        check_fields(&[&[byte][..], b"X-A: b"].concat(), Fault::BadFieldName);
        check(&[b"GET /", &[byte][..], b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat(), Fault::BadTarget);
        check(&[b"G", &[byte][..], b"T / HTTP/1.1\r\nHost: h\r\n\r\n"].concat(), Fault::BadMethod);
    }
    for byte in 0x80..=0xff {
        check(&[b"GET /", &[byte][..], b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat(), Fault::BadTarget);
        check_fields(&[b"X-", &[byte][..], b"A: b"].concat(), Fault::BadFieldName);
    }
}

/// Names that are no tokens.
#[test]
fn separators_in_names() {
    for byte in b"\"(),/;<=>?@[\\]{}" {
        check_fields(&[b"X-", &[*byte][..], b": b"].concat(), Fault::BadFieldName);
        check(&[b"G", &[*byte][..], b"T / HTTP/1.1\r\nHost: h\r\n\r\n"].concat(), Fault::BadMethod);
    }
}

/// Host names with a byte that no host name has.
#[test]
fn bytes_of_hosts() {
    for byte in b" \"#%,/<>?@[\\]^`{|}\t\x80\xff" {
        check(&[b"GET / HTTP/1.1\r\nHost: a", &[*byte][..], b"b\r\n\r\n"].concat(), Fault::BadHost);
    }
}

const REQUEST_LINES: &[(&[u8], Fault)] = &[
    // Form.
    (b"GET", Fault::BadRequestLine),
    (b"GET /", Fault::BadRequestLine),
    (b"GET  / HTTP/1.1", Fault::BadRequestLine),
    (b"GET /  HTTP/1.1", Fault::BadVersion),
    (b"GET / HTTP/1.1 ", Fault::BadRequestLine),
    (b"GET / HTTP/1.1 x", Fault::BadRequestLine),
    (b"GET / a HTTP/1.1", Fault::BadVersion),
    (b"GET\t/ HTTP/1.1", Fault::BadMethod),
    (b"GET /\tHTTP/1.1", Fault::BadTarget),
    (b"GET /\x0bHTTP/1.1", Fault::BadTarget),
    (b" GET / HTTP/1.1", Fault::BadMethod),
    (b"\tGET / HTTP/1.1", Fault::BadMethod),
    (b"GET\x00 / HTTP/1.1", Fault::BadMethod),
    (b"GET: / HTTP/1.1", Fault::BadMethod),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Fault::TlsHandshake),
    (b"\xef\xbb\xbfGET / HTTP/1.1", Fault::BadMethod),
    // Line ends.
    (b"GET / HTTP/1.1\nX: y", Fault::BareLf),
    (b"GET / HTTP/1.1\rX: y", Fault::BareCr),
    (b"GET / HTTP/1.1\r\rX: y", Fault::BareCr),
    (b"GET /\nHTTP/1.1", Fault::BadRequestLine),
    (b"GET /\rHTTP/1.1", Fault::BadRequestLine),
    (b"GET\n/ HTTP/1.1", Fault::BadRequestLine),
    // Version.
    (b"GET / http/1.1", Fault::BadVersion),
    (b"GET / HTTP/1", Fault::BadVersion),
    (b"GET / HTTP/1.", Fault::BadVersion),
    (b"GET / HTTP/.1", Fault::BadVersion),
    (b"GET / HTTP/1,1", Fault::BadVersion),
    (b"GET / HTTP/1.10", Fault::BadVersion),
    (b"GET / HTTP/11.1", Fault::BadVersion),
    (b"GET / HTTP/01.1", Fault::BadVersion),
    (b"GET / HTTP/+1.1", Fault::BadVersion),
    (b"GET / HTTP/1.x", Fault::BadVersion),
    (b"GET / HTTPS/1.1", Fault::BadVersion),
    (b"GET / HTTP 1.1", Fault::BadVersion),
    (b"GET / ICY/1.1", Fault::BadVersion),
    (b"GET / HTTP/1.1\x00", Fault::ControlByte),
    (b"GET / HTTP/0.9", Fault::UnsupportedVersion),
    (b"GET / HTTP/2.0", Fault::UnsupportedVersion),
    (b"GET / HTTP/3.0", Fault::UnsupportedVersion),
    (b"GET / HTTP/9.9", Fault::UnsupportedVersion),
    // Target.
    (b"GET /a b HTTP/1.1", Fault::BadVersion),
    (b"GET a HTTP/1.1", Fault::BadTarget),
    (b"GET ?a HTTP/1.1", Fault::BadTarget),
    (b"GET h:80 HTTP/1.1", Fault::BadTarget),
    (b"GET ftp://h/ HTTP/1.1", Fault::BadTarget),
    (b"GET file:///etc/passwd HTTP/1.1", Fault::BadTarget),
    (b"GET http:/h/ HTTP/1.1", Fault::BadTarget),
    (b"GET http:h HTTP/1.1", Fault::BadTarget),
    (b"GET /a#b HTTP/1.1", Fault::FragmentInTarget),
    (b"GET # HTTP/1.1", Fault::FragmentInTarget),
    (b"GET http://h/a#b HTTP/1.1", Fault::FragmentInTarget),
    (b"GET * HTTP/1.1", Fault::BadAsterisk),
    (b"POST * HTTP/1.1", Fault::BadAsterisk),
    (b"options * HTTP/1.1", Fault::BadAsterisk),
    (b"OPTIONS ** HTTP/1.1", Fault::BadTarget),
    (b"GET http:// HTTP/1.1", Fault::BadAuthority),
    (b"GET http:///a HTTP/1.1", Fault::BadAuthority),
    (b"GET http://:80/ HTTP/1.1", Fault::BadAuthority),
    (b"GET http://u@h/ HTTP/1.1", Fault::BadAuthority),
    (b"GET http://u:p@h/ HTTP/1.1", Fault::BadAuthority),
    (b"GET http://h:p/ HTTP/1.1", Fault::BadAuthority),
    (b"GET http://h:80:80/ HTTP/1.1", Fault::BadAuthority),
    (b"GET http://h\\a/ HTTP/1.1", Fault::BadAuthority),
    // Methods that are not served.
    (b"CONNECT h:443 HTTP/1.1", Fault::ConnectMethod),
    (b"CONNECT / HTTP/1.1", Fault::ConnectMethod),
    (b"TRACE / HTTP/1.1", Fault::TraceMethod),
];

const FIELDS: &[(&[u8], Fault)] = &[
    // Two lengths.
    (b"Content-Length: 5\r\nContent-Length: 6", Fault::TwoContentLengths),
    (b"Content-Length: 5\r\nContent-Length: 5", Fault::TwoContentLengths),
    (b"Content-Length: 5\r\ncontent-length: 0", Fault::TwoContentLengths),
    (b"Content-Length: 5, 5", Fault::TwoContentLengths),
    (b"Content-Length: 5,6", Fault::TwoContentLengths),
    (b"Content-Length: ,", Fault::TwoContentLengths),
    // Length and coding.
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Fault::LengthAndCoding),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 0", Fault::LengthAndCoding),
    (b"tRANSFER-eNCODING: CHUNKED\r\ncONTENT-lENGTH: 0", Fault::LengthAndCoding),
    // Lengths.
    (b"Content-Length:", Fault::BadContentLength),
    (b"Content-Length: ", Fault::BadContentLength),
    (b"Content-Length: +5", Fault::BadContentLength),
    (b"Content-Length: -5", Fault::BadContentLength),
    (b"Content-Length: -0", Fault::BadContentLength),
    (b"Content-Length: 0x5", Fault::BadContentLength),
    (b"Content-Length: 5 5", Fault::BadContentLength),
    (b"Content-Length: 5\t5", Fault::BadContentLength),
    (b"Content-Length: 5.0", Fault::BadContentLength),
    (b"Content-Length: 5e3", Fault::BadContentLength),
    (b"Content-Length: 5;", Fault::BadContentLength),
    (b"Content-Length: \"5\"", Fault::BadContentLength),
    (b"Content-Length: five", Fault::BadContentLength),
    (b"Content-Length: 1_000", Fault::BadContentLength),
    (b"Content-Length: \xb2", Fault::BadContentLength),
    (b"Content-Length: 5\xa0", Fault::BadContentLength),
    (b"Content-Length: 9223372036854775808", Fault::ContentLengthOverflow),
    (b"Content-Length: 18446744073709551615", Fault::ContentLengthOverflow),
    (b"Content-Length: 18446744073709551621", Fault::ContentLengthOverflow),
    (b"Content-Length: 99999999999999999999", Fault::ContentLengthOverflow),
    (b"Content-Length: 00000000000000000005", Fault::ContentLengthOverflow),
    // Codings.
    (b"Transfer-Encoding: gzip", Fault::UnknownCoding),
    (b"Transfer-Encoding: identity", Fault::UnknownCoding),
    (b"Transfer-Encoding: gzip, chunked", Fault::UnknownCoding),
    (b"Transfer-Encoding: identity, chunked", Fault::UnknownCoding),
    (b"Transfer-Encoding: xchunked", Fault::UnknownCoding),
    (b"Transfer-Encoding: chunkedx", Fault::UnknownCoding),
    (b"Transfer-Encoding: chunk", Fault::UnknownCoding),
    (b"Transfer-Encoding: cow", Fault::UnknownCoding),
    (b"Transfer-Encoding: gzip;q=1", Fault::UnknownCoding),
    (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", Fault::UnknownCoding),
    (b"Transfer-Encoding: chunked, gzip", Fault::CodingNotFinal),
    (b"Transfer-Encoding: chunked, identity", Fault::CodingNotFinal),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", Fault::CodingNotFinal),
    (b"Transfer-Encoding: chunked, chunked", Fault::RepeatedCoding),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: Chunked", Fault::RepeatedCoding),
    (b"Transfer-Encoding:", Fault::BadCoding),
    (b"Transfer-Encoding: ,chunked", Fault::BadCoding),
    (b"Transfer-Encoding: chunked,", Fault::BadCoding),
    (b"Transfer-Encoding: chunked;", Fault::BadCoding),
    (b"Transfer-Encoding: chunked;a=b", Fault::BadCoding),
    (b"Transfer-Encoding: \"chunked\"", Fault::BadCoding),
    (b"Transfer-Encoding: 'chunked' x", Fault::BadCoding),
    (b"Transfer-Encoding: chunked gzip", Fault::BadCoding),
    (b"Transfer-Encoding: chunked\xa0", Fault::BadCoding),
    (b"Transfer-Encoding: \xffchunked", Fault::BadCoding),
    (b"Transfer-Encoding: \x0bchunked", Fault::ControlByte),
    (b"Transfer-Encoding: chunked\x00", Fault::ControlByte),
    // Names and colons.
    (b"Transfer-Encoding : chunked", Fault::SpaceBeforeColon),
    (b"Content-Length : 5", Fault::SpaceBeforeColon),
    (b"Content-Length\t: 5", Fault::SpaceBeforeColon),
    (b"X A: 1", Fault::SpaceBeforeColon),
    (b": 1", Fault::EmptyFieldName),
    (b":", Fault::EmptyFieldName),
    (b"X", Fault::MissingColon),
    (b"GET / HTTP/1.1", Fault::SpaceBeforeColon),
    (b"Transfer-Encoding\x00: chunked", Fault::BadFieldName),
    (b"Content-Length\x0b: 5", Fault::BadFieldName),
    (b"\xefContent-Length: 5", Fault::BadFieldName),
    (b"\"Content-Length\": 5", Fault::BadFieldName),
    // Line ends.
    (b"X: a\nTransfer-Encoding: chunked", Fault::BareLf),
    (b"X: a\rTransfer-Encoding: chunked", Fault::BareCr),
    (b"X: a\r\rTransfer-Encoding: chunked", Fault::BareCr),
    (b"X: a\n", Fault::BareLf),
    (b"X: a\r", Fault::BareCr),
    (b"X\nY: a", Fault::BareLf),
    (b"X\rY: a", Fault::MissingColon),
    (b"\nX: a", Fault::BareLf),
    (b"\rX: a", Fault::BareCr),
    // Folding.
    (b"X: a\r\n b", Fault::ObsFold),
    (b"X: a\r\n\tb", Fault::ObsFold),
    (b"X: a\r\n \r\nY: b", Fault::ObsFold),
    (b"Transfer-Encoding:\r\n chunked", Fault::BadCoding),
    (b"X: a\r\n Content-Length: 5", Fault::ObsFold),
    // Host.
    (b"Host: h", Fault::TwoHosts),
    (b"HOST: other", Fault::TwoHosts),
    // Connection.
    (b"Connection: Content-Length\r\nContent-Length: 5", Fault::ConnectionListsFraming),
    (b"Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked", Fault::ConnectionListsFraming),
    (b"Connection: Host", Fault::ConnectionListsFraming),
    (b"Connection: Expect", Fault::ConnectionListsFraming),
    (b"Connection: close\r\nConnection: hOST", Fault::ConnectionListsFraming),
    (b"Connection: keep alive", Fault::BadConnection),
    (b"Connection: \"close\"", Fault::BadConnection),
    (b"Connection: close;", Fault::BadConnection),
    (b"Connection: close\xa0", Fault::BadConnection),
    (b"Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", Fault::TooManyOptions),
    // Expectations.
    (b"Expect: 100-continued", Fault::UnknownExpectation),
    (b"Expect: 200-ok", Fault::UnknownExpectation),
    (b"Expect: 100-continue, x", Fault::UnknownExpectation),
    (b"Expect: 100-continue\r\nExpect: 100", Fault::UnknownExpectation),
    (b"Expect:", Fault::UnknownExpectation),
    (b"Expect: 100 continue", Fault::UnknownExpectation),
];

const HEADS: &[(&[u8], Fault)] = &[
    (b"GET / HTTP/1.1\r\n\r\n", Fault::NoHost),
    (b"GET / HTTP/1.9\r\n\r\n", Fault::NoHost),
    (b"GET http://h/ HTTP/1.1\r\n\r\n", Fault::NoHost),
    (b"GET / HTTP/1.1\r\nX-Host: h\r\n\r\n", Fault::NoHost),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.0\r\nHost: \r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Fault::TwoHosts),
    (b"GET http://h/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Fault::TwoHosts),
    (b"GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: h:x\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: h:-1\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: h:65536\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: h:000080\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: h:80:80\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: []\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: [abcd]\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: [::1]:x\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: h/\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: http://h\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: %zz\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\nHost: a%4\r\n\r\n", Fault::BadHost),
    (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", Fault::ObsFold),
    (b"GET / HTTP/1.1\r\n\tHost: h\r\n\r\n", Fault::ObsFold),
    (b"GET / HTTP/1.1\r\nHost: h\r\n \r\n\r\n", Fault::ObsFold),
    (b"GET / HTTP/1.1\nHost: h\n\n", Fault::BareLf),
    (b"GET / HTTP/1.1\r\nHost: h\n\n", Fault::BareLf),
    (b"GET / HTTP/1.1\r\nHost: h\r\n\n", Fault::BareLf),
    (b"GET / HTTP/1.1\r\nHost: h\r\n\rX", Fault::BareCr),
    (b"GET / HTTP/1.1\rHost: h\r\r", Fault::BareCr),
    (b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", Fault::BareLf),
    (b"\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", Fault::BareCr),
    (b"\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", Fault::BareLf),
    (b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", Fault::BlankLines),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::CodingInHttp10),
    (b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::LengthAndCoding),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Fault::Http2Preface),
];
