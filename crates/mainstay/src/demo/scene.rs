//! What the demo plays and how far it is: written by the script, read by the picture.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::{Account, Book};
use super::stage::Fault;
use super::verdict::Ruling;

/// Everything there is to see.
pub(super) struct Scene {
    pub(super) begun: Instant,
    pub(super) book: Arc<Book>,
    /// Where clients connect.
    pub(super) front: String,
    pub(super) nodes: [Player; 2],
    pub(super) acts: Vec<Act>,
    /// Whether it is told in plain lines, because there is nothing to paint on.
    pub(super) plain: bool,
}

/// A node as the picture shows it.
pub(super) struct Player {
    pub(super) name: &'static str,
    /// What the front calls it: its address.
    pub(super) at: String,
    pub(super) state: State,
    /// Why the front gives it nothing, in the front's words; `None` while it does.
    pub(super) out: Option<String>,
}

/// What has been done to a node last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Serving,
    Killed,
    Frozen,
    Draining,
    Starting,
}

impl State {
    /// In a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Killed => "killed",
            Self::Frozen => "frozen",
            Self::Draining => "draining",
            Self::Starting => "starting",
        }
    }
}

/// What is rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing yet.
    Calm,
    /// SIGKILL of the first node.
    Kill,
    /// SIGSTOP of the second node.
    Freeze,
    /// SIGTERM of one after the other.
    Roll,
    /// New configurations while requests are under way.
    Reload,
}

/// A part of the rehearsal.
pub(super) struct Act {
    pub(super) kind: Kind,
    pub(super) progress: Progress,
}

/// How far an act is.
pub(super) enum Progress {
    Ahead,
    Now { from: Instant },
    Over(Box<Over>),
}

/// An act that is over.
pub(super) struct Over {
    pub(super) from: Instant,
    pub(super) to: Instant,
    /// When its fault struck.
    pub(super) fault: Option<Fault>,
    pub(super) account: Account,
    pub(super) ruling: Ruling,
}

impl Kind {
    /// All of them, in the order of the script.
    pub(super) const ALL: [Self; 5] = [Self::Calm, Self::Kill, Self::Freeze, Self::Roll, Self::Reload];

    /// What is done, as an operator would say it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Calm => "nothing, to begin with",
            Self::Kill => "kill -9 node a",
            Self::Freeze => "freeze node b for 4 s",
            Self::Roll => "rolling restart of both",
            Self::Reload => "50 reloads under load",
        }
    }

    /// For programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Roll => "rolling_restart",
            Self::Reload => "reloads",
        }
    }
}

/// How long node b is frozen.
pub(super) const FROZEN: Duration = Duration::from_secs(4);
/// How often the configuration is loaded anew.
pub(super) const RELOADS: u32 = 50;
