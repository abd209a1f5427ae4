//! Streams that are no sockets.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// A byte stream within another connection (a stream of HTTP/2), which its maker keeps. Every method means what the
/// method of the same name of [`Stream`](crate::stream::Stream) means. Its
/// maker knows it again by its type.
pub trait Inner: fmt::Debug + Any {
    /// Reads into `buf`; 0 is the end.
    ///
    /// # Errors
    /// The stream was given up.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes what fits, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; any other: the stream was given up.
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ready when something may fit.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when there is something to read.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether the peer has given the stream up.
    fn has_left(&self) -> bool;

    /// Who is at its other end.
    fn identity(&self) -> Option<&str> {
        None
    }

    /// Whether it is known that the peer has done nothing with what was written.
    fn is_untouched(&self) -> bool;

    /// With which code the peer gave the stream up, if it did.
    fn code(&self) -> Option<u32>;

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// The stream was given up.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Makes the end that follows one that the peer takes for a failure.
    fn reset_on_close(&self);
}
