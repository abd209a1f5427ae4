//! The operating system, as the rest of Mainstay sees it: clock, streams, timers.
//!
//! *Does* I/O. *Never* decides what is done with the bytes, and never parses them.
//!
//! Read first: [`stream::Stream`], [`timer::Timers`].

pub mod stream;
pub mod timer;
