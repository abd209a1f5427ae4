//! Frames that no library would send.

use mainstay_wire::h2::{Connection, Event, Fields, Limits, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{accept, connect, counted, plan, read_until, start, stop, timeout};

/// Sends a request of these fields, and says how it ended: its status, or what the stream was reset with.
async fn ask(client: &mut TcpStream, lines: &[(&str, &str)], body: &[u8]) -> String {
    let mut ours = Connection::new(Role::Client, Limits::default());
    let id = ours.open(false).unwrap();
    let mut fields = Fields::new();
    lines.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value.as_bytes()));
    ours.headers(id, fields.iter(), false);
    ours.data(id, body, true);
    let mut pending = Vec::new();
    loop {
        let out = std::mem::take(ours.out());
        if client.write_all(&out).await.is_err() {
            return "closed".to_owned();
        }
        if timeout(client.read_buf(&mut pending)).await.unwrap_or(0) == 0 {
            return "closed".to_owned();
        }
        let mut used = 0;
        loop {
            let step = ours.next(&pending[used..]).unwrap();
            used += step.used;
            match step.event {
                Some(Event::Head { interim: false, .. }) => {
                    return String::from_utf8(ours.fields().get(b":status").unwrap().to_vec()).unwrap();
                }
                Some(Event::Reset { code, .. }) => return code.to_string(),
                Some(Event::GoAway { code, .. }) => return format!("goaway {code}"),
                Some(_) => {}
                None => break,
            }
        }
        pending.drain(..used);
    }
}

#[tokio::test]
async fn nothing_is_smuggled_into_a_node_of_one() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = start(plan(&[node.local_addr().unwrap()])).await;
    let good = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "x")];
    let with = move |more: &[(&'static str, &'static str)]| [&good[..], more].concat();
    let swapped = |at: usize, value: &'static str| {
        let mut lines = good.to_vec();
        lines[at].1 = value;
        lines
    };
    for (lines, expect) in [
        (with(&[("x", "1\r\nTransfer-Encoding: chunked")]), "protocol_error"),
        (with(&[("x", "1\nGET /admin HTTP/1.1")]), "protocol_error"),
        (with(&[("x\r\ny", "1")]), "protocol_error"),
        (with(&[("x: y\r\nz", "1")]), "protocol_error"),
        (with(&[("X-Upper", "1")]), "protocol_error"),
        (with(&[("transfer-encoding", "chunked")]), "protocol_error"),
        (with(&[("connection", "content-length")]), "protocol_error"),
        (with(&[("content-length", "3")]), "protocol_error"),
        (with(&[("content-length", "5"), ("content-length", "5")]), "protocol_error"),
        (with(&[("content-length", "5, 5")]), "protocol_error"),
        (with(&[("te", "chunked")]), "protocol_error"),
        (with(&[("host", "other")]), "protocol_error"),
        (with(&[("host", "x"), ("host", "x")]), "protocol_error"),
        (swapped(0, "GET / HTTP/1.1\r\nHost: y\r\n\r\nPOST"), "protocol_error"),
        (swapped(0, "GET /admin"), "protocol_error"),
        (swapped(0, "TRACE"), "501"),
        (swapped(2, "/ HTTP/1.1\r\nx: y"), "protocol_error"),
        (swapped(2, "/a b"), "protocol_error"),
        (swapped(2, "http://x/"), "protocol_error"),
        (swapped(3, "x\r\ny: z"), "protocol_error"),
        (swapped(3, "a,b"), "400"),
        (swapped(3, "a:99999"), "400"),
        (swapped(3, "u@x"), "protocol_error"),
    ] {
        let mut client = connect(&front).await;
        assert_eq!(ask(&mut client, &lines, b"hello").await, expect, "{lines:?}");
    }
    // The first that a node sees of all that is what is good.
    let mut client = connect(&front).await;
    let asked = tokio::spawn(async move { ask(&mut client, &with(&[("content-length", "5")]), b"hello").await });
    let mut up = accept(&node).await;
    let seen = read_until(&mut up, b"hello").await;
    assert_eq!(seen, "POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\nhello");
    up.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(asked.await.unwrap(), "204");
    counted(&front, |reading| reading.listeners["listener"].faults.each().count() > 0).await;
    stop(front).await;
}
