//! Heads of requests.

use super::{Framing, is_hop, push_lower};
use crate::h1;
use crate::h2::Fields;

/// Writes a request that came over HTTP/2 and was found well-formed, as HTTP/1.1. With `end` it has no body.
pub fn request_to_h1(fields: &Fields, end: bool, out: &mut Vec<u8>) -> Framing {
    let get = |name: &[u8]| fields.get(name).unwrap_or_default();
    let method = get(b":method");
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(get(b":path"));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let authority = fields.get(b":authority").unwrap_or_else(|| get(b"host"));
    h1::write_field(out, b"Host", authority);
    let (mut has_length, mut cookies) = (false, 0);
    for field in fields.iter() {
        match field.name {
            b"host" => continue,
            b"cookie" => {
                cookies += 1;
                continue;
            }
            b"content-length" => has_length = true,
            b"te" => {
                out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n");
                continue;
            }
            name if name.first() == Some(&b':') || is_hop(name) => continue,
            _ => {}
        }
        h1::write_field(out, field.name, field.value);
    }
    if cookies > 0 {
        let crumbs: Vec<_> = fields.iter().filter(|field| field.name == b"cookie").map(|field| field.value).collect();
        h1::write_field(out, b"cookie", &crumbs.join(&b"; "[..]));
    }
    let framing = match (end, has_length) {
        (true, false) => {
            if matches!(method, b"POST" | b"PUT" | b"PATCH") {
                out.extend_from_slice(b"Content-Length: 0\r\n");
            }
            Framing::None
        }
        (true, true) => Framing::None,
        (false, true) => Framing::Length,
        (false, false) => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            Framing::Chunked
        }
    };
    out.extend_from_slice(b"\r\n");
    framing
}

/// The fields of a request in HTTP/1 as HTTP/2 has them, into `out`, which is cleared.
pub fn request_from_h1(request: &h1::Request<'_>, scheme: &[u8], out: &mut Fields) {
    out.clear();
    out.push(b":method", request.method_text);
    out.push(b":scheme", scheme);
    out.push(b":path", if request.origin.first() == Some(&b'?') { b"/" } else { request.origin });
    out.push(b":authority", request.host.unwrap_or_default());
    for (name, value) in request.fields() {
        if name.eq_ignore_ascii_case(b"te") {
            if value.eq_ignore_ascii_case(b"trailers") {
                out.push(b"te", b"trailers");
            }
        } else if !is_hop(name) && !name.eq_ignore_ascii_case(b"host") {
            push_lower(out, name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{HeadLimits, Parsed};

    const LIMITS: HeadLimits = HeadLimits { request_line: 8192, head: 65_535, fields: 128 };

    fn fields(text: &str) -> Fields {
        let mut fields = Fields::new();
        for line in text.split('\n') {
            let at = line[1..].find(':').unwrap() + 1;
            fields.push(&line.as_bytes()[..at], &line.as_bytes()[at + 1..]);
        }
        fields
    }

    fn there_and_back(text: &str, end: bool) -> (Framing, String, String) {
        let mut head = Vec::new();
        let framing = request_to_h1(&fields(text), end, &mut head);
        let Ok(Parsed::Done(request)) = h1::request(&head, &LIMITS) else { panic!("no request") };
        let mut back = Fields::new();
        request_from_h1(&request, b"http", &mut back);
        let lines = back
            .iter()
            .map(|field| format!("{}:{}", String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value)));
        let lines: Vec<_> = lines.collect();
        (framing, String::from_utf8_lossy(&head).into_owned(), lines.join("\n"))
    }

    #[test]
    fn a_request_goes_there_and_back() {
        let check = |text: &str, end: bool, framing: Framing, back: &str| {
            let found = there_and_back(text, end);
            assert_eq!((found.0, found.2.as_str()), (framing, back), "{}", found.1);
        };
        let grpc = ":method:POST\n:scheme:http\n:path:/a.B/C\n:authority:ledger:4001\nte:trailers\nx-bin:AAE=";
        check(grpc, false, Framing::Chunked, grpc);
        let get = ":method:GET\n:scheme:http\n:path:/a%2Fb?c=+d\n:authority:a\ncookie:a=1\nx:y\ncookie:b=2";
        check(
            get,
            true,
            Framing::None,
            ":method:GET\n:scheme:http\n:path:/a%2Fb?c=+d\n:authority:a\nx:y\ncookie:a=1; b=2",
        );
        let sized = ":method:PUT\n:scheme:http\n:path:/\n:authority:a\ncontent-length:5";
        check(sized, false, Framing::Length, sized);
        check(
            ":method:GET\n:scheme:http\n:path:/\nhost:a",
            true,
            Framing::None,
            ":method:GET\n:scheme:http\n:path:/\n:authority:a",
        );
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused_when_it_is_read() {
        for text in [
            // Authorities that HTTP/2's grammar lets pass.
            ":method:GET\n:scheme:http\n:path:/\n:authority:a,b",
            ":method:GET\n:scheme:http\n:path:/\n:authority:a:99999",
            ":method:TRACE\n:scheme:http\n:path:/\n:authority:a",
        ] {
            let mut head = Vec::new();
            request_to_h1(&fields(text), true, &mut head);
            assert!(h1::request(&head, &LIMITS).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_marked() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nX: y\r\n\r\n";
        let Ok(Parsed::Done(request)) = h1::request(head, &LIMITS) else { panic!("no request") };
        let mut out = Fields::new();
        request_from_h1(&request, b"http", &mut out);
        let marked: Vec<_> = out.iter().filter(|field| field.never_indexed).map(|field| field.name).collect();
        assert_eq!(marked, [b"authorization"]);
    }
}
