//! An end of a connection with the bytes it has not used yet, and what came as plain text.

use mainstay_wire::h2::{Connection, Ended, Event, Fields, Limits, Role};

pub(crate) struct End {
    pub(crate) connection: Connection,
    unused: Vec<u8>,
    /// What came, one line an event.
    pub(crate) seen: Vec<String>,
    /// Whether bodies are released as they come.
    pub(crate) releases: bool,
}

impl End {
    pub(crate) fn new(role: Role, limits: Limits) -> Self {
        Self { connection: Connection::new(role, limits), unused: Vec::new(), seen: Vec::new(), releases: true }
    }

    /// Takes bytes in and writes down what they were.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.unused.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.unused);
        let mut at = 0;
        let result = loop {
            let step = match self.connection.next(&bytes[at..]) {
                Ok(step) => step,
                Err(ended) => break Err(ended),
            };
            at += step.used;
            let Some(event) = step.event else { break Ok(()) };
            if let (Event::Data { stream, bytes, .. }, true) = (event, self.releases) {
                self.connection.release(stream, bytes.len());
            }
            self.seen.push(line(event, self.connection.fields()));
        };
        self.unused = bytes[at..].to_vec();
        assert!(result.is_err() || self.unused.len() < 9 + 16_384, "no more than a frame is kept");
        result
    }

    /// What is to be sent.
    pub(crate) fn give(&mut self) -> Vec<u8> {
        std::mem::take(self.connection.out())
    }

    /// Bodies in one piece each, without what only tells of windows and settings.
    pub(crate) fn messages(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let told = |line: &&String| !line.starts_with("window") && !line.starts_with("settings");
        for line in self.seen.iter().filter(told) {
            let joined = lines.last_mut().and_then(|last| {
                let (head, more) = line.split_once(": ")?;
                (head.starts_with("data") && last.starts_with(head) && !last.ends_with('.'))
                    .then(|| last.push_str(more))
            });
            if joined.is_none() {
                lines.push(line.clone());
            }
        }
        lines
    }
}

fn line(event: Event<'_>, fields: &Fields) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = || fields.iter().map(|field| format!("{}={}", text(field.name), text(field.value))).collect::<Vec<_>>();
    match event {
        Event::Head { stream, end, interim } => format!("head {stream} {end} {interim} {}", list().join(" ")),
        Event::TooLarge { stream, end } => format!("too large {stream} {end}"),
        Event::Trailers { stream } => format!("trailers {stream} {}", list().join(" ")),
        Event::Data { stream, bytes, end } => format!("data {stream}: {}{}", text(bytes), if end { "." } else { "" }),
        Event::Reset { stream, code } => format!("reset {stream} {code}"),
        Event::Broken { stream, code, why } => format!("broken {stream} {code}: {why}"),
        Event::Window { stream } => format!("window {stream}"),
        Event::GoAway { last, code } => format!("goaway {last} {code}"),
        Event::Pong { payload } => format!("pong {payload:?}"),
        Event::Settings => "settings".to_owned(),
    }
}

/// A field list from lines of `name: value`.
pub(crate) fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    fields
}

/// A request's head.
pub(crate) fn request(more: &[(&str, &str)]) -> Fields {
    let head = [(":method", "POST"), (":scheme", "http"), (":path", "/service/Method"), (":authority", "node:1")];
    fields(&head.iter().chain(more).copied().collect::<Vec<_>>())
}

/// Carries bytes between two ends, `cut` at a time, until neither has anything to say.
pub(crate) fn carry(one: &mut End, other: &mut End, cut: usize) {
    loop {
        let (there, back) = (one.give(), other.give());
        if there.is_empty() && back.is_empty() {
            return;
        }
        there.chunks(cut).for_each(|piece| other.take(piece).unwrap());
        back.chunks(cut).for_each(|piece| one.take(piece).unwrap());
    }
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
