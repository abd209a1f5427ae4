use std::io;

use rustix::io::Errno;

/// Whether a connection could not be made or taken for want of something on this side: descriptors, ports, memory.
/// Says nothing of the other side.
#[must_use]
pub fn is_exhaustion(error: &io::Error) -> bool {
    let wants = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| wants.contains(&errno))
}
