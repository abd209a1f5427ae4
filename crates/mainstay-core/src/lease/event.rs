//! What goes into a [`super::Machine`] and what comes out of it.

use std::time::Duration;

use super::happening::Happening;
use super::row::{Name, Nonce};
use super::standing::{LeaseView, Order, Report};
use super::store::{Answer, Failure, Request};

/// Something that happened to a member of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Time has passed: at the latest at [`super::Machine::wake_at`].
    Tick,
    /// The store answered, or did not. Each request is answered at most once; an answer that comes after its timeout is
    /// ignored.
    Answered {
        /// Of the [`Action::Ask`].
        id: RequestId,
        /// What came of it.
        result: Result<Answer, Failure>,
    },
    /// Something says that it is worth to look. But for [`Hint::Lost`] never a reason for anything but to look sooner.
    Hint(Hint),
    /// What the guard says of its child.
    Report(Report),
    /// What an operator wants.
    Command(Command),
    /// Whether this program's fronts have nothing under way at the holder. It matters while the holder yields: fronts
    /// say `false` when they begin to send to a holder, and `true` when it yields and the last request has ended.
    Quiet(bool),
}

/// Why it may be worth to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// The row or a member changed.
    Look,
    /// The session of the lease's holder with the store ended.
    HolderGone,
    /// The own session with the store ended: until a request that is asked from now on is answered, nobody knows whether
    /// another database takes the place of the one that it led to. Must not be lost on its way.
    Lost,
    /// The own session with the store ended and can be had again: others may believe that this member is gone.
    Cut,
}

/// Which request an answer belongs to; never used twice by a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something an operator wants. Answered once by [`Action::Reply`] with the same id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    /// Drawn for it. That of a switch-over is the row's `SwitchTo::id`.
    pub id: Nonce,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What an operator may want.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Another holder. The reply says whether the wish was left in the row; how it ends is told by
    /// [`Happening::Settled`], on every member.
    Switch {
        /// Who; `None`: the best that can.
        to: Option<Name>,
        /// So long from now.
        after: Duration,
    },
    /// That a switch-over that was asked for does not begin. Its id.
    Cancel(Nonce),
    /// That nobody takes over until it is resumed. Who wants it.
    Pause(Name),
    /// The end of a pause.
    Resume,
}

/// Something to be done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the store. The moment given to [`super::Machine::on`] is the one from which its effect counts, so it must
    /// have been read before.
    Ask {
        /// For the answer.
        id: RequestId,
        /// What to ask.
        request: Request,
        /// Given up after so long.
        timeout: Duration,
    },
    /// Tell the guard.
    Stand(Order),
    /// Tell the fronts, and whoever asks.
    Show(LeaseView),
    /// Tell the log, the history and the metrics.
    Tell(Happening),
    /// Answer a command.
    Reply {
        /// Of the command.
        id: Nonce,
        /// Done; or why not, as a sentence.
        result: Result<(), Name>,
    },
}
