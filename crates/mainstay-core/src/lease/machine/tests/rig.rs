//! One machine, a store and a guard, played through a script.

use std::time::Duration;

use super::model::Model;
use crate::Moment;
use crate::lease::{
    Action, ChildState, Command, Event, Failure, Happening, Hint, Identity, Machine, Member, MemberState, Nonce, Order,
    Report, Request, RequestId, RowState, Standing, SwitchTo, Terms, Timeline, Wanted, Wish,
};

/// `renew` 1 s, `ttl` 3 s: good for 2,870 ms, gone after 3,030 ms. Whichever database is promoted has everything.
pub(super) fn terms() -> Terms {
    let me = Identity { name: "a".into(), instance: Nonce(1), priority: 100 };
    let mut terms = Terms::new("bank".into(), me, Duration::from_secs(1), Duration::from_secs(3));
    terms.lossless = true;
    terms.frozen = Some(Duration::from_secs(5));
    terms.drain_within = Duration::from_millis(500);
    terms.stop_within = Duration::from_millis(1000);
    terms.prepare_within = Duration::from_millis(2000);
    terms
}

/// Plays `script` with these terms until its last line, and compares what was told, in order and with the time in
/// milliseconds; `...` stands for the usual beginning. A line of the script is `TIME WORDS`, see [`Rig::play`].
#[track_caller]
pub(super) fn check(terms: Terms, script: &str, expect: &str) {
    let rig = play(terms, script);
    let got = rig.log.join("\n");
    let got = got.strip_prefix(STARTED).map_or_else(|| got.clone(), |rest| format!("...{rest}"));
    let clean = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(got, clean(expect), "\n--- asked\n{}\n--- got\n{got}\n--- after\n{script}\n---", rig.asked.join(", "));
}

pub(super) fn play(terms: Terms, script: &str) -> Rig {
    let mut rig = Rig::new(terms);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (time, words) = line.split_once(' ').expect("a time and words");
        rig.run_until(time.parse().expect("a time"));
        rig.play(words.trim());
    }
    rig
}

pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) store: Model,
    pub(super) log: Vec<String>,
    pub(super) asked: Vec<String>,
    /// Renewals that were told of.
    pub(super) renewed: u32,
    /// Real time, in milliseconds.
    now: u64,
    /// How far the machine's clock is behind it.
    lag: u64,
    nonces: u128,
    way: Way,
    /// Answers on their way: when, to what.
    answers: Vec<(u64, RequestId, Request)>,
    /// Requests that are done at the store only then, and whose answers are lost.
    late: Vec<(u64, Request)>,
    guard: Guard,
    others: Vec<Other>,
}

/// What becomes of requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Answered after 10 ms.
    Open,
    /// Answered after 2.9 s.
    Tardy,
    /// Nothing arrives, nothing comes back.
    Cut,
    /// Done, but no answer comes back.
    Deaf,
    /// Certainly not done, and said so after 10 ms.
    Refusing,
    /// The same but for looks, which are answered: it can be read only.
    Full,
    /// Done only 2 s later, no answer.
    Slow,
}

struct Guard {
    plays: bool,
    child: ChildState,
    nonce: Option<Nonce>,
    order: u64,
    wish: Option<Wish>,
    prepared: Option<Nonce>,
    /// What the child does next, and when.
    next: Option<(u64, ChildState)>,
    start_ms: u64,
}

/// Another member, as far as the store sees it.
struct Other {
    name: String,
    member: Member,
    renews: bool,
    next: u64,
}

impl Rig {
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    pub(super) fn new(terms: Terms) -> Self {
        let guard = Guard {
            plays: true,
            child: ChildState::Gone,
            nonce: None,
            order: 0,
            wish: None,
            prepared: None,
            next: None,
            start_ms: 200,
        };
        let mut rig = Self {
            machine: Machine::new(terms, Moment::from_millis(0)).expect("good terms"),
            store: Model::new(),
            log: Vec::new(),
            asked: Vec::new(),
            renewed: 0,
            now: 0,
            lag: 0,
            nonces: 0,
            way: Way::Open,
            answers: Vec::new(),
            late: Vec::new(),
            guard,
            others: Vec::new(),
        };
        rig.report();
        rig
    }

    fn own(&self) -> Moment {
        Moment::from_millis(self.now - self.lag)
    }

    pub(super) fn event(&mut self, event: Event) {
        let now = self.own();
        let nonces = &mut self.nonces;
        let actions = self.machine.on(event, now, &mut || {
            *nonces += 1;
            Nonce(*nonces)
        });
        let soon = self.machine.wake_at();
        assert!(soon.is_none_or(|soon| soon > now), "wakes at {soon:?} though it is {now:?}: {:?}", self.machine);
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Ask { id, request, .. } => {
                self.asked.push(format!("{} {}", self.now, name(&request)));
                match self.way {
                    Way::Tardy => self.answers.push((self.now + 2900, id, request)),
                    Way::Open | Way::Refusing | Way::Full => self.answers.push((self.now + 10, id, request)),
                    Way::Cut => (),
                    Way::Deaf => drop(self.store.ask(&request, self.now)),
                    Way::Slow => self.late.push((self.now + 2000, request)),
                }
            }
            Action::Stand(order) => self.stand(order),
            Action::Show(_) => (),
            Action::Tell(Happening::Renewed { .. }) => self.renewed += 1,
            Action::Tell(told) => self.log.push(format!("{} {told}", self.now)),
            Action::Reply { result, .. } => {
                self.log.push(format!("{} reply: {}", self.now, result.map_or_else(|why| why, |()| "done".into())))
            }
        }
    }

    fn stand(&mut self, order: Order) {
        let (name, child, after) = match &order.standing {
            Standing::Without => ("Without", ChildState::Gone, 5),
            Standing::Prepare { switch } => {
                self.guard.prepared = Some(*switch);
                ("Prepare", ChildState::Gone, 30)
            }
            Standing::Held { tenure, .. } => {
                self.guard.nonce = Some(tenure.nonce);
                let running = matches!(self.guard.child, ChildState::Ready | ChildState::Frozen);
                ("Held", ChildState::Ready, if running { 0 } else { self.guard.start_ms })
            }
            Standing::Frozen { .. } => ("Frozen", ChildState::Frozen, 0),
            Standing::Yield { .. } => ("Yield", ChildState::Gone, 50),
        };
        let line = format!("-> {name}");
        if self.log.iter().rev().find(|told| told.contains("-> ")).is_none_or(|last| !last.ends_with(&line)) {
            self.log.push(format!("{} {line}", self.now));
        }
        self.guard.order = order.number;
        let same = self.guard.child == child || self.guard.next.as_ref().is_some_and(|(_, next)| *next == child);
        if self.guard.plays && (!same || child == ChildState::Gone) {
            self.guard.next = Some((self.now + after, child));
        }
    }

    /// The program is started again. Nothing is under way.
    fn again(&mut self) {
        let terms = self.machine.terms().clone();
        self.machine = Machine::new(terms, self.own()).expect("good terms");
        self.answers.clear();
        (self.guard.order, self.guard.next) = (0, None);
        self.report();
    }

    fn report(&mut self) {
        let Guard { child, nonce, order, wish, prepared, .. } = &self.guard;
        let report = Report { order: *order, nonce: *nonce, child: *child, wish: wish.clone(), prepared: *prepared };
        self.event(Event::Report(report));
    }

    /// Lets time pass, doing whatever comes due.
    pub(super) fn run_until(&mut self, end: u64) {
        while let Some(next) = self.next_due().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    fn next_due(&self) -> Option<u64> {
        let wake = self.machine.wake_at().map(|wake| wake.as_nanos().div_ceil(1_000_000) + self.lag);
        let answers = self.answers.iter().map(|(at, ..)| *at);
        let late = self.late.iter().map(|(at, _)| *at);
        let others = self.others.iter().map(|other| other.next);
        let guard = self.guard.next.as_ref().map(|(at, _)| *at);
        answers.chain(late).chain(others).chain(wake).chain(guard).min()
    }

    fn step(&mut self) {
        if let Some(at) = self.late.iter().position(|(at, _)| *at <= self.now) {
            let (_, request) = self.late.remove(at);
            self.store.ask(&request, self.now);
        } else if let Some(at) = self.others.iter().position(|other| other.next <= self.now) {
            self.other(at);
        } else if let Some(at) = self.answers.iter().position(|(at, ..)| *at <= self.now) {
            let (_, id, request) = self.answers.remove(at);
            // Done half way there.
            let result = match self.way {
                Way::Refusing => Err(Failure::NotDone("connection refused".into())),
                Way::Full if !matches!(request, Request::Look { .. }) => {
                    Err(Failure::NotDone("the disk is full".into()))
                }
                _ => Ok(self.store.ask(&request, self.now - 5)),
            };
            self.event(Event::Answered { id, result });
        } else if let Some((_, child)) = self.guard.next.take_if(|(at, _)| *at <= self.now) {
            self.guard.child = child;
            self.report();
        } else {
            self.event(Event::Tick);
        }
    }

    /// What another member does each second.
    fn other(&mut self, at: usize) {
        let other = &mut self.others[at];
        other.next += 1000;
        let holds = self.store.row.holder.as_ref() == other.name && self.store.row.state == RowState::Active;
        self.store.member(&other.name, other.member.clone(), self.now);
        if holds && other.renews {
            self.store.renewed(self.now);
        }
    }

    /// Words of a script: what happens to the store, the network, the guard, the other members, the clocks.
    pub(super) fn play(&mut self, words: &str) {
        let parts: Vec<&str> = words.split_whitespace().collect();
        match parts[..] {
            ["end"] => (),
            ["open"] => self.way = Way::Open,
            ["cut"] => self.way = Way::Cut,
            ["deaf"] => self.way = Way::Deaf,
            ["tardy"] => self.way = Way::Tardy,
            ["locked"] => self.store.locked = true,
            ["unlocked"] => self.store.locked = false,
            ["slow"] => self.way = Way::Slow,
            ["full"] => self.way = Way::Full,
            ["refusing"] => self.way = Way::Refusing,
            ["again"] => self.again(),
            ["look"] => self.event(Event::Hint(Hint::Look)),
            ["gone"] => self.event(Event::Hint(Hint::HolderGone)),
            ["lost"] => self.event(Event::Hint(Hint::Lost)),
            ["own", "session", "ended"] => self.event(Event::Hint(Hint::Cut)),
            ["quiet", quiet] => self.event(Event::Quiet(quiet == "yes")),
            ["promote"] => self.store.timeline = Timeline(self.store.timeline.0 + 1),
            ["demote"] => self.store.timeline = Timeline(self.store.timeline.0 - 1),
            ["forgets", steps] => self.store.row.seq -= number(steps),
            ["forget", "epochs"] => self.store.row.epoch = 1,
            ["twin", "renews"] => self.store.renewed(self.now),
            ["clock", by] => self.store.ahead_ms += by.parse::<i64>().expect("milliseconds"),
            ["sleeps", by] => self.sleeps(number(by)),
            ["paused"] => self.store.row.paused = Some("op".into()),
            ["resumed"] => self.store.row.paused = None,
            ["child", child] => self.child(child),
            ["starts", "in", ms] => self.guard.start_ms = number(ms),
            ["wish", ref wish @ ..] => self.wish(wish),
            ["op", ref wanted @ ..] => self.command(wanted),
            ["other", name, "lives"] => self.twin(name),
            [from, "asks", "for", to] => {
                self.store.row.switch =
                    Some(SwitchTo { id: Nonce(77), to: Some(to.into()), due: self.store.clock(self.now) });
                self.store.row.next = Some(to.into());
                assert_eq!(self.store.row.holder.as_ref(), from);
            }
            ["anybody", "is", "asked", "for"] => self.store.row.switch.as_mut().expect("one").to = None,
            [_, "gives", "to", to] => self.store.given_to(to, self.now),
            [name, ref does @ ..] => self.member(name, does),
            [] => (),
        }
    }

    /// The machine stands still, its clock with it; what arrives meanwhile waits.
    fn sleeps(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.others.iter().map(|other| other.next).filter(|at| *at <= end).min() {
            self.now = at;
            self.step_others();
        }
        self.now = end;
        self.lag += ms;
        if let Some((at, _)) = &mut self.guard.next {
            *at += ms;
        }
    }

    fn step_others(&mut self) {
        while let Some(at) = self.others.iter().position(|other| other.next <= self.now) {
            self.other(at);
        }
    }

    fn child(&mut self, child: &str) {
        self.guard.plays = child == "plays";
        self.guard.next = None;
        self.guard.child = match child {
            "gone" => ChildState::Gone,
            "unknown" => ChildState::Unknown,
            "unwell" => ChildState::Unwell,
            "starting" => ChildState::Starting,
            "ready" => ChildState::Ready,
            _ => self.guard.child,
        };
        self.report();
    }

    fn wish(&mut self, wish: &[&str]) {
        self.guard.wish = match wish {
            ["leave"] => Some(Wish::Leave),
            ["nothing"] => None,
            _ => Some(Wish::HandOver(wish.join(" ").into())),
        };
        self.report();
    }

    fn command(&mut self, wanted: &[&str]) {
        let wanted = match wanted {
            ["switch"] => Wanted::Switch { to: None, after: Duration::ZERO },
            ["switch", to] => Wanted::Switch { to: Some((*to).into()), after: Duration::ZERO },
            ["switch", to, "in", ms] => {
                Wanted::Switch { to: Some((*to).into()), after: Duration::from_millis(number(ms)) }
            }
            ["cancel", id] => Wanted::Cancel(Nonce(u128::from(number(id)))),
            ["pause"] => Wanted::Pause("op".into()),
            _ => Wanted::Resume,
        };
        self.nonces += 1;
        let id = Nonce(700 + self.nonces);
        self.event(Event::Command(Command { id, wanted }));
    }

    /// `b 100 is standby`, `b takes`, `b renews`, `b dies`, `b stops renewing`.
    fn member(&mut self, name: &str, does: &[&str]) {
        match does {
            ["takes"] => {
                self.store.taken_by(name, Duration::from_secs(3), self.now);
                self.set(name, 100, MemberState::Holder, true);
            }
            ["takes", "for", ms] => self.store.taken_by(name, Duration::from_millis(number(ms)), self.now),
            ["dies"] => self.others.retain(|other| other.name != name),
            ["stops", "renewing"] => {
                self.others.iter_mut().filter(|other| other.name == name).for_each(|other| other.renews = false);
            }
            ["follows"] => self.store.taken_by(name, Duration::from_secs(3), self.now),
            [priority, "is", "prepared"] => {
                let id = self.store.row.switch.as_ref().map_or(Nonce(0), |switch| switch.id);
                self.set(name, number(priority), MemberState::Prepared(id), true);
            }
            [priority, "is", "unfit"] => self.set(name, number(priority), MemberState::Unfit, true),
            [priority, "is", "busy"] => {
                self.set(name, number(priority), MemberState::Standby, true);
                self.others.iter_mut().for_each(|other| other.member.quiet = false);
                let member = self.others.last().expect("it").member.clone();
                self.store.member(name, member, self.now);
            }
            [priority, "is", _] => self.set(name, number(priority), MemberState::Standby, true),
            _ => panic!("{name} does what? {does:?}"),
        }
    }

    /// Another program with a name that is taken.
    fn twin(&mut self, name: &str) {
        self.set(name, 50, MemberState::Standby, false);
        if let Some(other) = self.others.last_mut() {
            other.member.instance = Nonce(99);
            self.store.member(name, other.member.clone(), self.now);
        }
    }

    fn set(&mut self, name: &str, priority: u64, state: MemberState, renews: bool) {
        let instance = Nonce(5000 + name.bytes().map(u128::from).sum::<u128>());
        let priority = u32::try_from(priority).expect("a small number");
        let member = Member { name: name.into(), instance, priority, state, quiet: true, age: Duration::ZERO };
        let next = self.others.iter().find(|other| other.name == name).map_or(self.now + 1000, |other| other.next);
        self.others.retain(|other| other.name != name);
        self.store.member(name, member.clone(), self.now);
        self.others.push(Other { name: name.to_owned(), member, renews, next });
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::Look { .. } => "look",
        Request::Acquire { early: false, .. } => "acquire",
        Request::Acquire { early: true, .. } => "acquire-early",
        Request::Fence { .. } => "fence",
        Request::Activate { .. } => "activate",
        Request::Renew { .. } => "renew",
        Request::Carry { .. } => "carry",
        Request::Transfer { .. } => "transfer",
        Request::Switch { .. } => "switch",
        Request::Settle { .. } => "settle",
        Request::Pause(_) => "pause",
    }
}

/// How a machine that finds its lease free begins.
const STARTED: &str = "\
10 nobody holds the lease
20 took the lease as 1.1: it was free
30 fenced every previous holder in 10 ms
40 a holds the lease
40 active as 1.1
40 -> Held
240 ready as 1.1 after 230 ms: detect 0 ms, acquire 10 ms, fence 10 ms, activate 10 ms, start 200 ms";
