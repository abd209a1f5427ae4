//! How many files the process may have open: each connection is one.

use mainstay_proxy::params::Plan;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Raises the limit to what the system allows, and says so when that is not much.
pub(super) fn raise_limit(plan: &Plan) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    let Some(limit) = limit else { return };
    let wanted = wanted(plan);
    if limit < FEW {
        warn!(
            limit,
            wanted, "few connections are possible at a time; raise the limit of open files (LimitNOFILE= in the unit)"
        );
    } else if limit < wanted {
        info!(limit, wanted, "the limit of open files is below what the listeners' limits of connections add up to");
    }
}

/// A connection to a node for each one from a client, and some for everything else.
fn wanted(plan: &Plan) -> u64 {
    plan.listeners.iter().map(|listener| 2 * u64::from(listener.max_connections)).sum::<u64>() + OTHERS
}

/// Fewer files than this make a front that any burst of clients stops.
const FEW: u64 = 4096;
const OTHERS: u64 = 256;
