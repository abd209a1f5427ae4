//! The machine, step by step.

use std::time::Duration;

use super::*;
use crate::Moment;
use crate::lease::{ChildState, Name, Nonce, Order, Standing, Tenure, Timeline, Token, Wish};

/// One guard with its clock, in milliseconds.
struct Bench {
    machine: Machine,
    now: u64,
    order: u64,
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn tenure(number: u64) -> Tenure {
    Tenure { nonce: Nonce(number.into()), token: Token { timeline: Timeline(1), epoch: number } }
}

fn rules() -> Rules {
    Rules {
        prepare: None,
        before: None,
        after: None,
        wellness: WellnessRule { checked: true, start_within: Some(millis(500)), ..WellnessRule::default() },
        stop_within: millis(100),
        freeze: true,
        finish: Finish::Restart(RestartRule { times: 1, within: millis(10_000), backoff: millis(10) }),
        leave_within: millis(50),
    }
}

impl Bench {
    fn new(rules: Rules) -> Self {
        let mut bench = Self { machine: Machine::new(rules), now: 1000, order: 0 };
        bench.check(Event::Clean, "", ChildState::Gone);
        bench
    }

    fn at(&self, millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// An event, the words for what is to be done, and how the child is then.
    fn check(&mut self, event: Event, expect: &str, child: ChildState) {
        let (text, now) = (format!("{event:?} at {}", self.now), Moment::from_millis(self.now));
        let mut actions = Vec::new();
        self.machine.handle(event, now, &mut actions);
        let words: Vec<String> = actions.iter().map(word).collect();
        assert_eq!(words.join(", "), expect, "{text}");
        assert_eq!(self.machine.child(now), child, "{text}");
        assert!(self.machine.deadline(now).is_none_or(|at| at > now), "{text}: a deadline that is past");
    }

    fn order(&mut self, standing: Standing, expect: &str, child: ChildState) {
        self.order += 1;
        let order = Order { number: self.order, standing };
        self.check(Event::Order(order), expect, child);
        assert_eq!(self.report().order, self.order);
    }

    /// Until so many milliseconds from the origin.
    fn hold(&mut self, number: u64, until: u64, kill_at: u64, expect: &str, child: ChildState) {
        let (until, kill_at) = (self.at(until), self.at(kill_at));
        self.order(Standing::Held { tenure: tenure(number), until, kill_at }, expect, child);
    }

    /// Goes to the next deadline, which must be there.
    fn next(&mut self, at: u64, expect: &str, child: ChildState) {
        assert_eq!(self.machine.deadline(self.at(self.now)), Some(self.at(at)));
        self.now = at;
        self.check(Event::Tick, expect, child);
    }

    fn report(&self) -> crate::lease::Report {
        self.machine.report(self.at(self.now))
    }

    fn wish(&self) -> String {
        match self.report().wish {
            Some(Wish::HandOver(reason)) => format!("hand over: {reason}"),
            Some(Wish::Leave) => "leave".to_owned(),
            None => String::new(),
        }
    }

    /// Held by tenure 1 until 2000, killed at 3000, with a child that is ready.
    fn ready(rules: Rules) -> Self {
        let mut bench = Self::new(rules);
        bench.hold(1, 2000, 3000, "run child 2000 3000", ChildState::Starting);
        bench.check(Event::Started, "", ChildState::Starting);
        bench.check(Event::Checked(Ok(())), "", ChildState::Ready);
        bench
    }
}

fn word(action: &Action) -> String {
    match action {
        Action::Run(Job::Prepare { kill_at, .. }) => format!("run prepare {}", kill_at.as_millis()),
        Action::Run(Job::Before(permit)) => format!("run before {}", permit.kill_at.as_millis()),
        Action::Run(Job::Child(permit)) => {
            format!("run child {} {}", permit.until.as_millis(), permit.kill_at.as_millis())
        }
        Action::Run(Job::After { kill_at }) => format!("run after {}", kill_at.as_millis()),
        Action::Allow { until, kill_at } => format!("allow {} {}", until.as_millis(), kill_at.as_millis()),
        Action::Freeze { kill_at } => format!("freeze {}", kill_at.as_millis()),
        Action::Stop { by } => format!("stop {}", by.as_millis()),
        Action::Kill => "kill".to_owned(),
    }
}

fn failed() -> Event {
    Event::Ended(Ending::Code(1))
}

#[test]
fn nothing_is_known_before_it_is_clean() {
    let mut bench = Bench { machine: Machine::new(rules()), now: 1000, order: 0 };
    bench.hold(1, 2000, 3000, "", ChildState::Unknown);
    bench.check(Event::Clean, "run child 2000 3000", ChildState::Starting);
}

#[test]
fn a_child_lives_within_its_tenure() {
    let mut bench = Bench::ready(rules());
    bench.hold(1, 2500, 3500, "allow 2500 3500", ChildState::Ready);
    bench.hold(1, 2500, 3500, "", ChildState::Ready);
    bench.order(Standing::Without, "kill", ChildState::Stopping);
    bench.order(Standing::Without, "", ChildState::Stopping);
    bench.check(Event::Ended(Ending::Signal(9)), "", ChildState::Gone);
    assert_eq!((bench.wish().as_str(), bench.report().nonce), ("", Some(Nonce(1))));
}

#[test]
fn deadlines_hold_without_news() {
    let mut bench = Bench::ready(rules());
    bench.next(2000, "freeze 3000", ChildState::Frozen);
    bench.hold(1, 4000, 5000, "allow 4000 5000", ChildState::Ready);
    bench.next(4000, "freeze 5000", ChildState::Frozen);
    bench.next(5000, "kill", ChildState::Stopping);
    bench.hold(1, 9000, 9000, "", ChildState::Stopping);
    bench.check(Event::Ended(Ending::Signal(9)), "run child 9000 9000", ChildState::Starting);
}

#[test]
fn what_could_not_be_started_in_time_did_not_fail() {
    let once = RestartRule { times: 0, within: millis(10_000), backoff: millis(10) };
    for finish in [Finish::Restart(once), Finish::End] {
        let mut bench = Bench::new(Rules { finish, ..rules() });
        bench.hold(1, 2000, 3000, "run child 2000 3000", ChildState::Starting);
        bench.check(Event::Ended(Ending::Unstarted), "", ChildState::Gone);
        assert_eq!((bench.wish().as_str(), bench.machine.finished()), ("", None));
        bench.next(1100, "run child 2000 3000", ChildState::Starting);
        // While the lease is in doubt nothing is tried.
        bench.order(
            Standing::Frozen { tenure: tenure(1), until: None, kill_at: bench.at(3000) },
            "freeze 3000",
            ChildState::Frozen,
        );
        bench.check(Event::Ended(Ending::Unstarted), "", ChildState::Gone);
        bench.next(1200, "", ChildState::Gone);
        bench.hold(1, 4000, 5000, "run child 4000 5000", ChildState::Starting);
        bench.check(Event::Started, "", ChildState::Starting);
    }
}

#[test]
fn who_is_ever_late_gives_up() {
    let once = RestartRule { times: 0, within: millis(10_000), backoff: millis(10) };
    let mut bench = Bench::new(Rules { finish: Finish::Restart(once), ..rules() });
    bench.hold(1, 60_000, 60_000, "run child 60000 60000", ChildState::Starting);
    for late in 1..=20 {
        bench.check(Event::Ended(Ending::Unstarted), "", ChildState::Gone);
        assert_eq!(bench.wish(), "");
        bench.next(1000 + 100 * late, "run child 60000 60000", ChildState::Starting);
    }
    bench.check(Event::Ended(Ending::Unstarted), "", ChildState::Gone);
    assert!(bench.wish().starts_with("hand over: the child was not started"), "{}", bench.wish());
}

#[test]
fn only_the_same_tenure_is_thawed() {
    let mut bench = Bench::ready(rules());
    bench.order(
        Standing::Frozen { tenure: tenure(1), until: None, kill_at: bench.at(3000) },
        "freeze 3000",
        ChildState::Frozen,
    );
    bench.order(
        Standing::Frozen { tenure: tenure(2), until: None, kill_at: bench.at(3000) },
        "kill",
        ChildState::Stopping,
    );
    let mut bench = Bench::ready(rules());
    bench.order(
        Standing::Frozen { tenure: tenure(1), until: None, kill_at: bench.at(3000) },
        "freeze 3000",
        ChildState::Frozen,
    );
    bench.hold(2, 2500, 3500, "kill", ChildState::Stopping);
    bench.check(Event::Ended(Ending::Signal(9)), "run child 2500 3500", ChildState::Starting);
    // A token may grow within a tenure, when a promoted database has lost nothing.
    let grown = Tenure { token: Token { timeline: Timeline(2), epoch: 2 }, ..tenure(2) };
    let held = Standing::Held { tenure: grown, until: bench.at(2600), kill_at: bench.at(3600) };
    bench.order(held, "allow 2600 3600", ChildState::Starting);
}

#[test]
fn a_child_may_be_frozen_before_it_is_known_to_have_started() {
    let mut bench = Bench::new(Rules { wellness: WellnessRule::default(), ..rules() });
    bench.hold(1, 2000, 3000, "run child 2000 3000", ChildState::Starting);
    bench.next(2000, "freeze 3000", ChildState::Frozen);
    bench.check(Event::Started, "", ChildState::Frozen);
    bench.hold(1, 4000, 5000, "allow 4000 5000", ChildState::Ready);
}

#[test]
fn without_a_freezer_it_is_killed() {
    let mut bench = Bench::ready(Rules { freeze: false, ..rules() });
    bench.next(2000, "kill", ChildState::Stopping);
}

#[test]
fn yields_within_the_grace() {
    let yields = |bench: &mut Bench, until, expect: &str| {
        bench.order(Standing::Yield { tenure: tenure(1), until: bench.at(until) }, expect, ChildState::Stopping);
    };
    let mut bench = Bench::ready(rules());
    yields(&mut bench, 9000, "stop 1100");
    yields(&mut bench, 1050, "stop 1050");
    yields(&mut bench, 9000, "stop 1100");
    bench.next(1100, "kill", ChildState::Stopping);
    let mut bench = Bench::ready(rules());
    yields(&mut bench, 9000, "stop 1100");
    bench.order(
        Standing::Frozen { tenure: tenure(1), until: None, kill_at: bench.at(3000) },
        "kill",
        ChildState::Stopping,
    );
    let mut bench = Bench::ready(rules());
    bench.next(2000, "freeze 3000", ChildState::Frozen);
    yields(&mut bench, 9000, "stop 2100");
    bench.check(Event::Ended(Ending::Code(0)), "", ChildState::Gone);
    assert_eq!(bench.wish(), "");
}

#[test]
fn starts_again_and_then_gives_up() {
    let mut bench = Bench::ready(rules());
    bench.check(failed(), "", ChildState::Gone);
    assert_eq!(bench.wish(), "");
    bench.next(1010, "run child 2000 3000", ChildState::Starting);
    bench.check(failed(), "", ChildState::Gone);
    assert_eq!(bench.wish(), "hand over: the child ended with exit code 1; that was too often in 10 s");
    bench.next(1030, "run child 2000 3000", ChildState::Starting);
    bench.check(Event::Checked(Ok(())), "", ChildState::Ready);
    assert_eq!(bench.wish(), "", "it is well again");
    bench.check(failed(), "", ChildState::Gone);
    bench.next(1070, "run child 2000 3000", ChildState::Starting);
    bench.check(failed(), "", ChildState::Gone);
    bench.order(Standing::Without, "", ChildState::Gone);
    assert_eq!(bench.wish(), "", "somebody else's turn");
    bench.hold(2, 4000, 5000, "run child 4000 5000", ChildState::Starting);
    bench.check(failed(), "", ChildState::Gone);
    assert_eq!(bench.wish(), "", "a new tenure is a new beginning");
}

#[test]
fn a_pause_does_not_start_anything() {
    let mut bench = Bench::ready(rules());
    bench.check(failed(), "", ChildState::Gone);
    bench.order(Standing::Frozen { tenure: tenure(1), until: None, kill_at: bench.at(3000) }, "", ChildState::Gone);
    bench.next(1010, "", ChildState::Gone);
    bench.hold(1, 2000, 3000, "run child 2000 3000", ChildState::Starting);
    let mut bench = Bench::ready(rules());
    bench.check(failed(), "", ChildState::Gone);
    bench.order(Standing::Yield { tenure: tenure(1), until: bench.at(2000) }, "", ChildState::Gone);
    bench.now = 1500;
    bench.check(Event::Tick, "", ChildState::Gone);
}

#[test]
fn a_child_that_is_late_is_killed_and_handed_over() {
    let mut bench = Bench::new(rules());
    bench.hold(1, 9000, 9000, "run child 9000 9000", ChildState::Starting);
    let why: Name = "refused".into();
    bench.check(Event::Checked(Err(why)), "", ChildState::Starting);
    bench.next(1500, "kill", ChildState::Stopping);
    assert_eq!(bench.wish(), "hand over: it was not ready within 500 ms: refused");
    bench.check(Event::Ended(Ending::Signal(9)), "", ChildState::Gone);
    bench.next(1510, "run child 9000 9000", ChildState::Starting);
    // Being frozen does not count.
    bench.order(
        Standing::Frozen { tenure: tenure(1), until: None, kill_at: bench.at(9000) },
        "freeze 9000",
        ChildState::Frozen,
    );
    bench.now = 2500;
    bench.hold(1, 9000, 9000, "allow 9000 9000", ChildState::Starting);
    bench.next(3000, "kill", ChildState::Stopping);
}

#[test]
fn an_unwell_child_is_handed_over_if_the_rules_say_so() {
    let wellness = WellnessRule { checked: true, unwell_after: Some(millis(300)), ..WellnessRule::default() };
    let mut bench = Bench::ready(Rules { wellness, ..rules() });
    let fails = || Event::Checked(Err("refused".into()));
    bench.check(fails(), "", ChildState::Ready);
    bench.check(fails(), "", ChildState::Unwell);
    assert_eq!(bench.wish(), "");
    bench.next(1300, "", ChildState::Unwell);
    assert_eq!(bench.wish(), "hand over: its ready check has failed for 300 ms: refused");
    bench.check(Event::Checked(Ok(())), "", ChildState::Ready);
    assert_eq!(bench.wish(), "");
}

#[test]
fn hooks_surround_the_child() {
    let hooks = Rules { before: Some(millis(200)), after: Some(millis(300)), ..rules() };
    let mut bench = Bench::new(hooks.clone());
    bench.hold(1, 9000, 9000, "run before 1200", ChildState::Starting);
    bench.hold(1, 9500, 9500, "allow 9500 1200", ChildState::Starting);
    bench.check(Event::Ended(Ending::Code(0)), "run child 9500 9500", ChildState::Starting);
    bench.order(Standing::Without, "kill", ChildState::Stopping);
    bench.check(Event::Ended(Ending::Signal(9)), "run after 1300", ChildState::Stopping);
    bench.hold(2, 9500, 9500, "", ChildState::Stopping);
    bench.check(Event::Ended(Ending::Code(0)), "run before 1200", ChildState::Starting);
    bench.check(failed(), "run after 1300", ChildState::Stopping);
    bench.check(Event::Ended(Ending::Code(0)), "", ChildState::Gone);
    bench.next(1010, "run before 1210", ChildState::Starting);
    bench.order(Standing::Yield { tenure: tenure(2), until: bench.at(9000) }, "kill", ChildState::Stopping);
}

#[test]
fn makes_ready_once_for_each_switch_over() {
    let prepare = |switch| Standing::Prepare { switch: Nonce(switch) };
    let mut bench = Bench::new(rules());
    bench.order(prepare(7), "", ChildState::Gone);
    assert_eq!(bench.report().prepared, Some(Nonce(7)), "there is nothing to do");
    let mut bench = Bench::new(Rules { prepare: Some(millis(400)), ..rules() });
    bench.order(prepare(7), "run prepare 1400", ChildState::Gone);
    bench.check(failed(), "", ChildState::Gone);
    bench.order(prepare(7), "", ChildState::Gone);
    assert_eq!(bench.report().prepared, None);
    bench.order(prepare(8), "run prepare 1400", ChildState::Gone);
    bench.check(Event::Ended(Ending::Code(0)), "", ChildState::Gone);
    assert_eq!(bench.report().prepared, Some(Nonce(8)));
    bench.order(prepare(9), "run prepare 1400", ChildState::Gone);
    assert_eq!(bench.report().prepared, None);
    bench.hold(1, 9000, 9000, "kill", ChildState::Gone);
    bench.check(Event::Ended(Ending::Code(0)), "run child 9000 9000", ChildState::Starting);
    assert_eq!(bench.report().prepared, None, "it was told to end");
}

#[test]
fn leaves_in_order_or_without() {
    let mut bench = Bench::ready(rules());
    bench.check(Event::Leave, "", ChildState::Ready);
    assert_eq!(bench.wish(), "leave");
    bench.order(Standing::Yield { tenure: tenure(1), until: bench.at(9000) }, "stop 1100", ChildState::Stopping);
    bench.check(Event::Ended(Ending::Code(0)), "", ChildState::Gone);
    assert!(bench.machine.is_over());
    bench.hold(2, 9000, 9000, "", ChildState::Gone);
    let mut bench = Bench::ready(rules());
    bench.check(Event::Leave, "", ChildState::Ready);
    bench.next(1050, "stop 1150", ChildState::Stopping);
    bench.hold(1, 1140, 3000, "stop 1140", ChildState::Stopping);
    bench.next(1140, "kill", ChildState::Stopping);
    let mut bench = Bench::new(rules());
    bench.check(Event::Leave, "", ChildState::Gone);
    bench.hold(1, 9000, 9000, "", ChildState::Gone);
    assert!(bench.machine.is_over());
}

#[test]
fn work_that_is_done_is_not_done_again() {
    let mut bench = Bench::ready(Rules { finish: Finish::End, ..rules() });
    bench.check(Event::Ended(Ending::Code(7)), "", ChildState::Gone);
    assert_eq!((bench.wish().as_str(), bench.machine.finished()), ("leave", Some(&Ending::Code(7))));
    assert!(bench.machine.is_over());
    bench.hold(1, 9000, 9000, "", ChildState::Gone);
}

#[test]
fn exit_codes_are_kept() {
    let check = |ending: Ending, code| assert_eq!(ending.exit_code(), code, "{ending}");
    check(Ending::Code(0), 0);
    check(Ending::Code(77), 77);
    check(Ending::Code(1000), 255);
    check(Ending::Signal(15), 143);
    check(Ending::Failed("x".into()), 1);
}
