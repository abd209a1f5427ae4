//! The lease protocol as a state machine: events and `now` in, actions out.
//!
//! ```text
//!            Acquire            Fence, Activate           until passed
//! contending -------> fencing -----------------> holding <-----------> frozen
//!     ^  ^               |                       |    |    confirmed     |
//!     |  |   overtaken   |      switch-over,     |    |  overtaken,      | kill_at passed,
//!     |  +---------------+      hand over, leave |    |  promoted        | overtaken
//!     |                                          v    v                  v
//!     +----------------------------------- yielding  losing <-----------+
//!          Transfer (child gone)              ^         | child gone
//!                                             +---------+
//! ```
//!
//! Every event ends in [`Machine::advance`], which asks the state what is to be done now, until it changes no more.
//! Whatever asks "is it time yet?" does so through [`core::Core::reached`], which notes the moment, so that
//! [`Machine::wake_at`] cannot forget one.

mod asks;
mod chance;
mod clocks;
mod contending;
mod core;
mod damping;
mod fencing;
mod frozen;
mod holding;
mod losing;
mod notice;
mod plan;
mod sight;
mod tenancy;
#[cfg(test)]
mod tests;
mod validity;
mod view;
mod words;
mod yielding;

use self::asks::{Pending, Track};
use self::contending::Contending;
use self::core::{At, Core, Got};
use self::fencing::Fencing;
use self::frozen::Frozen;
use self::holding::Holding;
use self::losing::Losing;
use self::tenancy::Tenancy;
use self::yielding::Yielding;
use super::event::{Action, Event, Hint};
use super::row::{Nonce, Row};
use super::safety::Safety;
use super::standing::{LeaseView, Order, Standing};
use super::store::{Failure, Member};
use super::terms::{BadTerms, Terms};
use crate::Moment;

/// Decides for one member of one lease when it takes the lease, until when its child may run, and when it gives the
/// lease up.
///
/// It starts without a tenure and without knowing how its child is; it takes nothing before a report said that the child
/// is gone. One with priority 0 never takes the lease, and is how a front follows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    core: Core,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Contending(Contending),
    Fencing(Fencing),
    Holding(Holding),
    Frozen(Frozen),
    Yielding(Yielding),
    Losing(Losing),
}

/// What a state's step came to.
enum Turn {
    /// Nothing more is to be done now.
    Stay(State),
    /// It is another state, whose turn it is at once.
    Go(State),
}

impl Machine {
    /// A member that knows nothing yet. It asks the store with the first event.
    ///
    /// # Errors
    /// What is wrong with the terms.
    pub fn new(terms: Terms, now: Moment) -> Result<Self, BadTerms> {
        Self::build(terms, now, Safety::ALL)
    }

    /// One that lacks safety measures, to show what happens then.
    ///
    /// # Errors
    /// What is wrong with the terms.
    #[cfg(feature = "variants")]
    pub fn with_safety(terms: Terms, now: Moment, safety: Safety) -> Result<Self, BadTerms> {
        Self::build(terms, now, safety)
    }

    fn build(terms: Terms, now: Moment, safety: Safety) -> Result<Self, BadTerms> {
        if let Some(fault) = terms.fault() {
            return Err(fault);
        }
        Ok(Self { core: Core::new(terms, safety, now), state: State::Contending(Contending::default()) })
    }

    /// Takes an event and says what is to be done, in this order. `now` is a moment of the clock that counts a suspended
    /// machine's sleep, read after the event came and before anything of the answer is done; `draw` gives a nonce that
    /// nobody else has.
    pub fn on(&mut self, event: Event, now: Moment, draw: &mut dyn FnMut() -> Nonce) -> Vec<Action> {
        let mut at = At { now, draw };
        match event {
            Event::Tick => (),
            Event::Answered { id, result } => {
                if let Some((track, pending)) = self.core.asks.take(id) {
                    self.answered(track, &pending, result, &mut at);
                }
            }
            Event::Hint(hint) => self.hinted(hint, now),
            Event::Report(report) => self.core.reported(report),
            Event::Command(command) => self.core.command(command, now),
            Event::Quiet(quiet) => self.core.set_quiet(quiet),
        }
        self.advance(&mut at);
        std::mem::take(&mut self.core.out)
    }

    /// When [`Event::Tick`] is due at the latest; `None`: not before another event.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        self.core.alarm()
    }

    /// What the guard may do, as it was told last.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.core.order().standing
    }

    /// The same with its number.
    #[must_use]
    pub fn order(&self) -> &Order {
        self.core.order()
    }

    /// What anybody may know, as it was told last.
    #[must_use]
    pub fn view(&self) -> &LeaseView {
        self.core.view()
    }

    /// What it was made with.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.core.terms
    }

    /// The lease as the store last answered it.
    #[must_use]
    pub fn row(&self) -> Option<&Row> {
        self.core.sight.row()
    }

    /// Who looked lately, as the store last answered it; `age` was counted then.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.core.sight.members
    }

    /// When the store answered that.
    #[must_use]
    pub fn members_at(&self) -> Moment {
        self.core.sight.members_answered
    }

    /// Whether nothing keeps a program that is ending ([`super::Wish::Leave`]) any more: it holds nothing, and asked for nothing
    /// whose outcome it does not know.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.core.leaving() && matches!(&self.state, State::Contending(contending) if contending.is_idle())
    }

    fn answered(&mut self, track: Track, pending: &Pending, result: Result<super::Answer, Failure>, at: &mut At<'_>) {
        match track {
            Track::Row => {
                let got = self.core.receive(pending, result, at.now);
                self.change(|state, core| state.answered(core, pending, got, at));
            }
            Track::Fence => {
                self.change(|state, core| match state {
                    State::Fencing(fencing) => fencing.fenced(core, pending, result, at.now),
                    State::Holding(holding) => State::Holding(holding.swept(core, pending, result, at.now)),
                    other => other,
                });
            }
            Track::Word => self.core.word_answered(result, at.now),
        }
    }

    fn hinted(&mut self, hint: Hint, now: Moment) {
        if hint == Hint::Lost {
            self.core.lost();
        }
        let tenancy = self.state.tenancy_mut();
        match (hint, tenancy) {
            (Hint::Look, _) | (Hint::Cut | Hint::Lost, None) => self.core.want_look(),
            (Hint::Cut | Hint::Lost | Hint::HolderGone, Some(tenancy)) => tenancy.due = now,
            (Hint::HolderGone, None) => self.core.holder_silent(now),
        }
    }

    /// Does what is due, until nothing is.
    fn advance(&mut self, at: &mut At<'_>) {
        for _ in 0..TURNS_AT_MOST {
            self.core.begin_turn();
            while let Some((track, pending)) = self.core.overdue(at.now) {
                let late = Failure::Unknown("no answer in time".into());
                if track == Track::Row {
                    self.core.lost();
                }
                self.answered(track, &pending, Err(late), at);
            }
            self.core.bar(&self.state);
            self.core.note_member(&self.state, at.now);
            let mut stays = false;
            self.change(|state, core| {
                let (state, stay) = match state.step(core, at) {
                    Turn::Stay(state) => (state, true),
                    Turn::Go(state) => (state, false),
                };
                stays = stay;
                state
            });
            self.core.words_step(at.now);
            self.core.publish(&self.state, at.now);
            if stays {
                return;
            }
        }
        self.core.alarm_now(at.now);
    }

    fn change(&mut self, by: impl FnOnce(State, &mut Core) -> State) {
        let state = std::mem::replace(&mut self.state, State::Contending(Contending::default()));
        self.state = by(state, &mut self.core);
    }
}

impl State {
    fn step(self, core: &mut Core, at: &mut At<'_>) -> Turn {
        match self {
            Self::Contending(state) => state.step(core, at),
            Self::Fencing(state) => state.step(core, at.now),
            Self::Holding(state) => state.step(core, at.now),
            Self::Frozen(state) => state.step(core, at.now),
            Self::Yielding(state) => state.step(core, at.now),
            Self::Losing(state) => state.step(core, at.now),
        }
    }

    fn answered(self, core: &mut Core, pending: &Pending, got: Result<Got, Failure>, at: &mut At<'_>) -> Self {
        match self {
            Self::Contending(state) => state.answered(core, pending, got, at.now),
            Self::Fencing(state) => state.answered(core, pending, got, at.now),
            Self::Holding(state) => state.answered(core, pending, got, at.now),
            Self::Frozen(state) => state.answered(core, pending, got, at.now),
            Self::Yielding(state) => state.answered(core, pending, got, at.now),
            Self::Losing(state) => state.answered(core, pending, got, at.now),
        }
    }

    fn tenancy(&self) -> Option<&Tenancy> {
        match self {
            Self::Contending(_) => None,
            Self::Fencing(state) => Some(&state.tenancy),
            Self::Holding(state) => Some(&state.tenancy),
            Self::Frozen(state) => Some(&state.holding.tenancy),
            Self::Yielding(state) => Some(&state.tenancy),
            Self::Losing(state) => Some(&state.tenancy),
        }
    }

    fn tenancy_mut(&mut self) -> Option<&mut Tenancy> {
        match self {
            Self::Contending(_) => None,
            Self::Fencing(state) => Some(&mut state.tenancy),
            Self::Holding(state) => Some(&mut state.tenancy),
            Self::Frozen(state) => Some(&mut state.holding.tenancy),
            Self::Yielding(state) => Some(&mut state.tenancy),
            Self::Losing(state) => Some(&mut state.tenancy),
        }
    }
}

/// More changes of state than one event can bring about; whatever is left is done with the next tick, which is due at
/// once.
const TURNS_AT_MOST: usize = 16;
