//! A lease that a test plays: what is heard of it cannot be had otherwise without two guards and a store.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{LeaseView, Nonce, Phase, Token};
use mainstay_proxy::front::{Front, Leases, Options};
use mainstay_proxy::params::{Hold, Plan, Policy};
use tokio::sync::watch;

/// What the keeper of lease `l` says.
pub(crate) struct Lease(watch::Sender<LeaseView>);

impl Lease {
    /// A lease nobody has held yet.
    pub(crate) fn new() -> Self {
        Self(watch::channel(view("", 0, Phase::Vacant)).0)
    }

    /// Says that `holder` has the tenure `nonce` and is so far.
    pub(crate) fn says(&self, holder: &str, nonce: u128, phase: Phase) {
        self.0.send_replace(view(holder, nonce, phase));
    }

    pub(crate) fn watch(&self) -> Leases {
        Leases::from([(Arc::from("l"), self.0.subscribe().into())])
    }
}

fn view(holder: &str, nonce: u128, phase: Phase) -> LeaseView {
    let holder = (!holder.is_empty()).then(|| holder.into());
    LeaseView { holder, nonce: Nonce(nonce), token: Token::default(), phase, fresh: true, paused: false }
}

/// Makes the first pool follow lease `l`: its nodes belong to `a`, `b`, ...
pub(crate) fn follow(mut plan: Plan) -> Plan {
    let pool = &mut plan.pools[0];
    pool.policy = Policy::Leader { lease: Arc::from("l") };
    pool.hold = Hold { requests: 100, bytes: 1024 * 1024, time: Duration::from_secs(15) };
    for (node, holder) in pool.nodes.iter_mut().zip(["a", "b", "c"]) {
        node.holder = Some(Arc::from(holder));
    }
    plan
}

/// Starts a front that follows `lease`.
pub(crate) async fn start(plan: Plan, lease: &Lease, workers: usize) -> Front {
    let options = Options { workers, drain: Duration::from_secs(5), access: None, leases: lease.watch() };
    Front::start(plan, options).await.unwrap()
}
