//! Time to read and rewrite one typical request and response head: `cargo run --release --example head_cost`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mainstay_wire::h1::{
    ChunkLimits, Chunks, Connection, ForwardedEdit, HeadLimits, HostEdit, Method, Parsed, RequestEdit, ResponseEdit,
    Version, request, response,
};

fn main() {
    let mut out = Vec::with_capacity(4096);
    for (name, head) in [("5 fields", FIVE), ("10 fields", TEN)] {
        report(&format!("request, {name}: read"), head.len(), || {
            let Ok(Parsed::Done(read)) = request(black_box(head), &LIMITS) else { return };
            black_box(&read);
        });
        for (edits, edit) in [("kept as it is", plain()), ("host, forwarded and a field set", edited())] {
            report(&format!("request, {name}: read and write, {edits}"), head.len(), || {
                let Ok(Parsed::Done(read)) = request(black_box(head), &LIMITS) else { return };
                out.clear();
                read.write_head(&mut out, black_box(&edit));
                black_box(&out);
            });
        }
    }
    let edit =
        ResponseEdit { add: &[], connection: Connection::Keep, client: Version::Http11, status: None, dechunk: false };
    report("response: read and write", RESPONSE.len(), || {
        let Ok(Parsed::Done(read)) = response(black_box(RESPONSE), &LIMITS, Method::Get) else { return };
        out.clear();
        read.write_head(&mut out, black_box(&edit));
        black_box(&out);
    });
    report("chunked body, 3 small chunks: scan", CHUNKS.len(), || {
        let mut chunks = Chunks::new(ChunkLimits { extensions: 1024, trailers: 1024 });
        let _ = black_box(chunks.scan(black_box(CHUNKS)));
    });
}

fn plain() -> RequestEdit<'static> {
    RequestEdit {
        prefix: None,
        host: HostEdit::Keep,
        set: &[],
        forwarded: ForwardedEdit::Pass,
        keep_alive: true,
        upgrade: false,
    }
}

fn edited() -> RequestEdit<'static> {
    RequestEdit {
        prefix: Some((1, b"/api/")),
        host: HostEdit::Set(b"tessera_q2t_9101"),
        set: &[(b"X-Request-Start", b"1763721600.000")],
        forwarded: ForwardedEdit::Append { client: b"192.0.2.17", proto: b"http" },
        ..plain()
    }
}

/// Best of several rounds, so that what else the machine does counts little.
fn report(name: &str, bytes: usize, mut once: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..TURNS {
            once();
        }
        best = best.min(start.elapsed());
    }
    println!("{:6.0} ns  {name} ({bytes} bytes)", best.as_nanos() as f64 / f64::from(TURNS));
}

const ROUNDS: u32 = 20;
const TURNS: u32 = 20_000;

const LIMITS: HeadLimits = HeadLimits { request_line: 8192, head: 32768, fields: 100 };

const FIVE: &[u8] = b"POST /send HTTP/1.1\r\nHost: localhost:9101\r\nUser-Agent: quorum-v24.4.1\r\n\
    Content-Length: 311\r\nContent-Type: application/vnd.tessera-4.0+json\r\nAccept: application/vnd.tessera-4.0+json\r\n\r\n";

const TEN: &[u8] = b"GET /transaction/4pXJ%2Bq0Vd8Tn%2FyS5m1WcLrHuEo7iZaKgBfQxNwPvDtU%3D?isRaw=false HTTP/1.1\r\n\
    Host: ledger.example.com:9101\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Safari/537.36\r\n\
    Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n\
    Authorization: Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl\r\n\
    Cache-Control: no-cache\r\nX-Request-Id: 7f9c24e8-3b12-4fef-91f0-56a2d5a8d1c3\r\nCookie: session=0123456789abcdef\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nServer: Jetty(9.4.53)\r\n\
    Content-Type: application/json\r\nContent-Length: 300\r\nVary: Accept-Encoding\r\n\r\n";

const CHUNKS: &[u8] = b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n3\r\nabc\r\n0\r\n\r\n";
