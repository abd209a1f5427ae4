use std::fmt::Write as _;

use mainstay_wire::h1::{self, ChunkLimits, HeadLimits, Method, Parsed, ResponseBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{CheckFault, MAX_BODY, MAX_HEAD, Stream};
use crate::params::{HttpProbe, Pattern};

/// Asks `GET /`; any answer that is HTTP is good.
pub(super) async fn any_answer(mut stream: Box<dyn Stream>, host: &str) -> Result<(), CheckFault> {
    send(&mut stream, "GET", "/", host).await?;
    head(&mut stream, Method::Get).await.map(|_| ())
}

/// Asks what `probe` says and judges the answer.
pub(super) async fn check(mut stream: Box<dyn Stream>, probe: &HttpProbe, host: &str) -> Result<(), CheckFault> {
    send(&mut stream, &probe.method, &probe.target, probe.host.as_deref().unwrap_or(host)).await?;
    let method = Method::from_text(probe.method.as_bytes());
    let head = head(&mut stream, method).await?;
    let response = parse(&head.bytes, method)?.ok_or(CheckFault::Closed)?;
    let status = response.status;
    if !probe.statuses.iter().any(|&(first, last)| (first..=last).contains(&status)) {
        return Err(CheckFault::Status(status));
    }
    for (name, pattern) in &probe.fields {
        let mut values = response.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
        let good = match pattern {
            Pattern::Not(_) => values.all(|(_, value)| pattern.matches(value)),
            _ => values.any(|(_, value)| pattern.matches(value)),
        };
        if !good {
            return Err(CheckFault::Field(name.clone()));
        }
    }
    let Some(pattern) = &probe.body else { return Ok(()) };
    let rest = head.bytes.get(response.len..).unwrap_or_default();
    let body = body(&mut stream, response.body, rest).await?;
    if pattern.matches(&body) { Ok(()) } else { Err(CheckFault::Body) }
}

async fn send(stream: &mut Box<dyn Stream>, method: &str, target: &str, host: &str) -> Result<(), CheckFault> {
    let mut request = String::new();
    let fields = "User-Agent: mainstay\r\nAccept: */*\r\nConnection: close";
    let length = if matches!(method, "POST" | "PUT" | "PATCH") { "\r\nContent-Length: 0" } else { "" };
    let _ = write!(request, "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| CheckFault::broken(&error))
}

/// What was read until a final head was complete.
struct Head {
    bytes: Vec<u8>,
}

async fn head(stream: &mut Box<dyn Stream>, method: Method) -> Result<Head, CheckFault> {
    let mut bytes = Vec::new();
    loop {
        match parse(&bytes, method)? {
            Some(response) if (100..200).contains(&response.status) => {
                let interim = response.len;
                bytes.drain(..interim);
            }
            Some(_) => return Ok(Head { bytes }),
            None => read(stream, &mut bytes, MAX_HEAD + MAX_BODY).await?,
        }
    }
}

fn parse(bytes: &[u8], method: Method) -> Result<Option<h1::Response<'_>>, CheckFault> {
    match h1::response(bytes, &LIMITS, method) {
        Ok(Parsed::Done(response)) => Ok(Some(response)),
        Ok(Parsed::More) => Ok(None),
        Err(fault) => Err(CheckFault::Invalid(fault.name())),
    }
}

/// The first [`MAX_BODY`] bytes of the body, of which `rest` has come already.
async fn body(stream: &mut Box<dyn Stream>, length: ResponseBody, rest: &[u8]) -> Result<Vec<u8>, CheckFault> {
    let mut body = rest.to_vec();
    match length {
        ResponseBody::None => body.clear(),
        ResponseBody::Length(length) => {
            let wanted = usize::try_from(length).unwrap_or(MAX_BODY).min(MAX_BODY);
            while body.len() < wanted {
                read(stream, &mut body, wanted).await?;
            }
            body.truncate(wanted);
        }
        ResponseBody::UntilClose => {
            while body.len() < MAX_BODY {
                match read(stream, &mut body, MAX_BODY).await {
                    Err(CheckFault::Closed) => break,
                    other => other?,
                }
            }
        }
        ResponseBody::Chunked => body = chunked(stream, body).await?,
    }
    Ok(body)
}

async fn chunked(stream: &mut Box<dyn Stream>, mut coded: Vec<u8>) -> Result<Vec<u8>, CheckFault> {
    let mut chunks = h1::Chunks::new(CHUNK_LIMITS);
    let mut body = Vec::new();
    loop {
        let scan = chunks.decode(&coded, |data| {
            let room = MAX_BODY - body.len();
            body.extend_from_slice(data.get(..room).unwrap_or(data));
        });
        let scan = scan.map_err(|fault| CheckFault::Invalid(fault.name()))?;
        if scan.done || body.len() >= MAX_BODY {
            return Ok(body);
        }
        coded.drain(..scan.used);
        let room = coded.len() + MAX_HEAD;
        read(stream, &mut coded, room).await?;
    }
}

/// Reads what comes next, without letting `bytes` grow beyond `most`.
async fn read(stream: &mut Box<dyn Stream>, bytes: &mut Vec<u8>, most: usize) -> Result<(), CheckFault> {
    let room = u64::try_from(most.saturating_sub(bytes.len())).unwrap_or(0);
    match stream.take(room).read_buf(bytes).await {
        Ok(0) => Err(CheckFault::Closed),
        Ok(_) => Ok(()),
        Err(error) => Err(CheckFault::broken(&error)),
    }
}

const LIMITS: HeadLimits = HeadLimits { request_line: MAX_HEAD, head: MAX_HEAD, fields: 100 };

const CHUNK_LIMITS: ChunkLimits = ChunkLimits { extensions: 16 * 1024, trailers: 16 * 1024 };
