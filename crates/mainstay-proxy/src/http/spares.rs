//! Buffers that requests borrow, so that the steady state allocates nothing and idle connections own nothing.

use std::cell::RefCell;

use super::log::Tried;

/// The buffers of one request under way.
#[derive(Default)]
pub(crate) struct Buffers {
    /// The head for the node.
    pub(super) head: Vec<u8>,
    /// The head for the client.
    pub(super) reply: Vec<u8>,
    /// What the client did not take yet.
    pub(super) spill: Vec<u8>,
    /// What the node did not take yet.
    pub(super) unsent: Vec<u8>,
    /// What has come of a node's head.
    pub(super) partial: Vec<u8>,
    /// What the client sent behind the request's body.
    pub(super) rest: Vec<u8>,
    /// What a hash policy looks at.
    pub(super) key: Vec<u8>,
    /// Values of templates.
    pub(super) values: Vec<u8>,
    /// Nodes tried, by index.
    pub(super) tried: Vec<u32>,
    /// The same for the access log, with how it went.
    pub(super) tries: Vec<Tried>,
}

/// A worker's spare buffers.
#[derive(Default)]
pub(crate) struct Spares {
    // Boxed, so that a connection's state holds a pointer instead of ten vectors.
    #[expect(clippy::vec_box, reason = "the boxes are handed out and come back")]
    sets: RefCell<Vec<Box<Buffers>>>,
    bytes: RefCell<Vec<Vec<u8>>>,
}

impl Spares {
    pub(super) fn take(&self) -> Box<Buffers> {
        self.sets.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give(&self, mut buffers: Box<Buffers>) {
        let Buffers { head, reply, spill, unsent, partial, rest, key, values, tried, tries } = &mut *buffers;
        for bytes in [head, reply, spill, unsent, partial, rest, key, values] {
            clear(bytes);
        }
        tried.clear();
        tries.clear();
        let mut sets = self.sets.borrow_mut();
        if sets.len() < MOST_SPARES {
            sets.push(buffers);
        }
    }

    pub(super) fn take_bytes(&self) -> Vec<u8> {
        self.bytes.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_bytes(&self, mut bytes: Vec<u8>) {
        clear(&mut bytes);
        let mut spares = self.bytes.borrow_mut();
        if bytes.capacity() > 0 && spares.len() < MOST_SPARES {
            spares.push(bytes);
        }
    }
}

/// Empties a buffer; one that has grown large is not worth keeping.
fn clear(bytes: &mut Vec<u8>) {
    bytes.clear();
    if bytes.capacity() > LARGEST_SPARE {
        *bytes = Vec::new();
    }
}

/// Most spares of each kind per worker.
const MOST_SPARES: usize = 256;
/// Largest capacity that is kept.
const LARGEST_SPARE: usize = 64 * 1024;
