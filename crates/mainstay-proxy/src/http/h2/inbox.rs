//! What has come on a stream and was not taken yet, as HTTP/1 has it.

use mainstay_wire::cross::{self, Framing};
use mainstay_wire::h2::Fields;

/// Bounded by the stream's window: what is in here has not been given back to it.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// So many of them are taken.
    at: usize,
    /// Bytes of data among those not taken.
    owed: usize,
    framing: Framing,
    /// The message has ended.
    ended: bool,
}

impl Inbox {
    /// For a body framed like this.
    pub(super) fn new(framing: Framing) -> Self {
        Self { bytes: Vec::new(), at: 0, owed: 0, ended: framing == Framing::None, framing }
    }

    /// Room for a head; the body behind it is framed as it says.
    pub(super) fn head(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Framing) {
        self.bytes.reserve(USUAL);
        self.framing = write(&mut self.bytes);
    }

    /// A piece of the body came.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.owed += data.len();
        self.bytes.reserve(data.len() + FRAMING);
        match self.framing {
            Framing::Chunked => cross::chunk(data, &mut self.bytes),
            Framing::Length | Framing::None => self.bytes.extend_from_slice(data),
        }
    }

    /// The message ends. Trailers have a place in chunks alone.
    pub(super) fn end(&mut self, trailers: Option<&Fields>) {
        if self.framing == Framing::Chunked && !self.ended {
            cross::last_chunk(trailers, &mut self.bytes);
        }
        self.ended = true;
    }

    /// Whether there is nothing to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes there are to be taken.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether all of the message has come.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Lets go of all that is there: how many bytes of data are to be given back to the window.
    pub(super) fn drop_all(&mut self) -> usize {
        self.bytes = Vec::new();
        self.at = 0;
        std::mem::take(&mut self.owed)
    }

    /// Takes all that is there to the end of `out`: how many bytes of data are to be given back to the window.
    pub(super) fn take_all(&mut self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(self.bytes.get(self.at..).unwrap_or_default());
        self.drop_all()
    }

    /// Takes bytes into `buf`: how many, and how many bytes of data are to be given back to the window for them.
    pub(super) fn take(&mut self, buf: &mut [u8]) -> (usize, usize) {
        let left = self.bytes.get(self.at..).unwrap_or_default();
        let count = left.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        let all = self.at == self.bytes.len();
        let back = if all { self.owed } else { self.owed.min(count) };
        self.owed -= back;
        if all {
            // A silent stream owns nothing.
            self.drop_all();
        }
        (count, back)
    }
}

/// A head and a short message with its trailers fit.
const USUAL: usize = 512;
/// What a chunk's framing and the end of a body add.
const FRAMING: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_data_is_given_back_and_no_more() {
        for framing in [Framing::Length, Framing::Chunked] {
            let mut inbox = Inbox::new(framing);
            let (mut pushed, mut back) = (0, 0);
            let mut buf = [0; 700];
            for round in 0..50 {
                let data = vec![b'x'; round * 37 % 1000];
                inbox.push(&data);
                pushed += data.len();
                back += inbox.take(&mut buf).1;
                assert!(back <= pushed);
            }
            inbox.end(None);
            while !inbox.is_empty() {
                back += inbox.take(&mut buf).1;
            }
            assert_eq!((back, inbox.has_ended()), (pushed, true));
            inbox.push(b"more");
            let mut rest = Vec::new();
            assert_eq!((inbox.take_all(&mut rest), inbox.is_empty()), (4, true));
            assert!(rest.windows(4).any(|piece| piece == b"more"));
        }
    }
}
