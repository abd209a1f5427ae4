//! What was reached, and how often: a simulation that explores nothing proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use mainstay_core::lease::{Answer, Failure, Freeze, Happening, Loss, Outcome, Reason};

#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub(crate) fn saw(&mut self, seen: impl IntoIterator<Item = &'static str>) {
        for name in seen {
            *self.0.entry(name).or_default() += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    pub(crate) fn missing(&self, wanted: &[&'static str]) -> Vec<&'static str> {
        wanted.iter().copied().filter(|name| !self.0.contains_key(name)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.0 {
            writeln!(f, "{count:>12}  {name}")?;
        }
        Ok(())
    }
}

pub(crate) fn answered(result: &Result<Answer, Failure>) -> &'static str {
    match result {
        Ok(Answer::Done { .. }) => "answer: done",
        Ok(Answer::Overtaken { .. }) => "answer: overtaken",
        Err(Failure::NotDone(_)) => "answer: not done",
        Err(Failure::Unknown(_)) => "answer: unknown",
    }
}

pub(crate) fn told(happening: &Happening) -> &'static str {
    match happening {
        Happening::Acquired { by: Reason::Free, .. } => "acquired: free",
        Happening::Acquired { by: Reason::Kept, .. } => "acquired: kept",
        Happening::Acquired { by: Reason::RunOut, .. } => "acquired: run out",
        Happening::Acquired { by: Reason::Early, .. } => "acquired: early",
        Happening::Fenced { .. } => "fenced",
        Happening::FenceFailed(_) => "fence failed",
        Happening::Activated { .. } => "activated",
        Happening::Ready { .. } => "ready",
        Happening::Renewed { .. } => "renewed",
        Happening::Frozen(Freeze::Silence) => "frozen: silence",
        Happening::Frozen(Freeze::Clocks) => "frozen: clocks",
        Happening::Frozen(Freeze::Lost) => "frozen: lost",
        Happening::Thawed { .. } => "thawed",
        Happening::Lost(loss) => lost(loss),
        Happening::Carried { .. } => "carried",
        Happening::Yielding { .. } => "yielding",
        Happening::CutShort => "cut short",
        Happening::Stayed(_) => "stayed",
        Happening::Given { .. } => "given",
        Happening::HolderIs { .. } => "holder is",
        Happening::HolderSilent => "holder silent",
        Happening::Promoted { .. } => "promoted",
        Happening::OldDatabase { .. } => "old database",
        Happening::ClocksApart { .. } => "clocks apart",
        Happening::Blocked(_) => "blocked",
        Happening::NameTwice { .. } => "name twice",
        Happening::NobodyElse(_) => "nobody else",
        Happening::HeldBack { .. } => "held back",
        Happening::Preparing { .. } => "preparing",
        Happening::Settled { outcome: Outcome::Done, .. } => "switch-over done",
        Happening::Settled { outcome: Outcome::Refused(_), .. } => "switch-over refused",
        Happening::Settled { outcome: Outcome::Failed(_), .. } => "switch-over failed",
        Happening::Paused(_) => "paused",
        Happening::Resumed => "resumed",
        Happening::StoreAway(_) => "store away",
        Happening::StoreBack { .. } => "store back",
        _ => "told else",
    }
}

fn lost(loss: &Loss) -> &'static str {
    match loss {
        Loss::Overtaken(_) => "lost: overtaken",
        Loss::Silence => "lost: silence",
        Loss::Clocks => "lost: clocks",
        Loss::Promoted => "lost: promoted",
        Loss::WentBack => "lost: went back",
        Loss::Copied => "lost: copied",
        Loss::Fencing => "lost: fencing",
    }
}

/// What random schedules must have reached: each fault, each state of the machine, each way into and out of a tenure.
pub(crate) const REACHED: &[&str] = &[
    "acquired: early",
    "acquired: free",
    "acquired: kept",
    "acquired: run out",
    "activated",
    "answer: done",
    "answer: not done",
    "answer: overtaken",
    "blocked",
    "carried",
    "child not let in",
    "clocks apart",
    "command: pause",
    "command: switch-over",
    "deadline: frozen",
    "deadline: killed",
    "fault: child killed",
    "fault: child unwell",
    "fault: database off",
    "fault: database's clock set",
    "fault: guard cut off",
    "fault: guard killed",
    "fault: guard misled",
    "fault: guard stopped",
    "fault: machine crashes",
    "fault: machine cut off",
    "fault: machine paused",
    "fault: session dropped",
    "fault: standby promoted",
    "fault: standby promoted, zombie primary",
    "fence failed",
    "former tenure given up",
    "frozen: clocks",
    "frozen: lost",
    "frozen: silence",
    "given",
    "held back",
    "lost: clocks",
    "lost: fencing",
    "lost: overtaken",
    "lost: promoted",
    "lost: silence",
    "machine wakes, clock stood still",
    "name twice",
    "nobody else",
    "old database",
    "preparing",
    "program has left",
    "standing: frozen",
    "standing: held",
    "standing: prepare",
    "standing: without",
    "standing: yield",
    "stayed",
    "switch-over done",
    "switch-over failed",
    "switch-over refused",
    "thawed",
    "two children run after a pause of a machine",
    "write refused",
    "write taken",
];
