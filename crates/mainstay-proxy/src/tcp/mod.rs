//! The TCP engine: one task per session, which carries a client's bytes to a node and the node's back.
//!
//! In the steady state a message costs one read, one write and a share of the event queue; a large one goes from socket
//! to socket without being copied. An idle session owns no buffer.

mod dial;
mod log;
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
use crate::params::{self, Service};
use crate::pool::{Permit, Pool};
use crate::worker::{Listening, Peer, Worker};

use log::Account;

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
pub(crate) async fn serve(worker: Rc<Worker>, listening: Rc<Listening>, client: Stream, peer: Peer, permit: Permit) {
    let setup = worker.setup();
    let service = listening.index().and_then(|index| setup.plan.listeners.get(index)).map(|params| &params.service);
    let Some(Service::Tcp(params)) = service else { return client.reset_on_close() };
    let Some(pool) = setup.pool(params.pool).cloned() else { return client.reset_on_close() };
    let Some(counters) = listening.counters() else { return client.reset_on_close() };
    let (params, slot) = (params.clone(), worker.timers.slot(listening.group));
    drop(setup);
    let (begun, account) = (clock::now(), Account::default());
    let mut session = Session { worker, listening, client, peer, slot, params, pool, counters, begun, account };
    session.opened();
    let end = match Box::pin(session.dial()).await {
        Ok(node) => session.carry(node).await,
        Err(end) => end,
    };
    if end.farewell == Farewell::Reset {
        session.client.reset_on_close();
    }
    session.closed(end);
    drop(permit);
}
