//! What a member of a lease tells its log, history and metrics.

use std::fmt;
use std::time::Duration;

use super::row::{Name, Nonce, Outcome, Timeline};
use super::standing::{ChildState, Tenure};
use crate::Span;

/// Something worth telling. `Display` is a sentence without the lease's name, for a log line that has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// This member took the lease; it is not active yet.
    Acquired {
        /// Its tenure.
        tenure: Tenure,
        /// Why it could.
        by: Reason,
        /// Who held it before, if anybody did.
        from: Option<Name>,
    },
    /// The previous holder can write no more.
    Fenced {
        /// How long it took.
        took: Duration,
    },
    /// Fencing did not work, and is tried again until `fence_within` has passed.
    FenceFailed(Name),
    /// This member's child may run.
    Activated {
        /// Its tenure.
        tenure: Tenure,
    },
    /// The child is ready for the first time in this tenure.
    Ready {
        /// Its tenure.
        tenure: Tenure,
        /// Where the time went.
        steps: Steps,
    },
    /// A renewal was answered.
    Renewed {
        /// From asking to the answer.
        took: Duration,
    },
    /// The child is frozen.
    Frozen(Freeze),
    /// It runs again, in the same tenure.
    Thawed {
        /// So long it was frozen.
        after: Duration,
    },
    /// The tenure is over, and the child to be killed.
    Lost(Loss),
    /// The tenure goes on in a promoted database.
    Carried {
        /// With the new token.
        tenure: Tenure,
    },
    /// The lease is about to be given up in order.
    Yielding {
        /// Why.
        why: Aim,
        /// For whom, if for somebody.
        next: Option<Name>,
    },
    /// The child is killed while it was about to end in order: the store was lost, and another database may take its place.
    CutShort,
    /// The successor was lost before the child was touched: the tenure goes on.
    Stayed(Name),
    /// The lease was given up.
    Given {
        /// For whom, if for somebody.
        next: Option<Name>,
        /// How long requests under way were waited for.
        drain: Duration,
        /// How long the child took to end.
        stop: Duration,
    },
    /// Somebody else holds the lease now.
    HolderIs {
        /// Who; `None`: nobody does.
        holder: Option<Name>,
    },
    /// The holder's session ended: an early takeover, if no renewal follows.
    HolderSilent,
    /// A promoted database answers: nobody may acquire for a while.
    Promoted {
        /// The history before.
        from: Timeline,
        /// The new one.
        to: Timeline,
    },
    /// An answer of a database that was replaced: it is ignored.
    OldDatabase {
        /// Its history.
        timeline: Timeline,
        /// The newest that is known.
        newest: Timeline,
    },
    /// The store's clock and the own one moved differently between two answers.
    ClocksApart {
        /// By so much ...
        by: Duration,
        /// ... and the store's was the faster: this machine may have been paused.
        store_ahead: bool,
    },
    /// The lease could be taken or given, but the own child is not known to be gone.
    Blocked(Option<ChildState>),
    /// The program's members are two with one name: each must get a name of its own.
    NameTwice {
        /// The other one's instance.
        other: Nonce,
    },
    /// The row was written with another `ttl` than this member's: the longer one is waited for.
    TtlDiffers {
        /// In the row.
        row: Duration,
        /// Here.
        own: Duration,
    },
    /// Nobody else could take the lease that was to be handed over, so it is kept. Why it was to be.
    NobodyElse(Aim),
    /// This member failed too often and does not try for a while.
    HeldBack {
        /// So long.
        quiet: Duration,
    },
    /// A switch-over was begun: its successor makes ready.
    Preparing {
        /// Of the switch-over.
        id: Nonce,
        /// Who.
        next: Name,
    },
    /// A switch-over was asked for.
    SwitchAsked {
        /// Its id.
        id: Nonce,
        /// To whom, if to somebody.
        to: Option<Name>,
    },
    /// A switch-over has ended.
    Settled {
        /// Its id.
        id: Nonce,
        /// How.
        outcome: Outcome,
    },
    /// Takeovers were paused. By whom.
    Paused(Name),
    /// They were resumed.
    Resumed,
    /// The store does not answer, or cannot do what it is asked. The reason, as a sentence; told once.
    StoreAway(Name),
    /// It answers again.
    StoreBack {
        /// After so long.
        after: Duration,
    },
}

/// Why a lease could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody held it.
    Free,
    /// It was kept for this member.
    Kept,
    /// It had run out.
    RunOut,
    /// The holder's session had ended and no renewal followed.
    Early,
}

/// How long each step of a takeover or switch-over took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Steps {
    /// From the last sign of the previous holder (or from seeing the lease free) to asking for it.
    pub detect: Duration,
    /// From asking for it to having it.
    pub acquire: Duration,
    /// Making the previous holder unable to write.
    pub fence: Duration,
    /// Becoming active.
    pub activate: Duration,
    /// From then until the child was ready.
    pub start: Duration,
}

/// Why a child is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freeze {
    /// The store was not heard from in time.
    Silence,
    /// The store's clock ran ahead of the own one: until a renewal confirms the tenure.
    Clocks,
    /// The session with the store ended, and a database that is promoted now may lack what the child believes to be
    /// written: until a renewal confirms the tenure.
    Lost,
}

/// Why a tenure is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Somebody else has the lease.
    Overtaken(Name),
    /// The store was not heard from for so long that the frozen child is to be killed.
    Silence,
    /// The own clock cannot be relied on: the store's ran ahead of it again.
    Clocks,
    /// A promoted database answered, which may lack what the child believes to be written.
    Promoted,
    /// The row went back in time: the store lost what it had acknowledged.
    WentBack,
    /// Somebody renews with this tenure's nonce: a copy of this machine runs.
    Copied,
    /// Fencing the previous holder did not end in time.
    Fencing,
}

/// Why a lease is to be given up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Aim {
    /// A switch-over.
    Switch(Nonce),
    /// The guard wants another to take over. The reason, as a sentence.
    HandOver(Name),
    /// The child did not get ready in time.
    NotReady,
    /// The program is ending.
    Leave,
}

impl Steps {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.detect + self.acquire + self.fence + self.activate + self.start
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acquired { tenure, by, from: Some(from) } => {
                write!(f, "took the lease from {from} as {}: {by}", tenure.token)
            }
            Self::Acquired { tenure, by, from: None } => write!(f, "took the lease as {}: {by}", tenure.token),
            Self::Fenced { took } => write!(f, "fenced every previous holder in {}", Span(*took)),
            Self::FenceFailed(why) => write!(f, "fencing failed and is tried again: {why}"),
            Self::Activated { tenure } => write!(f, "active as {}", tenure.token),
            Self::Ready { tenure, steps } => write!(
                f,
                "ready as {} after {}: detect {}, acquire {}, fence {}, activate {}, start {}",
                tenure.token,
                Span(steps.total()),
                Span(steps.detect),
                Span(steps.acquire),
                Span(steps.fence),
                Span(steps.activate),
                Span(steps.start)
            ),
            Self::Renewed { took } => write!(f, "renewed in {}", Span(*took)),
            Self::Frozen(Freeze::Silence) => f.write_str("child frozen: the store was not heard from in time"),
            Self::Frozen(Freeze::Clocks) => {
                f.write_str("child frozen until the lease is confirmed: clocks moved apart")
            }
            Self::Frozen(Freeze::Lost) => f.write_str(
                "child frozen until the lease is confirmed: the store was lost, and another may be promoted in its place",
            ),
            Self::Thawed { after } => write!(f, "lease confirmed: child runs again after {}", Span(*after)),
            Self::Lost(loss) => write!(f, "lease lost: {loss}"),
            Self::Carried { tenure } => write!(f, "goes on as {} in the promoted database", tenure.token),
            Self::Yielding { why, next: Some(next) } => write!(f, "gives the lease up for {next}: {why}"),
            Self::Yielding { why, next: None } => write!(f, "gives the lease up: {why}"),
            Self::CutShort => f.write_str(
                "child killed before it could end in order: the store was lost, and another may be promoted in its place",
            ),
            Self::Stayed(why) => write!(f, "keeps the lease after all: {why}"),
            Self::Given { next: Some(next), drain, stop } => {
                write!(f, "gave the lease up for {next}: drained in {}, stopped in {}", Span(*drain), Span(*stop))
            }
            Self::Given { next: None, drain, stop } => {
                write!(f, "gave the lease up: drained in {}, stopped in {}", Span(*drain), Span(*stop))
            }
            other => other.fmt_store(f),
        }
    }
}

impl Happening {
    /// Those about the store, the other members and the operator.
    fn fmt_store(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HolderIs { holder: Some(holder) } => write!(f, "{holder} holds the lease"),
            Self::HolderIs { holder: None } => f.write_str("nobody holds the lease"),
            Self::HolderSilent => f.write_str("the holder's session with the store ended"),
            Self::Promoted { from, to } => write!(f, "the database was promoted: timeline {} after {}", to.0, from.0),
            Self::OldDatabase { timeline, newest } => write!(
                f,
                "a database on timeline {} answered though {} is known: it was replaced and must be stopped",
                timeline.0, newest.0
            ),
            Self::ClocksApart { by, store_ahead: true } => {
                write!(
                    f,
                    "the store's clock ran {} ahead of this machine's: it was set, or this machine was paused",
                    Span(*by)
                )
            }
            Self::ClocksApart { by, store_ahead: false } => {
                write!(f, "the store's clock was set back by {}", Span(*by))
            }
            Self::Blocked(Some(child)) => write!(f, "waits: the own child is not known to be gone (it is {child})"),
            Self::Blocked(None) => f.write_str("waits: the guard has not yet said that its child is gone"),
            Self::NameTwice { other } => {
                write!(f, "another member has the same name (instance {other}): give each a name of its own")
            }
            Self::TtlDiffers { row, own } => {
                write!(f, "the holder's ttl is {}, this member's {}: give all members the same", Span(*row), Span(*own))
            }
            Self::NobodyElse(why) => write!(f, "keeps the lease, as no other member is fit: {why}"),
            Self::HeldBack { quiet } => write!(f, "failed too often: does not take the lease for {}", Span(*quiet)),
            Self::Preparing { next, .. } => write!(f, "switch-over: {next} makes ready"),
            Self::SwitchAsked { to: Some(to), .. } => write!(f, "switch-over to {to} was asked for"),
            Self::SwitchAsked { to: None, .. } => f.write_str("switch-over was asked for"),
            Self::Settled { outcome: Outcome::Done, .. } => f.write_str("switch-over done"),
            Self::Settled { outcome: Outcome::Refused(why), .. } => write!(f, "switch-over refused: {why}"),
            Self::Settled { outcome: Outcome::Failed(why), .. } => write!(f, "switch-over failed: {why}"),
            Self::Paused(by) => write!(f, "paused by {by}: nobody takes over"),
            Self::Resumed => f.write_str("resumed: members take over again"),
            Self::StoreAway(why) => write!(f, "the store is of no use: {why}"),
            Self::StoreBack { after } => write!(f, "the store answers again after {}", Span(*after)),
            Self::Acquired { .. }
            | Self::Fenced { .. }
            | Self::FenceFailed(_)
            | Self::Activated { .. }
            | Self::Ready { .. }
            | Self::Renewed { .. }
            | Self::Frozen(_)
            | Self::Thawed { .. }
            | Self::Lost(_)
            | Self::Carried { .. }
            | Self::Yielding { .. }
            | Self::CutShort
            | Self::Stayed(_)
            | Self::Given { .. } => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "it was free",
            Self::Kept => "it was kept for this member",
            Self::RunOut => "it had run out",
            Self::Early => "the holder's session had ended",
        })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overtaken(by) if by.is_empty() => f.write_str("it was freed"),
            Self::Overtaken(by) => write!(f, "{by} has it"),
            Self::Silence => f.write_str("the store was not heard from for too long"),
            Self::Clocks => f.write_str("the store's clock ran ahead again: this machine's clock cannot be relied on"),
            Self::Promoted => f.write_str("a promoted database may lack what the child believes to be written"),
            Self::WentBack => f.write_str("the store went back in time"),
            Self::Copied => f.write_str("a copy of this machine renews it too"),
            Self::Fencing => f.write_str("the previous holder could not be fenced in time"),
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(_) => f.write_str("switch-over"),
            Self::HandOver(why) => f.write_str(why),
            Self::NotReady => f.write_str("the child did not get ready in time"),
            Self::Leave => f.write_str("the program is ending"),
        }
    }
}
