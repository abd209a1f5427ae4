//! Bodies and trailers.

use crate::h1::{self, ChunkLimits, Chunks, Fault};
use crate::h2::Fields;

/// Writes a piece of a body as a chunk; nothing for an empty one, which would end the body.
pub fn chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    let digits = (usize::BITS - data.len().leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        let digit = u32::try_from(data.len() >> (4 * place) & 0xF).unwrap_or(0);
        out.extend(char::from_digit(digit, 16).map(|digit| digit as u8));
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a chunked body.
pub fn last_chunk(trailers: Option<&Fields>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for field in trailers.iter().flat_map(|fields| fields.iter()) {
        h1::write_field(out, field.name, field.value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Takes a chunked body apart into its data and its trailers.
#[derive(Clone, Debug)]
pub struct Unchunk {
    chunks: Chunks,
    /// Lines of the trailer section so far.
    trailers: Vec<u8>,
}

impl Unchunk {
    /// Before the first byte.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        Self { chunks: Chunks::new(limits), trailers: Vec::new() }
    }

    /// Reads the next bytes, as far as they are framing or `room` bytes of data, and gives the data to `data`. Says how
    /// many bytes were used, and whether the body ends there.
    ///
    /// # Errors
    /// They are no chunked body.
    pub fn take(&mut self, bytes: &[u8], room: usize, mut data: impl FnMut(&[u8])) -> Result<(usize, bool), Fault> {
        let (mut used, mut room) = (0, room);
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Ok((used, false));
            }
            let in_trailers = self.chunks.is_in_trailers();
            let mut given = 0;
            let scan = self.chunks.decode_part(rest, room, |piece| {
                given += piece.len();
                data(piece);
            })?;
            used += scan.used;
            room -= given;
            if in_trailers {
                self.trailers.extend_from_slice(rest.get(..scan.used).unwrap_or_default());
            }
            if scan.done || scan.used == 0 {
                return Ok((used, scan.done));
            }
        }
    }

    /// Whether all chunks so far are whole, and the end has not come.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.chunks.is_between()
    }

    /// The trailers of a body that has ended; false when there are none.
    pub fn trailers(&self, out: &mut Fields) -> bool {
        out.clear();
        for line in self.trailers.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = line.split_at(at);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            super::push_lower(out, name, value);
        }
        !out.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ChunkLimits = ChunkLimits { extensions: 100, trailers: 1000 };

    #[test]
    fn a_body_goes_there_and_back_in_pieces_of_any_size() {
        let mut trailers = Fields::new();
        trailers.push(b"grpc-status", b"0");
        trailers.push(b"grpc-message", b"");
        let mut whole = Vec::new();
        for length in [1, 15, 16, 255, 256, 4097] {
            chunk(&vec![b'x'; length], &mut whole);
        }
        chunk(b"", &mut whole);
        last_chunk(Some(&trailers), &mut whole);
        for (piece, room) in [(1, 1), (7, 3), (1000, 100), (usize::MAX, usize::MAX)] {
            let mut unchunk = Unchunk::new(LIMITS);
            let (mut data, mut at, mut done) = (0, 0, false);
            while at < whole.len() {
                assert!(!done, "it ended early");
                let end = whole.len().min(at.saturating_add(piece));
                let before = data;
                let (used, ends) = unchunk.take(&whole[at..end], room, |bytes| data += bytes.len()).unwrap();
                assert!(used > 0 && data - before <= room);
                (at, done) = (at + used, ends);
            }
            assert!(done);
            assert_eq!(data, 1 + 15 + 16 + 255 + 256 + 4097);
            let mut found = Fields::new();
            assert!(unchunk.trailers(&mut found));
            assert_eq!((found.get(b"grpc-status"), found.get(b"grpc-message")), (Some(&b"0"[..]), Some(&b""[..])));
        }
    }

    #[test]
    fn without_room_framing_alone_is_read() {
        let mut unchunk = Unchunk::new(LIMITS);
        assert_eq!(unchunk.take(b"3\r\nabc\r\n0\r\n\r\n", 0, |_| panic!("data")), Ok((3, false)));
        let mut data = Vec::new();
        assert_eq!(unchunk.take(b"abc\r\n0\r\n\r\n", 3, |bytes| data.extend_from_slice(bytes)), Ok((10, true)));
        assert_eq!(data, b"abc");
        assert!(!unchunk.trailers(&mut Fields::new()));
        assert!(Unchunk::new(LIMITS).take(b"x\r\n", 9, |_| {}).is_err());
    }
}
