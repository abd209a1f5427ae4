//! Every course of a small world: two guards, one pause (of a guard, or of its whole machine) that begins and ends at any
//! instant, one promotion at any instant, of a standby that caught up at any instant, and so many messages held back for
//! as long as can be, or for ever.
//!
//! Time is cut into instants. What is not held back arrives at once, in the order it was sent; children write at each
//! instant. Just after a machine woke, what it does first is open. States that were seen before are not entered again.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::audit::{Broken, Property, broken};
use crate::clock::{Instant, ms};
use crate::setup::Setup;
use crate::step::{Can, Fault, Step};
use crate::world::{Out, World};

/// A small world and how far it is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Small {
    pub(crate) setup: Setup,
    /// The machine is paused, not only the guard.
    pub(crate) machine_pauses: bool,
    pub(crate) promotes: bool,
    /// How many messages are held back in one course.
    pub(crate) holds: u8,
    /// So long after the first tenure was ready.
    pub(crate) horizon: Instant,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) broken: Option<Broken>,
    /// How it came to that.
    pub(crate) path: Vec<String>,
    pub(crate) seen: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
struct State {
    world: World,
    /// What is in flight.
    flying: Vec<Flight>,
    holds: u8,
    /// What a stopped or paused guard still has to do.
    waiting: Vec<Step>,
    pause: Pause,
    promoted: bool,
    replicated: bool,
    path: Option<Arc<Link>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flight {
    since: Instant,
    held: bool,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pause {
    ToCome,
    Since(Instant),
    /// Its machine has just woken: in which order it does what is overdue is open until time goes on.
    Woken,
    Over,
}

#[derive(Debug)]
struct Link {
    at: Instant,
    choice: Choice,
    before: Option<Arc<Link>>,
}

#[derive(Clone, Debug)]
enum Choice {
    Arrive(usize),
    Hold(usize),
    Do(Step),
    /// Time goes on.
    Wait,
}

/// Looks at all of it, or until something breaks.
pub(crate) fn explore(small: &Small) -> Found {
    let mut found = Found::default();
    let first = begin(small);
    let end = first.world.now + small.horizon;
    let mut seen = HashSet::new();
    let mut open = vec![first];
    while let Some(state) = open.pop() {
        for choice in state.choices(small, end) {
            let mut next = state.clone();
            let mut out = Out::default();
            next.take(&choice, &mut out);
            next.settle(&mut out);
            next.path = Some(Arc::new(Link { at: state.world.now, choice, before: state.path.clone() }));
            out.seen.iter().for_each(|name| *found.seen.entry(name).or_default() += 1);
            if out.broken.is_some() {
                (found.broken, found.path, found.states) = (out.broken, next.path(), seen.len());
                return found;
            }
            if seen.insert(next.fingerprint()) {
                open.push(next);
            }
        }
    }
    found.states = seen.len();
    found
}

/// The first guard is active and its child has written; all that follows without chance.
fn begin(small: &Small) -> State {
    let mut out = Out::default();
    let world = World::new(Arc::new(small.setup.clone()), &[], &mut out);
    let mut state = State {
        world,
        flying: Vec::new(),
        holds: small.holds,
        waiting: Vec::new(),
        pause: Pause::ToCome,
        promoted: false,
        replicated: false,
        path: None,
    };
    state.sort(&mut out);
    let mut other = true;
    while state.world.guards[0].child.is_none() || std::mem::take(&mut other) {
        while !state.flying.is_empty() {
            state.take(&Choice::Arrive(0), &mut out);
            state.settle(&mut out);
        }
        state.take(&Choice::Wait, &mut out);
        state.settle(&mut out);
    }
    assert_eq!(out.broken, None, "nothing went wrong yet");
    state
}

impl State {
    fn choices(&self, small: &Small, end: Instant) -> Vec<Choice> {
        let able = |flight: &Flight| self.world.can(&flight.step) == Can::Yes;
        let first = self.flying.iter().position(|flight| !flight.held && able(flight));
        let mut choices = self.waking();
        let overdue = choices.iter().any(|choice| !matches!(choice, Choice::Do(Step::Act { .. })));
        if let Some(first) = first {
            choices.push(Choice::Arrive(first));
            if self.holds > 0 {
                choices.push(Choice::Hold(first));
            }
            return choices;
        }
        let held = self.flying.iter().enumerate().filter(|(_, flight)| flight.held && able(flight));
        choices.extend(held.map(|(index, _)| Choice::Arrive(index)));
        if self.world.now.is_multiple_of(INSTANT) {
            choices.extend(self.faults(small).into_iter().map(|fault| Choice::Do(Step::Fault(fault))));
        }
        if !overdue && self.world.now < end {
            choices.push(Choice::Wait);
        }
        choices
    }

    /// What a machine that has just woken may do next.
    fn waking(&self) -> Vec<Choice> {
        if self.pause != Pause::Woken {
            return Vec::new();
        }
        let due = self.due(0).into_iter().chain(self.waiting.iter().cloned()).chain(self.act(0));
        due.filter(|step| self.world.can(step) == Can::Yes).map(Choice::Do).collect()
    }

    /// A child's next write, or its way to the database.
    fn act(&self, guard: usize) -> Option<Step> {
        let guard = &self.world.guards[guard];
        let child = guard.child.as_ref().filter(|child| guard.child_runs() && !child.waits)?;
        Some(Step::Act { guard: guard.index, serial: child.serial, anew: false })
    }

    fn faults(&self, small: &Small) -> Vec<Fault> {
        let mut faults = Vec::new();
        match self.pause {
            Pause::ToCome if small.machine_pauses => faults.push(Fault::Pause(0)),
            Pause::ToCome => faults.push(Fault::Stop(0)),
            Pause::Since(since) if small.machine_pauses && self.world.now > since => {
                faults.push(Fault::Wake(0, 0));
                faults.push(Fault::Wake(0, self.world.now - since));
            }
            Pause::Since(since) if self.world.now > since => faults.push(Fault::Continue(0)),
            Pause::Since(_) | Pause::Woken | Pause::Over => (),
        }
        if small.promotes && !self.promoted {
            faults.push(Fault::Promote { zombie: Vec::new() });
            // What the standby has is what the primary had once; the last time it caught up is all that counts.
            if !small.setup.synchronous && !self.replicated {
                faults.push(Fault::Replicate);
            }
        }
        faults
    }

    fn take(&mut self, choice: &Choice, out: &mut Out) {
        match choice {
            Choice::Arrive(index) => {
                let flight = self.flying.remove(*index);
                self.world.step(flight.step, out);
            }
            Choice::Hold(index) => {
                self.flying[*index].held = true;
                self.holds -= 1;
            }
            Choice::Do(step) => {
                self.waiting.retain(|waiting| waiting != step);
                match step {
                    Step::Fault(Fault::Pause(_) | Fault::Stop(_)) => self.pause = Pause::Since(self.world.now),
                    Step::Fault(Fault::Wake(..)) => self.pause = Pause::Woken,
                    Step::Fault(Fault::Continue(_)) => self.pause = Pause::Over,
                    Step::Fault(Fault::Promote { .. }) => self.promoted = true,
                    Step::Fault(Fault::Replicate) => self.replicated = true,
                    _ => (),
                }
                self.world.step(step.clone(), out);
            }
            Choice::Wait => self.wait(out),
        }
        self.sort(out);
    }

    /// Time goes on to the next instant, or to something that is due before.
    fn wait(&mut self, out: &mut Out) {
        if self.pause == Pause::Woken {
            self.pause = Pause::Over;
        }
        let now = self.world.now;
        let mut next = now - now % INSTANT + INSTANT;
        for guard in &self.world.guards {
            let wake = guard.machine.as_ref().filter(|_| guard.acts()).and_then(|machine| machine.wake_at());
            let deadline = guard.deadline().filter(|_| !guard.paused);
            for moment in wake.into_iter().chain(deadline) {
                next = next.min(guard.clock.shows(moment).max(now + 1));
            }
        }
        self.world.now = next;
        let world = &self.world;
        // What is late for longer counts as lost; a write waits for as long as it likes.
        self.flying.retain(|flight| match &flight.step {
            Step::Statement { .. } => true,
            Step::Reply { guard, .. } => next - flight.since <= ANSWER_FLIES || !world.guards[*guard].acts(),
            _ => next - flight.since <= REQUEST_FLIES,
        });
        if next.is_multiple_of(INSTANT) {
            for guard in 0..self.world.guards.len() {
                if let Some(step) = self.act(guard) {
                    self.world.step(step, out);
                }
            }
        }
    }

    /// What follows at once does; what a guard can do only later waits.
    fn settle(&mut self, out: &mut Out) {
        for _ in 0..AT_ONCE_AT_MOST {
            let held = self.pause == Pause::Woken;
            let about = |step: &Step| matches!(step, Step::TakeUp { guard: 0, .. } | Step::Ready { guard: 0, .. });
            let able = |step: &Step| self.world.can(step) == Can::Yes && !(held && about(step));
            let step = match self.waiting.iter().position(able) {
                Some(index) => Some(self.waiting.remove(index)),
                None => (usize::from(held)..self.world.guards.len()).find_map(|guard| self.due(guard)),
            };
            let Some(step) = step else { return };
            self.world.step(step, out);
            self.sort(out);
        }
        out.breaks(broken(Property::Rests, "it never comes to rest".to_owned()));
    }

    /// What a guard has to do by now.
    fn due(&self, guard: usize) -> Option<Step> {
        let state = &self.world.guards[guard];
        let here = state.clock.read(self.world.now);
        if !state.paused && state.deadline().is_some_and(|deadline| deadline <= here) {
            return Some(Step::Enforce { guard });
        }
        let wake = state.machine.as_ref().filter(|_| state.acts()).and_then(|machine| machine.wake_at());
        wake.is_some_and(|wake| wake <= here).then_some(Step::Tick { guard })
    }

    /// Puts what was spawned where it belongs. Notices are left out: they only make somebody look sooner; and so is a
    /// client's goodbye, without which its sessions stay for as long as can be.
    fn sort(&mut self, out: &mut Out) {
        for step in std::mem::take(&mut out.spawned) {
            match step {
                Step::Act { .. } | Step::Hint { .. } | Step::Close { .. } => (),
                Step::Request { .. } | Step::Reply { .. } | Step::Statement { .. } if step.travels() => {
                    let since = if matches!(step, Step::Statement { .. }) { 0 } else { self.world.now };
                    self.flying.push(Flight { since, held: false, step });
                }
                step if self.waiting.contains(&step) => (),
                step => self.waiting.push(step),
            }
        }
    }

    /// Two of ten million states share one by chance once in 400,000 runs.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.world.now, &self.world.dbs, &self.world.guards, &self.world.audit).hash(&mut hasher);
        (self.pause, self.promoted, self.replicated, self.holds).hash(&mut hasher);
        (&self.waiting, &self.flying).hash(&mut hasher);
        hasher.finish()
    }

    fn path(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut link = self.path.as_ref();
        while let Some(at) = link {
            let what = match &at.choice {
                Choice::Arrive(index) => format!("number {index} of what is in flight arrives"),
                Choice::Hold(index) => format!("number {index} of what is in flight is held back"),
                Choice::Do(step) => format!("{step:?}"),
                Choice::Wait => "...".to_owned(),
            };
            lines.push(format!("{:>9.3} {what}", crate::seconds(at.at)));
            link = at.before.as_ref();
        }
        lines.reverse();
        lines
    }
}

const INSTANT: Instant = ms(500);
const ANSWER_FLIES: Instant = ms(1_000);
const REQUEST_FLIES: Instant = ms(2_000);
const AT_ONCE_AT_MOST: usize = 1_000;
