//! Chunked bodies (RFC 9112 7.1), read without keeping any of their bytes.

use super::fault::Fault;
use super::scan::{find_control, is_control, is_token_byte};

/// Bounds on what a chunked body may have beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// Most bytes of chunk extensions, beyond an allowance of a sixteenth of the data.
    pub extensions: u32,
    /// Most bytes of the trailer section, blank line included.
    pub trailers: u32,
}

/// What was read of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// So many of the bytes belong to the body; all of them unless `done`.
    pub used: usize,
    /// Whether the body ends there.
    pub done: bool,
}

/// Reads one chunked body, handed over in pieces of any size, and refuses what is not strictly one: the size of a chunk
/// is 1 to 16 hexadecimal digits and nothing else, every line ends in CRLF, extensions keep to their grammar (white space
/// only where it can be neither part of the size nor of the line end), and no trailer has a meaning beyond its value.
///
/// After a fault it must not be used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    state: State,
    limits: ChunkLimits,
    /// Size of the chunk whose line is being read.
    size: u64,
    /// Bytes of extensions beyond the allowance of the chunks so far.
    extensions: u64,
    trailers: u32,
    name: TrailerName,
}

impl Chunks {
    /// Before the first byte of a body.
    pub fn new(limits: ChunkLimits) -> Self {
        let name = TrailerName { bytes: [0; LONGEST_FORBIDDEN], len: 0 };
        Self { state: State::SizeStart, limits, size: 0, extensions: 0, trailers: 0, name }
    }

    /// Reads the next bytes of the body, which may go on as they are.
    ///
    /// # Errors
    /// The first fault. Whatever `bytes` had before it must not go on.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scan, Fault> {
        self.decode(bytes, |_| {})
    }

    /// As [`scan`](Self::scan), and gives the data in order, without sizes, extensions and trailers.
    ///
    /// # Errors
    /// The first fault. Data before it has been given.
    pub fn decode(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<Scan, Fault> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Scan { used: more, done } = self.decode_part(rest, usize::MAX, &mut data)?;
            used += more;
            if done || more == rest.len() {
                return Ok(Scan { used, done });
            }
        }
    }

    /// As [`decode`](Self::decode), and stops when it has given `room` bytes of data, or before the first byte of the
    /// trailer section.
    ///
    /// # Errors
    /// The same.
    pub fn decode_part(&mut self, bytes: &[u8], room: usize, mut data: impl FnMut(&[u8])) -> Result<Scan, Fault> {
        let (mut rest, mut room) = (bytes, room);
        let was_in_trailers = self.is_in_trailers();
        while self.state != State::Done && self.is_in_trailers() == was_in_trailers && !rest.is_empty() {
            let count = match self.state {
                State::Data { left } => {
                    let count = rest.len().min(room).min(usize::try_from(left).unwrap_or(usize::MAX));
                    if count == 0 {
                        break;
                    }
                    data(rest.get(..count).unwrap_or_default());
                    room -= count;
                    let left = left - count as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                    count
                }
                State::TrailerName | State::TrailerValue => self.trailer_run(rest)?,
                _ => 0,
            };
            rest = rest.get(count..).unwrap_or_default();
            if count == 0
                && let [byte, later @ ..] = rest
            {
                self.step(*byte)?;
                rest = later;
            }
        }
        Ok(Scan { used: bytes.len() - rest.len(), done: self.state == State::Done })
    }

    /// Takes what goes on with a trailer's name or value, and says how many bytes that is.
    fn trailer_run(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let run = if self.state == State::TrailerValue {
            bytes.get(..find_control(bytes, 0).unwrap_or(bytes.len())).unwrap_or_default()
        } else {
            let end = bytes.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(bytes.len());
            let run = bytes.get(..end).unwrap_or_default();
            run.iter().for_each(|&byte| self.name.push(byte));
            run
        };
        self.count_trailers(run.len())?;
        Ok(run.len())
    }

    fn count_trailers(&mut self, bytes: usize) -> Result<(), Fault> {
        self.trailers = self.trailers.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.trailers > self.limits.trailers { Err(Fault::TrailersTooLarge) } else { Ok(()) }
    }

    /// Bytes of chunk data that come next before anything else does.
    pub fn data_left(&self) -> u64 {
        match self.state {
            State::Data { left } => left,
            _ => 0,
        }
    }

    /// Whether the next byte is the first of a chunk, or of the end.
    pub fn is_between(&self) -> bool {
        self.state == State::SizeStart
    }

    /// Whether the next byte is part of the trailer section, the blank line at its end included.
    pub fn is_in_trailers(&self) -> bool {
        use State::{LastLf, TrailerLf, TrailerName, TrailerStart, TrailerValue};
        matches!(self.state, TrailerStart | TrailerName | TrailerValue | TrailerLf | LastLf)
    }

    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        self.state = match self.state {
            State::SizeStart => {
                self.size = 0;
                self.digit(byte, 0)?
            }
            State::Size { digits } => match byte {
                b';' => State::Extension(Extension::NameStart),
                b'\r' => State::SizeLf,
                b'\n' => return Err(Fault::BareLf),
                _ => self.digit(byte, digits)?,
            },
            State::Extension(state) => self.extension(state, byte)?,
            State::SizeLf if byte != b'\n' => return Err(Fault::BareCr),
            State::SizeLf if self.size == 0 => State::TrailerStart,
            State::SizeLf => {
                self.extensions = self.extensions.saturating_sub(self.size / DATA_PER_EXTENSION_BYTE);
                State::Data { left: self.size }
            }
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => State::SizeStart,
            State::DataCr | State::DataLf => return Err(Fault::MissingChunkEnd),
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf | State::LastLf => {
                self.count_trailers(1)?;
                self.trailer(byte)?
            }
            State::Data { .. } | State::Done => self.state,
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8, digits: u8) -> Result<State, Fault> {
        let value = char::from(byte).to_digit(16).ok_or(Fault::BadChunkSize)?;
        if digits == MOST_SIZE_DIGITS {
            return Err(Fault::ChunkSizeOverflow);
        }
        self.size = self.size << 4 | u64::from(value);
        if self.size > i64::MAX as u64 {
            return Err(Fault::ChunkSizeOverflow);
        }
        Ok(State::Size { digits: digits + 1 })
    }

    fn extension(&mut self, state: Extension, byte: u8) -> Result<State, Fault> {
        self.extensions += 1;
        if self.extensions > u64::from(self.limits.extensions) {
            return Err(Fault::ChunkExtensionsTooLong);
        }
        let next = match (state, byte) {
            (Extension::NameStart, b' ' | b'\t') => Extension::NameStart,
            (Extension::NameStart | Extension::Name, _) if is_token_byte(byte) => Extension::Name,
            (Extension::Name | Extension::NameEnd, b'=') => Extension::ValueStart,
            (Extension::Name | Extension::NameEnd, b' ' | b'\t') => Extension::NameEnd,
            (Extension::ValueStart, b' ' | b'\t') => Extension::ValueStart,
            (Extension::ValueStart, b'"') => Extension::Quoted,
            (Extension::ValueStart | Extension::Value, _) if is_token_byte(byte) => Extension::Value,
            (Extension::Value | Extension::QuotedEnd | Extension::ValueEnd, b' ' | b'\t') => Extension::ValueEnd,
            (Extension::Quoted, b'"') => Extension::QuotedEnd,
            (Extension::Quoted, b'\\') => Extension::QuotedPair,
            (Extension::Quoted | Extension::QuotedPair, _) if !is_control(byte) => Extension::Quoted,
            (Extension::NameStart | Extension::ValueStart | Extension::Quoted | Extension::QuotedPair, _) => {
                return Err(Fault::BadChunkExtension);
            }
            (_, b';') => Extension::NameStart,
            (Extension::Name | Extension::Value | Extension::QuotedEnd, b'\r') => return Ok(State::SizeLf),
            (Extension::Name | Extension::Value | Extension::QuotedEnd, b'\n') => return Err(Fault::BareLf),
            _ => return Err(Fault::BadChunkExtension),
        };
        Ok(State::Extension(next))
    }

    fn trailer(&mut self, byte: u8) -> Result<State, Fault> {
        match (self.state, byte) {
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::LastLf, b'\n') => Ok(State::Done),
            (State::TrailerLf | State::LastLf, _) => Err(Fault::BareCr),
            (_, b'\n') => Err(Fault::BareLf),
            (State::TrailerStart, b'\r') => Ok(State::LastLf),
            (State::TrailerStart, b' ' | b'\t') => Err(Fault::ObsFold),
            (State::TrailerStart, b':') => Err(Fault::EmptyFieldName),
            (State::TrailerStart, _) if is_token_byte(byte) => {
                self.name.len = 0;
                self.name.push(byte);
                Ok(State::TrailerName)
            }
            (State::TrailerName, _) if is_token_byte(byte) => {
                self.name.push(byte);
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') if self.name.is_forbidden() => Err(Fault::ForbiddenTrailer),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, b' ' | b'\t') => Err(Fault::SpaceBeforeColon),
            (State::TrailerName, b'\r') => Err(Fault::MissingColon),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if !is_control(byte) => Ok(State::TrailerValue),
            (State::TrailerValue, _) => Err(Fault::ControlByte),
            _ => Err(Fault::BadFieldName),
        }
    }
}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SizeStart,
    Size { digits: u8 },
    Extension(Extension),
    SizeLf,
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Done,
}

/// Where in an extension, `; name [= value]`. The `..End` states are after white space, which another byte must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    NameStart,
    Name,
    NameEnd,
    ValueStart,
    Value,
    Quoted,
    QuotedPair,
    QuotedEnd,
    ValueEnd,
}

/// As much of a trailer's name, in lower case, as tells whether it is a forbidden one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TrailerName {
    bytes: [u8; LONGEST_FORBIDDEN],
    /// Bytes of the name; more than fit into `bytes` when it is longer than any forbidden one.
    len: usize,
}

impl TrailerName {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte.to_ascii_lowercase();
        }
        self.len = self.len.saturating_add(1);
    }

    fn is_forbidden(&self) -> bool {
        self.bytes.get(..self.len).is_some_and(is_forbidden)
    }
}

/// Framing, routing, connection, who the client is, conditions and controls, how the body is to be read.
fn is_forbidden(name: &[u8]) -> bool {
    matches!(
        name,
        b"age"
            | b"authorization"
            | b"cache-control"
            | b"connection"
            | b"content-encoding"
            | b"content-length"
            | b"content-range"
            | b"content-type"
            | b"cookie"
            | b"date"
            | b"expect"
            | b"expires"
            | b"forwarded"
            | b"host"
            | b"if-match"
            | b"if-modified-since"
            | b"if-none-match"
            | b"if-range"
            | b"if-unmodified-since"
            | b"keep-alive"
            | b"location"
            | b"max-forwards"
            | b"pragma"
            | b"proxy-authenticate"
            | b"proxy-authentication-info"
            | b"proxy-authorization"
            | b"proxy-connection"
            | b"range"
            | b"retry-after"
            | b"set-cookie"
            | b"te"
            | b"trailer"
            | b"transfer-encoding"
            | b"upgrade"
            | b"vary"
            | b"www-authenticate"
            | b"x-forwarded-for"
            | b"x-forwarded-host"
            | b"x-forwarded-port"
            | b"x-forwarded-proto"
            | b"x-real-ip"
    )
}

const LONGEST_FORBIDDEN: usize = b"proxy-authentication-info".len();

/// Hexadecimal digits of a 64-bit number.
const MOST_SIZE_DIGITS: u8 = 16;

/// So many bytes of data allow one byte of extensions, however long the body.
const DATA_PER_EXTENSION_BYTE: u64 = 16;
