//! The thread a worker lives on.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mainstay_io::Pipes;
use mainstay_io::alarm::Alarm;
use mainstay_io::clock;
use mainstay_io::listen::{Listener, Socket};
use mainstay_io::timer::Timers;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinError;

use super::tide::Tide;
use super::{DRAIN, KILL, Listening, Setup, Sparing, Worker};
use crate::access::AccessSender;
use crate::counters::Registry;
use crate::http::Spares;
use crate::params::At;
use crate::pool::Limits;
use crate::view::{Report, Snapshot};

/// What a worker is told, in order.
pub(crate) enum Command {
    /// Serve this socket. The newest snapshot knows the listener.
    Listen(At, Socket),
    /// Stop serving this address: what is under way may finish.
    Close(At),
    /// End what still runs of closed listeners.
    Cut(At),
    /// What runs on a plan that is gone may go on for this long.
    Patience(Duration),
    /// Stop serving anything; the answer comes when nobody is left, or `Kill` has made it so.
    Drain(oneshot::Sender<()>),
    /// End all that is under way.
    Kill,
}

/// A running worker.
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) thread: thread::JoinHandle<()>,
}

/// What a worker is born with.
pub(crate) struct Birth {
    pub(crate) index: usize,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) patience: Duration,
    pub(crate) access: Option<AccessSender>,
    /// Told when it ends though nobody told it to.
    pub(crate) lost: Arc<Notify>,
}

/// Tells that its worker is lost unless it is disarmed, also when the thread panics.
struct Alive(Option<Arc<Notify>>);

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(lost) = self.0.take() {
            lost.notify_one();
        }
    }
}

/// Starts a worker's thread.
///
/// # Errors
/// If the operating system gives no thread or no event queue.
pub(crate) fn spawn(birth: Birth) -> io::Result<Handle> {
    let (commands, mut told) = mpsc::channel(MOST_COMMANDS);
    let mut runtime = Builder::new_current_thread();
    // Without tokio's timers, which would read the clock at every turn: workers have their own.
    runtime.enable_io().event_interval(EVENT_INTERVAL);
    let name = format!("worker-{}", birth.index);
    let thread = thread::Builder::new().name(name).spawn(move || {
        let mut alive = Alive(Some(Arc::clone(&birth.lost)));
        let runtime = match runtime.build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "start a worker: no event queue");
                return;
            }
        };
        match runtime.block_on(live(birth, &mut told)) {
            Ok(()) => alive.0 = None,
            Err(error) => tracing::error!(%error, "run a worker: no timer; raise the limit of open files"),
        }
    })?;
    Ok(Handle { commands, thread })
}

async fn live(birth: Birth, told: &mut mpsc::Receiver<Command>) -> io::Result<()> {
    let mut changed = birth.snapshots.clone();
    let counters = birth.registry.worker(birth.index);
    let worker = Rc::new(Worker {
        index: birth.index,
        timers: Timers::default(),
        access: RefCell::new(birth.access.map(|access| access.buffer(Arc::clone(&counters)))),
        counters,
        lent: RefCell::new(vec![0; LENT].into_boxed_slice()),
        spares: Spares::default(),
        pipes: Pipes::default(),
        mirrors: Cell::new(0),
        unstarted: Cell::new(0),
        refusals: Sparing::default(),
        registry: birth.registry,
        limits: birth.limits,
        reports: birth.reports,
        snapshots: RefCell::new(birth.snapshots),
        setup: RefCell::new(Rc::new(Setup::empty())),
        tide: Tide::default(),
        listening: RefCell::default(),
        closing: RefCell::default(),
        tags: Cell::new(0),
        draining: Cell::new(false),
        patience: Cell::new(birth.patience),
        retired: RefCell::default(),
    });
    worker.apply();
    let (tick, upkeep, look) = (Alarm::new()?, Alarm::new()?, Alarm::new()?);
    let limits = Arc::clone(&worker.limits);
    let timers = worker.timers.clone();
    // Without them nothing ends in time any more.
    let mut ticking = tokio::task::spawn_local(async move { timers.run(tick, clock::now).await });
    let mut keeping = tokio::task::spawn_local(Rc::clone(&worker).upkeep_for_ever(upkeep));
    loop {
        tokio::select! {
            biased;
            command = told.recv() => match command {
                Some(Command::Listen(at, socket)) => worker.listen(at, socket),
                Some(Command::Close(at)) => worker.close(&at),
                Some(Command::Cut(at)) => worker.cut(&at),
                Some(Command::Patience(patience)) => worker.patience.set(patience),
                Some(Command::Drain(done)) => return worker.drain(done, told, &look).await,
                Some(Command::Kill) | None => return Ok(()),
            },
            Ok(()) = changed.changed() => worker.apply(),
            () = limits.rung(worker.index) => worker.wake_waiting(),
            ended = &mut ticking => return flatten(ended),
            ended = &mut keeping => return flatten(ended),
        }
    }
}

/// How a task ended that never should: with its error, or by a panic.
fn flatten(ended: Result<io::Result<()>, JoinError>) -> io::Result<()> {
    ended.map_err(io::Error::other).and_then(|result| result)
}

impl Worker {
    fn listen(self: &Rc<Self>, at: At, socket: Socket) {
        self.apply();
        let listener = match Listener::from_socket(socket) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(?at, %error, "serve a listener: the event queue refuses it");
                return;
            }
        };
        let listening = Rc::new(Listening::new(at, &listener, self.next_tag()));
        listening.settle(&self.setup(), self);
        self.listening.borrow_mut().push(Rc::clone(&listening));
        let slot = self.timers.slot(listening.group);
        tokio::task::spawn_local(Rc::clone(self).accept(listening, listener, slot));
    }

    /// Ends one listener. Its clients learn with their next answer that the connection ends.
    fn close(&self, at: &At) {
        let mut listening = self.listening.borrow_mut();
        for closed in listening.extract_if(.., |one| one.at.is_same_place(at)) {
            closed.ending.set(true);
            self.timers.raise_group(closed.group, DRAIN);
            self.closing.borrow_mut().push(closed);
        }
    }

    /// Ends what still runs of closed listeners of this address.
    fn cut(&self, at: &At) {
        for closed in self.closing.borrow_mut().extract_if(.., |one| one.at.is_same_place(at)) {
            self.timers.raise_group(closed.group, KILL);
        }
    }

    async fn upkeep_for_ever(self: Rc<Self>, alarm: Alarm) -> io::Result<()> {
        loop {
            alarm.after(UPKEEP).await?;
            self.upkeep();
        }
    }

    async fn drain(
        self: &Rc<Self>,
        done: oneshot::Sender<()>,
        told: &mut mpsc::Receiver<Command>,
        look: &Alarm,
    ) -> io::Result<()> {
        for listening in self.listening.take() {
            listening.ending.set(true);
        }
        self.draining.set(true);
        self.timers.raise_all(DRAIN);
        let mut changed = self.snapshots.borrow().clone();
        while !self.timers.is_empty() {
            tokio::select! {
                rung = look.after(LOOK) => {
                    rung?;
                    self.flush_log();
                }
                Ok(()) = changed.changed() => self.apply(),
                () = self.limits.rung(self.index) => self.wake_waiting(),
                command = told.recv() => match command {
                    Some(Command::Kill) | None => self.timers.raise_all(KILL),
                    Some(_) => {}
                },
            }
        }
        // Nobody waits for the answer any more if Mainstay is being killed.
        let _ = done.send(());
        Ok(())
    }
}

/// The lent read buffer.
const LENT: usize = 64 * 1024;
/// Task polls between two looks at the event queue.
const EVENT_INTERVAL: u32 = 61;
/// Commands that may wait; whoever sends more waits too.
const MOST_COMMANDS: usize = 64;
const UPKEEP: Duration = Duration::from_millis(500);
/// How often a draining worker looks whether anybody is left.
const LOOK: Duration = Duration::from_millis(20);
