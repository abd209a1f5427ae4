//! What follows from each piece of news, without sockets: the tests own time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use tokio::sync::watch;

use super::harness::{EJECT, checker, node, plan, pool};
use crate::control::board::Board;
use crate::control::probe::CheckFault;
use crate::control::prober::{Ended, Key, Schedule};
use crate::params::{Address, Checker, Eject, Node, Plan, PoolId};
use crate::view::Event::{Answered, Failed, Slow};
use crate::view::OutReason::{Check, Ejected, Unwell};
use crate::view::Standing::{Draining, In, Out, Trial};
use crate::view::{Event, Report, Snapshot, Standing};

/// A board and what it has published.
struct Game {
    board: Board,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Game {
    fn start(plan: Arc<Plan>) -> Self {
        let mut board = Board::new(Arc::default());
        board.adopt(plan, at(0));
        let snapshots = board.subscribe();
        Self { board, snapshots }
    }

    /// A check (or probe) of a node of the first pool runs and ends so.
    fn checks(&mut self, node: usize, check: usize, millis: u64, fault: Option<CheckFault>) {
        let key = self.key(node, check);
        self.board.begin(key, at(millis)).unwrap();
        self.board.ended(key, Ended { now: at(millis), took: Duration::ZERO, fault });
    }

    fn traffic(&mut self, node: u32, millis: u64, event: Event) {
        let plan_number = self.board.plan_number;
        self.board.reports(&[Report { plan_number, pool: PoolId(0), node, event }], at(millis));
    }

    fn key(&self, node: usize, check: usize) -> Key {
        self.board.pools[0][node].probers().nth(check).unwrap()
    }

    /// When the check is due.
    fn due(&self, node: usize, check: usize) -> Option<u64> {
        match &self.board.prober(self.key(node, check)).unwrap().schedule {
            Schedule::Check(health) => Some(health.due().as_millis()),
            Schedule::Doubt(doubt) => doubt.due().map(Moment::as_millis),
        }
    }

    /// How the first pool's nodes stand in the last snapshot, which is all the workers know.
    fn stand(&self) -> Vec<Standing> {
        self.snapshots.borrow().pools[0].iter().map(|node| node.standing).collect()
    }
}

const fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Every hour; every 10 ms in doubt; one check decides.
fn hourly(port: u16) -> Checker {
    Checker { every: Duration::from_secs(3600), ..checker(Address::Ip(address(port))) }
}

fn ejected(node: Node) -> Node {
    Node { eject: Some(EJECT), ..node }
}

/// Two nodes that live traffic may eject: the first with a check if that is wanted, the second without.
fn two(checked: &[u32]) -> Arc<Plan> {
    let nodes = vec![ejected(node(address(1), checked)), ejected(node(address(2), &[]))];
    plan(checked.iter().map(|_| hourly(9)).collect(), vec![pool("p", nodes)])
}

const GOOD: Option<CheckFault> = None;
const SILENT: Option<CheckFault> = Some(CheckFault::Timeout(Duration::ZERO));
const BUSY: Option<CheckFault> = Some(CheckFault::Status(503));

#[test]
fn a_verdict_is_published_before_the_news_is_done_with() {
    let mut game = Game::start(two(&[0]));
    game.snapshots.borrow_and_update();
    game.checks(0, 0, 10, GOOD);
    assert!(!game.snapshots.has_changed().unwrap(), "nothing is new");
    game.checks(0, 0, 500, SILENT);
    assert!(game.snapshots.has_changed().unwrap());
    assert_eq!(game.stand(), [Out(Check), In]);
    assert_eq!(game.snapshots.borrow().pools[0][0].since, at(500));
    game.checks(0, 0, 900, GOOD);
    assert_eq!((game.stand(), game.snapshots.borrow().pools[0][0].since), (vec![In, In], at(900)));
}

#[test]
fn a_check_that_saw_a_node_go_and_come_back_forgives_it() {
    let mut game = Game::start(two(&[0]));
    game.traffic(0, 10, Failed);
    game.traffic(0, 11, Failed);
    game.traffic(0, 12, Failed);
    assert_eq!(game.stand(), [Out(Ejected), In]);
    assert_eq!(game.board.status()[0].nodes[0].ejections, 1, "what began before it went out does not count again");
    game.checks(0, 0, 20, BUSY);
    assert_eq!(game.stand(), [Out(Unwell), In]);
    game.checks(0, 0, 30, GOOD);
    assert_eq!(game.stand(), [In, In], "long before the ejection would have ended");
}

#[test]
fn a_good_check_of_a_node_that_was_good_forgives_nothing() {
    let mut game = Game::start(two(&[0]));
    game.checks(0, 0, 1, GOOD);
    game.traffic(0, 10, Failed);
    game.traffic(0, 11, Failed);
    game.checks(0, 0, 20, GOOD);
    assert_eq!(game.stand(), [Out(Ejected), In]);
    game.board.tick(at(210));
    assert_eq!(game.stand(), [Out(Ejected), In]);
    assert_eq!(game.board.tick_due(), Some(at(211)));
    game.board.tick(at(211));
    assert_eq!((game.stand(), game.board.tick_due()), (vec![Trial, In], Some(at(411))));
    game.traffic(0, 220, Failed);
    assert_eq!(game.stand(), [Out(Ejected), In]);
    assert_eq!(game.board.tick_due(), Some(at(620)), "twice as long");
}

/// Without checks, a probe finds out before a request has to.
#[test]
fn the_way_back_begins_with_a_sign_of_life() {
    let mut game = Game::start(two(&[]));
    game.traffic(0, 10, Failed);
    game.traffic(0, 10, Failed);
    game.checks(0, 0, 10, GOOD);
    game.board.tick(at(300));
    assert_eq!((game.stand(), game.due(0, 0)), (vec![Out(Ejected), In], Some(300)));
    assert_eq!(game.board.tick_due(), None, "it waits for the probe");
    game.checks(0, 0, 300, SILENT);
    assert_eq!(game.stand(), [Out(Check), In]);
    game.checks(0, 0, 1300, GOOD);
    assert_eq!(game.stand(), [In, In]);

    game.traffic(0, 2000, Failed);
    game.traffic(0, 2000, Failed);
    game.board.tick(at(2200));
    assert_eq!(game.stand(), [Out(Ejected), In]);
    game.checks(0, 0, 2200, GOOD);
    assert_eq!(game.stand(), [Trial, In]);
    game.traffic(0, 2201, Answered);
    assert_eq!(game.stand(), [In, In]);

    game.traffic(0, 9000, Failed);
    game.traffic(0, 9000, Failed);
    game.board.tick(at(9200));
    game.checks(0, 0, 9250, GOOD);
    assert_eq!((game.stand(), game.board.tick_due()), (vec![Trial, In], Some(at(9450))));
    game.board.tick(at(9450));
    assert_eq!(game.stand(), [In, In], "nobody said how the trial ended");
    assert!(game.snapshots.borrow().pools[0][0].suspect, "one more failure ejects");
}

#[test]
fn a_pool_with_nothing_left_goes_on_looking_harder() {
    let nodes = vec![node(address(1), &[0]), node(address(2), &[1])];
    let mut game = Game::start(plan(vec![hourly(8), hourly(9)], vec![pool("p", nodes)]));
    game.checks(0, 0, 10, SILENT);
    assert_eq!(game.due(0, 0).map(|due| due > 3_000_000), Some(true), "the other is in, there is no hurry");
    game.checks(1, 0, 20, SILENT);
    assert_eq!((game.due(0, 0), game.due(1, 0)), (Some(20), Some(30)));
    for time in [30, 40, 50] {
        game.checks(1, 0, time, SILENT);
        assert_eq!(game.due(1, 0), Some(time + 10));
    }
}

#[test]
fn trouble_with_the_last_node_looks_for_another() {
    let nodes = vec![node(address(1), &[0]), node(address(2), &[1])];
    let mut game = Game::start(plan(vec![hourly(8), hourly(9)], vec![pool("p", nodes)]));
    game.checks(0, 0, 10, SILENT);
    game.checks(1, 0, 10, GOOD);
    game.traffic(1, 500, Slow);
    assert_eq!((game.due(0, 0), game.due(1, 0)), (Some(500), Some(500)));
}

#[test]
fn failures_on_a_node_that_is_out_or_draining_do_not_count() {
    let mut game = Game::start(two(&[0]));
    game.checks(0, 0, 10, SILENT);
    for _ in 0..5 {
        game.traffic(0, 20, Failed);
    }
    game.checks(0, 0, 30, GOOD);
    assert_eq!(game.stand(), [In, In]);
    game.board.set_drained("p/127.0.0.1:1", true, at(40));
    for _ in 0..5 {
        game.traffic(0, 50, Failed);
    }
    assert_eq!(game.stand(), [Draining, In]);
    assert_eq!(game.due(0, 0), Some(50), "but they are a reason to check");
    game.board.pools[0][0].drained = false;
    game.checks(0, 0, 60, GOOD);
    assert_eq!(game.stand(), [In, In]);
}

#[test]
fn silence_outweighs_a_bad_answer_whichever_check_finds_it() {
    for (first, second) in [(SILENT, BUSY), (BUSY, SILENT)] {
        let nodes = vec![node(address(1), &[0, 1])];
        let mut game = Game::start(plan(vec![hourly(8), hourly(9)], vec![pool("p", nodes)]));
        game.checks(0, 0, 10, first);
        game.checks(0, 1, 10, second);
        assert_eq!(game.stand(), [Out(Check)]);
    }
}

#[test]
fn silence_is_forgotten_once_a_node_was_well() {
    let mut game = Game::start(two(&[0]));
    for (time, fault, expect) in [
        (10, SILENT, Out(Check)),
        (20, BUSY, Out(Check)),
        (30, GOOD, In),
        (40, BUSY, Out(Unwell)),
        (50, SILENT, Out(Check)),
    ] {
        game.checks(0, 0, time, fault);
        assert_eq!(game.stand(), [expect, In], "at {time} ms");
    }
}

#[test]
fn another_plan_keeps_an_ejection_unless_its_rule_changes() {
    let mut game = Game::start(two(&[0]));
    game.traffic(0, 10, Failed);
    game.traffic(0, 10, Failed);
    game.board.adopt(two(&[0]), at(20));
    assert_eq!((game.stand(), game.board.tick_due()), (vec![Out(Ejected), In], Some(at(210))));
    let mut nodes = vec![ejected(node(address(1), &[])), node(address(2), &[])];
    nodes[0].eject = Some(Eject { failures: 9, ..EJECT });
    game.board.adopt(plan(vec![], vec![pool("p", nodes)]), at(30));
    assert_eq!(game.stand(), [In, In]);
}

#[test]
fn checks_are_never_without_a_pause() {
    let never = Checker { every: Duration::ZERO, every_in_doubt: Duration::ZERO, ..hourly(9) };
    let mut game = Game::start(plan(vec![never], vec![pool("p", vec![node(address(1), &[0])])]));
    for (time, fault) in [(10, GOOD), (20, SILENT), (30, SILENT)] {
        let key = game.key(0, 0);
        game.checks(0, 0, time, fault);
        let Schedule::Check(health) = &game.board.prober(key).unwrap().schedule else { panic!("not a check") };
        assert!(health.due() > at(time) + Duration::from_micros(800));
    }
}

#[test]
fn a_check_speaks_only_for_the_nodes_of_the_plan_that_runs() {
    let nodes = |checks: [&[u32]; 2]| vec![node(address(1), checks[0]), node(address(2), checks[1])];
    let mut game = Game::start(plan(vec![hourly(9)], vec![pool("p", nodes([&[0], &[]]))]));
    game.checks(0, 0, 10, SILENT);
    assert_eq!(game.stand(), [Out(Check), In]);
    game.board.adopt(plan(vec![hourly(9)], vec![pool("p", nodes([&[], &[0]]))]), at(20));
    assert_eq!(game.stand(), [In, Out(Check)]);
    assert_eq!(game.board.prober(game.key(1, 0)).unwrap().places, [(0, 1)]);
    game.board.adopt(plan(vec![], vec![pool("p", nodes([&[], &[]]))]), at(30));
    assert_eq!(game.stand(), [In, In]);
    assert_eq!(game.board.probers.len(), 2, "what no plan has is gone");
}
