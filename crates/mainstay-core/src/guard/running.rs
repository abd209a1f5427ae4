//! A run within a tenure, and what it is told as the tenure goes on.

use std::time::Duration;

use super::event::{Action, Permit};
use super::rules::Rules;
use super::wellness::Wellness;
use crate::Moment;
use crate::lease::{Standing, Tenure};

#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) tenure: Tenure,
    pub(super) part: Part,
    pub(super) end: End,
    pub(super) frozen: Option<Moment>,
    /// Said last, so that nothing is said twice.
    pub(super) told: Action,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Before { kill_at: Moment },
    Child(Wellness),
}

/// Whether a run was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    No,
    /// Asked to, at the latest by the first moment, and by the second as it was said last.
    Stopping {
        bound: Moment,
        by: Moment,
    },
    Killed,
}

impl Running {
    pub(super) fn new(permit: &Permit, part: Part) -> Self {
        let told = Action::Allow { until: permit.until, kill_at: permit.kill_at };
        Self { tenure: permit.tenure.clone(), part, end: End::No, frozen: None, told }
    }

    pub(super) fn follow(
        &mut self,
        permit: &Standing,
        leave: Option<Moment>,
        rules: &Rules,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        if self.end == End::Killed {
            return;
        }
        let stops = matches!(self.end, End::Stopping { .. });
        match permit {
            Standing::Held { tenure, until, kill_at } if tenure.nonce == self.tenure.nonce => {
                if stops || leave.is_some_and(|leave| now >= leave) {
                    self.stop(*until, rules.stop_within, now, out);
                } else {
                    self.allow(*until, *kill_at, now, out);
                }
            }
            Standing::Frozen { tenure, kill_at, .. } if tenure.nonce == self.tenure.nonce && rules.freeze && !stops => {
                self.freeze(*kill_at, now, out);
            }
            Standing::Yield { tenure, until }
                if tenure.nonce == self.tenure.nonce && matches!(self.part, Part::Child(_)) =>
            {
                self.stop(*until, rules.stop_within, now, out);
            }
            _ => self.kill(out),
        }
    }

    fn allow(&mut self, until: Moment, kill_at: Moment, now: Moment, out: &mut Vec<Action>) {
        if let (Some(since), Part::Child(wellness)) = (self.frozen.take(), &mut self.part) {
            wellness.skip(now.since(since));
        }
        self.tell(Action::Allow { until, kill_at: self.bound(kill_at) }, out);
    }

    fn freeze(&mut self, kill_at: Moment, now: Moment, out: &mut Vec<Action>) {
        if self.frozen.is_none() {
            self.frozen = Some(now);
        }
        self.tell(Action::Freeze { kill_at: self.bound(kill_at) }, out);
    }

    /// Asks it to end. It has until `until`, and until so long after it was asked first.
    fn stop(&mut self, until: Moment, within: Duration, now: Moment, out: &mut Vec<Action>) {
        let bound = match self.end {
            End::Stopping { bound, .. } => bound,
            End::No | End::Killed => now + within,
        };
        let by = until.min(bound);
        if now >= by {
            return self.kill(out);
        }
        self.frozen = None;
        self.end = End::Stopping { bound, by };
        self.tell(Action::Stop { by }, out);
    }

    pub(super) fn kill(&mut self, out: &mut Vec<Action>) {
        self.end = End::Killed;
        self.tell(Action::Kill, out);
    }

    fn tell(&mut self, action: Action, out: &mut Vec<Action>) {
        if self.told != action {
            self.told = action.clone();
            out.push(action);
        }
    }

    fn bound(&self, kill_at: Moment) -> Moment {
        match self.part {
            Part::Before { kill_at: by } => kill_at.min(by),
            Part::Child(_) => kill_at,
        }
    }
}
