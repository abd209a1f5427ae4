//! What can be rehearsed.

use std::ops::RangeInclusive;

use clap::ValueEnum;
use serde::Serialize;

use crate::demo::guarded::Own;

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
    /// SIGKILL of the database server and all its sessions, and a new start of the same (PostgreSQL)
    CrashDatabase,
    /// SIGKILL of the primary; its standby, which has all that was acknowledged, is promoted (PostgreSQL)
    PromoteDatabase,
    /// The same with a standby that is behind: acknowledged writes are lost, every other time a change of holder too
    /// (PostgreSQL)
    PromoteDatabaseLossy,
    /// One side's wall clock is an hour ahead, then an hour behind, then right: a guard's, or the database's
    ClockJump,
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

    /// Whether something is done to the database server, so that it has to be the drill's own.
    pub(super) const fn strikes_database(self) -> bool {
        matches!(self, Self::CrashDatabase | Self::PromoteDatabase | Self::PromoteDatabaseLossy)
    }

    /// Whether clocks are set.
    pub(super) const fn sets_clocks(self) -> bool {
        matches!(self, Self::ClockJump)
    }

    /// The database that is made for it, when none is named.
    pub(super) const fn own(self) -> Option<Own> {
        match self {
            Self::PartitionStore | Self::BlinkStore | Self::CrashDatabase => Some(Own::Alone),
            Self::PromoteDatabase => Some(Own::Synchronous),
            Self::PromoteDatabaseLossy => Some(Own::Asynchronous),
            _ => None,
        }
    }

    /// How often the lease may change hands.
    pub(super) const fn takeovers(self) -> RangeInclusive<usize> {
        match self {
            Self::DoubleStart | Self::BlinkStore | Self::PromoteDatabase | Self::ClockJump => 0..=0,
            Self::CrashDatabase => 0..=1,
            _ => 1..=1,
        }
    }

    /// Whether requests may be lost: those under way on a node that dies or is cut off, or whose database is away.
    pub(super) const fn may_lose(self) -> bool {
        !matches!(self, Self::DoubleStart | Self::Switchover | Self::ClockJump)
    }

    /// Whether what was confirmed may be missing: the database lost it.
    pub(super) const fn may_miss(self) -> bool {
        matches!(self, Self::PromoteDatabaseLossy)
    }
}
