//! Runs a lease's machine over a store: one task for each lease of a program, and the only one who may hold it there.
//!
//! The machine decides; this reads the clock, asks the store, passes on what comes back, and tells everybody.

mod counters;
mod flaps;
mod gate;
mod telling;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use mainstay_core::Moment;
use mainstay_core::lease::{
    Action, BadTerms, Command, Event, Happening, Hint, LeaseView, Machine, Member, Name, Nonce, Order, Report,
    RequestId, Row, Terms, Wanted,
};
use mainstay_io::clock::boot;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::{Grant, Store, Tier};

use gate::Shut;

pub use counters::Counters;
pub use gate::Gate;
pub use telling::word;

/// The lease of this program. When it is dropped nothing is renewed any more; to give the lease up in order, let the guard
/// wish to leave and wait for [`Status::has_left`].
#[derive(Debug)]
pub struct Keeper {
    terms: Terms,
    store: Arc<dyn Store>,
    orders: watch::Receiver<Order>,
    view: watch::Receiver<LeaseView>,
    status: watch::Receiver<Status>,
    reports: watch::Sender<Option<Report>>,
    quiet: watch::Sender<bool>,
    commands: mpsc::Sender<Asked>,
    told: broadcast::Sender<Told>,
    counters: Arc<Counters>,
    task: AbortHandle,
}

/// What a keeper knows, for who asks how things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The lease as the store last answered it.
    pub row: Option<Row>,
    /// Who looked lately.
    pub members: Vec<Member>,
    /// When the store said so; what is in a member's `age` was counted then.
    pub members_at: Moment,
    /// Whether a program that is ending may end.
    pub has_left: bool,
}

/// Something that happened to a lease. `Display` is a sentence with the lease's name.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which lease.
    pub lease: Name,
    /// What.
    pub happening: Happening,
    /// That, in words.
    pub text: Name,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.lease, self.text)
    }
}

/// An operator's wish, and the way back to him.
type Asked = (Command, oneshot::Sender<Result<(), Name>>);

impl Keeper {
    /// Begins to keep a lease, within a tokio runtime.
    ///
    /// # Errors
    /// What is wrong with the terms.
    pub fn start(store: Arc<dyn Store>, terms: Terms) -> Result<Self, BadTerms> {
        let (quiet, _) = watch::channel(true);
        let machine = Machine::new(terms.clone(), boot())?;
        Ok(Self::run(store, terms, machine, None, quiet))
    }

    /// The same for a member that may not begin yet: until the gate opens it only follows the lease.
    ///
    /// # Errors
    /// What is wrong with the terms.
    pub fn start_behind(store: Arc<dyn Store>, terms: Terms, gate: Gate) -> Result<Self, BadTerms> {
        let Gate { whom, quiet } = gate;
        let shut = Shut { whom, terms: terms.clone() };
        let machine = Machine::new(shut.following(), boot())?;
        Ok(Self::run(store, terms, machine, Some(shut), quiet))
    }

    fn run(
        store: Arc<dyn Store>,
        terms: Terms,
        machine: Machine,
        gate: Option<Shut>,
        quiet: watch::Sender<bool>,
    ) -> Self {
        let (orders, orders_seen) = watch::channel(machine.order().clone());
        let (view, view_seen) = watch::channel(machine.view().clone());
        let (status, status_seen) = watch::channel(Status::default());
        let (reports, reports_seen) = watch::channel(None);
        let quiet_seen = quiet.subscribe();
        let (commands, commands_seen) = mpsc::channel(COMMANDS);
        let (answers, answers_seen) = mpsc::channel(ANSWERS);
        let (told, _) = broadcast::channel(TOLD);
        let counters = Arc::new(Counters::default());
        let teller = telling::Teller::start(&terms, Arc::clone(&store), Arc::clone(&counters), told.clone());
        let shell = Shell {
            machine,
            gate,
            hints: store.hints(&terms.lease),
            losses: store.losses(),
            store: Arc::clone(&store),
            orders,
            view,
            status,
            teller,
            answers,
            waiting: HashMap::new(),
            counters: Arc::clone(&counters),
        };
        let inbox = Inbox { answers: answers_seen, reports: reports_seen, quiet: quiet_seen, commands: commands_seen };
        let task = tokio::spawn(shell.run(inbox)).abort_handle();
        let (orders, view, status) = (orders_seen, view_seen, status_seen);
        Self { terms, store, orders, view, status, reports, quiet, commands, told, counters, task }
    }

    /// What it keeps, and how.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What the guard may do.
    #[must_use]
    pub fn orders(&self) -> watch::Receiver<Order> {
        self.orders.clone()
    }

    /// What anybody may know.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<LeaseView> {
        self.view.clone()
    }

    /// What the store last answered.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What happens, from now on; [`Happening::Renewed`] is left out. Who is slow misses the oldest.
    #[must_use]
    pub fn happenings(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// What keeps two holders apart.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.store.tier(&self.terms.lease)
    }

    /// What the child of a tenure gets: ask when it is to be started.
    #[must_use]
    pub fn grant(&self, nonce: Nonce) -> Grant {
        self.store.grant(&self.terms.lease, nonce)
    }

    /// The guard says how its child is. The last report counts.
    pub fn report(&self, report: Report) {
        self.reports.send_replace(Some(report));
    }

    /// Where the guard says it, for a task of its own.
    #[must_use]
    pub fn reports(&self) -> watch::Sender<Option<Report>> {
        self.reports.clone()
    }

    /// Fronts say whether they have nothing under way at the holder.
    pub fn quiet(&self, quiet: bool) {
        self.quiet.send_if_modified(|was| std::mem::replace(was, quiet) != quiet);
    }

    /// An operator wants something. Its id, by which a switch-over is followed, and whether it was accepted or why not.
    pub async fn command(&self, wanted: Wanted) -> (Nonce, Result<(), Name>) {
        let id = draw();
        let (reply, replied) = oneshot::channel();
        let sent = self.commands.try_send((Command { id, wanted }, reply));
        if sent.is_err() {
            return (id, Err("too many commands wait already".into()));
        }
        (id, replied.await.unwrap_or_else(|_| Err("the lease is no longer kept here".into())))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A number that nobody else has.
#[must_use]
pub fn draw() -> Nonce {
    let mut bytes = [0_u8; 16];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(16) => Nonce(u128::from_le_bytes(bytes)),
        // Seeded by the system when the program started.
        _ => Nonce(fastrand::u128(..)),
    }
}

type Answered = (RequestId, Result<mainstay_core::lease::Answer, mainstay_core::lease::Failure>);

struct Shell {
    machine: Machine,
    /// `None`: it has begun.
    gate: Option<Shut>,
    store: Arc<dyn Store>,
    hints: mpsc::Receiver<Hint>,
    losses: Option<watch::Receiver<u64>>,
    orders: watch::Sender<Order>,
    view: watch::Sender<LeaseView>,
    status: watch::Sender<Status>,
    teller: telling::Teller,
    answers: mpsc::Sender<Answered>,
    waiting: HashMap<Nonce, oneshot::Sender<Result<(), Name>>>,
    counters: Arc<Counters>,
}

struct Inbox {
    answers: mpsc::Receiver<Answered>,
    reports: watch::Receiver<Option<Report>>,
    quiet: watch::Receiver<bool>,
    commands: mpsc::Receiver<Asked>,
}

impl Shell {
    async fn run(mut self, mut inbox: Inbox) {
        self.handle(Event::Tick);
        while let Some(event) = self.next(&mut inbox).await {
            self.handle(event);
        }
    }

    /// What happens next; `None` once nobody has the handle.
    async fn next(&mut self, inbox: &mut Inbox) -> Option<Event> {
        let wake = self.machine.wake_at().map(|at| at.since(boot()));
        let wake = Instant::now() + wake.unwrap_or(IDLE);
        let lost = async {
            match &mut self.losses {
                Some(losses) => losses.changed().await,
                None => std::future::pending().await,
            }
        };
        let begins = async {
            match &mut self.gate {
                Some(gate) => gate.opens().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = begins => {
                self.begin(inbox);
                Some(Event::Tick)
            }
            // First: what was answered afterwards is to be taken for an answer to it.
            Ok(()) = lost => Some(Event::Hint(Hint::Lost)),
            Some((id, result)) = inbox.answers.recv() => Some(Event::Answered { id, result }),
            changed = inbox.reports.changed() => match changed {
                Ok(()) => inbox.reports.borrow_and_update().clone().map_or(Some(Event::Tick), |it| Some(Event::Report(it))),
                Err(_) => None,
            },
            command = inbox.commands.recv() => {
                let (command, reply) = command?;
                self.waiting.insert(command.id, reply);
                Some(Event::Command(command))
            }
            changed = inbox.quiet.changed() => match changed {
                Ok(()) => Some(Event::Quiet(*inbox.quiet.borrow_and_update())),
                Err(_) => None,
            },
            Some(hint) = self.hints.recv() => Some(Event::Hint(hint)),
            () = sleep_until(wake) => Some(Event::Tick),
        }
    }

    /// From now on it may hold the lease: a machine that knows nothing yet takes the place of the one that followed.
    fn begin(&mut self, inbox: &mut Inbox) {
        let machine = self.gate.take().map(|gate| Machine::new(gate.terms, boot()));
        let Some(Ok(machine)) = machine else { return };
        self.machine = machine;
        // What is still under way has numbers that this one will give to something else.
        (self.answers, inbox.answers) = mpsc::channel(ANSWERS);
        for (_, waiting) in self.waiting.drain() {
            // Who asked may have left.
            let _left = waiting.send(Err(gate::UNHEARD.into()));
        }
        inbox.reports.mark_changed();
        inbox.quiet.mark_changed();
    }

    fn handle(&mut self, event: Event) {
        if let Event::Answered { result: Err(failure), .. } = &event {
            self.counters.failed(failure);
        }
        let answered = matches!(event, Event::Answered { .. });
        let now = boot();
        self.teller.turn(now, self.machine.row());
        for action in self.machine.on(event, now, &mut draw) {
            self.act(action);
        }
        let has_left = self.machine.has_left();
        if answered || self.status.borrow().has_left != has_left {
            let (row, members) = (self.machine.row().cloned(), self.machine.members().to_vec());
            let members_at = self.machine.members_at();
            self.status.send_replace(Status { row, members, members_at, has_left });
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Ask { id, request, timeout } => {
                let request = match &self.gate {
                    Some(gate) => gate.in_its_name(request),
                    None => request,
                };
                let (store, answers) = (Arc::clone(&self.store), self.answers.clone());
                let lease = self.machine.terms().lease.clone();
                self.counters.asked();
                tokio::spawn(async move {
                    let result = store.ask(&lease, request, timeout).await;
                    // The keeper has ended when nobody takes it.
                    let _ended = answers.send((id, result)).await;
                });
            }
            Action::Stand(order) => {
                self.counters.stand(&order);
                self.orders.send_replace(order);
            }
            Action::Show(view) => {
                self.view.send_replace(view);
            }
            // Who begins tells of it as it finds it.
            Action::Tell(_) if self.gate.is_some() => {}
            Action::Tell(happening) => self.teller.tell(happening, self.machine.row(), boot()),
            Action::Reply { id, result } => {
                if let Some(waiting) = self.waiting.remove(&id) {
                    // Who asked may have left.
                    let _left = waiting.send(result);
                }
            }
        }
    }
}

/// What is left of a tenure at `now`, as its order says; zero for none.
#[must_use]
pub fn left(order: &Order, now: Moment) -> std::time::Duration {
    match &order.standing {
        mainstay_core::lease::Standing::Held { until, .. } => until.since(now),
        _ => std::time::Duration::ZERO,
    }
}

/// Commands that may wait.
const COMMANDS: usize = 16;
/// Answers that may wait: a machine has fewer requests under way.
const ANSWERS: usize = 16;
/// Happenings kept for a listener that is slow.
const TOLD: usize = 256;
/// How long a machine that wants nothing is left alone.
const IDLE: std::time::Duration = std::time::Duration::from_secs(60);
