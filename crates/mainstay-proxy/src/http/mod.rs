//! The HTTP/1 engine: one task per client connection, which carries its requests one after the other; and [`h2`], whose
//! streams it carries too.
//!
//! In the steady state a request costs two reads, two writes and a share of the event queue. An idle connection owns
//! no buffer: bytes are read into the worker's lent one, and what must outlive the moment goes into spares.

mod answer;
mod attempt;
mod body;
mod canton;
mod disguise;
mod down;
mod duplex;
mod forward;
pub(crate) mod h2;
mod job;
mod log;
mod mirror;
mod node_head;
mod page;
mod prepare;
mod queue;
mod reply;
pub(crate) mod route;
mod spares;
mod template;
mod tunnel;
mod up;
mod write;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::{Interrupt, Slot};
use mainstay_wire::h1::Fault;

use crate::counters::{Limit, ListenerCounters};
use crate::params::{Action, Http2};
use crate::pool::Permit;
use crate::worker::{DRAIN, KILL, Listening, Peer, Worker};

use job::Job;
use prepare::Prepared;
use spares::Buffers;
pub(crate) use spares::Spares;

/// A client's connection.
struct Conn {
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: Stream,
    peer: Peer,
    slot: Slot,
    /// Bytes read from the client and not yet done with: a head, and behind it what came along.
    input: Vec<u8>,
    /// Requests answered.
    served: u64,
    /// The clock when this connection's task last had news. Read once for each, since reading it costs.
    now: Moment,
    open: Open,
    _permit: Permit,
    /// The stream of HTTP/2 that it really is.
    over: Option<Rc<h2::Exchange>>,
}

/// A connection as its listener counts it, open until it is dropped.
struct Open {
    counters: Option<Arc<ListenerCounters>>,
    /// Whether it is a stream of a connection that is counted already.
    is_stream: bool,
}

impl Open {
    fn new(listening: &Listening) -> Self {
        let counters = listening.counters();
        if let Some(counters) = &counters {
            counters.active.add(1);
        }
        Self { counters, is_stream: false }
    }

    fn stream(listening: &Listening) -> Self {
        Self { counters: listening.counters(), is_stream: true }
    }

    /// Counts a request under way.
    fn begin(&self) {
        if let Some(counters) = &self.counters {
            counters.in_flight.add(1);
        }
    }

    /// That request is done with.
    fn end(&self) {
        if let Some(counters) = &self.counters {
            counters.in_flight.sub(1);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(counters) = self.counters.as_ref().filter(|_| !self.is_stream) {
            counters.active.sub(1);
        }
    }
}

/// A stream whose task has not had its first turn, as its worker counts it.
struct Unstarted(Rc<Worker>);

impl Unstarted {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.unstarted.set(worker.unstarted.get() + 1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        self.0.unstarted.set(self.0.unstarted.get().saturating_sub(1));
    }
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// The next request may come.
    Again,
    /// It ends: all that the client sent was read.
    Close,
    /// It ends while the client may still be sending: it gets to read the answer all the same.
    Linger,
    /// It ends at once: nobody is there, or what was written is no whole answer.
    Abort,
    /// The client speaks HTTP/2.
    Http2,
    /// The rest of the request is carried without this task, and told of then.
    Relayed,
}

/// Carries a client's requests until the connection ends.
pub(crate) fn serve(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: Stream,
    peer: Peer,
    permit: Permit,
) -> impl Future<Output = ()> {
    let slot = worker.timers.slot(listening.group);
    let (now, open, input) = (clock::now(), Open::new(&listening), Vec::new());
    let mut conn =
        Conn { worker, listening, stream, peer, slot, input, served: 0, now, open, _permit: permit, over: None };
    // A block and not a function: an `async fn` would hold its arguments twice, and idle connections are counted in
    // tens of thousands.
    async move {
        let end = loop {
            match conn.turn().await {
                Flow::Again => {}
                end => break end,
            }
        };
        match end {
            Flow::Http2 => return Box::pin(h2::serve(conn)).await,
            Flow::Again | Flow::Close | Flow::Relayed => {}
            Flow::Linger => Box::pin(conn.linger()).await,
            Flow::Abort => conn.stream.reset_on_close(),
        }
        conn.worker.spares.give_bytes(std::mem::take(&mut conn.input));
    }
}

/// Carries one request of a client that speaks HTTP/2, whose head has come.
fn serve_exchange(
    session: &h2::Session,
    exchange: Rc<h2::Exchange>,
    slot: Slot,
    head: Vec<u8>,
    now: Moment,
) -> impl Future<Output = ()> + use<> {
    let (worker, listening, peer) = (Rc::clone(&session.worker), Rc::clone(&session.listening), session.peer);
    let mut conn = Conn {
        stream: h2::stream(&exchange),
        open: Open::stream(&listening),
        worker,
        listening,
        peer,
        slot,
        input: head,
        served: 0,
        now,
        _permit: Permit::default(),
        over: Some(exchange),
    };
    let unstarted = Unstarted::new(&conn.worker);
    async move {
        drop(unstarted);
        // One that was given up before its turn came costs no node anything.
        if conn.stream.has_left() {
            return;
        }
        if conn.turn().await == Flow::Abort {
            conn.stream.reset_on_close();
        }
        conn.worker.spares.give_bytes(std::mem::take(&mut conn.input));
    }
}

impl Conn {
    /// One request, from the first byte of its head to the last of its answer.
    async fn turn(&mut self) -> Flow {
        self.slot.tag(0);
        self.slot.hear(DRAIN | KILL);
        let mut looked_at = 0;
        let mut begun = None;
        let (mut job, mut buffers) = loop {
            if self.served == 0 && self.input.starts_with(&TLS_HANDSHAKE) {
                return Box::pin(self.refuse_tls()).await;
            }
            if !self.input.is_empty() && self.takes_http2(|how| how == Http2::Only) {
                return Flow::Http2;
            }
            if !self.input.is_empty() && self.may_be_whole(looked_at) {
                looked_at = self.input.len();
                let mut buffers = self.worker.spares.take();
                match self.prepare(&mut buffers, *begun.get_or_insert(self.now)) {
                    Prepared::More => self.worker.spares.give(buffers),
                    Prepared::Refused(Fault::Http2Preface) if self.takes_http2(|how| how != Http2::Refused) => {
                        self.worker.spares.give(buffers);
                        return Flow::Http2;
                    }
                    Prepared::Refused(fault) => return Box::pin(self.refuse(buffers, fault)).await,
                    Prepared::Ready(job) => break (job, buffers),
                }
            }
            if let Err(flow) = self.read_head(&mut begun).await {
                return flow;
            }
        };
        // Boxed, so that a connection is small while it idles: the state of a request is several times its own.
        self.open.begin();
        let flow = Box::pin(self.work(&mut job, &mut buffers)).await;
        if flow == Flow::Relayed {
            self.start_relay(job, &mut buffers);
            self.worker.spares.give(buffers);
            return flow;
        }
        self.open.end();
        if let Some(over) = &self.over {
            over.settle(&mut job);
        }
        self.log(&job, &buffers);
        self.served += 1;
        self.next_input(&job, &mut buffers);
        self.worker.spares.give(buffers);
        let all_read = job.body.is_done() && self.input.is_empty();
        if flow == Flow::Close && !all_read { Flow::Linger } else { flow }
    }

    /// Whether the bytes since `looked_at` can have completed a head: only a line feed can. Keeps a head that drips in
    /// byte by byte from being looked at from its start for each of them.
    fn may_be_whole(&self, looked_at: usize) -> bool {
        let fresh = self.input.get(looked_at..).unwrap_or_default();
        fresh.contains(&b'\n') || self.input.len() > LOOK_ANYWAY
    }

    /// Reads more of a head. `begun` is when its first byte came.
    async fn read_head(&mut self, begun: &mut Option<Moment>) -> Result<(), Flow> {
        let Some(table) = self.table() else { return Err(Flow::Close) };
        let limits = &table.limits;
        match *begun {
            Some(begun) => self.slot.set(begun + limits.head_timeout),
            None if self.ending() => self.slot.set(self.now + LAST_CALL.min(limits.idle_timeout)),
            // The first request of a connection has as long as a head has.
            None if self.served == 0 => self.slot.set(self.now + limits.head_timeout),
            None => self.slot.set(self.now + limits.idle_timeout),
        }
        let (worker, stream) = (&self.worker, &mut self.stream);
        let read = self.slot.wait(|cx| stream.poll_read(cx, &mut worker.lent.borrow_mut())).await;
        match read {
            // It may say no more and read on: what it was answered must reach it.
            Ok(Ok(0)) => Err(Flow::Close),
            Ok(Err(_)) => Err(Flow::Abort),
            Ok(Ok(count)) => {
                self.now = clock::now();
                begun.get_or_insert(self.now);
                if self.input.capacity() == 0 {
                    self.input = self.worker.spares.take_bytes();
                }
                self.input.extend_from_slice(self.worker.lent.borrow().get(..count).unwrap_or_default());
                Ok(())
            }
            // A request may be on its way just now, so an idle connection that is to end hears one more.
            Err(Interrupt::Signal(signals)) if signals & KILL == 0 => {
                self.slot.lower(DRAIN);
                self.now = clock::now();
                Ok(())
            }
            Err(Interrupt::Signal(_)) => Err(Flow::Abort),
            Err(Interrupt::Expired) if begun.is_none() => {
                self.limit(Limit::Idle);
                Err(Flow::Close)
            }
            Err(Interrupt::Expired) => {
                self.limit(Limit::HeadSlow);
                Err(Box::pin(self.refuse_slow()).await)
            }
        }
    }

    async fn work(&mut self, job: &mut Job, buffers: &mut Buffers) -> Flow {
        let route = Rc::clone(&job.route);
        match &route.params.action {
            _ if job.refusal.is_some() => Box::pin(self.answer_refusal(job, buffers)).await,
            Action::Forward(forward) => match self.take_whole(job, forward) {
                Ok(()) => self.forward(job, buffers, forward).await,
                Err(status) => Box::pin(self.refuse_body(job, buffers, status)).await,
            },
            Action::Reply(reply) => Box::pin(self.answer_here(job, buffers, reply)).await,
        }
    }

    /// Lets go of the request that is done with and keeps what came behind it.
    fn next_input(&mut self, job: &Job, buffers: &mut Buffers) {
        if self.input.len() > job.head_len + job.body_here {
            self.input.drain(..job.head_len + job.body_here);
        } else {
            self.input.clear();
        }
        self.input.append(&mut buffers.rest);
        if self.input.is_empty() {
            self.worker.spares.give_bytes(std::mem::take(&mut self.input));
        }
    }

    /// Ends a connection so that the client gets to read what was written: says that nothing more comes, then lets what
    /// the client still sends run dry for a while. Closing at once would make the kernel answer those bytes with a
    /// reset, which takes the answer away from a client that has not read it yet (RFC 9112 9.6).
    async fn linger(&mut self) {
        if self.stream.shutdown_write().is_err() {
            return;
        }
        self.slot.hear(KILL);
        self.slot.set(clock::now() + LINGER);
        let mut left = LINGER_BYTES;
        while left > 0 {
            let (worker, stream) = (&self.worker, &mut self.stream);
            match self.slot.wait(|cx| stream.poll_read(cx, &mut worker.lent.borrow_mut())).await {
                Ok(Ok(count)) if count > 0 => left = left.saturating_sub(count),
                _ => return,
            }
        }
    }

    /// The listener's routes as they are now; `None` once it is one for TCP.
    fn table(&self) -> Option<Rc<route::Table>> {
        self.listening.table()
    }

    /// Whether a client goes over to HTTP/2: with its first bytes, where the listener takes it in such a way.
    fn takes_http2(&self, way: impl FnOnce(Http2) -> bool) -> bool {
        self.served == 0 && self.over.is_none() && self.table().is_some_and(|table| way(table.http2))
    }

    /// Whether the request is a call of gRPC. Such a stream may be silent for as long as it likes in either direction.
    fn is_call(&self) -> bool {
        self.over.as_ref().is_some_and(|exchange| exchange.is_grpc)
    }

    /// How long is waited for a side to speak: `usual`, but for a call.
    fn patience(&self, usual: Duration) -> Duration {
        if self.is_call() { FOREVER } else { usual }
    }

    /// Whether clients are to be told that the connection ends.
    fn ending(&self) -> bool {
        self.listening.ending.get()
    }
}

/// How a record of TLS begins in which a client says hello. No request of HTTP does.
const TLS_HANDSHAKE: [u8; 2] = [22, 3];
/// As long as nobody measures.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// A head this long without a line feed is looked at all the same, to find that it is too long.
const LOOK_ANYWAY: usize = 1024;
/// How long an idle connection that is to end waits for one more request.
const LAST_CALL: Duration = Duration::from_secs(1);
/// How long a connection that ends waits for the client to read its last answer.
const LINGER: Duration = Duration::from_secs(2);
/// How much a client may still send meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_state<F>(_: impl Fn(Rc<Worker>, Rc<Listening>, Stream, Peer, Permit) -> F) -> usize {
        size_of::<F>()
    }

    /// Every idle connection owns this much; the kernel's and the event loop's shares come on top.
    #[test]
    fn a_connections_state_is_small() {
        let size = size_of_state(serve);
        assert!(size <= 512, "{size} bytes");
    }
}
