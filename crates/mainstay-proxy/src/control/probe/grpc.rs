use mainstay_wire::h2::{Connection, Event, Fields, Limits, Role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{CheckFault, MAX_BODY, Stream};

/// Waits for the settings with which every server of HTTP/2 begins.
pub(super) async fn any_answer(mut stream: Box<dyn Stream>) -> Result<(), CheckFault> {
    let mut talk = Talk::new();
    talk.until(&mut stream, |_, event| matches!(event, Event::Settings).then_some(())).await
}

/// A question to `grpc.health.v1.Health`.
pub(super) struct Question<'a> {
    /// `Check` or `Watch`.
    pub(super) method: &'static str,
    /// The service asked for.
    pub(super) service: &'a str,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The node's own name and port.
    pub(super) host: &'a str,
}

/// Asks for a service; it is well when it serves.
pub(super) async fn check(mut stream: Box<dyn Stream>, question: &Question<'_>) -> Result<(), CheckFault> {
    let mut talk = Talk::new();
    talk.ask(question)?;
    let mut answer = Vec::new();
    let status = talk
        .until(&mut stream, |connection, event| match event {
            Event::Data { bytes, end, .. } => {
                let room = MAX_BODY.saturating_sub(answer.len());
                answer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                end.then_some(None)
            }
            other => ended(connection, &other),
        })
        .await?;
    match (status, serving(&answer)) {
        (Some(0), Some(1)) => Ok(()),
        (Some(0), Some(status)) => Err(CheckFault::Serving(status)),
        (Some(0), None) | (None, _) => Err(CheckFault::NoCall),
        (Some(status), _) => Err(CheckFault::Call(status)),
    }
}

/// Hands on each status of a service as it is told, until the stream ends; says how it did.
pub(super) async fn watch(
    mut stream: Box<dyn Stream>,
    question: &Question<'_>,
    mut told: impl FnMut(u8),
) -> CheckFault {
    let mut talk = Talk::new();
    if let Err(fault) = talk.ask(question) {
        return fault;
    }
    let mut pending = Vec::new();
    let end = talk.until(&mut stream, |connection, event| match event {
        Event::Data { bytes, end, .. } => {
            pending.extend_from_slice(bytes);
            loop {
                match first(&pending).map(|found| found.map(|(envelope, used)| (serving(envelope), used))) {
                    Ok(Some((Some(status), used))) => {
                        told(status);
                        pending.drain(..used);
                    }
                    Ok(None) => return end.then_some(None),
                    Ok(Some((None, _))) | Err(TooLong) => return Some(None),
                }
            }
        }
        other => ended(connection, &other),
    });
    match end.await {
        Ok(None) => CheckFault::NoCall,
        Ok(Some(status)) => CheckFault::Call(status),
        Err(fault) => fault,
    }
}

/// How a call has ended by an event that is none of its data: with a status, or (`Some(None)`) as no call should.
#[expect(clippy::option_option, reason = "whether it has ended, and whether with a status")]
fn ended(connection: &Connection, event: &Event<'_>) -> Option<Option<u8>> {
    match event {
        Event::Head { end: true, .. } | Event::Trailers { .. } => {
            Some(number(connection.fields().get(b"grpc-status").unwrap_or_default()))
        }
        Event::Head { interim: false, .. } if connection.fields().get(b":status") != Some(b"200") => Some(None),
        Event::Reset { .. } | Event::Broken { .. } | Event::GoAway { .. } => Some(None),
        _ => None,
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

    /// Asks; what follows is read by [`Self::until`].
    fn ask(&mut self, question: &Question<'_>) -> Result<(), CheckFault> {
        let id = self.connection.open(false).ok_or(CheckFault::Closed)?;
        let mut head = Fields::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", question.scheme),
            (":path", &format!("/grpc.health.v1.Health/{}", question.method)),
            (":authority", question.host),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "mainstay"),
        ] {
            head.push(name.as_bytes(), value.as_bytes());
        }
        self.connection.headers(id, head.iter(), false);
        self.connection.data(id, &request(question.service), true);
        Ok(())
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

/// The first whole message of a stream in its envelope, and its length.
fn first(stream: &[u8]) -> Result<Option<(&[u8], usize)>, TooLong> {
    let Some(([_, length @ ..], _)) = stream.split_first_chunk::<5>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MOST_MESSAGE {
        return Err(TooLong);
    }
    Ok(stream.get(..5 + length).map(|envelope| (envelope, 5 + length)))
}

/// A message that is no HealthCheckResponse.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

fn number(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Longest HealthCheckResponse. It has one number.
const MOST_MESSAGE: usize = 64;

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

    #[test]
    fn a_stream_of_answers_is_cut_into_them() {
        let two = [0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 0];
        assert_eq!(first(&two), Ok(Some((&two[..7], 7))));
        assert_eq!(first(&two[7..]), Ok(Some((&two[7..], 5))));
        assert_eq!((first(&two[..6]), first(&[])), (Ok(None), Ok(None)));
        assert_eq!(first(&[0, 0, 0, 1, 0]), Err(TooLong));
    }
}
