//! Whatever the news, in whatever order.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use proptest::prelude::*;

use super::harness::{EJECT, checker, node, plan, pool};
use crate::control::board::Board;
use crate::control::node::Node;
use crate::control::probe::CheckFault;
use crate::control::prober::{Ended, Key, Prober};
use crate::params::{self, Address, Plan, PoolId};
use crate::view::{Event, Report, Standing};

/// A piece of news. Numbers that are too large are taken modulo what there is.
#[derive(Clone, Debug)]
enum News {
    Check { key: usize, fault: Option<CheckFault> },
    Traffic { pool: u32, node: u32, event: Event, stale: bool },
    Tick,
    Plan { which: usize },
}

fn news() -> impl Strategy<Value = News> {
    let fault = prop_oneof![
        3 => Just(None),
        1 => Just(Some(CheckFault::Closed)),
        2 => Just(Some(CheckFault::Timeout(Duration::ZERO))),
    ];
    let event = prop_oneof![
        Just(Event::Failed),
        Just(Event::TimedOut),
        Just(Event::Slow),
        Just(Event::SlowOpaque),
        Just(Event::Answered),
    ];
    prop_oneof![
        8 => (any::<usize>(), fault).prop_map(|(key, fault)| News::Check { key, fault }),
        8 => (0u32..3, 0u32..4, event, prop::bool::weighted(0.05))
            .prop_map(|(pool, node, event, stale)| News::Traffic { pool, node, event, stale }),
        3 => Just(News::Tick),
        1 => (0usize..2).prop_map(|which| News::Plan { which }),
    ]
}

/// Two plans of two pools each: in the first, nothing is checked; in the second, one node has a check of its own, and
/// two share another.
fn plans() -> [Arc<Plan>; 2] {
    let at = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let ejected = |port, checks: &[u32]| params::Node { eject: Some(EJECT), ..node(at(port), checks) };
    let unchecked =
        vec![pool("a", vec![ejected(1, &[]), ejected(2, &[]), ejected(3, &[])]), pool("b", vec![ejected(4, &[])])];
    let checked =
        vec![pool("a", vec![ejected(1, &[0]), ejected(2, &[1]), ejected(3, &[])]), pool("c", vec![ejected(4, &[1])])];
    let checkers = [8, 9].map(|port| checker(Address::Ip(at(port))));
    [plan(vec![], unchecked), plan(checkers.to_vec(), checked)]
}

fn play(board: &mut Board, news: &News, now: Moment, plans: &[Arc<Plan>]) {
    match news {
        News::Check { key, fault } => {
            let keys: Vec<Key> = board.probers.keys().copied().collect();
            let key = keys[key % keys.len()];
            board.begin(key, now);
            board.ended(key, Ended { now, took: Duration::ZERO, fault: fault.clone() });
        }
        News::Traffic { pool, node, event, stale } => {
            let plan_number = board.plan_number - u64::from(*stale);
            board.reports(&[Report { plan_number, pool: PoolId(*pool), node: *node, event: *event }], now);
        }
        News::Tick => board.tick(now),
        News::Plan { which } => board.adopt(Arc::clone(&plans[*which]), now),
    }
}

proptest! {
    #[test]
    fn the_workers_know_what_the_board_knows_and_traffic_never_takes_the_last_node(
        game in prop::collection::vec((0u64..400, news()), 1..120),
    ) {
        let plans = plans();
        let mut board = Board::new(Arc::default());
        board.adopt(Arc::clone(&plans[0]), Moment::ZERO);
        let snapshots = board.subscribe();
        let mut now = Moment::ZERO;
        for (wait, news) in game {
            now = now + Duration::from_millis(wait);
            play(&mut board, &news, now, &plans);

            let snapshot = snapshots.borrow();
            prop_assert!(Arc::ptr_eq(&snapshot.plan, &board.plan));
            prop_assert_eq!(snapshot.plan_number, board.plan_number);
            for (views, nodes) in snapshot.pools.iter().zip(&board.pools) {
                prop_assert!(views.iter().eq(nodes.iter().map(|node| &node.view)), "{:?}: not all was published", news);
                prop_assert!(nodes.iter().all(|node| node.view.since <= now));
                let bad_check = |key| board.prober(key).is_some_and(|prober: &Prober| prober.checker().is_some() && prober.bad());
                let by_checks = nodes.iter().any(|node| node.probers().any(bad_check));
                let got_in = |node: &Node| node.view.standing == Standing::In;
                prop_assert!(by_checks || nodes.iter().any(got_in), "{:?} took the last node", news);
            }
            prop_assert_eq!(board.status().len(), 2);
        }
    }
}
