//! A moment as a file descriptor, for threads and processes without an event loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mainstay_core::Moment;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// Readable from a moment of [`clock::boot`](crate::clock::boot) on, also when the machine was asleep meanwhile.
#[derive(Debug)]
pub struct Deadline(OwnedFd);

impl Deadline {
    /// One that is never reached.
    ///
    /// # Errors
    /// The operating system's, when it has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(rustix::time::timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    /// Moves it. `None`: it is never reached.
    ///
    /// # Errors
    /// The operating system's; none is known to happen.
    pub fn set(&self, at: Option<Moment>) -> io::Result<()> {
        // Zero would disarm it.
        let nanos = at.map_or(0, |at| at.as_nanos().max(1));
        let seconds = i64::try_from(nanos / NANOS).unwrap_or(i64::MAX);
        let value = Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanos % NANOS).unwrap_or(0) };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }
}

impl AsFd for Deadline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const NANOS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::clock;

    #[test]
    fn is_readable_from_its_moment_on() {
        let deadline = Deadline::new().unwrap();
        let readable = |bound: i64| {
            let bound = Timespec { tv_sec: 0, tv_nsec: bound * 1_000_000 };
            poll(&mut [PollFd::new(&deadline, PollFlags::IN)], Some(&bound)).unwrap() == 1
        };
        assert!(!readable(1));
        let at = clock::boot() + Duration::from_millis(30);
        deadline.set(Some(at)).unwrap();
        assert!(readable(900));
        assert!(clock::boot() >= at, "it was early");
        assert!(readable(0), "it stays so");
        deadline.set(None).unwrap();
        assert!(!readable(1));
        deadline.set(Some(Moment::ZERO)).unwrap();
        assert!(readable(900), "what is past is reached");
    }
}
