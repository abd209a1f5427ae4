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
}

impl End {
    /// The load's: so many calls at a time, each followed by the next.
    pub(super) fn load(calls: usize) -> Self {
        let mut end = Self::new(Role::Client);
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/com.daml.ledger.api.v1.CommandService/SubmitAndWait"),
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
        Self { connection, role, pending: Vec::new(), head: Fields::new(), trailers: Fields::new(), message }
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
                Ok(false)
            }
            (Role::Client, Event::Trailers { .. }) => {
                if self.connection.fields().get(b"grpc-status") != Some(b"0") {
                    return Err("a status other than 0".to_owned());
                }
                self.call();
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
            (_, Event::Window { .. } | Event::Settings | Event::Pong { .. }) => Ok(false),
            (Role::Server, Event::Head { end: false, .. }) => Ok(false),
            (_, other) => Err(format!("{other:?}")),
        }
    }

    fn call(&mut self) {
        if let Some(id) = self.connection.open(false) {
            self.connection.headers(id, self.head.iter(), false);
            self.connection.data(id, &self.message, true);
        }
    }
}
