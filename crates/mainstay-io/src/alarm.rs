//! A timer as a file descriptor: a worker's event loop can wait for it without a time driver of its own, which would
//! read the clock at every turn.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Wakes its one user after a time.
#[derive(Debug)]
pub struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// A timer registered with the event loop of the calling thread.
    ///
    /// # Errors
    /// The operating system's, when it has no descriptor left.
    #[expect(unsafe_code, reason = "tokio offers no safe way to register a descriptor that is not a socket")]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the `OwnedFd` is the descriptor's only owner, always names the same one, and is neither taken out nor
        // closed before the `AsyncFd` that holds it is dropped.
        let registered = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        Ok(Self(registered.map_err(|refused| refused.into_parts().1)?))
    }

    /// Waits for so long. A wait that is dropped has no effect on the next.
    ///
    /// # Errors
    /// The operating system's; none is known to happen.
    pub async fn after(&self, wait: Duration) -> io::Result<()> {
        // Zero would disarm it.
        let wait = wait.max(Duration::from_nanos(1));
        let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let value = Timespec { tv_sec: seconds, tv_nsec: i64::from(wait.subsec_nanos()) };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        rustix::time::timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0_u8; 8];
            if let Ok(read) = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?)) {
                return read.map(drop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn waits_anew_each_time() {
        let alarm = Alarm::new().unwrap();
        for millis in [30, 1, 20] {
            let (begun, wait) = (Instant::now(), Duration::from_millis(millis));
            alarm.after(wait).await.unwrap();
            assert!(begun.elapsed() >= wait, "{wait:?} took {:?}", begun.elapsed());
        }
        let dropped = tokio::time::timeout(Duration::from_millis(5), alarm.after(Duration::from_millis(20))).await;
        assert!(dropped.is_err());
        let begun = Instant::now();
        alarm.after(Duration::from_millis(40)).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(40), "the dropped wait rang: {:?}", begun.elapsed());
        let long = tokio::time::timeout(Duration::from_millis(20), alarm.after(Duration::MAX)).await;
        assert!(long.is_err());
    }
}
