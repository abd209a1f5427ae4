//! What systemd is told. Without it, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

use crate::admin::Face;

/// Mainstay serves.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is read again; [`ready`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "systemd could not be told of a reload"),
    }
}

/// Mainstay finishes what is under way, which may take this long.
pub(super) fn stopping(within: Duration) {
    let whole = within.saturating_add(MARGIN).as_micros();
    let extend = NotifyState::ExtendTimeoutUsec(u32::try_from(whole).unwrap_or(u32::MAX));
    tell(&[NotifyState::Stopping, extend, NotifyState::Status("finishing what is under way")]);
}

/// Keeps systemd's watchdog quiet for as long as it is polled and no part of Mainstay is stuck.
pub(super) async fn watchdog(face: &Face) {
    let Some(within) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut every = tokio::time::interval(within / 3);
    loop {
        every.tick().await;
        if face.stuck().is_none() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        debug!(%error, "systemd could not be told");
    }
}

/// What a stop takes beyond its drain.
const MARGIN: Duration = Duration::from_secs(5);
