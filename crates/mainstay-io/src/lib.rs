//! The operating system, as the rest of Mainstay sees it: clock, listening sockets, names, streams,
//! timers.
//!
//! *Does* I/O. *Never* decides what is done with the bytes, and never parses them.
//!
//! Read first: [`stream::Stream`], [`listen::bind`], [`timer::Timers`].

pub mod clock;
pub mod listen;
pub mod resolve;
pub mod stream;
pub mod timer;
