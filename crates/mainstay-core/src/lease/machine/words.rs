//! What operators and holders write into the row beside the tenure: switch-overs asked for and ended, pauses.

use std::collections::VecDeque;

use super::asks::{Track, What};
use super::core::Core;
use crate::Moment;
use crate::lease::event::{Action, Command, Wanted};
use crate::lease::row::{Name, Nonce, Outcome};
use crate::lease::store::{Answer, Failure, Request};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Words {
    /// What operators want, the first under way.
    commands: VecDeque<Command>,
    /// Tries of the first.
    tries: u32,
    /// A switch-over that is to be ended in the row.
    ending: Option<(Nonce, Outcome)>,
    /// The one that was.
    ended: Option<Nonce>,
    asked: Option<Asked>,
}

/// What the request under way is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    Command,
    Ending,
}

impl Words {
    /// Whether this member has ended a switch-over, even if the row does not show it yet.
    pub(super) fn has_ended(&self, id: Nonce) -> bool {
        self.ended == Some(id) || self.ending.as_ref().is_some_and(|(ending, _)| *ending == id)
    }
}

impl Core {
    /// Ends a switch-over and leaves word of how it ended.
    pub(super) fn settle(&mut self, id: Nonce, outcome: Outcome) {
        if !self.words.has_ended(id) {
            self.words.ending = Some((id, outcome));
        }
    }

    /// Takes a command on, unless it is clear at once that it cannot be carried out.
    pub(super) fn command(&mut self, command: Command, now: Moment) {
        let refused = if self.words.commands.len() >= COMMANDS_AT_MOST {
            Some("too many commands wait for the store: try again later".into())
        } else {
            self.hopeless(&command, now)
        };
        match refused {
            Some(why) => self.out.push(Action::Reply { id: command.id, result: Err(why) }),
            None => self.words.commands.push_back(command),
        }
    }

    /// Why a switch-over that is to begin at once cannot succeed, as far as this member knows.
    fn hopeless(&self, command: &Command, now: Moment) -> Option<Name> {
        let Wanted::Switch { to, after } = &command.wanted else { return None };
        let seen = self.sight.seen.as_ref()?;
        let row = &seen.row;
        if let Some(other) = row.switch.as_ref().filter(|switch| !self.words.has_ended(switch.id)) {
            return Some(format!("another switch-over (id {}) waits: cancel it first", other.id).into());
        }
        let known = now.since(self.sight.members_asked) <= self.terms.absent_after();
        if !after.is_zero() || !known {
            return None;
        }
        match to {
            Some(to) if *to == row.holder && row.state == crate::lease::row::RowState::Active => {
                Some(format!("{to} holds the lease already").into())
            }
            // It could be this member itself, which `successor` leaves out.
            Some(to) if *to == self.terms.me.name => {
                self.unfit().then(|| format!("{to} cannot take the lease now").into())
            }
            Some(to) => self.successor(Some(to), now).err(),
            None if row.holder != self.terms.me.name && !self.unfit() => None,
            None => self.successor(None, now).err(),
        }
    }

    fn unfit(&self) -> bool {
        self.terms.me.priority == 0 || !self.child_gone() || self.leaving()
    }

    /// Sends what waits, one at a time.
    pub(super) fn words_step(&mut self, now: Moment) {
        if self.words.commands.is_empty() && self.words.ending.is_none() || !self.free(Track::Word, now) {
            return;
        }
        let (asked, request) = if let Some((id, outcome)) = self.words.ending.clone() {
            (Asked::Ending, Request::Settle { id, outcome })
        } else if let Some(command) = self.words.commands.front() {
            (Asked::Command, request(command))
        } else {
            return;
        };
        self.words.asked = Some(asked);
        let timeout = self.terms.timeout;
        self.ask(What::Word, request, timeout, now);
    }

    /// Takes in what came of a word.
    pub(super) fn word_answered(&mut self, result: Result<Answer, Failure>, now: Moment) {
        match (self.words.asked.take(), result) {
            (None, _) => (),
            (Some(Asked::Ending), Ok(_)) => {
                self.asks.word.well();
                self.words.ended = self.words.ending.take().map(|(id, _)| id);
                self.want_look();
            }
            (Some(Asked::Ending), Err(_)) => self.asks.word.failed(now, &self.terms),
            (Some(Asked::Command), Ok(answer)) => {
                self.asks.word.well();
                self.want_look();
                self.reply(|command| verdict(command, &answer));
            }
            (Some(Asked::Command), Err(failure)) => {
                self.asks.word.failed(now, &self.terms);
                self.words.tries += 1;
                if self.words.tries >= TRIES_AT_MOST {
                    self.reply(|_| Err(given_up(&failure)));
                }
            }
        }
    }

    fn reply(&mut self, result: impl FnOnce(&Command) -> Result<(), Name>) {
        self.words.tries = 0;
        if let Some(command) = self.words.commands.pop_front() {
            let result = result(&command);
            self.out.push(Action::Reply { id: command.id, result });
        }
    }
}

fn request(command: &Command) -> Request {
    match &command.wanted {
        Wanted::Switch { to, after } => Request::Switch { id: command.id, to: to.clone(), after: *after },
        Wanted::Cancel(id) => Request::Settle { id: *id, outcome: Outcome::Refused("it was cancelled".into()) },
        Wanted::Pause(by) => Request::Pause(Some(by.clone())),
        Wanted::Resume => Request::Pause(None),
    }
}

/// Whether the row shows what was wanted: a try whose answer was lost may have done it.
fn verdict(command: &Command, answer: &Answer) -> Result<(), Name> {
    let row = match answer {
        Answer::Done { .. } => return Ok(()),
        Answer::Overtaken { row, .. } => row,
    };
    let waits = row.switch.as_ref().map(|switch| switch.id);
    let ended = row.settled.as_ref().map(|settled| settled.id);
    match &command.wanted {
        Wanted::Switch { .. } if waits == Some(command.id) || ended == Some(command.id) => Ok(()),
        Wanted::Switch { .. } => Err("another switch-over waits: cancel it first".into()),
        Wanted::Cancel(id) if ended == Some(*id) => Ok(()),
        Wanted::Cancel(_) => Err("no such switch-over waits".into()),
        Wanted::Pause(_) if row.paused.is_some() => Ok(()),
        Wanted::Resume if row.paused.is_none() => Ok(()),
        Wanted::Pause(_) | Wanted::Resume => Err("the store did not do it".into()),
    }
}

fn given_up(failure: &Failure) -> Name {
    match failure {
        Failure::NotDone(why) => format!("nothing was done: {why}").into(),
        Failure::Unknown(why) => format!("it is not known whether it was done: {why}").into(),
    }
}

/// Operators' wishes that wait at a time.
const COMMANDS_AT_MOST: usize = 8;
/// A command is tried so often before its operator is told that the store does not answer.
const TRIES_AT_MOST: u32 = 4;
