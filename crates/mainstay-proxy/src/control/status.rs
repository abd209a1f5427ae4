//! What operators are shown of pools, nodes and checks.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{LeaseView, Name};
use mainstay_core::{Moment, Verdict};

use crate::params::Role;
use crate::view::{Endpoint, Standing};

/// How the nodes of a pool are.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// [`crate::params::Pool::name`].
    pub name: Arc<str>,
    /// In the order of the plan.
    pub nodes: Vec<NodeStatus>,
    /// The lease it follows, if it does.
    pub lease: Option<LeaseStatus>,
}

/// What a front knows of the lease that a pool follows.
#[derive(Clone, Debug)]
pub struct LeaseStatus {
    /// Its name.
    pub name: Name,
    /// What was last heard of it; `None`: nothing so far.
    pub view: Option<LeaseView>,
    /// The node that new work goes to.
    pub leader: Option<Arc<str>>,
}

/// How a node is.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// [`crate::params::Node::name`].
    pub name: Arc<str>,
    /// When it is used.
    pub role: Role,
    /// Whether it gets new work.
    pub standing: Standing,
    /// Why it stands so, or what speaks against it while it is in; `None` when there is nothing to say.
    pub reason: Option<String>,
    /// Since when it stands so.
    pub since: Moment,
    /// Where it is connected to, best first; empty while its name was never resolved.
    pub endpoints: Arc<[Endpoint]>,
    /// Its checks; for a node without any, what probes found while it was in doubt, if it ever was.
    pub checks: Vec<CheckStatus>,
    /// How often its standing has changed.
    pub transitions: u64,
    /// How often live traffic has put it out.
    pub ejections: u64,
}

/// How a check of a node went.
#[derive(Clone, Debug)]
pub struct CheckStatus {
    /// [`crate::params::Checker::name`]; `doubt` for probes of a node without checks.
    pub name: Arc<str>,
    /// What its results add up to.
    pub verdict: Verdict,
    /// Whether it runs faster because the verdict may be about to change.
    pub in_doubt: bool,
    /// The one that ended last.
    pub last: Option<LastCheck>,
    /// Totals. A check that several pools share is one check, and counts once in each of them.
    pub counts: CheckCounts,
}

/// How the last check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCheck {
    /// When it ended.
    pub at: Moment,
    /// How long it took.
    pub took: Duration,
    /// What was wrong, as a phrase like `status 503`; `None` when it was good.
    pub fault: Option<String>,
}

/// Totals of a check since it was first configured; a reload that leaves it as it is keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckCounts {
    /// Checks that have ended.
    pub checks: u64,
    /// Those that were bad.
    pub failures: u64,
    /// Time all of them took together.
    pub took: Duration,
    /// Times that a watched node told of a change, or its stream was lost, so that it was checked at once.
    pub told: u64,
}

/// Totals of the control side since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlCounts {
    /// Snapshots published.
    pub snapshots: u64,
    /// Changes of a node's standing.
    pub transitions: u64,
    /// Reports of live traffic that were taken in.
    pub reports: u64,
    /// Reports dropped because they were about an older plan. (Those dropped because the channel was full are counted
    /// by the workers.)
    pub reports_stale: u64,
    /// Look-ups of names.
    pub lookups: u64,
    /// Look-ups that gave no address.
    pub lookup_failures: u64,
}
