//! One node as one worker sees it, and the connections to it that idle.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::{Interrupt, Slot};

use super::secure::Secure;
use super::{Connection, Limit, Maker};
use crate::counters::NodeCounters;
use crate::http::h2::Links;
use crate::params::{self, Kind};
use crate::view::{Endpoint, NodeView, OutReason, Standing, Until};

/// One node as one worker sees it.
pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) weight: u32,
    pub(crate) role: params::Role,
    pub(crate) counters: Arc<NodeCounters>,
    pub(crate) limit: Option<Arc<Limit>>,
    /// Mark of the slots that wait on this node.
    pub(crate) tag: u64,
    /// Requests and sessions under way on this worker.
    pub(crate) in_flight: Cell<u32>,
    /// Whether the one trial request of the present standing was given out.
    pub(crate) trial_taken: Cell<bool>,
    /// Whether what waits on it is still to be ended, since it went out.
    pub(crate) to_be_left: Cell<bool>,
    /// Whether what waits on it is ended too when it is merely not well, once another is in: that one was promoted in its
    /// place.
    has_successor: bool,
    /// Whether what runs on it is still to be ended, since the tenure it runs in is over.
    pub(crate) demoted: Cell<bool>,
    view: RefCell<NodeView>,
    idle: RefCell<Vec<Idle>>,
    /// Its connections over HTTP/2.
    pub(crate) links: Links,
    keep_idle: Cell<usize>,
    max_requests: u64,
    secure: Option<Secure>,
}

struct Idle {
    stream: Stream,
    requests: u64,
    since: Moment,
}

impl Node {
    /// A node that stands as `view` says.
    pub(crate) fn new(pool: &params::Pool, node: &params::Node, view: &NodeView, maker: &Maker<'_>) -> Self {
        let tag = maker.tags.get() + 1;
        maker.tags.set(tag);
        Self {
            name: Arc::clone(&node.name),
            weight: node.weight,
            role: node.role,
            counters: maker.registry.node(maker.worker, &pool.name, &node.name),
            limit: maker.limits.get(&format!("node {}/{}", pool.name, node.name), node.max_connections),
            tag,
            in_flight: Cell::new(0),
            trial_taken: Cell::new(false),
            to_be_left: Cell::new(false),
            has_successor: pool.kind == Kind::Canton,
            demoted: Cell::new(false),
            view: RefCell::new(view.clone()),
            idle: RefCell::default(),
            links: Links::default(),
            keep_idle: Cell::new(usize::try_from(pool.keep_idle).unwrap_or(usize::MAX)),
            max_requests: pool.requests_per_connection,
            secure: pool.tls.as_ref().map(|client| Secure::new(client, node)),
        }
    }

    /// Takes over how control sees the node.
    pub(crate) fn apply(&self, view: &NodeView) {
        let before = self.standing();
        let tenure = self.view.borrow().tenure;
        let demoted = tenure.is_some() && tenure != view.tenure;
        self.demoted.set(self.demoted.get() || demoted);
        if before != view.standing {
            self.trial_taken.set(false);
        }
        self.view.replace(view.clone());
        if demoted || matches!(view.standing, Standing::Out(_) | Standing::Draining) {
            self.idle.borrow_mut().clear();
            self.links.leave();
        }
        if before != view.standing {
            let reason = |out| match out {
                OutReason::Check | OutReason::Unresolved | OutReason::Off | OutReason::NotLeader => true,
                OutReason::Unwell => self.has_successor,
                OutReason::Ejected | OutReason::NotReady => false,
            };
            self.to_be_left.set(matches!(view.standing, Standing::Out(out) if reason(out)));
        }
    }

    /// How control sees it.
    pub(crate) fn view(&self) -> NodeView {
        self.view.borrow().clone()
    }

    /// Whether it gets new work.
    pub(crate) fn standing(&self) -> Standing {
        self.view.borrow().standing
    }

    /// Since when it stands so.
    pub(crate) fn since(&self) -> Moment {
        self.view.borrow().since
    }

    /// Until when what runs on it may go on.
    pub(crate) fn until(&self) -> Option<Until> {
        self.view.borrow().until.clone()
    }

    /// Whether a good answer from it is news.
    pub(crate) fn answer_is_news(&self) -> bool {
        let view = self.view.borrow();
        view.suspect || view.standing == Standing::Trial
    }

    /// An idle connection, the latest used first. With `certain` the operating system is asked once more whether it
    /// still lives, for what must not ride on a connection that is about to end.
    pub(crate) fn take_idle(&self, now: Moment, longest: Duration, certain: bool) -> Option<(Stream, u64)> {
        let mut idle = self.idle.borrow_mut();
        while let Some(kept) = idle.pop() {
            let fresh = now.since(kept.since) < longest;
            if fresh && kept.stream.is_quiet() && (!certain || kept.stream.is_quiet_now()) {
                return Some((kept.stream, kept.requests));
            }
        }
        None
    }

    /// Keeps a connection for the next request, unless it is worn out or there are enough.
    pub(crate) fn keep(&self, connection: Connection, now: Moment) {
        let requests = connection.requests + 1;
        let mut idle = self.idle.borrow_mut();
        let wanted =
            matches!(self.standing(), Standing::In | Standing::Trial) && !matches!(connection.stream, Stream::Inner(_));
        if wanted && requests < self.max_requests && idle.len() < self.keep_idle.get() && connection.stream.is_quiet() {
            idle.push(Idle { stream: connection.stream, requests, since: now });
        }
    }

    /// Keeps no idle connection any more: nobody will ask for one.
    pub(crate) fn retire(&self) {
        self.keep_idle.set(0);
        self.idle.borrow_mut().clear();
        self.links.leave();
    }

    /// Whether every connection it may have is in use.
    pub(crate) fn is_full(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_full())
    }

    /// How many connections idle; of those over HTTP/2, all.
    pub(crate) fn idle(&self) -> usize {
        self.idle.borrow().len() + self.links.len()
    }

    /// Drops the idle connections that have ended or idled for `longest`.
    pub(crate) fn sweep(&self, now: Moment, longest: Duration) {
        self.idle.borrow_mut().retain(|kept| now.since(kept.since) < longest && kept.stream.is_quiet());
    }

    /// Where to connect, best first; nowhere while its name was never resolved.
    pub(crate) fn endpoints(&self) -> Arc<[Endpoint]> {
        Arc::clone(&self.view.borrow().endpoints)
    }

    /// Opens a connection to the first of its endpoints that takes one, all of them together in no more than `within`.
    /// Sets the deadline of `slot`.
    ///
    /// # Errors
    /// Why the last endpoint that was tried gave none.
    pub(crate) async fn connect(&self, slot: &Slot, within: Duration) -> Result<Stream, NoConnection> {
        connect_first(&self.endpoints(), slot, within, async |endpoint: &Endpoint| self.open(endpoint).await).await
    }

    /// Opens a connection to an address of it, encrypted where its pool asks for that.
    ///
    /// # Errors
    /// The operating system's; `NoTls` where the handshake came to nothing.
    pub(crate) async fn open(&self, endpoint: &Endpoint) -> io::Result<Stream> {
        let stream = connect(endpoint).await?;
        match &self.secure {
            None => Ok(stream),
            Some(secure) => Box::pin(secure.shake(stream, self)).await,
        }
    }
}

/// Why there is no connection to a node.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// The operating system's word; "not found" for a name that was never resolved.
    Refused(io::Error),
    /// None of its addresses answered in time.
    TimedOut,
    /// A signal came.
    Signal(u8),
}

/// How long each of so many addresses may take, so that one which does not answer leaves time for the next.
pub(crate) fn share(within: Duration, addresses: usize) -> Duration {
    within / u32::try_from(addresses).unwrap_or(u32::MAX).max(1)
}

async fn connect_first(
    endpoints: &[Endpoint],
    slot: &Slot,
    within: Duration,
    open: impl AsyncFn(&Endpoint) -> io::Result<Stream>,
) -> Result<Stream, NoConnection> {
    let share = share(within, endpoints.len());
    let mut last = NoConnection::Refused(io::Error::new(io::ErrorKind::NotFound, "its name was never resolved"));
    for endpoint in endpoints {
        slot.set(clock::now() + share);
        let mut connecting = pin!(open(endpoint));
        last = match slot.wait(|cx| connecting.as_mut().poll(cx)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if mainstay_io::is_exhaustion(&error) => return Err(NoConnection::Refused(error)),
            Ok(Err(error)) => NoConnection::Refused(error),
            Err(Interrupt::Expired) => NoConnection::TimedOut,
            Err(Interrupt::Signal(signals)) => return Err(NoConnection::Signal(signals)),
        };
    }
    Err(last)
}

/// Connects to an address of a node.
///
/// # Errors
/// The operating system's.
async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    match endpoint {
        Endpoint::Tcp(address) => Stream::connect_tcp(*address).await,
        Endpoint::Unix(path) => Stream::connect_unix(path).await,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use mainstay_io::alarm::Alarm;
    use mainstay_io::timer::Timers;
    use socket2::{Domain, Socket, Type};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// An address whose queue is full: the kernel lets whoever connects wait. Lasts as long as what comes with it.
    async fn silent() -> (SocketAddr, Socket, TcpStream) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let filler = TcpStream::connect(address).await.unwrap();
        (address, socket, filler)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let (first, second) = (silent().await, silent().await);
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = [first.0, second.0].map(Endpoint::Tcp);
        let well = Endpoint::Tcp(node.local_addr().unwrap());
        let timers = Timers::default();
        let slot = timers.slot(0);
        let work = async {
            let begun = Instant::now();
            let all = [silent[0].clone(), silent[1].clone(), well];
            connect_first(&all, &slot, Duration::from_millis(900), connect).await.expect("the third takes it");
            assert!(begun.elapsed() >= Duration::from_millis(600), "two shares, not {:?}", begun.elapsed());
            let begun = Instant::now();
            let none = connect_first(&silent, &slot, Duration::from_millis(400), connect).await;
            assert!(matches!(none, Err(NoConnection::TimedOut)), "{none:?}");
            assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
            let none = connect_first(&[], &slot, Duration::from_millis(400), connect).await;
            assert!(matches!(none, Err(NoConnection::Refused(_))), "{none:?}");
        };
        tokio::select! {
            () = work => {}
            ended = timers.run(Alarm::new().unwrap(), clock::now) => panic!("the tick ended: {ended:?}"),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("stuck"),
        }
    }
}
