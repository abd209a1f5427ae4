//! The `h2` crate at the other end, in both roles, over a pipe that cuts the bytes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use mainstay_wire::h2::{Connection, Event, Limits, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::support::fields;

/// Runs one of our ends on a pipe: events go to `answer`, which may send.
async fn run(
    mut pipe: DuplexStream,
    cut: usize,
    mut connection: Connection,
    mut answer: impl FnMut(&mut Connection, Option<Event<'_>>),
) {
    let mut held: Vec<u8> = Vec::new();
    let mut piece = vec![0; cut];
    answer(&mut connection, None);
    loop {
        let out = std::mem::take(connection.out());
        if pipe.write_all(&out).await.is_err() {
            return;
        }
        let Ok(read @ 1..) = pipe.read(&mut piece).await else { return };
        held.extend_from_slice(&piece[..read]);
        let mut at = 0;
        loop {
            let step = connection.next(&held[at..]).unwrap();
            at += step.used;
            let Some(event) = step.event else { break };
            answer(&mut connection, Some(event));
            if let Event::Data { stream, bytes, .. } = event {
                connection.release(stream, bytes.len());
            }
        }
        held.drain(..at);
    }
}

/// An echo server of ours: bodies come back, then trailers that say how long they were.
#[derive(Default)]
struct Echo {
    /// What could not be sent yet, by stream.
    waiting: Vec<(u32, Vec<u8>, bool, usize)>,
}

impl Echo {
    fn on(&mut self, connection: &mut Connection, event: Option<Event<'_>>) {
        match event {
            Some(Event::Head { stream, end, .. }) => {
                let path = connection.fields().get(b":path").unwrap().to_vec();
                let mut head = fields(&[(":status", "200"), ("x-echo", "yes")]);
                head.push(b"x-path", &path);
                connection.headers(stream, head.iter(), false);
                self.waiting.push((stream, Vec::new(), end, 0));
            }
            Some(Event::Data { stream, bytes, end }) => {
                let at = self.waiting.iter_mut().find(|(id, ..)| *id == stream).unwrap();
                at.1.extend_from_slice(bytes);
                at.2 |= end;
                at.3 += bytes.len();
            }
            Some(Event::Trailers { stream }) => {
                self.waiting.iter_mut().filter(|(id, ..)| *id == stream).for_each(|at| at.2 = true);
            }
            _ => {}
        }
        self.waiting.retain_mut(|(stream, bytes, end, length)| {
            let sent = connection.data(*stream, bytes, false);
            bytes.drain(..sent);
            let done = *end && bytes.is_empty();
            if done {
                connection.headers(*stream, fields(&[("x-length", &length.to_string())]).iter(), true);
            }
            !done
        });
    }
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

async fn call(mut send: h2::client::SendRequest<Bytes>, number: usize) {
    let length = number * 3571;
    let path = format!("/a%2Fb+c/{number}");
    let request = Request::builder().method(Method::POST).uri(format!("http://node{path}"));
    let request = request.header("x-number", number.to_string()).header("te", "trailers").body(()).unwrap();
    let (response, mut stream) = send.send_request(request, false).unwrap();
    let sent = body(length);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sent", HeaderValue::from_static("all"));
    stream.send_data(Bytes::from(sent.clone()), false).unwrap();
    stream.send_trailers(trailers).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-path"], path.as_str());
    let mut came = Vec::new();
    let mut back = response.into_body();
    while let Some(piece) = back.data().await {
        let piece = piece.unwrap();
        back.flow_control().release_capacity(piece.len()).unwrap();
        came.extend_from_slice(&piece);
    }
    assert_eq!(came, sent);
    assert_eq!(back.trailers().await.unwrap().unwrap()["x-length"], length.to_string().as_str());
}

#[tokio::test]
async fn its_client_at_our_server() {
    for cut in [5, 333, 20_000] {
        let (theirs, ours) = tokio::io::duplex(64 << 10);
        let mut echo = Echo::default();
        let server = Connection::new(Role::Server, Limits::default());
        let serve = run(ours, cut, server, move |connection, event| echo.on(connection, event));
        let work = async {
            let (send, connection) = h2::client::handshake(theirs).await.unwrap();
            let driver = tokio::spawn(connection);
            let calls: Vec<_> = (0..24).map(|number| tokio::spawn(call(send.clone(), number))).collect();
            for call in calls {
                call.await.unwrap();
            }
            drop(send);
            driver.abort();
        };
        let both = async { tokio::join!(serve, work) };
        tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    }
}

async fn its_server(pipe: DuplexStream) {
    let mut connection = h2::server::handshake(pipe).await.unwrap();
    while let Some(accepted) = connection.accept().await {
        let Ok((request, mut respond)) = accepted else { return };
        tokio::spawn(async move {
            let path = request.uri().path().to_owned();
            let mut came = Vec::new();
            let mut body = request.into_body();
            while let Some(piece) = body.data().await {
                let piece = piece.unwrap();
                body.flow_control().release_capacity(piece.len()).unwrap();
                came.extend_from_slice(&piece);
            }
            let mut send =
                respond.send_response(Response::builder().header("x-path", path).body(()).unwrap(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-length", came.len().to_string().parse().unwrap());
            send.send_data(Bytes::from(came), false).unwrap();
            send.send_trailers(trailers).unwrap();
        });
    }
}

/// Calls of ours: what is still to be sent, what came, and the trailers.
#[derive(Default)]
struct Calls {
    open: Vec<(u32, Vec<u8>)>,
    came: std::collections::HashMap<u32, Vec<u8>>,
    done: usize,
    begun: usize,
}

impl Calls {
    const MANY: usize = 40;

    fn on(&mut self, connection: &mut Connection, event: Option<Event<'_>>) {
        match event {
            Some(Event::Head { stream, .. }) => {
                let path = format!("/call/{stream}");
                assert_eq!(connection.fields().get(b"x-path"), Some(path.as_bytes()));
            }
            Some(Event::Data { stream, bytes, .. }) => self.came.entry(stream).or_default().extend_from_slice(bytes),
            Some(Event::Trailers { stream }) => {
                let came = self.came.remove(&stream).unwrap_or_default();
                assert_eq!(came, body(stream as usize * 1777));
                let length = came.len().to_string();
                assert_eq!(connection.fields().get(b"x-length"), Some(length.as_bytes()));
                self.done += 1;
            }
            Some(Event::Broken { why, .. }) => panic!("{why}"),
            _ => {}
        }
        while self.begun < Self::MANY && self.begun < self.done + 8 {
            let Some(id) = connection.open(false) else { break };
            let path = format!("/call/{id}");
            let head = [(":method", "PUT"), (":scheme", "http"), (":authority", "node"), (":path", &path)];
            connection.headers(id, fields(&head).iter(), false);
            self.open.push((id, body(id as usize * 1777)));
            self.begun += 1;
        }
        self.open.retain_mut(|(id, bytes)| {
            let sent = connection.data(*id, bytes, true);
            bytes.drain(..sent);
            !bytes.is_empty()
        });
    }
}

#[tokio::test]
async fn our_client_at_its_server() {
    for cut in [5, 333, 20_000] {
        let (theirs, ours) = tokio::io::duplex(64 << 10);
        let server = tokio::spawn(its_server(theirs));
        let (told, done) = tokio::sync::oneshot::channel();
        let (mut calls, mut told) = (Calls::default(), Some(told));
        let client = Connection::new(Role::Client, Limits::default());
        let work = tokio::spawn(run(ours, cut, client, move |connection, event| {
            calls.on(connection, event);
            if calls.done == Calls::MANY
                && let Some(told) = told.take()
            {
                told.send(()).unwrap();
            }
        }));
        tokio::time::timeout(Duration::from_secs(60), done).await.unwrap().unwrap();
        work.abort();
        server.abort();
    }
}
