//! One direction of a call that is carried frame by frame.

use std::cell::Cell;

use mainstay_wire::cross::{self, Unchunk};
use mainstay_wire::h1::{ChunkLimits, Fault};
use mainstay_wire::h2::Fields;

use super::carrier::Carrier;

/// What comes in on one stream and goes out on another. What the windows there do not take yet is held; no more than the
/// window of the stream on which it came, which opens as it goes on.
pub(super) struct Lane {
    held: Cell<Option<Box<Held>>>,
    /// Nothing more goes out.
    closed: Cell<bool>,
}

struct Held {
    bytes: Vec<u8>,
    end: Option<End>,
}

/// How a direction ends.
pub(super) enum End {
    /// With its last piece.
    Plain,
    /// With trailers behind it.
    Trailers(Fields),
}

/// The two streams.
pub(super) struct Way<'a> {
    /// Where it comes in.
    pub(super) from: (&'a Carrier, u32),
    /// Where it goes out.
    pub(super) to: (&'a Carrier, u32),
}

impl End {
    /// Trailers as HTTP/1's reader finds them, which refuses what has no place there. Allocates: they come once.
    ///
    /// # Errors
    /// They are none.
    pub(super) fn read(fields: &Fields) -> Result<Self, Fault> {
        let mut text = Vec::new();
        cross::last_chunk(Some(fields), &mut text);
        let mut unchunk = Unchunk::new(LIMITS);
        unchunk.take(&text, 0, |_| {})?;
        let mut read = Fields::new();
        Ok(if unchunk.trailers(&mut read) { Self::Trailers(read) } else { Self::Plain })
    }
}

impl Lane {
    /// One whose end has gone out already, if `closed`.
    pub(super) fn new(closed: bool) -> Self {
        Self { held: Cell::new(None), closed: Cell::new(closed) }
    }

    /// A piece came, and maybe the end. How many bytes went on.
    pub(super) fn push(&self, way: &Way<'_>, bytes: &[u8], end: Option<End>) -> usize {
        if self.closed.get() {
            way.release(bytes.len());
            return 0;
        }
        if let Some(mut held) = self.held.take() {
            held.bytes.extend_from_slice(bytes);
            held.end = end;
            self.held.set(Some(held));
            return 0;
        }
        let (sent, end) = self.send(way, bytes, end);
        let left = bytes.get(sent..).unwrap_or_default();
        if !left.is_empty() {
            self.held.set(Some(Box::new(Held { bytes: left.to_vec(), end })));
            way.to.0.starve(way.to.1);
        }
        sent
    }

    /// There may be room for what is held. How many bytes went on.
    pub(super) fn go_on(&self, way: &Way<'_>) -> usize {
        let Some(mut held) = self.held.take() else { return 0 };
        let (sent, end) = self.send(way, &held.bytes, held.end.take());
        if sent < held.bytes.len() {
            held.bytes.drain(..sent);
            held.end = end;
            self.held.set(Some(held));
            way.to.0.starve(way.to.1);
        }
        sent
    }

    /// Whether something is held.
    pub(super) fn is_stuck(&self) -> bool {
        self.look(|held| held.is_some())
    }

    /// Whether all that goes out has gone out.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether all that there is to come has come.
    pub(super) fn has_ended(&self) -> bool {
        self.closed.get() || self.look(|held| held.is_some_and(|held| held.end.is_some()))
    }

    /// Sends nothing more: lets go of what is held.
    pub(super) fn close(&self, way: &Way<'_>) {
        self.closed.set(true);
        if let Some(held) = self.held.take() {
            way.release(held.bytes.len());
        }
    }

    fn look<T>(&self, look: impl FnOnce(Option<&Held>) -> T) -> T {
        let held = self.held.take();
        let found = look(held.as_deref());
        self.held.set(held);
        found
    }

    /// Sends what fits. How many bytes that was, and the end, if it could not be sent yet.
    fn send(&self, way: &Way<'_>, bytes: &[u8], end: Option<End>) -> (usize, Option<End>) {
        let sent = way.send(bytes, matches!(end, Some(End::Plain)));
        if sent < bytes.len() {
            return (sent, end);
        }
        if let Some(End::Trailers(fields)) = &end {
            way.to.0.with(|connection| connection.headers(way.to.1, fields.iter(), true));
        }
        self.closed.set(end.is_some());
        (sent, None)
    }
}

impl Way<'_> {
    /// Sends what fits, and the end of the stream with the last of it, if it `ends`. What went on may come again.
    fn send(&self, bytes: &[u8], ends: bool) -> usize {
        if bytes.is_empty() && !ends {
            return 0;
        }
        let (carrier, id) = self.to;
        let room = carrier.room();
        let sent = carrier.with(|connection| {
            let most = room.min(bytes.len());
            connection.data(id, bytes.get(..most).unwrap_or_default(), ends && most == bytes.len())
        });
        self.release(sent);
        sent
    }

    /// So many bytes that came are done with: as many may come again.
    pub(super) fn release(&self, count: usize) {
        let (carrier, id) = self.from;
        if count > 0 {
            carrier.with(|connection| connection.release(id, count));
        }
    }
}

/// Bounds on trailers.
const LIMITS: ChunkLimits = ChunkLimits { extensions: 0, trailers: 8192 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_read_strictly() {
        for (name, value, expect) in [
            ("grpc-status", "0", Ok(1)),
            ("grpc-message", "", Ok(1)),
            ("", "", Ok(0)),
            ("content-length", "7", Err(())),
            ("transfer-encoding", "chunked", Err(())),
            ("host", "other", Err(())),
        ] {
            let mut fields = Fields::new();
            if !name.is_empty() {
                fields.push(name.as_bytes(), value.as_bytes());
            }
            let read = End::read(&fields).map_err(|_| ()).map(|end| match end {
                End::Plain => 0,
                End::Trailers(read) => {
                    assert_eq!(read.get(name.as_bytes()), Some(value.as_bytes()));
                    read.len()
                }
            });
            assert_eq!(read, expect, "{name}");
        }
    }
}
