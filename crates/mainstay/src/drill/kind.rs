//! What can be rehearsed.

use clap::ValueEnum;
use serde::Serialize;

/// A failure, or a planned change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// SIGKILL of the holder's child
    KillChild,
    /// SIGKILL of the holder's Mainstay
    KillGuard,
    /// SIGSTOP of the holder's Mainstay for twice the lease's time, then SIGCONT
    FreezeGuard,
    /// SIGSTOP of the holder's Mainstay, its sentinel and its child, as of a machine that is paused; then SIGCONT
    FreezeMachine,
    /// The holder cannot reach the store, for three times the lease's time (PostgreSQL)
    PartitionStore,
    /// Nobody can reach the store, for less than the lease's time (PostgreSQL)
    BlinkStore,
    /// A second Mainstay is started with the holder's configuration
    DoubleStart,
    /// A planned switch-over
    Switchover,
}

impl Kind {
    /// As on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// In a sentence.
    pub(super) fn what(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Whether the guards reach the store through a relay that can be cut.
    pub(super) const fn cuts_store(self) -> bool {
        matches!(self, Self::PartitionStore | Self::BlinkStore)
    }

    /// Whether the lease changes hands.
    pub(super) const fn moves(self) -> bool {
        !matches!(self, Self::DoubleStart | Self::BlinkStore)
    }

    /// Whether requests may be lost: those under way on a node that dies or is cut off.
    pub(super) const fn may_lose(self) -> bool {
        !matches!(self, Self::DoubleStart | Self::Switchover)
    }
}
