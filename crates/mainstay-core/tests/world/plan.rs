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
}

/// A fault and its end.
pub(crate) type Episode = Vec<(Instant, Fault)>;

/// Faults begin before this.
pub(crate) const FAULTS_UNTIL: Instant = ms(14_000);
/// And are over by then.
pub(crate) const ALL_WELL: Instant = ms(18_000);

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
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
        let net = Net { lost, slow: [0, 5, 20][rng.index(3)], late: [0, 0, 1, 3][rng.index(4)] };
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

/// Any fault.
pub(crate) fn fault(rng: &mut Rng, setup: &Setup) -> Episode {
    let at = rng.range(ms(100), FAULTS_UNTIL);
    let guard = rng.index(setup.guards);
    let long = if rng.percent(70) { rng.range(ms(50), ms(4_000)) } else { rng.range(ms(4_000), ms(12_000)) };
    let end = (at + long).min(ALL_WELL);
    match rng.range(0, 22) {
        0 => vec![(at, Fault::Crash(guard)), (end, Fault::Boot(guard))],
        1 | 2 => vec![(at, Fault::KillGuard(guard)), (end, Fault::Boot(guard))],
        3 => {
            let again = (0..rng.range(1, 5)).map(|n| (at + n * ms(300), Fault::KillChild(guard)));
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
        20 => (0..16).map(|n| (at + n * ms(500), Fault::HandOver(rng.index(setup.guards)))).collect(),
        _ => {
            let by = [3_600_000, -3_600_000, 500, -500, 2_500, -2_500][rng.index(6)] * 1_000_000;
            vec![(at, Fault::Jump(by))]
        }
    }
}
