//! The checks: bytes in, a panic when something does not hold.

use mainstay_wire::h1::{
    BodyLength, ChunkLimits, Chunks, Connection, Fault, ForwardedEdit, HeadLimits, HostEdit, Method, Parsed, Request,
    RequestEdit, Response, ResponseBody, ResponseEdit, Version, request, response,
};

use super::head_model::{Fields, Reading, RequestModel, ResponseModel};
use super::{chunked_model, forward_model, head_model};

/// Small ones, so that they are reached.
const LIMITS: HeadLimits = HeadLimits { request_line: 256, head: 2048, fields: 24 };
/// For heads that were written: they may be longer than what came.
const WRITTEN_LIMITS: HeadLimits = HeadLimits { request_line: 8192, head: 16384, fields: 64 };
const CHUNK_LIMITS: ChunkLimits = ChunkLimits { extensions: 32, trailers: 128 };

/// Checks a head. The first byte says which way it goes and how it is edited; the rest is the head.
pub(crate) fn head(input: &[u8]) {
    let [choice, bytes @ ..] = input else { return };
    if choice & 1 == 0 { check_request(bytes, choice >> 1) } else { check_response(bytes, choice >> 1) }
}

/// Checks a chunked body. The first byte says in what pieces it comes.
pub(crate) fn chunked(input: &[u8]) {
    let [choice, bytes @ ..] = input else { return };
    let whole = read_chunks(bytes, bytes.len().max(1));
    match (&whole, chunked_model::body(bytes, CHUNK_LIMITS)) {
        (Ok((used, true, data)), Reading::Done(body)) => assert_eq!((*used, data), (body.0, &body.1)),
        (Ok((used, false, _)), Reading::More) => assert_eq!(*used, bytes.len(), "bytes are left over"),
        (Err(_), Reading::Refused) => {}
        (Err(fault), Reading::More) => {
            for end in CHUNK_ENDS {
                let completed = chunked_model::body(&[bytes, end].concat(), CHUNK_LIMITS);
                assert!(!matches!(completed, Reading::Done(_)), "{fault} too early: {}", bytes.escape_ascii());
            }
        }
        (ours, model) => panic!("{}\nours {ours:?}\nmodel {model:?}", bytes.escape_ascii()),
    }
    for piece in [1, usize::from(choice % 16) + 2, usize::from(*choice) + 1] {
        assert_eq!(read_chunks(bytes, piece), whole, "{} in pieces of {piece}", bytes.escape_ascii());
    }
}

fn check_request(bytes: &[u8], choice: u8) {
    let verdict = request(bytes, &LIMITS);
    for end in 0..bytes.len() {
        let early = request(&bytes[..end], &LIMITS);
        assert!(early == Ok(Parsed::More) || early == verdict, "{end} of {}: {early:?}", bytes.escape_ascii());
    }
    match (&verdict, head_model::request(bytes, &LIMITS)) {
        (Ok(Parsed::Done(read)), Reading::Done(model)) => {
            assert_eq!(meaning(read), model, "{}", bytes.escape_ascii());
            assert_eq!(read.len, model.len);
            check_request_written(read, &model, choice);
        }
        (Ok(Parsed::More), Reading::More) | (Err(_), Reading::Refused) => {}
        (Err(fault), Reading::More) => {
            let completed = head_model::request(&[bytes, b"\r\n\r\n"].concat(), &LIMITS);
            let blank_lines = *fault == Fault::BlankLines;
            assert!(completed == Reading::Refused || blank_lines, "{fault} too early: {}", bytes.escape_ascii());
        }
        (ours, model) => panic!("{}\nours {ours:?}\nmodel {model:?}", bytes.escape_ascii()),
    }
}

fn check_response(bytes: &[u8], choice: u8) {
    let asked = if choice & 1 == 0 { Method::Get } else { Method::Head };
    let verdict = response(bytes, &LIMITS, asked);
    for end in 0..bytes.len() {
        let early = response(&bytes[..end], &LIMITS, asked);
        assert!(early == Ok(Parsed::More) || early == verdict, "{end} of {}: {early:?}", bytes.escape_ascii());
    }
    match (&verdict, head_model::response(bytes, &LIMITS, asked)) {
        (Ok(Parsed::Done(read)), Reading::Done(model)) => {
            assert_eq!(response_meaning(read), model, "{}", bytes.escape_ascii());
            check_response_written(read, &model, asked, choice);
        }
        (Ok(Parsed::More), Reading::More) | (Err(_), Reading::Refused) => {}
        (Err(fault), Reading::More) => {
            let completed = head_model::response(&[bytes, b"\r\n\r\n"].concat(), &LIMITS, asked);
            assert_eq!(completed, Reading::Refused, "{fault} too early: {}", bytes.escape_ascii());
        }
        (ours, model) => panic!("{}\nours {ours:?}\nmodel {model:?}", bytes.escape_ascii()),
    }
}

/// What is written is what the model says goes on, and reads as the same message.
fn check_request_written(read: &Request<'_>, model: &RequestModel, choice: u8) {
    let edit = request_edit(choice, read);
    let mut out = b"before".to_vec();
    read.write_head(&mut out, &edit);
    let out = out.strip_prefix(b"before").unwrap();
    let Ok(Parsed::Done(again)) = request(out, &WRITTEN_LIMITS) else { panic!("written: {}", out.escape_ascii()) };
    assert_eq!(again.len, out.len(), "written: {}", out.escape_ascii());
    assert_eq!(again.target, forward_model::target(model, &edit));
    assert_eq!(lower(again.fields()), forward_model::request_fields(model, &edit), "{}", out.escape_ascii());
    assert_eq!((again.method_text, again.version), (read.method_text, Version::Http11));
    assert_eq!((again.body, again.keep_alive), (read.body, edit.keep_alive));
    assert_eq!(again.upgrade, read.upgrade.filter(|_| edit.upgrade));
    assert_eq!(again.expect_continue, read.expect_continue && !edit.set.iter().any(|(name, _)| *name == b"expect"));
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut oracle = httparse::Request::new(&mut fields);
    assert_eq!(oracle.parse(out), Ok(httparse::Status::Complete(out.len())), "{}", out.escape_ascii());
    let named = oracle.headers.iter().map(|field| (field.name.as_bytes(), field.value));
    assert_eq!(lower(named), lower(again.fields()));
}

fn check_response_written(read: &Response<'_>, model: &ResponseModel, asked: Method, choice: u8) {
    let edit = response_edit(choice);
    let mut out = b"before".to_vec();
    read.write_head(&mut out, &edit);
    let out = out.strip_prefix(b"before").unwrap();
    let Ok(Parsed::Done(again)) = response(out, &WRITTEN_LIMITS, asked) else {
        panic!("written: {}", out.escape_ascii())
    };
    assert_eq!(again.len, out.len(), "written: {}", out.escape_ascii());
    assert_eq!(lower(again.fields()), forward_model::response_fields(model, &edit), "{}", out.escape_ascii());
    assert_eq!((again.status, again.version), (edit.status.unwrap_or(read.status), Version::Http11));
    let dechunks = read.body == ResponseBody::Chunked && (edit.dechunk || edit.client == Version::Http10);
    assert_eq!(again.body, if dechunks { ResponseBody::UntilClose } else { read.body });
    if edit.status.is_none() {
        assert_eq!(again.reason, read.reason);
    }
}

fn request_edit(choice: u8, read: &Request<'_>) -> RequestEdit<'static> {
    RequestEdit {
        prefix: (choice & 3 == 1).then_some((read.path.len().min(3), b"/other/%2F")),
        host: if choice & 4 == 0 && read.host.is_some() { HostEdit::Keep } else { HostEdit::Set(b"node:1") },
        set: match choice & 3 {
            2 => &[(b"X-Set", b"new"), (b"x-forwarded-for", b""), (b"expect", b"")],
            3 => &[(b"X-FORWARDED-PROTO", b"https"), (b"Cookie", b""), (b"X-New", b"1")],
            _ => &[],
        },
        forwarded: match choice >> 5 & 3 {
            0 => ForwardedEdit::Pass,
            1 => ForwardedEdit::Replace { client: b"192.0.2.1", proto: b"http" },
            _ => ForwardedEdit::Append { client: b"192.0.2.1", proto: b"http" },
        },
        keep_alive: choice & 8 == 0,
        upgrade: choice & 16 == 0,
    }
}

fn response_edit(choice: u8) -> ResponseEdit<'static> {
    ResponseEdit {
        add: if choice & 2 == 0 { &[] } else { &[(b"X-Add", b"1"), (b"x-add", b"2")] },
        connection: match choice >> 2 & 3 {
            0 => Connection::Close,
            1 => Connection::Upgrade,
            _ => Connection::Keep,
        },
        client: if choice & 16 == 0 { Version::Http11 } else { Version::Http10 },
        status: None,
        dechunk: choice & 32 != 0,
    }
}

fn meaning(read: &Request<'_>) -> RequestModel {
    let origin = match read.query {
        Some(query) if read.origin.first() == Some(&b'?') => [b"?", query].concat(),
        Some(query) => [read.path, &b"?"[..], query].concat(),
        None => read.path.to_vec(),
    };
    assert_eq!(read.origin, origin);
    assert!(read.expect_continue <= (read.body != BodyLength::None));
    RequestModel {
        len: read.len,
        method: read.method_text.to_vec(),
        path: read.path.to_vec(),
        query: read.query.map(<[u8]>::to_vec),
        is_11: read.version == Version::Http11,
        authority: read.host.filter(|_| !matches!(read.target, [b'/', ..] | b"*")).map(<[u8]>::to_vec),
        host: read.host.map(<[u8]>::to_vec),
        body: read.body,
        keep_alive: read.keep_alive,
        expect_continue: read.expect_continue,
        upgrade: read.upgrade.map(<[u8]>::to_vec),
        fields: owned(read.fields()),
    }
}

fn response_meaning(read: &Response<'_>) -> ResponseModel {
    ResponseModel {
        len: read.len,
        is_11: read.version == Version::Http11,
        status: read.status,
        reason: read.reason.to_vec(),
        body: read.body,
        keep_alive: read.keep_alive,
        upgrade: read.upgrade.map(<[u8]>::to_vec),
        fields: owned(read.fields()),
    }
}

fn owned<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Fields {
    fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn lower<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Fields {
    let mut fields: Fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    fields.sort();
    fields
}

fn read_chunks(bytes: &[u8], piece: usize) -> Result<(usize, bool, Vec<u8>), Fault> {
    let (mut chunks, mut scanned) = (Chunks::new(CHUNK_LIMITS), Chunks::new(CHUNK_LIMITS));
    let (mut used, mut data) = (0, Vec::new());
    for piece in bytes.chunks(piece) {
        let left = chunks.data_left();
        let scan = chunks.decode(piece, |bytes| data.extend_from_slice(bytes));
        assert_eq!(scanned.scan(piece), scan);
        let scan = scan?;
        assert!(data.len() as u64 >= left.min(scan.used as u64));
        used += scan.used;
        if scan.done {
            return Ok((used, true, data));
        }
        assert_eq!(scan.used, piece.len());
    }
    Ok((used, false, data))
}

/// Ends that make many an incomplete body a complete one.
const CHUNK_ENDS: &[&[u8]] = &[
    b"0\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b"\n0\r\n\r\n",
    b"\r\n\r\n",
    b"\n\r\n",
    b"\n",
    b"a: b\r\n\r\n",
    b"\"\r\n\r\n",
    b"a\r\n\r\n",
    b"1\r\n\r\n",
];
