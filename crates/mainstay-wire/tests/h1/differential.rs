//! Generated messages, good ones and ones with a byte or a line gone wrong, are read as the plain model reads them,
//! however they are cut, and what is written of them is what the model says goes on.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::checks;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests(choice in 0..128u8, head in head(request_line()), damage in damage()) {
        checks::head(&[&[choice << 1][..], &damaged(head, &damage)].concat());
    }

    #[test]
    fn responses(choice in 0..128u8, head in head(status_line()), damage in damage()) {
        checks::head(&[&[choice << 1 | 1][..], &damaged(head, &damage)].concat());
    }

    #[test]
    fn chunked_bodies(choice: u8, body in chunked_body(), damage in damage()) {
        checks::chunked(&[&[choice][..], &damaged(body, &damage)].concat());
    }

    #[test]
    fn any_bytes(input in vec(any::<u8>(), 0..200)) {
        checks::head(&input);
        checks::chunked(&input);
    }
}

/// A byte put in, over another, or a byte taken out, at a place given as a share of the whole.
type Damage = (u16, u8, u8);

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let byte = prop_oneof![3 => select(&b"\r\n\t \0:;,=\"#?*/0159afX\x7f\x80\xff"[..]), 1 => any::<u8>()];
    prop_oneof![2 => Just(Vec::new()), 1 => vec((any::<u16>(), 0..3u8, byte), 1..3)]
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for &(place, what, byte) in damage {
        let at = usize::from(place) * bytes.len() / usize::from(u16::MAX);
        match what {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => bytes[at] = byte,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }
    bytes
}

/// A start line, fields and what may come behind the head.
fn head(line: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let end = select(&["\r\n", "\r\n", "\r\n", "\r\nGET / HTTP/1.1\r\n\r\n", "", "\r"][..]);
    (line, vec(field(), 0..10), end).prop_map(|(line, fields, end)| [&line, &fields.concat(), end.as_bytes()].concat())
}

fn request_line() -> impl Strategy<Value = Vec<u8>> {
    let blank = select(&["", "", "", "\r\n", "\r\n\r\n\r\n\r\n", "\r\n\r\n\r\n\r\n\r\n"][..]);
    let method = select(&["GET", "POST", "OPTIONS", "HEAD", "PUT", "X", "CONNECT"][..]);
    let version = select(&["1.1", "1.1", "1.1", "1.1", "1.0", "1.0", "1.3", "2.0"][..]);
    let host = select(&["Host: h:1\r\n", "Host: h:1\r\n", "host:[::1]\r\n", ""][..]);
    (blank, method, target(), version, host).prop_map(|(blank, method, target, version, host)| {
        format!("{blank}{method} {target} HTTP/{version}\r\n{host}").into_bytes()
    })
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "/[a-c/%.+=&?]{0,12}",
        1 => "(http|HTTPS|ftp)://[a-c:1@%.]{0,6}[/?]?[a-c?]{0,3}",
        1 => "\\[?[a-z*/:]{1,3}\\]?",
        1 => Just("*".to_owned()),
        1 => "/a{200,300}",
    ]
}

fn status_line() -> impl Strategy<Value = Vec<u8>> {
    let version = select(&["1.1", "1.1", "1.1", "1.0", "1.2", "2.0"][..]);
    let status = select(&["200", "200", "404", "204", "304", "101", "100", "103", "426", "999", "20", "099"][..]);
    let reason = select(&["", " ", " OK", " Not  Found ", "  \t", "x"][..]);
    (version, status, reason)
        .prop_map(|(version, status, reason)| format!("HTTP/{version} {status}{reason}\r\n").into_bytes())
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    let space = select(&["", " ", " ", " ", "\t", "  "][..]);
    let known = (select(FIELDS), space.clone(), space)
        .prop_map(|((name, value), before, after)| format!("{name}:{before}{value}{after}\r\n").into_bytes());
    let other = "(X-[A-C]|Close|Via|Date): ?[a-z ,\"]{0,9}\r\n".prop_map(String::into_bytes);
    let long = (1..700usize).prop_map(|length| format!("Long: {}\r\n", "a".repeat(length)).into_bytes());
    prop_oneof![8 => known, 4 => other, 1 => long]
}

/// Field lines with a meaning, most of them good.
const FIELDS: &[(&str, &str)] = &[
    ("Content-Length", "5"),
    ("content-length", "0"),
    ("Content-Length", "007"),
    ("Content-Length", "9223372036854775808"),
    ("Transfer-Encoding", "chunked"),
    ("transfer-encoding", "CHUNKED"),
    ("Transfer-Encoding", "gzip, chunked"),
    ("Connection", "close"),
    ("connection", "Keep-Alive"),
    ("Connection", "keep-alive, X-A"),
    ("Connection", "Upgrade"),
    ("Connection", "x-b, x-forwarded-for,,close"),
    ("Connection", "Upgrade, TE, cookie"),
    ("Connection", "close, host"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "close"),
    ("Proxy-Authorization", "Basic eA=="),
    ("Proxy-Authenticate", "Basic"),
    ("Upgrade", "websocket"),
    ("Upgrade", "websocket, h2c"),
    ("TE", "trailers"),
    ("te", "gzip;q=0.5, Trailers"),
    ("Trailer", "X-Sum"),
    ("Expect", "100-continue"),
    ("Expect", "100-Continue, 100-continue"),
    ("Expect", "other"),
    ("X-Forwarded-For", "198.51.100.1"),
    ("x-forwarded-for", "198.51.100.2, 198.51.100.3"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "front"),
    ("X-Forwarded-Port", "81"),
    ("Forwarded", "for=198.51.100.1"),
    ("Cookie", "a=b"),
    ("X-Set", "old"),
    ("Host", "h"),
];

fn chunked_body() -> impl Strategy<Value = Vec<u8>> {
    let extension =
        select(&["", "", "", "", ";a", ";a=b", "; a = \"b\\\"\" ;c", ";a=", ";aaaaaaaaaaaa=bbbbbbbbbbbbb"][..]);
    let chunk = (vec(any::<u8>(), 1..40), extension.clone(), any::<bool>()).prop_map(|(data, extension, pad)| {
        let size = if pad { format!("{:04X}", data.len()) } else { format!("{:x}", data.len()) };
        [size.as_bytes(), extension.as_bytes(), b"\r\n", &data, b"\r\n"].concat()
    });
    let trailer = select(&["X-Sum: 1\r\n", "A:\r\n", "Host: h\r\n", "proxy-authentication-infos: x\r\n"][..]);
    let last =
        (select(&["0", "000"][..]), extension, vec(trailer, 0..6), select(&["\r\n", "\r\n", "\r\nnext", ""][..]));
    (vec(chunk, 0..5), last).prop_map(|(chunks, (zero, extension, trailers, end))| {
        let chunks = chunks.concat();
        [&chunks, zero.as_bytes(), extension.as_bytes(), b"\r\n", trailers.concat().as_bytes(), end.as_bytes()].concat()
    })
}
