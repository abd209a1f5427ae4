use std::path::PathBuf;
use std::sync::Arc;

use mainstay_core::Moment;
use mainstay_core::guard::Ending;
use mainstay_core::lease::{ChildState, Name};

use crate::output::Flow;

/// How a guard is, for people and metrics.
#[derive(Clone, Debug)]
pub struct Status {
    /// How the child is.
    pub child: ChildState,
    /// Since when, on [`clock::boot`](mainstay_io::clock::boot).
    pub since: Moment,
    /// The process id of the child's command, while it runs.
    pub pid: Option<u32>,
    /// How often the child was started.
    pub starts: u64,
    /// How its command ended last.
    pub ended: Option<Ending>,
    /// Why it is not well, or why another is to take over.
    pub reason: Option<Name>,
    /// What last went wrong in guarding it, as a sentence.
    pub trouble: Option<Name>,
    /// What holds its processes together.
    pub containment: Containment,
    /// What it has written.
    pub output: Arc<Flow>,
    /// Nothing runs, and nothing will be started any more.
    pub over: bool,
}

/// What holds the processes of a run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Containment {
    /// A cgroup of its own: frozen and killed by the kernel as one.
    Cgroup(PathBuf),
    /// Their descent from the sentinel, looked up process by process. Why there is no cgroup.
    Descent(Name),
}
