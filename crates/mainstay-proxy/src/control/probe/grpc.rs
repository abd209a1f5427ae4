use mainstay_wire::h2::{Connection, Event, Fields, Limits, Role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{CheckFault, MAX_BODY, Stream};

/// Waits for the settings with which every server of HTTP/2 begins.
pub(super) async fn any_answer(mut stream: Box<dyn Stream>) -> Result<(), CheckFault> {
    let mut talk = Talk::new();
    talk.until(&mut stream, |_, event| matches!(event, Event::Settings).then_some(())).await
}

/// Asks `grpc.health.v1.Health/Check` for a service; it is well when it serves.
pub(super) async fn check(mut stream: Box<dyn Stream>, service: &str, host: &str) -> Result<(), CheckFault> {
    let mut talk = Talk::new();
    let id = talk.connection.open(false).ok_or(CheckFault::Closed)?;
    let mut head = Fields::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", host),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "mainstay"),
    ] {
        head.push(name.as_bytes(), value.as_bytes());
    }
    talk.connection.headers(id, head.iter(), false);
    talk.connection.data(id, &request(service), true);
    let mut answer = Vec::new();
    let status = talk
        .until(&mut stream, |connection, event| match event {
            Event::Head { end: true, .. } | Event::Trailers { .. } => {
                Some(number(connection.fields().get(b"grpc-status").unwrap_or_default()))
            }
            Event::Head { interim: false, .. } if connection.fields().get(b":status") != Some(b"200") => Some(None),
            Event::Data { bytes, end, .. } => {
                let room = MAX_BODY.saturating_sub(answer.len());
                answer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                end.then_some(None)
            }
            Event::Reset { .. } | Event::Broken { .. } | Event::GoAway { .. } => Some(None),
            _ => None,
        })
        .await?;
    match (status, serving(&answer)) {
        (Some(0), Some(1)) => Ok(()),
        (Some(0), Some(status)) => Err(CheckFault::Serving(status)),
        (Some(0), None) | (None, _) => Err(CheckFault::NoCall),
        (Some(status), _) => Err(CheckFault::Call(status)),
    }
}

/// One connection for one question.
struct Talk {
    connection: Connection,
    pending: Vec<u8>,
}

impl Talk {
    fn new() -> Self {
        Self { connection: Connection::new(Role::Client, Limits::default()), pending: Vec::new() }
    }

    /// Sends what there is and reads what comes until `done` says that it is enough.
    async fn until<T>(
        &mut self,
        stream: &mut Box<dyn Stream>,
        mut done: impl FnMut(&Connection, Event<'_>) -> Option<T>,
    ) -> Result<T, CheckFault> {
        loop {
            let out = std::mem::take(self.connection.out());
            stream.write_all(&out).await.map_err(|error| CheckFault::broken(&error))?;
            let read = stream.read_buf(&mut self.pending).await.map_err(|error| CheckFault::broken(&error))?;
            if read == 0 {
                return Err(CheckFault::Closed);
            }
            let mut used = 0;
            loop {
                let rest = self.pending.get(used..).unwrap_or_default();
                let step = self.connection.next(rest).map_err(|_| CheckFault::NoCall)?;
                used += step.used;
                let Some(event) = step.event else { break };
                if let Some(value) = done(&self.connection, event) {
                    return Ok(value);
                }
            }
            self.pending.drain(..used.min(self.pending.len()));
        }
    }
}

/// A HealthCheckRequest in its envelope: its one field is the service's name.
fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0A);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7F).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or(0));
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), &message].concat()
}

/// The status in a HealthCheckResponse; `None` when these bytes are none.
fn serving(envelope: &[u8]) -> Option<u8> {
    let (head, message) = envelope.split_first_chunk::<5>()?;
    let [0, length @ ..] = *head else { return None };
    match (u32::from_be_bytes(length) as usize == message.len(), message) {
        // A field that has its default value is left out.
        (true, []) => Some(0),
        (true, [0x08, status]) if *status < 0x80 => Some(*status),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0A, 2, b'a', b'b']);
        for (bytes, expect) in [
            (&[0, 0, 0, 0, 2, 8, 1][..], Some(1)),
            (&[0, 0, 0, 0, 2, 8, 2], Some(2)),
            (&[0, 0, 0, 0, 0], Some(0)),
            (&[1, 0, 0, 0, 2, 8, 1], None),
            (&[0, 0, 0, 0, 3, 8, 1], None),
            (&[], None),
        ] {
            assert_eq!(serving(bytes), expect, "{bytes:?}");
        }
    }
}
