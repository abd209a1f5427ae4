//! The machine's clocks that only go forward.

use mainstay_core::Moment;
use rustix::time::{ClockId, clock_gettime};

/// What time it is. Never goes back, is the same for all threads, and costs no system call.
#[must_use]
pub fn now() -> Moment {
    read(ClockId::Monotonic)
}

/// The same on the clock that goes on while the machine is suspended (CLOCK_BOOTTIME): what a lease is measured with.
/// Never compare one with [`now`].
#[must_use]
pub fn boot() -> Moment {
    read(ClockId::Boottime)
}

fn read(clock: ClockId) -> Moment {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Moment::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_passes_as_it_does_for_everybody_else() {
        for clock in [now, boot] {
            let (begun, instant) = (clock(), std::time::Instant::now());
            while instant.elapsed() < Duration::from_millis(5) {
                std::hint::spin_loop();
            }
            let passed = clock().since(begun);
            assert!(begun > Moment::ZERO, "the clock's origin is long ago");
            assert!(passed >= Duration::from_millis(5) && passed < Duration::from_secs(5), "{passed:?} passed");
        }
    }
}
