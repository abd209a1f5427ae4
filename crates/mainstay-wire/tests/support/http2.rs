//! What must hold for any bytes that an HTTP/2 end is given.

use mainstay_wire::h2::{Connection, Event, Field, Fields, Limits, PREFACE, Role, hpack};

/// The first byte says which end; the rest comes from the other, after a good start. Read at once and in pieces, it is the
/// same; what is accepted fits the rules that the proxy relies on.
pub(crate) fn http2(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let role = if choice & 1 == 0 { Role::Server } else { Role::Client };
    let whole = run(role, rest, usize::MAX);
    let cut = usize::from(choice >> 1) % 64 + 1;
    assert_eq!(whole, run(role, rest, cut), "in pieces of {cut}");
}

/// A field block by itself: what is read can be written and read again.
pub(crate) fn hpack(input: &[u8]) {
    let limits = hpack::ListLimits { size: 16 << 10, fields: 64 };
    let (mut decoder, mut fields) = (hpack::Decoder::new(4096), Fields::new());
    let (mut encoder, mut second) = (hpack::Encoder::new(4096), hpack::Decoder::new(4096));
    for block in input.split(|byte| *byte == 0xFF).take(16) {
        if decoder.decode(block, limits, &mut fields).is_err() {
            return;
        }
        let size: usize = fields.iter().map(|field| field.name.len() + field.value.len() + 32).sum();
        assert!(size <= limits.size && fields.len() <= limits.fields);
        let mut out = Vec::new();
        encoder.start(&mut out);
        fields.iter().for_each(|field| encoder.field(field, &mut out));
        let mut again = Fields::new();
        assert_eq!(second.decode(&out, limits, &mut again), Ok(true));
        let same = |(one, other): (Field<'_>, Field<'_>)| {
            one.name == other.name && one.value == other.value && one.never_indexed == other.never_indexed
        };
        assert!(again.len() == fields.len() && again.iter().zip(fields.iter()).all(same));
    }
}

fn run(role: Role, bytes: &[u8], cut: usize) -> Vec<String> {
    let mut connection = Connection::new(role, Limits { waste: 400, ..Limits::default() });
    if role == Role::Client {
        for head_only in [false, false, true] {
            let Some(id) = connection.open(head_only) else { break };
            let mut fields = Fields::new();
            for (name, value) in [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")] {
                fields.push(name.as_bytes(), value.as_bytes());
            }
            connection.headers(id, fields.iter(), true);
        }
    }
    let start = if role == Role::Server { &PREFACE[..] } else { &[] };
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let all = [start, &settings, bytes].concat();
    let mut seen: Vec<String> = Vec::new();
    let mut held = Vec::new();
    for piece in all.chunks(cut) {
        held.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let step = match connection.next(&held[at..]) {
                Ok(step) => step,
                Err(ended) => {
                    seen.push(format!("{} {}", ended.code, ended.why));
                    return seen;
                }
            };
            at += step.used;
            let Some(event) = step.event else { break };
            note(&mut connection, event, &mut seen);
        }
        held.drain(..at);
    }
    seen
}

/// Writes an event down, bodies joined; checks what is said of heads.
fn note(connection: &mut Connection, event: Event<'_>, seen: &mut Vec<String>) {
    match event {
        Event::Data { stream, bytes, end } => {
            connection.release(stream, bytes.len());
            let start = format!("data {stream} ");
            if seen.last().is_none_or(|last| !last.starts_with(&start) || last.ends_with('.')) {
                seen.push(start);
            }
            if let Some(last) = seen.last_mut() {
                last.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
                last.push_str(if end { "." } else { "" });
            }
        }
        Event::Head { .. } | Event::Trailers { .. } => {
            let fields = connection.fields();
            for field in fields.iter() {
                assert!(!field.name.iter().any(u8::is_ascii_uppercase));
                assert!(!field.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                assert!(!matches!(field.name, b"connection" | b"transfer-encoding" | b"upgrade"));
            }
            let lines: Vec<_> = fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
            seen.push(format!("{event:?} {lines:?}"));
        }
        other => seen.push(format!("{other:?}")),
    }
}
