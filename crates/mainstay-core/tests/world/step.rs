//! What can happen next in a world.

use std::sync::Arc;

use mainstay_core::lease::{Answer, Failure, Hint, Nonce, Request, RequestId, Wanted};

use crate::clock::Instant;

/// One thing that happens. Guards and databases are named by their index, a program by its guard's `life`, a child by its
/// `serial` number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A request reaches the database.
    Request {
        guard: usize,
        life: u32,
        id: RequestId,
        db: usize,
        request: Arc<Request>,
    },
    /// The second half of fencing.
    Sweep {
        guard: usize,
        life: u32,
        id: RequestId,
        db: usize,
        roles: Vec<usize>,
    },
    /// What came of a request reaches the program.
    Reply {
        guard: usize,
        life: u32,
        id: RequestId,
        result: Arc<Result<Answer, Failure>>,
    },
    Hint {
        guard: usize,
        life: u32,
        hint: Hint,
    },
    /// A program learns that its session with the database has ended.
    Lost {
        guard: usize,
        life: u32,
    },
    /// A child's wish to be let in reaches the database.
    Login {
        guard: usize,
        serial: u32,
        db: usize,
        nonce: Nonce,
        role: usize,
    },
    /// A session that was let in becomes visible.
    Enter {
        guard: usize,
        serial: u32,
        db: usize,
        session: u32,
    },
    /// The child learns whether it was let in.
    LetIn {
        guard: usize,
        serial: u32,
        db: usize,
        session: Option<u32>,
    },
    /// A child's write reaches the database.
    Statement {
        guard: usize,
        serial: u32,
        db: usize,
        session: u32,
        nonce: Nonce,
        ahead: bool,
    },
    /// The child learns whether it was done.
    Ack {
        guard: usize,
        serial: u32,
        done: bool,
    },
    /// The database learns that a client is gone.
    Close {
        db: usize,
        session: u32,
    },
    /// The guard takes up the machine's last order.
    TakeUp {
        guard: usize,
        life: u32,
    },
    Start {
        guard: usize,
        life: u32,
    },
    /// A child does its next piece of work, or opens another session for it.
    Act {
        guard: usize,
        serial: u32,
        anew: bool,
    },
    Ready {
        guard: usize,
        serial: u32,
    },
    /// A child that was asked to end has ended.
    Stopped {
        guard: usize,
        serial: u32,
    },
    /// A child that was killed executes nothing any more.
    Killed {
        guard: usize,
        serial: u32,
    },
    /// A child that was killed is gone.
    Died {
        guard: usize,
        serial: u32,
    },
    Prepared {
        guard: usize,
        life: u32,
        switch: Nonce,
    },
    Quiet {
        guard: usize,
        life: u32,
        quiet: bool,
    },
    /// The guard takes notice that a child is gone, so that its sentinel ends.
    Noticed {
        guard: usize,
        life: u32,
        serial: u32,
    },
    /// A sentinel whose child is gone waited for its guard.
    LetGo {
        guard: usize,
        serial: u32,
    },
    Tick {
        guard: usize,
    },
    /// A deadline is met by whoever lives of guard, alarm and sentinel.
    Enforce {
        guard: usize,
    },
    Fault(Fault),
}

/// What goes wrong, or is done by people.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The machine is gone with all it runs.
    Crash(usize),
    /// The program is killed; its sentinel kills the child.
    KillGuard(usize),
    KillChild(usize),
    Boot(usize),
    Stop(usize),
    Continue(usize),
    Pause(usize),
    /// After a pause during which its clock stood still for so long.
    Wake(usize, Instant),
    Cut {
        guard: usize,
        child: bool,
    },
    Heal(usize),
    Poorly(usize, bool),
    HandOver(usize),
    Leave(usize),
    /// The session with the store ends, though the holder lives.
    DropSession(usize),
    Command(usize, Wanted),
    PowerOff,
    PowerOn,
    Replicate,
    /// The standby is promoted; the old primary is off, or a zombie that these guards still reach.
    Promote {
        zombie: Vec<usize>,
    },
    /// A guard that may know the promoted database reaches the zombie.
    Mislead(usize),
    EndZombie,
    /// The database's clock is set.
    Jump(i64),
}

/// Whether a step can happen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Can {
    Yes,
    /// Whoever it concerns is stopped or paused.
    Later,
    /// The way is cut.
    Cut,
}

impl Step {
    /// Whether it goes over a network, and so may be delayed for long or lost.
    pub(crate) fn travels(&self) -> bool {
        match self {
            Self::Request { .. } | Self::Hint { .. } | Self::Login { .. } | Self::Statement { .. } => true,
            Self::Reply { result, .. } => !matches!(**result, Err(Failure::NotDone(_))),
            Self::LetIn { session, .. } => session.is_some(),
            Self::Ack { done, .. } => *done,
            _ => false,
        }
    }
}

impl Fault {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Crash(_) => "fault: machine crashes",
            Self::KillGuard(_) => "fault: guard killed",
            Self::KillChild(_) => "fault: child killed",
            Self::Boot(_) => "guard starts",
            Self::Stop(_) => "fault: guard stopped",
            Self::Continue(_) => "guard continues",
            Self::Pause(_) => "fault: machine paused",
            Self::Wake(_, 0) => "machine wakes, clock went on",
            Self::Wake(..) => "machine wakes, clock stood still",
            Self::Cut { child: false, .. } => "fault: guard cut off",
            Self::Cut { child: true, .. } => "fault: machine cut off",
            Self::Heal(_) => "network heals",
            Self::Poorly(_, true) => "fault: child unwell",
            Self::Poorly(_, false) => "child well again",
            Self::HandOver(_) => "guard wants to hand over",
            Self::Leave(_) => "guard wants to leave",
            Self::DropSession(_) => "fault: session dropped",
            Self::Command(_, Wanted::Switch { .. }) => "command: switch-over",
            Self::Command(_, Wanted::Cancel(_)) => "command: cancel",
            Self::Command(_, Wanted::Pause(_)) => "command: pause",
            Self::Command(_, Wanted::Resume) => "command: resume",
            Self::PowerOff => "fault: database off",
            Self::PowerOn => "database on",
            Self::Replicate => "standby catches up",
            Self::Promote { zombie } if zombie.is_empty() => "fault: standby promoted",
            Self::Promote { .. } => "fault: standby promoted, zombie primary",
            Self::Mislead(_) => "fault: guard misled",
            Self::EndZombie => "zombie ends",
            Self::Jump(_) => "fault: database's clock set",
        }
    }
}
