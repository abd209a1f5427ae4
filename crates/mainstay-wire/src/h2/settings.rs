//! SETTINGS (RFC 9113 6.5).

use super::code::Code;
use super::frame::{Head, MOST_PAYLOAD, MOST_STREAM, flag, kind};

/// What one side told the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Largest dynamic table its sender keeps for what it receives.
    pub table: u32,
    /// Most streams the other side may have open; `None`: no bound was named.
    pub streams: Option<u32>,
    /// Window of a new stream.
    pub window: u32,
    /// Largest payload of a frame.
    pub payload: u32,
    /// Largest field section; `None`: no bound was named.
    pub list: Option<u32>,
}

impl Settings {
    /// What holds before anything was said.
    pub const INITIAL: Self = Self { table: 4096, streams: None, window: 65_535, payload: MOST_PAYLOAD, list: None };

    /// Takes in the payload of a SETTINGS frame, which is a multiple of six bytes.
    ///
    /// # Errors
    /// The code to end the connection with (RFC 9113 6.5.2).
    pub(super) fn apply(&mut self, payload: &[u8]) -> Result<(), Code> {
        for pair in payload.chunks_exact(6) {
            let [i0, i1, v0, v1, v2, v3] = *pair else { continue };
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                TABLE => self.table = value,
                PUSH if value > 1 => return Err(Code::PROTOCOL_ERROR),
                STREAMS => self.streams = Some(value),
                WINDOW if value > MOST_STREAM => return Err(Code::FLOW_CONTROL_ERROR),
                WINDOW => self.window = value,
                PAYLOAD if !(MOST_PAYLOAD..=0x00FF_FFFF).contains(&value) => return Err(Code::PROTOCOL_ERROR),
                PAYLOAD => self.payload = value,
                LIST => self.list = Some(value),
                // Unknown settings are ignored (RFC 9113 6.5.2); push is switched off by us and never used.
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a SETTINGS frame with what differs from [`INITIAL`](Self::INITIAL). A client also switches push off.
    pub(super) fn write(self, client: bool, out: &mut Vec<u8>) {
        let mut pairs: Vec<(u16, u32)> = Vec::with_capacity(6);
        if client {
            pairs.push((PUSH, 0));
        }
        let initial = Self::INITIAL;
        for (id, value, usual) in [
            (TABLE, self.table, initial.table),
            (WINDOW, self.window, initial.window),
            (PAYLOAD, self.payload, initial.payload),
        ] {
            if value != usual {
                pairs.push((id, value));
            }
        }
        pairs.extend(self.streams.map(|value| (STREAMS, value)));
        pairs.extend(self.list.map(|value| (LIST, value)));
        let length = u32::try_from(pairs.len() * 6).unwrap_or(0);
        Head { length, kind: kind::SETTINGS, flags: 0, stream: 0 }.write(out);
        for (id, value) in pairs {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Writes the answer to SETTINGS.
pub(super) fn acknowledge(out: &mut Vec<u8>) {
    Head { length: 0, kind: kind::SETTINGS, flags: flag::ACK, stream: 0 }.write(out);
}

const TABLE: u16 = 1;
const PUSH: u16 = 2;
const STREAMS: u16 = 3;
const WINDOW: u16 = 4;
const PAYLOAD: u16 = 5;
const LIST: u16 = 6;
