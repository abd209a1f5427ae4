//! Which nodes are in: active checks, names, removal by live traffic, and what operators say, put together into
//! snapshots for the workers.
//!
//! One [`Board`] holds everything known and decides (with `mainstay-core`) what follows from each piece of news; one
//! task per check, per name and for the reports of the workers brings the news. A check that several pools share is
//! one check.
//!
//! At the start a node is in until a check says otherwise, and the first check comes within a tenth of a second and
//! decides by itself. Out until proven good would be a front that refuses everything each time it starts, also when
//! nothing is wrong; and what is tried on a dead node meanwhile is a refused connection, which goes on elsewhere.
//! A node whose name was never resolved is out, as there is nothing to connect to.

mod adopt;
mod board;
mod leases;
mod names;
mod node;
mod probe;
mod prober;
mod quiet;
mod status;
mod task;
#[cfg(test)]
mod tests;
mod watcher;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainstay_io::clock;
use mainstay_io::resolve::Resolver;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};

pub use self::status::{CheckCounts, CheckStatus, ControlCounts, LastCheck, LeaseStatus, NodeStatus, PoolStatus};

use self::board::Board;
use self::names::Resolve;
use self::task::Task;
use crate::counters::Registry;
use crate::front::Leases;
use crate::params::Plan;
use crate::view::{Report, Snapshot};

/// The control side of the front. Dropping it ends its tasks; the last snapshot stays valid.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
    /// Ended with this: the task for reports, and the one that lets ejections end.
    _tasks: [Task; 2],
}

impl Control {
    /// Starts checking what `plan` says, with tasks on the runtime it is called from. Snapshots come out of the watch,
    /// reports go into the channel, which holds [`MAX_REPORTS`]; what live traffic has of the nodes is in `traffic`.
    #[must_use]
    pub fn start(
        plan: Arc<Plan>,
        traffic: Arc<Registry>,
    ) -> (Self, watch::Receiver<Arc<Snapshot>>, mpsc::Sender<Report>) {
        Self::start_with(plan, traffic, Arc::new(Resolver::new(MAX_LOOKUPS)))
    }

    fn start_with(
        plan: Arc<Plan>,
        traffic: Arc<Registry>,
        resolver: Arc<dyn Resolve>,
    ) -> (Self, watch::Receiver<Arc<Snapshot>>, mpsc::Sender<Report>) {
        let (sender, reports) = mpsc::channel(MAX_REPORTS);
        let runtime = Handle::current();
        let board = Mutex::new(Board::new(traffic));
        let shared = Arc::new(Shared { board, resolver, runtime: runtime.clone(), named: Notify::new() });
        let snapshots = {
            let mut board = shared.board();
            board.adopt(plan, clock::now());
            shared.spawn(&mut board);
            board.subscribe()
        };
        let taking = runtime.spawn(take_reports(Arc::clone(&shared), reports));
        let ticking = runtime.spawn(tick(Arc::clone(&shared)));
        let tasks = [Task(taking.abort_handle()), Task(ticking.abort_handle())];
        (Self { shared, _tasks: tasks }, snapshots, sender)
    }

    /// Waits until every name of the plan has been looked up once, or `within` is over. Before that, nodes with names
    /// are out.
    pub async fn named(&self, within: Duration) {
        let plan = Arc::clone(&self.shared.board().plan);
        self.shared.names_tried(&plan, within).await;
    }

    /// Goes over to another plan. Checks that are the same go on with what they found; nodes of the same name and
    /// address keep how they stand, also when an operator drains them. Names that are new are looked up first, for at
    /// most two seconds.
    pub async fn replace(&self, plan: Arc<Plan>) {
        {
            let mut board = self.shared.board();
            board.add_names(&plan);
            self.shared.spawn(&mut board);
        }
        self.shared.names_tried(&plan, NAMES_WITHIN).await;
        let mut board = self.shared.board();
        board.adopt(plan, clock::now());
        self.shared.spawn(&mut board);
    }

    /// Follows these leases, besides those it follows already; one that no pool of the plan follows is forgotten with the
    /// next plan. Tasks run on the runtime this is called from.
    pub fn follow(&self, leases: &Leases) {
        for (name, followed) in leases {
            leases::follow(&self.shared, name, followed.clone());
        }
    }

    /// Gives the nodes called `node` (in all pools) or `pool/node` no new work, and says how many there are.
    ///
    /// # Errors
    /// There is none.
    pub fn drain(&self, node: &str) -> Result<usize, NoSuchNode> {
        self.set_drained(node, true)
    }

    /// Ends the drain of nodes, and forgets what live traffic had against them; otherwise as [`Control::drain`].
    ///
    /// # Errors
    /// There is no such node.
    pub fn admit(&self, node: &str) -> Result<usize, NoSuchNode> {
        self.set_drained(node, false)
    }

    fn set_drained(&self, node: &str, drained: bool) -> Result<usize, NoSuchNode> {
        match self.shared.board().set_drained(node, drained, clock::now()) {
            0 => Err(NoSuchNode { name: node.to_owned() }),
            found => Ok(found),
        }
    }

    /// How every node is, for operators.
    #[must_use]
    pub fn status(&self) -> Vec<PoolStatus> {
        self.shared.board().status()
    }

    /// Totals since the start.
    #[must_use]
    pub fn counts(&self) -> ControlCounts {
        self.shared.board().counts
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let mut board = self.shared.board();
        board.probers.clear();
        board.names.clear();
        board.leases.clear();
    }
}

/// No pool has a node of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchNode {
    /// The name.
    pub name: String,
}

impl fmt::Display for NoSuchNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no pool has a node {:?}", self.name)
    }
}

impl std::error::Error for NoSuchNode {}

/// What the tasks have in common.
struct Shared {
    /// Held only to take in one piece of news, never across a wait. Whenever it is free, the snapshot published last
    /// shows what it holds.
    board: Mutex<Board>,
    resolver: Arc<dyn Resolve>,
    runtime: Handle,
    /// Woken each time a look-up has ended.
    named: Notify,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        // A board is whole between any two pieces of news; a panic in one would not make the next less true.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the tasks of what is new on the board.
    fn spawn(self: &Arc<Self>, board: &mut Board) {
        for (key, prober) in board.probers.iter_mut().filter(|(_, prober)| prober.task.is_none()) {
            let run = prober::run(Arc::clone(self), *key, Arc::clone(&prober.wake));
            prober.task = Some(Task(self.runtime.spawn(run).abort_handle()));
            if prober.watched().is_some() {
                let run = watcher::run(Arc::clone(self), *key);
                prober.watcher = Some(Task(self.runtime.spawn(run).abort_handle()));
            }
        }
        for (host, name) in board.names.iter_mut().filter(|(_, name)| name.task.is_none()) {
            let run = names::run(Arc::clone(self), Arc::clone(host), Arc::clone(&name.wake));
            name.task = Some(Task(self.runtime.spawn(run).abort_handle()));
        }
    }

    async fn names_tried(&self, plan: &Plan, within: Duration) {
        let tried = async {
            loop {
                let looked_up = self.named.notified();
                tokio::pin!(looked_up);
                looked_up.as_mut().enable();
                if self.board().names_tried(plan) {
                    return;
                }
                looked_up.await;
            }
        };
        // What has no answer by then goes on in the background.
        let _ = tokio::time::timeout(within, tried).await;
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Takes in what workers report, everything that is there at a time, so that a burst makes one snapshot.
async fn take_reports(shared: Arc<Shared>, mut reports: mpsc::Receiver<Report>) {
    let mut taken = Vec::new();
    while reports.recv_many(&mut taken, MAX_REPORTS).await > 0 {
        shared.board().reports(&taken, clock::now());
        taken.clear();
    }
}

/// Lets the time of ejections pass.
async fn tick(shared: Arc<Shared>) {
    let timer = Arc::clone(&shared.board().timer);
    loop {
        let due = shared.board().tick_due();
        if task::wait(due, &timer).await {
            shared.board().tick(clock::now());
        }
    }
}

/// Reports that may wait to be taken in; a worker drops what finds no room.
pub const MAX_REPORTS: usize = 4096;

/// Look-ups under way at a time.
const MAX_LOOKUPS: usize = 16;

/// How long a new plan waits for names that are new.
const NAMES_WITHIN: Duration = Duration::from_secs(2);

/// Longest and shortest time a node in doubt has for a sign of life; between these it is what its pool says makes a
/// node suspect.
const MAX_LIFE_TIMEOUT: Duration = Duration::from_secs(2);
const MIN_LIFE_TIMEOUT: Duration = Duration::from_millis(100);
