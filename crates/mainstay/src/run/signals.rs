//! Signals, as an operator means them.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals Mainstay listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// SIGTERM: end in good order.
    Drain,
    /// SIGINT: end at once.
    End,
    /// SIGHUP: read the configuration again, and open the logs anew.
    Reload,
}

impl Signals {
    /// Takes them from now on.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::Drain,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    /// Waits for a second word while a drain is under way: SIGTERM or SIGINT end it.
    pub(crate) async fn impatience(&mut self) {
        while self.next().await == Wish::Reload {}
    }
}
