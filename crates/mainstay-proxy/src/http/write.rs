//! Writing to a socket that may take only part.

use std::io::{self, IoSlice};

use mainstay_core::Moment;
use mainstay_io::stream::Stream;
use mainstay_io::timer::{Interrupt, Slot};

/// Why a write did not get to its end.
pub(super) enum WriteEnd {
    /// The connection broke.
    Broken,
    /// The peer took nothing in time, or a signal came.
    Interrupted(Interrupt),
}

/// Writes what fits of `head` and then `body`, without waiting. Gives how much went. A small body goes through `head`,
/// which is given back as it came: one plain write costs the kernel less than a gathering one.
///
/// # Errors
/// The connection is broken.
pub(super) fn write_with_head(stream: &Stream, head: &mut Vec<u8>, body: &[u8]) -> io::Result<usize> {
    if body.is_empty() || body.len() > WORTH_GATHERING {
        return write_now(stream, head, body);
    }
    let len = head.len();
    head.extend_from_slice(body);
    let written = write_now(stream, head, &[]);
    head.truncate(len);
    written
}

/// Writes what fits of `first` and then `second`, without waiting. Gives how much went.
///
/// # Errors
/// The connection is broken.
pub(super) fn write_now(stream: &Stream, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let written = match (first.is_empty(), second.is_empty()) {
        (_, true) => stream.try_write(&[IoSlice::new(first)]),
        (true, false) => stream.try_write(&[IoSlice::new(second)]),
        (false, false) => stream.try_write(&[IoSlice::new(first), IoSlice::new(second)]),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// Writes all of `first` and then `second`, `written` bytes of which have gone already. The slot's deadline is kept
/// at `patience` from the last byte the peer took.
pub(super) async fn write_rest(
    stream: &Stream,
    slot: &Slot,
    parts: (&[u8], &[u8]),
    mut written: usize,
    deadline: impl Fn() -> Moment,
) -> Result<(), WriteEnd> {
    let (first, second) = parts;
    let all = first.len() + second.len();
    while written < all {
        slot.set(deadline());
        match slot.wait(|cx| stream.poll_writable(cx)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(WriteEnd::Broken),
            Err(interrupt) => return Err(WriteEnd::Interrupted(interrupt)),
        }
        let from_second = written.saturating_sub(first.len());
        let first_left = first.get(written..).unwrap_or_default();
        let second_left = second.get(from_second..).unwrap_or_default();
        written += write_now(stream, first_left, second_left).map_err(|_| WriteEnd::Broken)?;
    }
    Ok(())
}

/// A body from this size on is not copied to save a gathering write.
const WORTH_GATHERING: usize = 4096;
