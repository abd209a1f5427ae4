//! The TCP engine: one task per session, which carries a client's bytes to a node and the node's back.
//!
//! In the steady state a message costs one read, one write and a share of the event queue; a large one goes from socket
//! to socket without being copied. An idle session owns no buffer.

mod dial;
mod log;
mod postgres;
mod session;
mod watch;

use std::rc::Rc;
use std::sync::Arc;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::Slot;

use crate::access;
use crate::counters::{Close, ListenerCounters};
use crate::params::{self, PoolId, Service};
use crate::pool::{Held, Permit, Pool, Wait};
use crate::worker::{Listening, Peer, Worker};

use dial::NodeEnd;
use log::Account;
use session::Carrier;

/// A client's session.
struct Session {
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    client: Stream,
    peer: Peer,
    slot: Slot,
    params: params::Tcp,
    pool: Rc<Pool>,
    counters: Arc<ListenerCounters>,
    begun: Moment,
    account: Account,
    /// Its place in the line of those that wait for a node, once it had to.
    wait: Option<Wait>,
    /// Set from the moment it was accepted while there is no leader.
    held: Option<Held>,
    _permit: Permit,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    close: Close,
    /// How the last try went; `None` where none was made, or it has been noted already.
    last: Option<access::Outcome>,
    /// Why it failed, for the log; `None` for an orderly end.
    reason: Option<&'static str>,
    farewell: Farewell,
}

/// What both sides see of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// Everything was delivered, or nothing is under way: an ordinary end.
    Orderly,
    /// Bytes are lost, or an answer will never come: a reset, so that nobody takes it for an ordinary end.
    Reset,
}

/// Carries a client's session until it ends.
pub(crate) fn serve(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    client: Stream,
    peer: Peer,
    permit: Permit,
    pool: Option<PoolId>,
) -> impl Future<Output = ()> {
    // Made before the task is, and boxed: an idle session is one of thousands, and a future holds its arguments twice.
    let session = Session::open(worker, listening, client, peer, permit, pool).map(Box::new);
    async move {
        if let Some(session) = session {
            session.run().await;
        }
    }
}

impl Session {
    /// A session as the plan has it just now; `None`, and a reset for the client, when the plan has none.
    fn open(
        worker: Rc<Worker>,
        listening: Rc<Listening>,
        client: Stream,
        peer: Peer,
        permit: Permit,
        pool: Option<PoolId>,
    ) -> Option<Self> {
        let place = listening.setup();
        let found = place.as_ref().zip(listening.counters()).and_then(|((setup, index), counters)| {
            match &setup.plan.listeners.get(*index)?.service {
                Service::Tcp(params) => Some((params, setup.pool(pool.unwrap_or(params.pool))?, counters)),
                Service::Http(_) => None,
            }
        });
        let Some((params, pool, counters)) = found else {
            client.reset_on_close();
            return None;
        };
        let slot = worker.timers.slot(listening.group);
        let (params, pool) = (params.clone(), Rc::clone(pool));
        let (begun, account) = (clock::now(), Account::default());
        // Counted before the next client is accepted, which may be one too many.
        let held = if pool.is_open() { None } else { pool.hold_anyway(0) };
        let wait = held.is_some().then(|| Wait::new(&pool, begun));
        let _permit = permit;
        Some(Self {
            worker,
            listening,
            client,
            peer,
            slot,
            params,
            pool,
            counters,
            begun,
            account,
            wait,
            held,
            _permit,
        })
    }

    async fn run(mut self: Box<Self>) {
        self.opened();
        let end = match Box::pin(self.reach()).await {
            Ok(node) => Carrier::new(&mut self, node).await,
            Err(end) => end,
        };
        if let Some(held) = self.held.take() {
            self.pool.let_go(held);
        }
        if end.farewell == Farewell::Reset {
            self.client.reset_on_close();
        }
        self.closed(end);
    }

    /// The node that takes the session, once there is something to take.
    async fn reach(&mut self) -> Result<NodeEnd, End> {
        let Some(params) = self.params.postgres else { return self.dial().await };
        self.hear(params.handshake).await?;
        let reached = self.dial().await;
        if let Err(end) = &reached
            && end.farewell == Farewell::Reset
            && end.close != Close::Client
            && self.refuse_in_words()
        {
            return Err(End { farewell: Farewell::Orderly, ..*end });
        }
        reached
    }
}
