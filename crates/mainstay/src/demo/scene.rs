//! What the demo plays and how far it is: written by the script, read by the picture.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::guarded::Takeover;
use super::load::{Account, Book, Order, Rows};
use super::stage::Fault;
use super::verdict::Ruling;

/// Everything there is to see.
pub(super) struct Scene {
    pub(super) half: Half,
    pub(super) begun: Instant,
    pub(super) book: Arc<Book>,
    /// Where clients connect.
    pub(super) front: String,
    pub(super) nodes: [Player; 2],
    /// What the front knows of the lease it follows.
    pub(super) lease: Option<Held>,
    pub(super) acts: Vec<Act>,
    /// Whether it is told in plain lines, because there is nothing to paint on.
    pub(super) plain: bool,
}

/// A half of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// Two nodes that both serve, on one database.
    Shared,
    /// Two guarded nodes, one of which holds the lease.
    Guarded,
}

impl Half {
    /// Its acts, in the order of the script.
    pub(super) const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Shared => &[Kind::Calm, Kind::Kill, Kind::Freeze, Kind::Roll, Kind::Reload],
            Self::Guarded => &[Kind::KillChild, Kind::KillGuard, Kind::FreezeGuard, Kind::Switchover],
        }
    }

    /// None of them played yet.
    pub(super) fn acts(self) -> Vec<Act> {
        self.kinds().iter().map(|kind| Act { kind: *kind, progress: Progress::Ahead }).collect()
    }

    /// Requests per second; half of them are writes.
    pub(super) const fn rate(self) -> u32 {
        match self {
            Self::Shared => 400,
            Self::Guarded => 200,
        }
    }

    /// Who plays.
    pub(super) const fn cast(self) -> &'static str {
        match self {
            Self::Shared => "two nodes, one database",
            Self::Guarded => "two guarded nodes, one lease",
        }
    }
}

/// What a front knows of a lease, as `mainstay status` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Held {
    /// Who holds it, or held it last.
    pub(super) holder: Option<String>,
    /// `vacant`, `fencing`, `starting`, `ready` or `yielding`.
    pub(super) phase: String,
    /// Timeline and number of the tenure.
    pub(super) token: String,
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
    /// It could take over.
    Standby,
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
            Self::Standby => "standby",
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
    /// SIGKILL of the node that holds the lease.
    KillChild,
    /// SIGKILL of the Mainstay that guards it.
    KillGuard,
    /// SIGSTOP of the Mainstay that guards it, for twice the lease's time.
    FreezeGuard,
    /// The lease is handed over, as an operator asks for it.
    Switchover,
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
    pub(super) found: Found,
    pub(super) account: Account,
    pub(super) ruling: Ruling,
}

/// What is known of an act besides its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// When its fault struck.
    pub(super) fault: Option<Fault>,
    /// How the lease changed hands.
    pub(super) takeover: Option<Takeover>,
    /// What was said of a switch-over that failed.
    pub(super) failed: Option<String>,
    /// How the rows of its tenures lie in the database.
    pub(super) order: Option<Order>,
}

impl Kind {
    /// What is done, as an operator would say it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Calm => "nothing, to begin with",
            Self::Kill => "kill -9 node a",
            Self::Freeze => "freeze node b for 4 s",
            Self::Roll => "rolling restart of both",
            Self::Reload => "50 reloads under load",
            Self::KillChild => "kill -9 the holder's node",
            Self::KillGuard => "kill -9 its guard",
            Self::FreezeGuard => "freeze its guard, 2 x ttl",
            Self::Switchover => "planned switch-over",
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
            Self::KillChild => "kill_child",
            Self::KillGuard => "kill_guard",
            Self::FreezeGuard => "freeze_guard",
            Self::Switchover => "switchover",
        }
    }
}

impl Scene {
    /// Notes what was done to a node.
    pub(super) fn set(&mut self, node: usize, state: State) {
        let Some(player) = self.nodes.get_mut(node).filter(|player| player.state != state) else { return };
        player.state = state;
        let text = format!("node {}: {}", player.name, state.word());
        self.say(&text);
    }

    /// Notes what the front thinks of the node at `at`.
    pub(super) fn seen(&mut self, at: &str, out: Option<String>) {
        let Some(player) = self.nodes.iter_mut().find(|player| player.at == at && player.out != out) else { return };
        let text = format!("front: node {} is {}", player.name, out.as_deref().unwrap_or("in"));
        // Why it is out changes with every check; that it is does not.
        let news = out.is_some() != player.out.is_some();
        player.out = out;
        if news {
            self.say(&text);
        }
    }

    /// Notes what the front knows of the lease.
    pub(super) fn held(&mut self, held: Held) {
        if self.lease.as_ref() == Some(&held) {
            return;
        }
        let text = format!("front: {held}");
        self.lease = Some(held);
        self.say(&text);
    }

    /// An act begins.
    pub(super) fn begin(&mut self, number: usize, from: Instant) {
        if let Some(act) = self.acts.get_mut(number) {
            act.progress = Progress::Now { from };
            let text = format!("{} ...", act.kind.title());
            self.say(&text);
        }
    }

    /// An act is over.
    pub(super) fn end(&mut self, number: usize, found: Found, (from, to): (Instant, Instant), rows: &Rows) {
        let account = Account::of(&self.book, rows, from, to);
        let found = Found { order: self.order(number, rows), ..found };
        let Some(act) = self.acts.get_mut(number) else { return };
        let ruling = Ruling::of(act.kind, &account, &found);
        let verdict = if ruling.passed() { "passed" } else { "failed" };
        let text = format!("{}: {verdict}, {} of {} lost", act.kind.title(), account.lost.len(), account.requests);
        act.progress = Progress::Over(Box::new(Over { from, to, found, account, ruling }));
        self.say(&text);
    }

    /// Adds everything up once more, with what was written late.
    pub(super) fn settle(&mut self, rows: &Rows) {
        let last = self.acts.iter().rposition(|act| act.over().is_some());
        let order = last.and_then(|last| self.order(last, rows));
        for (number, act) in self.acts.iter_mut().enumerate() {
            let kind = act.kind;
            if let Progress::Over(over) = &mut act.progress {
                over.account = Account::of(&self.book, rows, over.from, over.to);
                if Some(number) == last {
                    over.found.order = order;
                }
                over.ruling = Ruling::of(kind, &over.account, &over.found);
            }
        }
    }

    /// What the order of all rows says beyond what the other acts have answered for.
    fn order(&self, number: usize, rows: &Rows) -> Option<Order> {
        let all = (self.half == Half::Guarded).then(|| rows.order())?;
        let others = self.acts.iter().enumerate().filter(|(other, _)| *other != number);
        Some(others.filter_map(|(_, act)| act.over()?.found.order).fold(all, Order::without))
    }

    /// Says a line where no picture is painted.
    fn say(&self, text: &str) {
        if self.plain {
            eprintln!("{:>5.1} s  {text}", self.begun.elapsed().as_secs_f64());
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { holder, phase, token } = self;
        match holder {
            Some(holder) => write!(f, "lease of {holder}: {phase}, token {token}"),
            None => write!(f, "lease of nobody: {phase}"),
        }
    }
}

/// How long node b is frozen.
pub(super) const FROZEN: Duration = Duration::from_secs(4);
/// How often the configuration is loaded anew.
pub(super) const RELOADS: u32 = 50;
