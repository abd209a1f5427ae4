//! Runs one schedule: gives each step its time, meets deadlines, and judges.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use mainstay_core::Moment;
use mainstay_core::lease::Wanted;

use crate::audit::{Broken, Property, broken};
use crate::clock::{Instant, ms};
use crate::coverage::Coverage;
use crate::plan::{ALL_WELL, Plan};
use crate::rng::Rng;
use crate::step::{Can, Fault, Step};
use crate::world::{Out, World};

/// What came of a schedule.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) broken: Option<Broken>,
    pub(crate) trace: Vec<String>,
    /// After all was well, so long until somebody was ready.
    pub(crate) recovered: Instant,
    pub(crate) steps: u64,
}

struct Driver<'p> {
    plan: &'p Plan,
    rng: Rng,
    world: World,
    out: Out,
    due: BinaryHeap<Reverse<Due>>,
    parked: Vec<(usize, Step)>,
    timers: Vec<Timers>,
    made: u64,
    steps: u64,
}

/// When a guard's machine is ticked and its child's deadline met: the moment asked for, and when that is.
#[derive(Clone, Debug, Default)]
struct Timers {
    tick: Option<(Moment, Instant)>,
    deadline: Option<(Moment, Instant)>,
}

#[derive(Debug)]
struct Due {
    at: Instant,
    number: u64,
    step: Step,
}

/// Runs it until a property breaks, or somebody is ready after all is well.
pub(crate) fn run(plan: &Plan, coverage: &mut Coverage, trace: bool) -> Ran {
    let mut out = Out { trace: trace.then(Vec::new), ..Out::default() };
    let world = World::new(Arc::clone(&plan.setup), &plan.clocks, &mut out);
    let timers = vec![Timers::default(); plan.setup.guards];
    let rng = Rng::new(plan.seed ^ 0x5eed_5eed);
    let mut driver =
        Driver { plan, rng, world, out, due: BinaryHeap::new(), parked: Vec::new(), timers, made: 0, steps: 0 };
    for (at, fault) in plan.episodes.iter().flatten() {
        driver.at(*at, Step::Fault(fault.clone()));
    }
    driver.follow();
    let recovered = driver.run(coverage);
    let broken = driver.out.broken.take();
    let trace = driver.out.trace.take().unwrap_or_default();
    Ran { broken, trace, recovered: recovered.unwrap_or(0), steps: driver.steps }
}

impl Driver<'_> {
    fn run(&mut self, coverage: &mut Coverage) -> Option<Instant> {
        while self.world.now < ALL_WELL && self.out.broken.is_none() {
            self.next(coverage);
        }
        let mut healing = ALL_WELL;
        while self.out.broken.is_none() {
            if self.world.now >= healing {
                self.heal();
                healing += ms(1_000);
                if self.world.somebody_is_ready() && self.world.dbs.last()?.row().paused.is_none() {
                    return Some(self.world.now - ALL_WELL);
                }
            }
            if self.world.now > ALL_WELL + READY_WITHIN {
                let row = self.world.dbs.last()?.row().clone();
                let nobody = broken(Property::SomebodyReady, format!("nobody: {row:?}"));
                self.world.judge(Some(nobody), &mut self.out);
                return None;
            }
            self.next(coverage);
        }
        None
    }

    /// All faults end.
    fn heal(&mut self) {
        let mut faults = vec![Fault::EndZombie, Fault::PowerOn];
        let paused = self.world.dbs.last().is_some_and(|db| db.row().paused.is_some());
        for guard in 0..self.world.guards.len() {
            let state = &self.world.guards[guard];
            let now = [
                (state.paused, Fault::Wake(guard, 0)),
                (state.stopped, Fault::Continue(guard)),
                (state.cut || state.child_cut, Fault::Heal(guard)),
                (state.poorly, Fault::Poorly(guard, false)),
                (state.machine.is_none(), Fault::Boot(guard)),
                (paused, Fault::Command(guard, Wanted::Resume)),
            ];
            faults.extend(now.into_iter().filter(|(is, _)| *is).map(|(_, fault)| fault));
        }
        faults.into_iter().for_each(|fault| self.at(self.world.now, Step::Fault(fault)));
    }

    /// The next thing happens.
    fn next(&mut self, coverage: &mut Coverage) {
        let queued = self.due.peek().map(|Reverse(due)| due.at);
        let timer = self.timer();
        let soonest = queued.into_iter().chain(timer.as_ref().map(|(at, _)| *at)).min();
        if soonest.is_none_or(|soonest| soonest > self.world.now + ms(500)) {
            // Nothing happens for a while: whoever ends the faults must still get to do so.
            self.world.now += ms(500);
            return;
        }
        let step = match (queued, timer) {
            (queued, Some((at, step))) if queued.is_none_or(|queued| at <= queued) => {
                self.world.now = self.world.now.max(at);
                Some(step)
            }
            _ => self.due.pop().map(|Reverse(due)| {
                self.world.now = self.world.now.max(due.at);
                due.step
            }),
        };
        let Some(step) = step else { return };
        self.steps += 1;
        if self.steps > STEPS_MAX {
            let spins = broken(Property::Rests, format!("{STEPS_MAX} steps"));
            self.world.judge(Some(spins), &mut self.out);
        }
        match self.world.can(&step) {
            Can::Yes => self.world.step(step, &mut self.out),
            Can::Later => self.park(step),
            Can::Cut if self.rng.percent(30) => {
                let at = self.world.now + self.rng.range(ms(100), ms(3_000));
                self.at(at, step);
            }
            Can::Cut => self.world.lose(step, &mut self.out),
        }
        self.follow();
        coverage.saw(self.out.seen.drain(..));
    }

    /// It waits until its guard runs again.
    fn park(&mut self, step: Step) {
        let guard = match &step {
            Step::Tick { guard } | Step::Enforce { guard } => {
                self.timers[*guard] = Timers::default();
                return;
            }
            Step::Reply { guard, .. } | Step::Hint { guard, .. } | Step::TakeUp { guard, .. } => *guard,
            Step::Lost { guard, .. } => *guard,
            Step::Start { guard, .. } | Step::Prepared { guard, .. } | Step::Quiet { guard, .. } => *guard,
            Step::Ready { guard, .. } | Step::LetIn { guard, .. } | Step::Ack { guard, .. } => *guard,
            Step::Act { guard, .. }
            | Step::Stopped { guard, .. }
            | Step::Killed { guard, .. }
            | Step::Died { guard, .. }
            | Step::Noticed { guard, .. }
            | Step::LetGo { guard, .. } => *guard,
            _ => return,
        };
        self.parked.push((guard, step));
    }

    /// Gives what was spawned its time, and what was parked, when it can.
    fn follow(&mut self) {
        for step in std::mem::take(&mut self.out.spawned) {
            if step.travels() && self.rng.percent(self.plan.net.lost) {
                self.world.lose(step, &mut self.out);
                let then = std::mem::take(&mut self.out.spawned);
                then.into_iter().for_each(|step| self.at(self.world.now + ms(500), step));
                continue;
            }
            let at = self.world.now + self.delay(&step);
            let step = match step {
                Step::Act { guard, serial, .. } => Step::Act { guard, serial, anew: self.rng.percent(15) },
                step => step,
            };
            self.at(at, step);
        }
        let mut index = 0;
        while index < self.parked.len() {
            if self.world.can(&self.parked[index].1) == Can::Later {
                index += 1;
            } else {
                let (_, step) = self.parked.swap_remove(index);
                let at = self.world.now + self.rng.range(0, ms(20));
                self.at(at, step);
            }
        }
    }

    fn at(&mut self, at: Instant, step: Step) {
        self.made += 1;
        self.due.push(Reverse(Due { at, number: self.made, step }));
    }

    /// The first of the guards' timers.
    fn timer(&mut self) -> Option<(Instant, Step)> {
        let mut first: Option<(Instant, Step)> = None;
        for index in 0..self.timers.len() {
            let guard = &self.world.guards[index];
            let now = self.world.now;
            let wake = guard.machine.as_ref().filter(|_| guard.acts()).and_then(|machine| machine.wake_at());
            let deadline = guard.deadline().filter(|_| !guard.paused && self.plan.setup.alarm);
            let timers = &mut self.timers[index];
            renew(&mut timers.tick, wake, |wake| guard.clock.shows(wake).max(now) + self.rng.range(10_000, ms(2)));
            let budget = ms(95);
            renew(&mut timers.deadline, deadline, |at| guard.clock.shows(at).max(now) + self.rng.range(0, budget));
            let steps = [(timers.tick, Step::Tick { guard: index }), (timers.deadline, Step::Enforce { guard: index })];
            for (timer, step) in steps {
                if let Some((_, at)) = timer
                    && first.as_ref().is_none_or(|(first, _)| at < *first)
                {
                    first = Some((at, step));
                }
            }
        }
        first
    }

    fn delay(&mut self, step: &Step) -> Instant {
        let rng = &mut self.rng;
        match step {
            step if step.travels() => {
                let chance = rng.range(0, 100);
                let net = &self.plan.net;
                if chance < net.late {
                    rng.range(ms(200), ms(5_000))
                } else if chance < net.late + net.slow {
                    rng.range(ms(5), ms(200))
                } else {
                    rng.range(100_000, ms(3))
                }
            }
            Step::Sweep { .. } if rng.percent(self.plan.net.fencing) => rng.range(ms(100), ms(1_500)),
            Step::Sweep { .. } => rng.range(ms(8), ms(25)),
            Step::Enter { .. } => rng.range(10_000, ms(7)),
            Step::Close { .. } if rng.percent(self.plan.net.closing) => rng.range(ms(100), ms(8_000)),
            Step::Lost { .. } => rng.range(10_000, ms(20)),
            Step::Fault(Fault::Promote { .. }) => rng.range(PROMOTED_AFTER, ms(3_000)),
            Step::TakeUp { .. } => rng.range(0, ms(3)),
            Step::Start { .. } => rng.range(ms(1), ms(20)),
            Step::Ready { .. } => rng.range(ms(100), ms(600)),
            // One that has no session tries again and again.
            Step::Act { guard, .. } if !self.world.guards[*guard].child_is_in() => rng.range(ms(1), ms(60)),
            Step::Act { .. } => rng.range(ms(100), ms(500)),
            Step::Stopped { .. } if rng.percent(self.plan.net.stubborn) => ms(60_000),
            Step::Stopped { .. } => rng.range(ms(20), ms(800)),
            Step::Prepared { .. } => rng.range(ms(20), ms(500)),
            Step::Quiet { .. } => rng.range(ms(1), ms(300)),
            Step::Noticed { .. } => rng.range(0, ms(300)),
            Step::LetGo { .. } => rng.range(ms(250), ms(400)),
            Step::Killed { .. } => rng.range(ms(1), ms(90)),
            Step::Died { .. } if rng.percent(self.plan.net.dying) => rng.range(ms(100), ms(6_000)),
            _ => rng.range(0, ms(1)),
        }
    }
}

/// Draws the instant of a timer when what it waits for has changed.
fn renew(timer: &mut Option<(Moment, Instant)>, wanted: Option<Moment>, draw: impl FnOnce(Moment) -> Instant) {
    match (&timer, wanted) {
        (Some((moment, _)), Some(wanted)) if *moment == wanted => (),
        (_, wanted) => *timer = wanted.map(|wanted| (wanted, draw(wanted))),
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// A standby takes no writes sooner after its primary has died. A guard whose primary died has frozen its child by then,
/// and a sentinel whose guard died has killed it.
const PROMOTED_AFTER: Instant = ms(100);
/// From when all is well: fencing, quarantine, killing and being held back, all of which take their time.
const READY_WITHIN: Instant = ms(40_000);
const STEPS_MAX: u64 = 100_000;
