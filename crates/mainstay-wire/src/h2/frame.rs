//! Frames (RFC 9113 4 and 6): their nine bytes of head, and writing them.

use super::code::Code;

/// What a client sends before its first frame (RFC 9113 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame's head.
pub(super) const HEAD: usize = 9;

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the payload.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// 0: the connection.
    pub(super) stream: u32,
}

impl Head {
    /// Reads the head at the start of `bytes`; `None` while it is not complete. The reserved bit is ignored.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<HEAD>()?;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & MOST_STREAM;
        Some(Self { length: u32::from_be_bytes([0, a, b, c]), kind, flags, stream })
    }

    /// Its bytes.
    pub(super) fn bytes(self) -> [u8; HEAD] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s0, s1, s2, s3]
    }

    /// Writes it.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    /// Whether a flag is set.
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Frame types.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// Frame flags.
pub(super) mod flag {
    pub(in super::super) const END_STREAM: u8 = 0x1;
    pub(in super::super) const ACK: u8 = 0x1;
    pub(in super::super) const END_HEADERS: u8 = 0x4;
    pub(in super::super) const PADDED: u8 = 0x8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// Writes a RST_STREAM.
pub(super) fn reset(stream: u32, code: Code, out: &mut Vec<u8>) {
    Head { length: 4, kind: kind::RST_STREAM, flags: 0, stream }.write(out);
    out.extend_from_slice(&code.0.to_be_bytes());
}

/// Writes a WINDOW_UPDATE.
pub(super) fn window_update(stream: u32, increment: u32, out: &mut Vec<u8>) {
    Head { length: 4, kind: kind::WINDOW_UPDATE, flags: 0, stream }.write(out);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Writes a PING or the answer to one.
pub(super) fn ping(flags: u8, payload: [u8; 8], out: &mut Vec<u8>) {
    Head { length: 8, kind: kind::PING, flags, stream: 0 }.write(out);
    out.extend_from_slice(&payload);
}

/// Writes a GOAWAY.
pub(super) fn goaway(last: u32, code: Code, why: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(8 + why.len()).unwrap_or(8);
    Head { length, kind: kind::GOAWAY, flags: 0, stream: 0 }.write(out);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    if length > 8 {
        out.extend_from_slice(why);
    }
}

/// A number of four bytes at the start of `bytes`.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// The highest stream identifier, and the largest window.
pub(super) const MOST_STREAM: u32 = 0x7FFF_FFFF;

/// The largest frame that may be sent before the other side says otherwise, and the only one we ever take.
pub(super) const MOST_PAYLOAD: u32 = 16_384;
