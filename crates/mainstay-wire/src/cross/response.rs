//! Heads of responses.

use super::{Framing, is_hop, push_lower};
use crate::h1::{self, Method, ResponseBody};
use crate::h2::Fields;

/// Writes a response that came over HTTP/2 and was found well-formed, as HTTP/1.1. With `end` it has no body; `asked` is
/// the method of its request.
pub fn response_to_h1(fields: &Fields, end: bool, asked: Method, out: &mut Vec<u8>) -> Framing {
    let status = fields.get(b":status").unwrap_or(b"502");
    let interim = status.first() == Some(&b'1');
    let bodiless = asked == Method::Head || matches!(status, b"204" | b"304") || interim;
    // The trailers of gRPC are its answer: they need chunks, whatever length is told.
    let is_grpc = fields.get(b"content-type").is_some_and(|kind| kind.starts_with(b"application/grpc"));
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status);
    out.extend_from_slice(b" \r\n");
    let mut has_length = false;
    for field in fields.iter() {
        if field.name == b"content-length" {
            if is_grpc && !end && !bodiless {
                continue;
            }
            has_length = true;
        }
        if field.name.first() != Some(&b':') && !is_hop(field.name) {
            h1::write_field(out, field.name, field.value);
        }
    }
    let framing = match (end || bodiless, has_length) {
        (true, has_length) => {
            if !has_length && !bodiless {
                out.extend_from_slice(b"Content-Length: 0\r\n");
            }
            Framing::None
        }
        (false, true) => Framing::Length,
        (false, false) => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            Framing::Chunked
        }
    };
    out.extend_from_slice(b"\r\n");
    framing
}

/// The fields of a response in HTTP/1 as HTTP/2 has them, into `out`, which is cleared.
pub fn response_from_h1(response: &h1::Response<'_>, out: &mut Fields) {
    out.clear();
    let status = response.status;
    let digit = |worth: u16| b'0' + u8::try_from(status / worth % 10).unwrap_or(0);
    out.push(b":status", &[digit(100), digit(10), digit(1)]);
    let is_grpc = response.field(b"content-type").is_some_and(|kind| kind.starts_with(b"application/grpc"));
    let empty = response.body == ResponseBody::Length(0);
    for (name, value) in response.fields() {
        let needless = is_grpc && empty && name.eq_ignore_ascii_case(b"content-length");
        if !is_hop(name) && !needless {
            push_lower(out, name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{HeadLimits, Parsed};

    const LIMITS: HeadLimits = HeadLimits { request_line: 8192, head: 65_535, fields: 128 };

    #[test]
    fn a_response_goes_there_and_back() {
        let check = |text: &str, end: bool, asked: Method, framing: Framing, body: ResponseBody, back: &str| {
            let mut fields = Fields::new();
            for line in text.split('\n') {
                let at = line[1..].find(':').unwrap() + 1;
                fields.push(&line.as_bytes()[..at], &line.as_bytes()[at + 1..]);
            }
            let mut head = Vec::new();
            assert_eq!(response_to_h1(&fields, end, asked, &mut head), framing, "{text}");
            let Ok(Parsed::Done(response)) = h1::response(&head, &LIMITS, asked) else { panic!("no response: {text}") };
            assert_eq!(response.body, body, "{text}");
            response_from_h1(&response, &mut fields);
            let lines = fields.iter().map(|field| {
                format!("{}:{}", String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value))
            });
            assert_eq!(lines.collect::<Vec<_>>().join("\n"), back);
        };
        let (get, head) = (Method::Get, Method::Head);
        let sized = ":status:200\ncontent-length:5";
        check(sized, false, get, Framing::Length, ResponseBody::Length(5), sized);
        check(sized, true, head, Framing::None, ResponseBody::None, sized);
        check(":status:200", false, get, Framing::Chunked, ResponseBody::Chunked, ":status:200");
        check(":status:204", true, get, Framing::None, ResponseBody::None, ":status:204");
        check(":status:100", false, get, Framing::None, ResponseBody::None, ":status:100");
        let empty = ":status:404\ncontent-length:0";
        check(":status:404", true, get, Framing::None, ResponseBody::Length(0), empty);
        let grpc = ":status:200\ncontent-type:application/grpc";
        let with_length = format!("{grpc}\ncontent-length:7");
        check(&with_length, false, Method::Post, Framing::Chunked, ResponseBody::Chunked, grpc);
        let trailers_only = format!("{grpc}\ngrpc-status:12");
        check(&trailers_only, true, Method::Post, Framing::None, ResponseBody::Length(0), &trailers_only);
    }
}
