//! What is known of each stream of a connection (RFC 9113 5.1).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// One open stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// What may still be sent on it; below zero after the other side made its windows smaller.
    pub(super) send_window: i64,
    /// What the other side may still send on it.
    pub(super) receive_window: i64,
    /// Received and released, but not yet given back to the other side's window.
    pub(super) owed: u32,
    /// Bytes of body still to come, where Content-Length says so.
    pub(super) length_left: Option<u64>,
    /// The other side will send nothing more.
    pub(super) receive_closed: bool,
    /// We will send nothing more.
    pub(super) send_closed: bool,
    /// The head (of a response: the final one) has come.
    pub(super) has_head: bool,
    /// A response on it has no body whatever its Content-Length says: HEAD was asked.
    pub(super) head_only: bool,
}

/// How a stream that is no more ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Both sides sent their last frame.
    Finished,
    /// We reset it: what the other side had already sent is to be overlooked.
    ResetByUs,
    /// The other side reset it.
    ResetByPeer,
}

/// A stream that is no more.
#[derive(Clone, Copy, Debug)]
struct Past {
    id: u32,
    how: Closed,
    /// What the other side may have sent on it before it could know; below zero: nothing, not even an empty end.
    late: i64,
}

/// The streams of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    open: ById<Stream>,
    /// The last that ended, newest last.
    closed: VecDeque<Past>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Stream> {
        self.open.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: u32, stream: Stream) {
        self.open.insert(id, stream);
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.open.values_mut()
    }

    /// Takes a stream out, if it is open.
    pub(super) fn close(&mut self, id: u32, how: Closed) -> bool {
        let was = self.open.remove(&id);
        if let Some(stream) = &was {
            if self.closed.len() == REMEMBERED {
                self.closed.pop_front();
            }
            let late = if stream.receive_closed { -1 } else { stream.receive_window.max(0) };
            self.closed.push_back(Past { id, how, late });
        }
        was.is_some()
    }

    /// Takes a stream out if neither side has anything left to send.
    pub(super) fn close_if_finished(&mut self, id: u32) -> bool {
        let finished = self.get(id).is_some_and(|stream| stream.receive_closed && stream.send_closed);
        finished && self.close(id, Closed::Finished)
    }

    /// How a stream ended; `None` when it is open, was never opened, or ended long ago.
    pub(super) fn how_closed(&self, id: u32) -> Option<Closed> {
        self.closed.iter().rev().find(|past| past.id == id).map(|past| past.how)
    }

    /// Counts DATA of `length` bytes, maybe the last, on a stream that was reset. Says whether it may have been under way then.
    pub(super) fn take_late(&mut self, id: u32, length: u32, end: bool) -> bool {
        let Some(past) = self.closed.iter_mut().rev().find(|past| past.id == id) else { return false };
        let left = past.late - i64::from(length);
        past.late = if end { -1 } else { left };
        left >= 0
    }
}

/// Ended streams that are remembered, to tell late frames from wrong ones.
const REMEMBERED: usize = 128;

/// What is kept for each stream of a connection, by the stream's identifier.
///
/// A peer chooses its identifiers, but they grow, are odd and bounded in number: none of its choices makes a table slow.
pub type ById<T> = HashMap<u32, T, BuildHasherDefault<Spread>>;

/// Spreads identifiers, which are consecutive odd numbers, over a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        let mixed = (self.0 ^ u64::from(id)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
