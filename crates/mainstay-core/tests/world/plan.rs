//! What goes wrong in one schedule, drawn from its seed.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::Wanted;

use crate::clock::{Clock, Instant, ms};
use crate::database::Check;
use crate::rng::Rng;
use crate::setup::Setup;
use crate::step::Fault;

/// A schedule: everything but the delays of single messages, which its seed gives.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) setup: Arc<Setup>,
    pub(crate) clocks: Vec<Clock>,
    pub(crate) net: Net,
    pub(crate) episodes: Vec<Episode>,
}

/// How messages fare, in percent.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) lost: u64,
    pub(crate) slow: u64,
    pub(crate) late: u64,
    /// Fencing takes long.
    pub(crate) fencing: u64,
    /// A session outlives its client.
    pub(crate) closing: u64,
    /// A child that was killed is slow to die.
    pub(crate) dying: u64,
    /// A child does not end when it is asked to.
    pub(crate) stubborn: u64,
}

/// A fault and its end.
pub(crate) type Episode = Vec<(Instant, Fault)>;

/// Faults begin before this.
pub(crate) const FAULTS_UNTIL: Instant = ms(14_000);
/// And are over by then.
pub(crate) const ALL_WELL: Instant = ms(18_000);

impl Plan {
    /// Faults of a few kinds, near each other.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let setup = setup(&mut rng);
        let mix = Mix::draw(&mut rng, &setup);
        let mut plan = Self::draw_with(seed, setup, &mut rng, fault);
        let setup = &plan.setup;
        plan.episodes.retain(|episode| matches!(episode.first(), Some((_, Fault::Replicate))));
        plan.episodes.extend((0..mix.count).map(|_| mix.fault(&mut rng, setup)));
        let net = &mut plan.net;
        net.fencing = [5, 40][rng.index(2)];
        net.closing = [20, 70][rng.index(2)];
        net.dying = [8, 40][rng.index(2)];
        net.stubborn = [10, 50][rng.index(2)];
        plan
    }

    /// Any faults, at any time.
    pub(crate) fn draw_plainly(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let setup = setup(&mut rng);
        Self::draw_with(seed, setup, &mut rng, fault)
    }

    /// The same for a given set-up and choice of faults.
    pub(crate) fn draw_with(
        seed: u64,
        setup: Setup,
        rng: &mut Rng,
        fault: impl Fn(&mut Rng, &Setup) -> Episode,
    ) -> Self {
        let clocks = (0..setup.guards).map(|_| Clock {
            ahead: i64::try_from(rng.range(ms(1_000), ms(100_000))).unwrap_or(0),
            ppm: i64::try_from(rng.range(0, 14_000)).unwrap_or(0) - 7_000,
        });
        let clocks = clocks.collect();
        let lost = [0, 0, 2, 8][rng.index(4)];
        let (slow, late) = ([0, 5, 20][rng.index(3)], [0, 0, 1, 3][rng.index(4)]);
        // There is no network between programs and a file.
        let (lost, late) = if setup.lock.is_some() { (0, 0) } else { (lost, late) };
        let net = Net { lost, slow, late, fencing: 5, closing: 20, dying: 8, stubborn: 10 };
        let count = rng.range(1, 7);
        let mut episodes: Vec<Episode> = (0..count).map(|_| fault(rng, &setup)).collect();
        if !setup.synchronous {
            let mut at = 0;
            while at < ALL_WELL {
                at += rng.range(ms(50), ms(2_500));
                episodes.push(vec![(at, Fault::Replicate)]);
            }
        }
        Self { seed, setup: Arc::new(setup), clocks, net, episodes }
    }
}

fn setup(rng: &mut Rng) -> Setup {
    let synchronous = rng.percent(50);
    let mut setup = Setup::full(if rng.percent(70) { 3 } else { 2 }, synchronous);
    setup.equal_names = rng.percent(10);
    setup.passwords = setup.equal_names || rng.percent(50);
    if synchronous && rng.percent(50) {
        setup.check = Check::Direct;
    }
    setup.terms.early = rng.percent(40).then_some(Duration::from_millis(500));
    setup.terms.frozen = [None, Some(Duration::from_secs(1)), Some(Duration::from_secs(5))][rng.index(3)];
    setup.priorities = (0..setup.guards).map(|_| if rng.percent(8) { 0 } else { 1 + rng.index(3) as u32 }).collect();
    if let Some(first) = setup.priorities.first_mut() {
        *first = (*first).max(1);
    }
    setup
}

/// What is drawn of a fault before its kind says more.
struct Draft {
    kind: u64,
    at: Instant,
    guard: usize,
    long: Instant,
    /// Between what is done again and again.
    pace: Instant,
}

/// Any fault.
pub(crate) fn fault(rng: &mut Rng, setup: &Setup) -> Episode {
    let at = rng.range(ms(100), FAULTS_UNTIL);
    let guard = rng.index(setup.guards);
    let long = if rng.percent(70) { rng.range(ms(50), ms(4_000)) } else { rng.range(ms(4_000), ms(12_000)) };
    let kind = rng.range(0, KINDS);
    Draft { kind, at, guard, long, pace: ms(500) }.episode(rng, setup)
}

impl Draft {
    fn episode(self, rng: &mut Rng, setup: &Setup) -> Episode {
        let Self { kind, at, guard, long, pace } = self;
        let end = (at + long).min(ALL_WELL);
        match kind {
            0 => vec![(at, Fault::Crash(guard)), (end, Fault::Boot(guard))],
            1 | 2 => vec![(at, Fault::KillGuard(guard)), (end, Fault::Boot(guard))],
            3 => {
                let again = (0..rng.range(1, 5)).map(|n| (at + n * pace * 3 / 5, Fault::KillChild(guard)));
                again.collect()
            }
            4 | 5 => vec![(at, Fault::Stop(guard)), (end, Fault::Continue(guard))],
            6 | 7 => {
                let stood = if rng.percent(50) { end - at } else { 0 };
                vec![(at, Fault::Pause(guard)), (end, Fault::Wake(guard, stood))]
            }
            8 | 9 => vec![(at, Fault::Cut { guard, child: rng.percent(50) }), (end, Fault::Heal(guard))],
            10 => vec![
                (at, Fault::Poorly(guard, true)),
                (at + long / 2, Fault::HandOver(guard)),
                (end, Fault::Poorly(guard, false)),
            ],
            11 => vec![(at, Fault::Leave(guard)), (end, Fault::Boot(guard))],
            12 => vec![(at, Fault::DropSession(guard))],
            13 | 14 => {
                let to = rng.percent(60).then(|| setup.name(rng.index(setup.guards)));
                let after = Duration::from_millis(if rng.percent(80) { 0 } else { 700 });
                vec![(at, Fault::Command(guard, Wanted::Switch { to, after }))]
            }
            15 => vec![
                (at, Fault::Command(guard, Wanted::Pause("operator".into()))),
                (end, Fault::Command(rng.index(setup.guards), Wanted::Resume)),
            ],
            16 => vec![(at, Fault::PowerOff), (end, Fault::PowerOn)],
            17 | 18 => vec![(at, Fault::Promote { zombie: Vec::new() })],
            19 => {
                let zombie = (0..setup.guards).filter(|_| rng.percent(50)).collect();
                let later = at + rng.range(ms(100), ms(3_000));
                vec![(at, Fault::Promote { zombie }), (later, Fault::Mislead(guard)), (end, Fault::EndZombie)]
            }
            20 => (0..16).map(|n| (at + n * pace, Fault::HandOver(rng.index(setup.guards)))).collect(),
            _ => {
                let by = [3_600_000, -3_600_000, 500, -500, 2_500, -2_500][rng.index(6)] * 1_000_000;
                vec![(at, Fault::Jump(by))]
            }
        }
    }
}

/// What the faults of one schedule have in common. Faults that need each other are seldom drawn together from all there
/// are, spread over all the time there is, among all the guards; so each schedule has a few kinds of its own, and often
/// one moment and one guard.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    kinds: Vec<u64>,
    from: Instant,
    until: Instant,
    victim: Option<usize>,
    longest: Instant,
    pace: Instant,
    count: u64,
}

impl Mix {
    pub(crate) fn draw(rng: &mut Rng, setup: &Setup) -> Self {
        let share = [15, 30, 60, 100][rng.index(4)];
        let mut kinds: Vec<u64> = (0..KINDS).filter(|_| rng.percent(share)).collect();
        if kinds.is_empty() {
            kinds.push(rng.range(0, KINDS));
        }
        let from = rng.range(ms(100), ms(8_000));
        let lasts = [ms(1_500), ms(4_000), FAULTS_UNTIL][rng.index(3)];
        let most = [4, 7, 13][rng.index(3)];
        Self {
            kinds,
            from,
            until: (from + lasts).min(FAULTS_UNTIL),
            victim: rng.percent(40).then(|| rng.index(setup.guards)),
            longest: [ms(800), ms(4_000), ms(12_000)][rng.index(3)],
            pace: ms([40, 120, 300, 500][rng.index(4)]),
            count: rng.range(1, most),
        }
    }

    fn fault(&self, rng: &mut Rng, setup: &Setup) -> Episode {
        let kind = self.kinds[rng.index(self.kinds.len())];
        let at = rng.range(self.from, self.until);
        let guard = self.victim.filter(|_| rng.percent(75)).unwrap_or_else(|| rng.index(setup.guards));
        let long = rng.range(ms(50), self.longest);
        Draft { kind, at, guard, long, pace: self.pace }.episode(rng, setup)
    }
}

/// How many kinds of faults there are; some count twice.
const KINDS: u64 = 22;
