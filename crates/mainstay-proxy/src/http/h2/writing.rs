//! From the HTTP/1 that the engine writes to frames.

use std::io::{self, IoSlice};

use mainstay_wire::cross::Unchunk;
use mainstay_wire::h2::{Connection, Fields};

use super::OWN_CHUNKS;

/// How far the message is that is being written on a stream.
#[derive(Debug)]
pub(super) enum Writing {
    /// So much of its head.
    Head(Vec<u8>),
    /// In a body with so many bytes to come.
    Length(u64),
    /// In a body of chunks.
    Chunked(Unchunk),
    /// In a body that ends when the writer does.
    UntilEnd,
    /// It has ended.
    Done,
}

/// What becomes of a head that is whole.
pub(super) struct Opened {
    /// Its length.
    pub(super) head: usize,
    /// What follows it.
    pub(super) then: Writing,
}

impl Writing {
    /// Before the first byte.
    pub(super) fn new() -> Self {
        Self::Head(Vec::new())
    }

    /// For a body of chunks.
    pub(super) fn chunked() -> Self {
        Self::Chunked(Unchunk::new(OWN_CHUNKS))
    }

    /// Whether room in the windows is needed for the next byte.
    pub(super) fn needs_room(&self) -> bool {
        matches!(self, Self::Length(_) | Self::Chunked(_) | Self::UntilEnd)
    }

    /// Writes what fits of `parts`. `open` reads a head and sends it.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits, else what `open` says, or that the bytes are no body.
    pub(super) fn write(
        &mut self,
        parts: &[IoSlice<'_>],
        mut open: impl FnMut(&[u8]) -> io::Result<Option<Opened>>,
        mut send: impl FnMut(&mut Self, &[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut written = 0;
        for part in parts {
            let mut rest: &[u8] = part;
            while !rest.is_empty() {
                let took = match self {
                    Self::Head(partial) => {
                        let before = partial.len();
                        let opened = if before == 0 { open(rest)? } else { None };
                        match opened {
                            Some(opened) => {
                                *self = opened.then;
                                opened.head
                            }
                            None => {
                                partial.extend_from_slice(rest);
                                match open(partial)? {
                                    Some(opened) => {
                                        *self = opened.then;
                                        opened.head.saturating_sub(before)
                                    }
                                    None => rest.len(),
                                }
                            }
                        }
                    }
                    _ => match send(self, rest) {
                        Ok(took) => took,
                        // What was taken is told, or the writer would believe that the peer has seen none of it. The
                        // error comes again.
                        Err(_) if written > 0 => return Ok(written),
                        Err(error) => return Err(error),
                    },
                };
                if took == 0 {
                    return if written == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(written) };
                }
                written += took;
                rest = rest.get(took..).unwrap_or_default();
            }
        }
        Ok(written)
    }

    /// Sends what `room` allows of a body's bytes on stream `id`, and says how many were used. `trailers` is lent.
    ///
    /// # Errors
    /// They are no body, or lie behind its end.
    pub(super) fn body(
        &mut self,
        connection: &mut Connection,
        trailers: &mut Fields,
        id: u32,
        bytes: &[u8],
        room: usize,
    ) -> io::Result<usize> {
        let room = connection.room(id).min(room);
        let now = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        match self {
            Self::Length(left) => {
                let now = now.get(..usize::try_from(*left).unwrap_or(usize::MAX).min(now.len())).unwrap_or_default();
                let ends = now.len() as u64 == *left;
                let sent = connection.data(id, now, ends);
                *left -= sent as u64;
                if ends && *left == 0 {
                    *self = Self::Done;
                }
                Ok(sent)
            }
            Self::UntilEnd => Ok(connection.data(id, now, false)),
            Self::Chunked(unchunk) => {
                let send = |data: &[u8]| {
                    connection.data(id, data, false);
                };
                let (used, done) = unchunk.take(bytes, room, send).map_err(io::Error::other)?;
                if done {
                    if unchunk.trailers(trailers) {
                        connection.headers(id, trailers.iter(), true);
                    } else {
                        connection.data(id, &[], true);
                    }
                    *self = Self::Done;
                }
                Ok(used)
            }
            Self::Head(_) | Self::Done => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_told_before_an_error() {
        let mut writing = Writing::new();
        let broken = |_: &mut Writing, _: &[u8]| Err(io::ErrorKind::InvalidData.into());
        let head = |_: &[u8]| Ok(Some(Opened { head: 3, then: Writing::chunked() }));
        let whole = [IoSlice::new(b"headbody")];
        assert_eq!(writing.write(&whole, head, broken).unwrap(), 3, "the head is on its way");
        assert!(writing.write(&[IoSlice::new(b"dbody")], head, broken).is_err());
    }
}
