//! What every state of the machine works with: terms, sight, requests, the guard's report, and the way out.

use std::time::Duration;

use super::State;
use super::asks::{Asks, Pending, Track, What};
use super::damping::Damping;
use super::notice::Notices;
use super::sight::{Fresh, Gone, Seen, Sight};
use super::words::Words;
use crate::Moment;
use crate::lease::event::{Action, RequestId};
use crate::lease::happening::Happening;
use crate::lease::row::{Name, Nonce, Row, RowState, Stamp, Timeline, Token};
use crate::lease::safety::Safety;
use crate::lease::standing::{ChildState, LeaseView, Order, Phase, Report, Standing, Wish};
use crate::lease::store::{Answer, Failure, Member, MemberState, Request};
use crate::lease::terms::Terms;

/// The moment of an event, and a source of nonces.
pub(super) struct At<'a> {
    pub(super) now: Moment,
    pub(super) draw: &'a mut dyn FnMut() -> Nonce,
}

/// An answer that is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got {
    /// What was asked was done.
    pub(super) done: bool,
    pub(super) row: Row,
    pub(super) timeline: Timeline,
    pub(super) clock: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Core {
    pub(super) terms: Terms,
    pub(super) safety: Safety,
    pub(super) started: Moment,
    pub(super) sight: Sight,
    pub(super) asks: Asks,
    pub(super) damping: Damping,
    pub(super) words: Words,
    /// The switch-over for which this member gave the lease up last.
    pub(super) tried: Option<Nonce>,
    pub(super) notices: Notices,
    pub(super) quiet: bool,
    /// The store was lost, and no request that was sent after this one has been answered: which history its database goes
    /// on in is not known.
    lost: Option<RequestId>,
    pub(super) out: Vec<Action>,
    report: Option<Report>,
    order: Order,
    /// Number of the first order of those that have forbidden the child to run since it last was allowed to.
    barred: u64,
    look: Look,
    view: LeaseView,
    /// The last answer of the store, or the start.
    heard: Moment,
    alarm: Option<Moment>,
    member: MemberState,
}

/// When to look next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Look {
    wanted: bool,
    sent: Option<Moment>,
    due: Moment,
}

impl Core {
    pub(super) fn new(terms: Terms, safety: Safety, now: Moment) -> Self {
        Self {
            terms,
            safety,
            started: now,
            sight: Sight::new(now),
            asks: Asks::new(),
            damping: Damping::default(),
            words: Words::default(),
            tried: None,
            notices: Notices::default(),
            quiet: true,
            lost: None,
            out: Vec::new(),
            report: None,
            order: Order { number: 0, standing: Standing::Without },
            barred: 0,
            look: Look { wanted: false, sent: None, due: now },
            view: LeaseView {
                holder: None,
                nonce: Nonce(0),
                token: Token::default(),
                phase: Phase::Vacant,
                fresh: false,
                paused: false,
            },
            heard: now,
            alarm: Some(now),
            member: MemberState::Unfit,
        }
    }

    pub(super) fn tell(&mut self, happening: Happening) {
        self.out.push(Action::Tell(happening));
    }

    // --- time

    pub(super) fn begin_turn(&mut self) {
        self.alarm = None;
    }

    /// Whether it is time; if not, it is noted when it will be.
    pub(super) fn reached(&mut self, now: Moment, moment: Moment) -> bool {
        if now >= moment {
            return true;
        }
        self.alarm = self.alarm.into_iter().chain([moment]).min();
        false
    }

    pub(super) fn alarm(&self) -> Option<Moment> {
        self.alarm
    }

    pub(super) fn alarm_now(&mut self, now: Moment) {
        self.alarm = Some(now);
    }

    // --- the guard

    pub(super) fn reported(&mut self, report: Report) {
        let sooner =
            self.report.as_ref().is_none_or(|last| (&last.prepared, &last.wish) != (&report.prepared, &report.wish));
        self.look.wanted |= sooner && report.prepared.is_some();
        if report.child == ChildState::Gone {
            self.notices.child_gone();
        }
        self.report = Some(report);
    }

    /// How the child is, as last reported.
    pub(super) fn child(&self) -> Option<ChildState> {
        self.report.as_ref().map(|report| report.child)
    }

    /// How the child of a tenure is, as last reported.
    pub(super) fn child_of(&self, nonce: Nonce) -> Option<ChildState> {
        self.report.as_ref().filter(|report| report.nonce == Some(nonce)).map(|report| report.child)
    }

    /// Whether the child is known to be gone, and known not to be started on an older order that its guard had not yet
    /// seen revoked.
    pub(super) fn child_gone(&self) -> bool {
        let gone = |report: &Report| report.child == ChildState::Gone && report.order >= self.barred;
        !self.safety.child_gone || self.report.as_ref().is_some_and(gone)
    }

    pub(super) fn wish(&self) -> Option<&Wish> {
        self.report.as_ref().and_then(|report| report.wish.as_ref())
    }

    pub(super) fn leaving(&self) -> bool {
        self.wish() == Some(&Wish::Leave)
    }

    pub(super) fn prepared(&self) -> Option<Nonce> {
        self.report.as_ref().and_then(|report| report.prepared)
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// Waits for the child, and says so if the guard cannot tell how it is. While the guard sees it, it is ending it.
    pub(super) fn blocked(&mut self) {
        if matches!(self.child(), None | Some(ChildState::Unknown)) {
            self.outlived();
        }
    }

    /// Waits for the child, which should be gone.
    pub(super) fn outlived(&mut self) {
        if self.notices.blocked() {
            self.tell(Happening::Blocked(self.child()));
        }
    }

    // --- asking

    /// Whether a lane has nothing under way and may be used.
    pub(super) fn free(&mut self, track: Track, now: Moment) -> bool {
        let lane = self.asks.lane(track);
        let (idle, rest) = (lane.pending.is_none(), lane.rest);
        idle && self.reached(now, rest)
    }

    pub(super) fn ask(&mut self, what: What, request: Request, timeout: Duration, now: Moment) -> RequestId {
        let id = self.asks.send(what, now, timeout);
        self.reached(now, now + timeout);
        self.out.push(Action::Ask { id, request, timeout });
        id
    }

    pub(super) fn overdue(&mut self, now: Moment) -> Option<(Track, Pending)> {
        match self.asks.overdue(now) {
            Ok(late) => Some(late),
            Err(next) => {
                if let Some(next) = next {
                    self.reached(now, next);
                }
                None
            }
        }
    }

    /// Takes an answer in; `Err` if it says nothing about the newest database.
    pub(super) fn receive(
        &mut self,
        pending: &Pending,
        result: Result<Answer, Failure>,
        now: Moment,
    ) -> Result<Got, Failure> {
        let (done, row, timeline, clock, members) = match result {
            Ok(Answer::Done { row, timeline, clock, members }) => (true, row, timeline, clock, Some(members)),
            Ok(Answer::Overtaken { row, timeline, clock }) => (false, row, timeline, clock, None),
            Err(failure) => {
                self.unanswered(&failure, now);
                return Err(failure);
            }
        };
        match self.sight.judge(timeline, now) {
            Fresh::Same => (),
            Fresh::Promoted(from) => self.tell(Happening::Promoted { from, to: timeline }),
            Fresh::Old => {
                let newest = self.sight.newest();
                if self.notices.old_database(timeline) {
                    self.tell(Happening::OldDatabase { timeline, newest });
                }
                self.asks.row.failed(now, &self.terms);
                return Err(Failure::NotDone("a database answered that was replaced by another".into()));
            }
        }
        self.asks.row.well();
        self.lost.take_if(|last| pending.id > *last);
        if let Some(since) = self.notices.store_back() {
            self.tell(Happening::StoreBack { after: now.since(since) });
        }
        self.heard = now;
        let before = self.sight.row().cloned();
        self.sight.saw(Seen { row: row.clone(), timeline, clock, sent: pending.sent, answered: now });
        if pending.what == What::Look
            && let Some(members) = members
        {
            self.sight.saw_members(members, pending.sent, now);
            self.notice_twins(now);
        }
        self.notice_row(before.as_ref(), &row);
        self.look.due = self.next_look(now);
        Ok(Got { done, row, timeline, clock })
    }

    fn unanswered(&mut self, failure: &Failure, now: Moment) {
        self.asks.row.failed(now, &self.terms);
        let (Failure::NotDone(why) | Failure::Unknown(why)) = failure;
        if self.notices.store_away(self.heard) {
            self.tell(Happening::StoreAway(why.clone()));
        }
        self.look.due = now;
    }

    /// The session with the store ended, or does not answer.
    pub(super) fn lost(&mut self) {
        let still = self.safety.still_when_lost && !self.terms.lossless && self.terms.frozen.is_some();
        self.lost = still.then(|| self.asks.last());
    }

    /// Whether the child is to do nothing until the store has answered again: a database that took its place may lack what
    /// the child believes to be written, and lets it in.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    // --- looking

    pub(super) fn want_look(&mut self) {
        self.look.wanted = true;
    }

    pub(super) fn holder_silent(&mut self, now: Moment) {
        self.look.wanted = true;
        if self.sight.gone.is_none() {
            self.sight.gone = Some(Gone { at: now, row: None });
            self.tell(Happening::HolderSilent);
        }
    }

    pub(super) fn set_quiet(&mut self, quiet: bool) {
        self.look.wanted |= quiet && !self.quiet;
        self.quiet = quiet;
    }

    /// Looks if it is wanted, or `every` has passed since the last one; the lane must be free.
    pub(super) fn look_every(&mut self, every: Duration, now: Moment) -> bool {
        let due = self.look.sent.map_or(now, |sent| if self.look.wanted { sent + LOOK_GAP } else { sent + every });
        self.reached(now, due) && self.look(now)
    }

    /// Looks if it is wanted or due by the holder's pace; the lane must be free.
    pub(super) fn look_at_pace(&mut self, now: Moment) -> bool {
        let due = match self.look.sent {
            Some(sent) if self.look.wanted => sent + LOOK_GAP,
            _ => self.look.due,
        };
        self.reached(now, due) && self.look(now)
    }

    fn look(&mut self, now: Moment) -> bool {
        self.look.wanted = false;
        self.look.sent = Some(now);
        let me = self.me();
        self.ask(What::Look, Request::Look { me }, self.terms.timeout.min(self.terms.renew), now);
        true
    }

    /// Just after the holder's next renewal, so that its last one is known for as long as can be when it stops; and
    /// more often once that is late, or while the lease changes hands. Only a matter of pace: what is judged is when the
    /// row was seen to change.
    fn next_look(&self, now: Moment) -> Moment {
        let renew = self.terms.renew;
        let Some(seen) = &self.sight.seen else { return now };
        if seen.row.state != RowState::Active {
            let settled = now.since(self.sight.unchanged) > self.terms.ttl;
            return now + if settled { renew } else { renew / 4 };
        }
        let age = Sight::age(seen);
        if age < renew { now + (renew - age) + renew / 10 } else { now + renew / 4 }
    }

    /// This member, as others are to see it.
    fn me(&self) -> Member {
        Member {
            name: self.terms.me.name.clone(),
            instance: self.terms.me.instance,
            priority: self.terms.me.priority,
            state: self.member,
            quiet: self.quiet,
            age: Duration::ZERO,
        }
    }

    // --- telling

    /// Notes how others are to see this member, before it is asked what it does.
    pub(super) fn note_member(&mut self, state: &State, now: Moment) {
        self.member = self.member_of(state, now);
    }

    /// Tells the guard that an answer ended what its child runs in, before anybody asks whether the child is gone: one that
    /// was reported gone may just be started again.
    pub(super) fn bar(&mut self, state: &State) {
        let standing = self.standing_of(state);
        if !allows_child(&standing) && allows_child(&self.order.standing) {
            self.stand(standing);
        }
    }

    fn stand(&mut self, standing: Standing) {
        if standing == self.order.standing {
            return;
        }
        let number = self.order.number + 1;
        if !allows_child(&standing) && allows_child(&self.order.standing) {
            self.barred = number;
        }
        self.order = Order { number, standing };
        self.out.push(Action::Stand(self.order.clone()));
    }

    /// Tells the guard and the fronts what has changed for them.
    pub(super) fn publish(&mut self, state: &State, now: Moment) {
        self.stand(self.standing_of(state));
        let view = self.view_of(state, now);
        if view != self.view {
            self.view = view.clone();
            self.out.push(Action::Show(view));
        }
    }

    pub(super) fn view(&self) -> &LeaseView {
        &self.view
    }

    /// Whether the store answered lately.
    pub(super) fn is_fresh(&mut self, now: Moment) -> bool {
        let stale = self.heard + self.terms.absent_after();
        self.sight.seen.is_some() && !self.reached(now, stale)
    }

    /// Whether the row names this member.
    pub(super) fn is_me(&self, name: Option<&Name>) -> bool {
        name == Some(&self.terms.me.name)
    }
}

/// Whether a child that runs under it may go on to exist.
fn allows_child(standing: &Standing) -> bool {
    matches!(standing, Standing::Held { .. } | Standing::Frozen { .. })
}

/// At least this between two looks, however many hints come.
const LOOK_GAP: Duration = Duration::from_millis(5);
