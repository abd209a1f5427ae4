//! One try of a request on one node.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mainstay_core::retry::{self, Decision, Sent};
use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::Interrupt;

use super::answer::{Answer, Taken};
use super::job::Job;
use super::log::{Outcome, Tried};
use super::spares::Buffers;
use super::up::Upload;
use super::write::write_with_head;
use super::{Conn, Flow};
use crate::params::Forward;
use crate::pool::{Connection, Guard, NoTls, Node, Pool, share};
use crate::view::Event;
use crate::worker::{DEMOTED, KILL, NODE_OUT, ON_NODE};

/// How a try ended.
pub(super) enum Attempt {
    /// The client has its answer, as far as it can get one.
    Ended(Flow),
    /// The node gave none that may be used.
    Failed(Failed),
}

/// A try that brought the client nothing so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    pub(super) failure: retry::Failure,
    pub(super) sent: Sent,
    pub(super) connection: retry::Connection,
    pub(super) outcome: Outcome,
    /// What follows, where that was settled before the answer was let go.
    pub(super) decided: Option<Decision>,
}

impl Failed {
    pub(super) fn before(failure: retry::Failure, outcome: Outcome) -> Self {
        Self { failure, sent: Sent::Nothing, connection: retry::Connection::Fresh, outcome, decided: None }
    }

    /// Nothing was sent: the time to connect was over, or the node went out.
    pub(super) fn not_connected(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Expired => Self::before(retry::Failure::Connect, Outcome::ConnectTimeout),
            Interrupt::Signal(signals) => Self::before(retry::Failure::NodeOut, Outcome::of_signal(signals)),
        }
    }

    pub(super) fn after(up: &Connection, failure: retry::Failure, outcome: Outcome) -> Self {
        // A node that says that it has done nothing is believed (RFC 9113 8.7).
        if up.stream.is_untouched() {
            let connection = retry::Connection::Reused;
            return Self { failure, sent: Sent::Nothing, connection, outcome, decided: None };
        }
        Self { failure, sent: Sent::Some, connection: up.kind(), outcome, decided: None }
    }

    /// The connection broke.
    pub(super) fn broken(up: &Connection) -> Self {
        Self::after(up, retry::Failure::Broken, Outcome::Broken)
    }
}

/// Where a try goes.
pub(super) struct Aim<'a> {
    pub(super) forward: &'a Forward,
    pub(super) pool: &'a Rc<Pool>,
    pub(super) node: &'a Node,
    /// The node's index in its pool.
    pub(super) index: u32,
    /// Whether it must be a new connection, because one that had idled has just failed.
    pub(super) fresh: bool,
}

impl Conn {
    /// Sends the request to a node and brings the client its answer.
    pub(super) async fn attempt(&mut self, job: &mut Job, buffers: &mut Buffers, aim: &Aim<'_>) -> Attempt {
        self.slot.lower(NODE_OUT | DEMOTED);
        self.slot.tag(aim.node.tag);
        self.slot.hear(ON_NODE);
        // What must not be done twice must not ride on a connection that is about to end.
        let certain = !job.method.is_idempotent();
        let mut begun = job.take_begun();
        let idle = if aim.fresh { None } else { aim.pool.take_idle(aim.index, self.now, certain, &mut begun) };
        let mut up = match idle {
            Some(up) => {
                job.account.connect = None;
                up
            }
            None => {
                let Some(guard) = begun.or_else(|| aim.pool.begin(aim.index)) else {
                    return Attempt::Failed(Failed::before(retry::Failure::Connect, Outcome::Busy));
                };
                match self.reach(job, aim, guard).await {
                    Ok(up) => up,
                    Err(failed) => return Attempt::Failed(failed),
                }
            }
        };
        aim.node.counters.requests.one();
        buffers.partial.clear();
        buffers.unsent.clear();
        if let Err(failed) = self.send(job, buffers, &up) {
            return Attempt::Failed(failed);
        }
        let mut answer = match self.await_answer(job, buffers, aim, &mut up).await {
            Ok(answer) => answer,
            Err(attempt) => return attempt,
        };
        let flow = self.finish(job, buffers, aim, &mut up, &mut answer).await;
        if let (Flow::Abort, Some(over)) = (flow, &self.over) {
            over.note_code(up.stream.code());
        }
        if flow == Flow::Relayed {
            job.up = Some(Box::new(up));
        } else if answer.node_keeps && flow != Flow::Abort {
            aim.node.keep(up, self.now);
        }
        Attempt::Ended(flow)
    }

    /// Sends the rest of the body and reads until the answer's head is there and passed on.
    async fn await_answer(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &mut Connection,
    ) -> Result<Answer, Attempt> {
        let sent_at = self.now;
        // Whether what came behind an interim response is still to be looked at.
        let mut look_again = false;
        let mut interims = 0;
        loop {
            if !look_again && (!job.body.is_done() || !buffers.unsent.is_empty()) {
                Box::pin(self.send_body(job, buffers, aim, up)).await?;
            }
            let count = if look_again { 0 } else { self.read_node(aim, up).await.map_err(Attempt::Failed)? };
            if job.account.first_byte.is_none() {
                aim.node.counters.first_byte.record(self.now.since(sent_at));
                job.account.first_byte = Some(self.now.since(job.begun));
            }
            look_again = match self.take_answer(job, buffers, aim, up, count) {
                Taken::More => false,
                Taken::Interim => {
                    interims += 1;
                    if interims > MOST_INTERIMS {
                        return Err(Attempt::Failed(Failed::after(up, retry::Failure::Invalid, Outcome::Invalid)));
                    }
                    Box::pin(self.pass_interim(job, buffers)).await.map_err(Attempt::Ended)?;
                    !buffers.partial.is_empty()
                }
                Taken::Failed(failed) => return Err(Attempt::Failed(failed)),
                Taken::Page(status) => {
                    self.note_answer(buffers, aim, status);
                    return Err(Attempt::Ended(Box::pin(self.answer_status(job, buffers, status)).await));
                }
                Taken::Final(answer) => return Ok(answer),
            };
        }
    }

    async fn send_body(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &mut Connection,
    ) -> Result<(), Attempt> {
        let uploaded = self.upload(job, buffers, aim, up).await;
        self.now = clock::now();
        match uploaded {
            Upload::Sent | Upload::NodeSpeaks => Ok(()),
            Upload::Failed(failed) => Err(Attempt::Failed(failed)),
            Upload::Refused(status) => Err(Attempt::Ended(self.refuse_body(job, buffers, status).await)),
            Upload::Abandoned(reason) => {
                job.account.reason = reason;
                let (pool, node) = (Rc::clone(aim.pool), aim.index);
                buffers.tries.push(Tried { pool, node, outcome: Outcome::Abandoned });
                Err(Attempt::Ended(Flow::Abort))
            }
        }
    }

    /// A connection to the node for this request, or a place on one.
    async fn reach(&mut self, job: &mut Job, aim: &Aim<'_>, guard: Guard) -> Result<Connection, Failed> {
        if !aim.pool.params.http2 {
            return Box::pin(self.dial(job, aim, guard)).await;
        }
        match self.place_now(job, aim, guard) {
            Ok(up) => Ok(up),
            Err(guard) => Box::pin(self.place(job, aim, guard)).await,
        }
    }

    /// Opens a connection to the node.
    async fn dial(&mut self, job: &mut Job, aim: &Aim<'_>, guard: Guard) -> Result<Connection, Failed> {
        self.open(job, aim).await.map(|stream| guard.fresh(stream))
    }

    /// Opens a stream to the node, at the first of its addresses that takes one.
    pub(super) async fn open(&mut self, job: &mut Job, aim: &Aim<'_>) -> Result<Stream, Failed> {
        let begun = clock::now();
        self.now = begun;
        aim.node.counters.connects.one();
        let endpoints = aim.node.endpoints();
        // An address that does not answer must not use up the time of the next.
        let share = share(aim.pool.params.connect_timeout, endpoints.len());
        let mut failed = Failed::before(retry::Failure::Connect, Outcome::Refused);
        for endpoint in endpoints.iter() {
            let mut connecting = pin!(aim.node.open(endpoint));
            let connected = self.wait_for_node(aim, share, |cx| connecting.as_mut().poll(cx)).await;
            self.now = clock::now();
            failed = match connected {
                Ok(Ok(stream)) => {
                    let took = self.now.since(begun);
                    aim.node.counters.connect.record(took);
                    job.account.connect = Some(took);
                    return Ok(stream);
                }
                Ok(Err(error)) => Failed::before(retry::Failure::Connect, Outcome::of_connect(&error)),
                Err(interrupt @ Interrupt::Expired) => Failed::not_connected(interrupt),
                // Whichever address it is, the node is out.
                Err(interrupt @ Interrupt::Signal(_)) => return Err(Failed::not_connected(interrupt)),
            };
        }
        Err(failed)
    }

    /// Sends the head and what there is of the body; what the system does not take is left unsent.
    fn send(&self, job: &Job, buffers: &mut Buffers, up: &Connection) -> Result<(), Failed> {
        let body = self.input.get(job.head_len..job.head_len + job.body_here).unwrap_or_default();
        let all = buffers.head.len() + body.len();
        match write_with_head(&up.stream, &mut buffers.head, body) {
            Ok(written) if written == all => Ok(()),
            Ok(written) => {
                let head_left = buffers.head.get(written..).unwrap_or_default();
                let body_from = written.saturating_sub(buffers.head.len());
                buffers.unsent.extend_from_slice(head_left);
                buffers.unsent.extend_from_slice(body.get(body_from..).unwrap_or_default());
                Ok(())
            }
            // The system took nothing, so the node has seen nothing.
            Err(_) => Err(Failed { sent: Sent::Nothing, ..Failed::broken(up) }),
        }
    }

    /// Reads from the node into the lent buffer.
    async fn read_node(&mut self, aim: &Aim<'_>, up: &mut Connection) -> Result<usize, Failed> {
        let (worker, stream) = (&self.worker, &mut up.stream);
        let event = |cx: &mut Context<'_>| stream.poll_read(cx, &mut worker.lent.borrow_mut());
        let read = self.wait_for_node(aim, self.patience(aim.forward.read_timeout), event).await;
        self.now = clock::now();
        match read {
            Ok(Ok(count)) if count > 0 => Ok(count),
            Ok(_) => Err(Failed::broken(up)),
            Err(interrupt) => Err(Failed::of_interrupt(up, interrupt)),
        }
    }

    /// Waits for an event on a node's side, from [`Conn::now`] on. A wait that gets long makes the node suspect.
    pub(super) async fn wait_for_node<T>(
        &self,
        aim: &Aim<'_>,
        longest: Duration,
        mut event: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Interrupt> {
        let (doubt, last) = (self.now + aim.pool.params.doubt_after, self.now + longest);
        let mut doubted = doubt >= last;
        self.slot.set(if doubted { last } else { doubt });
        poll_fn(|cx| {
            loop {
                return match event(cx) {
                    Poll::Ready(value) => Poll::Ready(Ok(value)),
                    Poll::Pending => match self.slot.poll_interrupt(cx) {
                        Poll::Ready(Interrupt::Expired) if !doubted => {
                            doubted = true;
                            self.worker.report(aim.pool, aim.index, Event::Slow);
                            self.slot.set(last);
                            continue;
                        }
                        other => other.map(Err),
                    },
                };
            }
        })
        .await
    }

    /// Notes an answer that is the last word of a node, for the log and for control.
    fn note_answer(&self, buffers: &mut Buffers, aim: &Aim<'_>, status: u16) {
        let outcome = Outcome::Answered(status);
        buffers.tries.push(Tried { pool: Rc::clone(aim.pool), node: aim.index, outcome });
        if status < 500 {
            aim.node.counters.answered.set(self.now);
        }
        if aim.node.answer_is_news() {
            self.worker.report(aim.pool, aim.index, Event::Answered);
        }
    }

    /// Brings the client what is left of the answer.
    async fn finish(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &mut Connection,
        answer: &mut Answer,
    ) -> Flow {
        self.note_answer(buffers, aim, job.account.status);
        if answer.tunnel {
            return Box::pin(self.tunnel(job, buffers, up)).await;
        }
        if self.may_relay(job, buffers, up, answer) {
            return Flow::Relayed;
        }
        if !answer.body.is_done() || !buffers.spill.is_empty() || answer.reads_on {
            match Box::pin(self.relay(job, buffers, aim, up, answer)).await {
                Flow::Again => {}
                ended => return ended,
            }
        }
        if answer.client_keeps { Flow::Again } else { Flow::Close }
    }
}

impl Failed {
    pub(super) fn of_interrupt(up: &Connection, interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Expired => Self::after(up, retry::Failure::Timeout, Outcome::Timeout),
            Interrupt::Signal(signals) => Self::after(up, retry::Failure::NodeOut, Outcome::of_signal(signals)),
        }
    }
}

impl Outcome {
    /// What it is called when these signals end a wait on a node.
    pub(super) fn of_signal(signals: u8) -> Self {
        if signals & KILL != 0 {
            return Self::Abandoned;
        }
        if signals & DEMOTED == 0 { Self::NodeOut } else { Self::Demoted }
    }

    /// What a refused connection is called.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        match error {
            error if mainstay_io::is_exhaustion(error) => Self::NoResources,
            error if NoTls::is(error) => Self::Tls,
            _ => Self::Refused,
        }
    }
}

/// Interim responses a node may send before its answer. Without end they would keep a worker from all its others.
const MOST_INTERIMS: u32 = 256;
