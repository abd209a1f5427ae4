//! Where a body ends.

use mainstay_wire::h1::{BodyLength, ChunkLimits, Chunks, Fault, ResponseBody};

/// Follows a body through arbitrary pieces.
pub(super) enum Body {
    /// Nothing more belongs to it.
    Done,
    /// So many bytes more.
    Length(u64),
    /// Chunks, boxed because they are rare and larger.
    Chunked(Box<Chunks>),
    /// All that comes until the peer closes.
    UntilClose,
}

/// What some bytes are to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// So many of them belong to it.
    pub(super) used: usize,
    /// So many of these are data; the rest is framing.
    pub(super) data: u64,
}

impl Body {
    /// The body a request announces.
    pub(super) fn of_request(length: BodyLength) -> Self {
        match length {
            BodyLength::None | BodyLength::Length(0) => Self::Done,
            BodyLength::Length(length) => Self::Length(length),
            BodyLength::Chunked => Self::Chunked(Box::new(Chunks::new(CHUNK_LIMITS))),
        }
    }

    /// The body a response announces.
    pub(super) fn of_response(length: ResponseBody) -> Self {
        match length {
            ResponseBody::None | ResponseBody::Length(0) => Self::Done,
            ResponseBody::Length(length) => Self::Length(length),
            ResponseBody::Chunked => Self::Chunked(Box::new(Chunks::new(CHUNK_LIMITS))),
            ResponseBody::UntilClose => Self::UntilClose,
        }
    }

    /// How many of `bytes` belong to it.
    ///
    /// # Errors
    /// A chunked body that is none.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        self.measure(bytes).map(|piece| piece.used)
    }

    /// The same, and how many of them are data.
    ///
    /// # Errors
    /// A chunked body that is none.
    pub(super) fn measure(&mut self, bytes: &[u8]) -> Result<Piece, Fault> {
        let mut framed = None;
        let used = match self {
            Self::Done => 0,
            Self::UntilClose => bytes.len(),
            Self::Length(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= used as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                used
            }
            Self::Chunked(chunks) => {
                let data = framed.insert(0);
                let scan = chunks.decode(bytes, |piece| *data += piece.len())?;
                if scan.done {
                    *self = Self::Done;
                }
                scan.used
            }
        };
        Ok(Piece { used, data: framed.unwrap_or(used) as u64 })
    }

    /// The same, with the framing taken off: the data goes to `data`.
    ///
    /// # Errors
    /// A chunked body that is none.
    pub(super) fn take_data(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<usize, Fault> {
        if let Self::Chunked(chunks) = self {
            let scan = chunks.decode(bytes, |piece| data.extend_from_slice(piece))?;
            if scan.done {
                *self = Self::Done;
            }
            return Ok(scan.used);
        }
        let used = self.take(bytes)?;
        data.extend_from_slice(bytes.get(..used).unwrap_or_default());
        Ok(used)
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

const CHUNK_LIMITS: ChunkLimits = ChunkLimits { extensions: 1024, trailers: 8192 };
