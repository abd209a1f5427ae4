//! The operating system, as the rest of Mainstay sees it: clock, listening sockets, names, streams,
//! encryption on them, the pump between two of them, timers.
//!
//! *Does* I/O. *Never* decides what is done with the bytes, and never parses them.
//!
//! Read first: [`stream::Stream`], [`listen::bind`], [`pump::Pump`], [`timer::Timers`].

pub mod alarm;
pub mod clock;
pub mod deadline;
mod exhaustion;
pub mod inner;
pub mod lines;
pub mod listen;
pub mod lock;
pub mod memory;
mod pipes;
pub mod pump;
pub mod resolve;
pub mod spawn;
pub mod stream;
pub mod timer;
pub mod tls;
pub mod transfer;

pub use exhaustion::is_exhaustion;
pub use pipes::Pipes;
