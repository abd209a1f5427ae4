//! Calls of gRPC over HTTP/2 without TLS: the load's end of a connection, and the node's.

use mainstay_wire::h2::{Connection, Event, Fields, Limits, Role};

/// One end of a connection.
pub(super) struct End {
    connection: Connection,
    role: Role,
    pending: Vec<u8>,
    head: Fields,
    trailers: Fields,
    message: Vec<u8>,
    /// The calls under way, and how many bytes of its answer each has.
    open: Vec<(u32, usize)>,
    /// The calls stay open when they have had their message.
    holds: bool,
    /// A call that is complete is followed by the next.
    repeats: bool,
}

impl End {
    /// The load's: so many calls at a time, each followed by the next.
    pub(super) fn load(calls: usize) -> Self {
        Self::client(calls, "/com.daml.ledger.api.v1.CommandService/SubmitAndWait", false)
    }

    /// The load's: so many calls that stay open.
    pub(super) fn holding(calls: usize) -> Self {
        Self::client(calls, HELD, true)
    }

    /// The load's: a call now, and the next when it is asked for.
    pub(super) fn paced() -> Self {
        Self { repeats: false, ..Self::load(1) }
    }

    /// Whether calls wait to be asked for.
    pub(super) fn is_paced(&self) -> bool {
        !self.repeats && !self.holds
    }

    /// Whether a call is under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether all calls have had their message and stay open.
    pub(super) fn is_silent(&self) -> bool {
        self.holds && self.open.iter().all(|(_, count)| *count == self.message.len())
    }

    fn client(calls: usize, path: &str, holds: bool) -> Self {
        let mut end = Self { holds, ..Self::new(Role::Client) };
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "bench.example"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "bench"),
        ] {
            end.head.push(name.as_bytes(), value.as_bytes());
        }
        (0..calls).for_each(|_| end.call());
        end
    }

    /// The node's.
    pub(super) fn node() -> Self {
        let mut end = Self::new(Role::Server);
        end.head.push(b":status", b"200");
        end.head.push(b"content-type", b"application/grpc");
        end.trailers.push(b"grpc-status", b"0");
        end.trailers.push(b"grpc-message", b"");
        end
    }

    fn new(role: Role) -> Self {
        let limits = Limits { waste: u32::MAX / 2, streams: 1000, ..Limits::default() };
        let mut message = vec![0, 0, 0, 0, 100];
        message.resize(105, b'm');
        let connection = Connection::new(role, limits);
        Self {
            connection,
            role,
            pending: Vec::new(),
            head: Fields::new(),
            trailers: Fields::new(),
            message,
            open: Vec::new(),
            holds: false,
            repeats: true,
        }
    }

    /// What is to be sent.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.connection.out()
    }

    /// Takes what came; how many calls it completed, or what was wrong.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<u64, String> {
        let mut all = std::mem::take(&mut self.pending);
        let joined = !all.is_empty();
        if joined {
            all.extend_from_slice(bytes);
        }
        let bytes = if joined { &all[..] } else { bytes };
        let (mut used, mut done) = (0, 0);
        loop {
            let step = self.connection.next(&bytes[used..]).map_err(|ended| ended.why.to_owned())?;
            used += step.used;
            let Some(event) = step.event else { break };
            done += u64::from(self.event(event)?);
        }
        self.pending = bytes[used..].to_vec();
        Ok(done)
    }

    /// True when a call is complete.
    fn event(&mut self, event: Event<'_>) -> Result<bool, String> {
        match (self.role, event) {
            (Role::Client, Event::Head { end: false, .. }) => {
                let status = self.connection.fields().get(b":status");
                if status == Some(b"200") { Ok(false) } else { Err(format!("status {status:?}")) }
            }
            (Role::Client, Event::Data { stream, bytes, end: false }) => {
                self.connection.release(stream, bytes.len());
                let call = self.open.iter_mut().find(|(id, _)| *id == stream).ok_or("data of no call")?;
                let expected = self.message.get(call.1..call.1 + bytes.len());
                call.1 += bytes.len();
                if expected == Some(bytes) { Ok(false) } else { Err("another message than was sent".to_owned()) }
            }
            (Role::Client, Event::Trailers { stream }) => {
                if self.connection.fields().get(b"grpc-status") != Some(b"0") {
                    return Err("a status other than 0".to_owned());
                }
                let place = self.open.iter().position(|(id, _)| *id == stream).ok_or("trailers of no call")?;
                let (_, count) = self.open.swap_remove(place);
                if count != self.message.len() {
                    return Err(format!("{count} bytes of a message"));
                }
                if self.repeats {
                    self.call();
                }
                Ok(true)
            }
            (Role::Server, Event::Data { stream, bytes, end }) => {
                self.connection.release(stream, bytes.len());
                if end {
                    self.connection.headers(stream, self.head.iter(), false);
                    self.connection.data(stream, &self.message, false);
                    self.connection.headers(stream, self.trailers.iter(), true);
                }
                Ok(false)
            }
            (_, Event::Window { .. } | Event::Settings | Event::Pong { .. }) | (Role::Server, Event::Reset { .. }) => {
                Ok(false)
            }
            (Role::Server, Event::Head { stream, end: true, .. }) => {
                self.connection.headers(stream, self.head.iter(), false);
                if self.connection.fields().get(b":path") == Some(BIG) {
                    self.connection.data(stream, &[b'b'; 60_000], false);
                }
                self.connection.headers(stream, self.trailers.iter(), true);
                Ok(false)
            }
            (Role::Server, Event::Head { stream, end: false, .. }) => {
                if self.connection.fields().get(b":path") == Some(HELD.as_bytes()) {
                    self.connection.headers(stream, self.head.iter(), false);
                    self.connection.data(stream, &self.message, false);
                }
                Ok(false)
            }
            (_, other) => Err(format!("{other:?}")),
        }
    }

    /// Begins a call.
    pub(super) fn call(&mut self) {
        if let Some(id) = self.connection.open(false) {
            self.connection.headers(id, self.head.iter(), false);
            self.connection.data(id, &self.message, !self.holds);
            self.open.push((id, 0));
        }
    }
}

/// The method whose calls the node answers with one message and leaves open.
const HELD: &str = "/com.daml.ledger.api.v1.TransactionService/GetTransactions";
/// The path of requests without a body that are answered with a large one.
const BIG: &[u8] = b"/b";
